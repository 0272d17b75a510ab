#!/usr/bin/env python3
# api.py PORT WHAT: an HTTP/2 client of the API that does what no library does.
#   big      a message that never ends; prints what comes: "headers end", "reset N"
#   slow N   N requests that never end; prints how many were refused at once, and when
#            the last of them is over
import socket
import struct
import sys
import time

PATH = b"/xray.app.stats.command.StatsService/QueryStats"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request(stream):
    lines = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", PATH), (b":authority", b"x"),
             (b"content-type", b"application/grpc"), (b"te", b"trailers"))
    return frame(1, 4, stream, b"".join(literal(a, b) for a, b in lines))


def frames(s, until):
    data = b""
    while time.time() < until:
        s.settimeout(max(0.01, until - time.time()))
        try:
            more = s.recv(65536)
        except socket.timeout:
            return
        except ConnectionError:
            yield (-1, 0, 0, b"")
            return
        if not more:
            yield (-1, 0, 0, b"")
            return
        data += more
        while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
            n = int.from_bytes(data[:3], "big")
            yield (data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + n])
            data = data[9 + n:]


s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
what = sys.argv[2]
if what == "big":
    s.sendall(request(1) + b"".join(frame(0, 0, 1, bytes(16000)) for _ in range(17)))
    for kind, flags, stream, body in frames(s, time.time() + 8):
        if kind == 1:
            print("headers", "end" if flags & 1 else "")
        if kind == 3:
            print("reset", int.from_bytes(body, "big"))
            break
else:
    count = int(sys.argv[3])
    began = time.time()
    s.sendall(b"".join(request(2 * i + 1) + frame(0, 0, 2 * i + 1, b"\0\0\0\1") for i in range(count)))
    over, refused = set(), 0
    for kind, flags, stream, body in frames(s, began + 60):
        if kind == 3 or (kind == 1 and flags & 1):
            # an answer, and the reset that asks to stop: of one request
            refused += stream not in over and time.time() < began + 5
            over.add(stream)
        if len(over) == count or kind < 0:
            break
    print("over", len(over), "refused", refused, "ms", int((time.time() - began) * 1000))
