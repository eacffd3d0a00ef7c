"""A client of the gateway in the standard library of Python: connects with a token, and again when it is lost."""

import base64
import json
import os
import socket
import struct
import sys
import time
from urllib.parse import urlsplit


def upgrade(url):
    parts = urlsplit(url)
    wire = socket.create_connection((parts.hostname, parts.port))
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    wire.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    stream = wire.makefile("rb")
    while stream.readline() not in (b"\r\n", b""):
        pass
    return wire, stream


def send(wire, opcode, payload):
    mask = os.urandom(4)
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    wire.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))


def messages(stream):
    while len(head := stream.read(2)) == 2:
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", stream.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", stream.read(8))
        yield head[0] & 0x0F, stream.read(size)


def talk(url, token):
    """Talks until the connection is over; true when the gateway refused it."""
    wire, stream = upgrade(url)
    refused = False
    for opcode, payload in messages(stream):
        if opcode == 8:
            send(wire, 8, payload)
            return refused
        frame = json.loads(payload) if opcode == 1 else {}
        refused |= frame.get("ok") is False
        if opcode == 9:
            send(wire, 10, payload)
        elif frame.get("event") == "connect.challenge":
            client = {"id": "gateway-client", "mode": "backend", "version": "1", "platform": "linux"}
            params = {"minProtocol": 4, "maxProtocol": 4, "client": client, "role": "operator"}
            params |= {"scopes": ["operator.read"], "auth": {"token": token}}
            send(wire, 1, json.dumps({"type": "req", "id": "1", "method": "connect", "params": params}).encode())
    return refused


HEEDS_REFUSALS = "heeds-refusals" in sys.argv
while True:
    try:
        if talk(*sys.argv[1:3]) and HEEDS_REFUSALS:
            print("refused, and that is that", flush=True)
            time.sleep(600)
    except OSError as error:
        print(error, flush=True)
    time.sleep(1)
