"""Every spelling in which a secret could lie in a file, one a line, for grep -F.

    python3 ci/proofs/encodings.py TEXT_OR_IDENTITY_FILE...

Not written with the tables that redaction uses, so that one mistake is not made twice.
"""

import base64
import json
import os
import sys
import urllib.parse

SECRET_MEMBERS = ("PrivateKeyBase64", "PublicKeyBase64", "DeviceId", "DeviceToken", "NodeDeviceToken")


def secrets(argument):
    if not os.path.exists(argument):
        return [argument]
    with open(argument, encoding="utf-8-sig") as file:
        identity = json.load(file)
    return [identity[name] for name in SECRET_MEMBERS if identity.get(name)]


def middle(raw, shift):
    """Base64 of the bytes behind so many others, without the characters that hold bits of neighbours."""
    text = base64.b64encode(b"\0" * shift + raw).decode()
    first = (shift * 8 + 5) // 6
    last = (shift + len(raw)) * 8 // 6
    return text[first:last]


def spellings(secret):
    raw = secret.encode()
    yield secret
    yield raw.hex()
    yield raw.hex().upper()
    yield urllib.parse.quote(secret, safe="")
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield "".join(f"%{byte:02X}" for byte in raw)
    for shift in range(3):
        for form in (raw, secret.encode("utf-16-le")):
            text = middle(form, shift)
            yield text
            yield text.replace("+", "-").replace("/", "_")
    # Pieces, as a cut or a split leaves them.
    half = len(secret) // 2
    yield secret[:half]
    yield secret[half:]


def main():
    found = {spelling for argument in sys.argv[1:] for secret in secrets(argument) for spelling in spellings(secret)}
    print("\n".join(sorted(spelling for spelling in found if len(spelling) >= 12)))


main()
