#!/usr/bin/env python3
"""In front of an HTTP/2 server, some that do not look at their first request:
h2_refuse.py HOST PORT TO_PORT:reset|goaway[:CERT]...

Each of them has a port of its own, from PORT on. The first connection's streams are refused (REFUSED_STREAM; or GOAWAY with the last
id 0); all other ones go on to TO_PORT without TLS. With CERT it speaks TLS.
"""
import socket
import ssl
import struct
import sys
import threading

HOST, PORT = sys.argv[1], int(sys.argv[2])
RST, SETTINGS, GOAWAY, HEADERS = 3, 4, 7, 1


def frame(kind, stream, payload=b"", flags=0):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def refuse(c, port, how):
    data = b""
    c.sendall(frame(SETTINGS, 0))
    ack = frame(SETTINGS, 0, flags=1)
    while True:
        more = c.recv(65536)
        if not more:
            return
        data += more
        at = 24
        while at + 9 <= len(data):
            n, kind = int.from_bytes(data[at:at + 3], "big"), data[at + 3]
            stream = int.from_bytes(data[at + 5:at + 9], "big")
            if at + 9 + n > len(data):
                break
            if kind == HEADERS:
                print("refused", port, flush=True)
            if kind == HEADERS and how == "reset":
                c.sendall(ack + frame(RST, stream, struct.pack("!I", 7)))
                ack = b""
            elif kind == HEADERS:
                c.sendall(ack + frame(GOAWAY, 0, bytes(8)))
                while c.recv(65536): # a reset would take the frame along
                    pass
                return
            at += 9 + n
        data = data[:24] + data[at:]


def pipe(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(c, first, port, to, how, cert=None):
    if cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert)
        tls.set_alpn_protocols(["h2"])
        c = tls.wrap_socket(c, server_side=True)
    if first:
        refuse(c, port, how)
        return
    s = socket.create_connection((HOST, int(to)))
    threading.Thread(target=pipe, args=(c, s), daemon=True).start()
    pipe(s, c)


def listen(listener, port, spec):
    first = True
    while True:
        args = (listener.accept()[0], first, port, *spec.split(":"))
        threading.Thread(target=serve, args=args, daemon=True).start()
        first = False


places = [(socket.create_server((HOST, PORT + i), backlog=64), PORT + i, spec)
          for i, spec in enumerate(sys.argv[3:])]
for place in places:
    threading.Thread(target=listen, args=place).start()
