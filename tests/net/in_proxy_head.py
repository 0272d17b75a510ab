#!/usr/bin/env python3
"""in_proxy_head.py ADDR|PATH PORT whole|bytes|fin HEAD [MORE...]

Sends HEAD, then each MORE once something came back; prints what came and how it
ended. HEAD is text with escapes, "v2 SRC DST SPORT DPORT", or "local". bytes:
HEAD goes byte by byte, each by itself. fin: ends after HEAD. idle: HEAD is a
number of connections that say nothing.
"""
import codecs
import ipaddress
import socket
import struct
import sys
import time

SIGN = b"\r\n\r\n\0\r\nQUIT\n"


def text(s):
    return codecs.escape_decode(s.encode())[0]


def head(s):
    if s == "local":
        return SIGN + b"\x20\0\0\0"
    if not s.startswith("v2 "):
        return text(s)
    _, src, dst, sport, dport = s.split()
    src, dst = (ipaddress.ip_address(a).packed for a in (src, dst))
    body = src + dst + struct.pack(">HH", int(sport), int(dport))
    body += b"\x04\0\x02ab"  # a TLV
    family = 0x11 if len(src) == 4 else 0x21
    return SIGN + struct.pack(">BBH", 0x21, family, len(body)) + body


def idle(addr, port, n):
    held = [socket.create_connection((addr, port)) for _ in range(n)]
    print("open=%d" % len(held), flush=True)
    time.sleep(10)


def main(addr, port, how, first, *more):
    if how == "idle":
        return idle(addr, int(port), int(first))
    if addr.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(6)
        s.connect(addr)
    else:
        s = socket.create_connection((addr, int(port)), timeout=6)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    first = head(first)
    if how == "bytes":
        for i in range(len(first)):
            s.sendall(first[i:i + 1])
            time.sleep(0.002)
    else:
        s.sendall(first)
    got, end = b"", "FIN"
    try:
        for i, m in enumerate(more):
            s.sendall(text(m))
            if i + 1 < len(more):
                got += s.recv(1000)
        if how == "fin":
            s.shutdown(socket.SHUT_WR)
        while True:
            d = s.recv(65536)
            if not d:
                break
            got += d
    except ConnectionResetError:
        end = "ECONNRESET"
    except BrokenPipeError:
        end = "ECONNRESET"
    except TimeoutError:
        end = "none"
    print(got.decode(errors="replace"), "end=" + end)


main(*sys.argv[1:])
