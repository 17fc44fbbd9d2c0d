#!/usr/bin/python3
"""Talks to the daemon as no client should: each of these connections must be cut off, quickly."""
import os
import socket
import struct
import sys

HELLO, REQUEST, MORE, RESULT, DATA, CREDIT, EOF = 1, 2, 3, 4, 5, 6, 7
LIST = 8


def frame(kind, session=0, stream=0, value=0, payload=b""):
    return struct.pack("<IIHHI", len(payload), session, kind, stream, value) + payload


GREETING = frame(HELLO, value=1, payload=bytes(24))


def cut_off(path, sent):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
        try:
            client.sendall(sent)
            while client.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass


def flood(path):
    """Asks and never reads; must neither be answered without bound nor hurt anyone."""
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    client.connect(path)
    sent = GREETING
    try:
        for session in range(1, 200000):
            sent += frame(REQUEST, session % 60 + 1, 1, LIST)
            if len(sent) > 60000:
                client.send(sent)
                sent = b""
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    return client


def main():
    path = os.path.relpath(sys.argv[1])
    opened = GREETING + frame(REQUEST, 1, 1, LIST)
    cases = {
        "no frames": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "no greeting": frame(REQUEST, 1, 1, LIST),
        "another version": frame(HELLO, value=77, payload=bytes(24)),
        "too long": struct.pack("<IIHHI", 1 << 30, 1, REQUEST, 1, LIST),
        "unknown type": GREETING + frame(99, 1),
        "unknown stream": opened + frame(DATA, 1, 7, 0, b"x"),
        "a result": opened + frame(RESULT, 1, 1),
        "output": opened + frame(DATA, 1, 1, 0, b"x"),
        "credit overdrawn": opened + 3 * frame(DATA, 1, 0, 0, bytes(32768)),
        "credit invented": opened + frame(CREDIT, 1, 1, 65536),
        "own stdin's credit": opened + frame(CREDIT, 1, 0, 1),
        "data on session 0": GREETING + frame(DATA, 0, 0, 0, b"x"),
    }
    flooding = [flood(path) for _ in range(3)]
    for name, sent in cases.items():
        try:
            cut_off(path, sent)
        except socket.timeout:
            sys.exit("not cut off: " + name)
    for client in flooding:
        client.close()


main()
