"""What OpenClaw's own programs keep of a device in their state folders, one secret a line: id, keys, tokens.

    python3 ci/proofs/keys.py STATE_FOLDER...
"""

import base64
import glob
import sqlite3
import sys


def bodies(pem):
    """The base64 of a PEM block, and the 32 bytes at its end as the protocol spells them."""
    body = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    key = base64.b64decode(body)[-32:]
    yield body
    yield base64.urlsafe_b64encode(key).decode().rstrip("=")
    yield base64.b64encode(key).decode()


def secrets(file):
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    for device, public, private in database.execute("SELECT device_id, public_key_pem, private_key_pem FROM device_identities"):
        yield device
        yield from bodies(public)
        yield from bodies(private)
    for (token,) in database.execute("SELECT token FROM device_auth_tokens"):
        yield token


def main():
    files = [file for folder in sys.argv[1:] for file in glob.glob(f"{folder}/**/openclaw.sqlite", recursive=True)]
    print("\n".join(sorted({secret for file in files for secret in secrets(file)})))


main()
