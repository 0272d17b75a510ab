#!/usr/bin/env python3
"""Encrypted DNS servers that go wrong: dns_rogue.py ADDR CERT PORT MODE [MODE ...]

The first mode is at PORT, each further one at the next port. A mode is KIND-WHAT:
KIND h1 (HTTP/1.1), h2 (HTTP/2), dot; WHAT they do when a query has come:

  silent   nothing            cut      close the connection   rst     reset it
  garbage  noise              drip     one byte of an answer each 0.1 s
  big      a body of 200 KB   status   HTTP status 500        type    text/html
  endless  chunks without end
  two      two answers to one question, the second one comes first
  goaway   the stream is not looked at (h2)      stream  the stream is reset (h2)
  id       an answer to somebody else            short   a message of 3 bytes
  question an answer to another question         late    the handshake hangs
"""
import os
import socket
import ssl
import struct
import sys
import threading
import time

TYPE = b"application/dns-message"
NOISE = bytes((i * 73 + 5) & 0xFF for i in range(4096))


def note(mode, query):
    """What is told of a query: its length, id 0 or not, codes of EDNS options"""
    at, codes = len(query) - 11, []
    for at in range(12, len(query) - 11):
        if query[at:at + 3] == b"\0\0\x29":
            break
    at += 11
    while at + 4 <= len(query):
        code, n = struct.unpack("!HH", query[at:at + 4])
        codes.append(str(code))
        at += 4 + n
    number = "id" if query[:2] != b"\0\0" else "no-id"
    os.write(1, f"{mode} {len(query)} {number} {','.join(codes)}\n".encode())


def answer(query, wrong=False):
    """The address 10.66.66.66 for the question of @query"""
    end = 12
    while query[end]:
        end += query[end] + 1
    end += 5
    question = bytearray(query[12:end])
    if wrong:
        question[1] ^= 1
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
    return head + bytes(question) + struct.pack("!HHHIH4s", 0xC00C, 1, 1, 60, 4, bytes([10, 66, 66, 66]))


def exactly(c, n):
    data = b""
    while len(data) < n:
        more = c.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def drip(c, data):
    for b in data:
        c.sendall(bytes([b]))
        time.sleep(0.1)


def general(c, what, data):
    """What all kinds do with the right answer @data. False: not such a thing"""
    if what == "cut":
        c.shutdown(socket.SHUT_RDWR)
        raise EOFError
    if what == "rst":
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise EOFError
    if what == "garbage":
        c.sendall(NOISE)
    elif what == "drip":
        drip(c, data)
    elif what != "silent":
        return False
    return True


# --- HTTP/1.1 ---------------------------------------------------------------------


def response(body, status=b"200 OK", kind=TYPE, length=None):
    return (b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " +
            str(len(body) if length is None else length).encode() + b"\r\n\r\n" + body)


def h1(c, what):
    f = c.makefile("rb")
    while True:
        length = 0
        while (line := f.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if not line:
            raise EOFError
        query = f.read(length)
        note("h1-" + what, query)
        body = answer(query)
        if general(c, what, response(body)):
            continue
        if what == "big":
            c.sendall(response(bytes(200000)))
        elif what == "status":
            c.sendall(response(body, status=b"500 No"))
        elif what == "type":
            c.sendall(response(body, kind=b"text/html"))
        elif what == "two":
            c.sendall(response(answer(b"\0\0" + body[2:], True)) + response(body))
        elif what == "endless":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + TYPE + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                c.sendall(b"400\r\n" + bytes(1024) + b"\r\n")


# --- HTTP/2 -----------------------------------------------------------------------


def frame(kind, flags, stream, data=b""):
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(stream, status=b"\x88", kind=TYPE):
    return frame(1, 4, stream, status + literal(b"content-type", kind))


def h2_wrong(c, what, stream, body):
    head = headers(stream)
    if general(c, what, head + frame(0, 1, stream, body)):
        return
    if what == "big":
        c.sendall(head)
        for _ in range(20):
            c.sendall(frame(0, 0, stream, bytes(10000)))
    elif what == "status":
        c.sendall(headers(stream, status=b"\x8e") + frame(0, 1, stream, body))
    elif what == "type":
        c.sendall(headers(stream, kind=b"text/html") + frame(0, 1, stream, body))
    elif what == "goaway":
        c.sendall(frame(7, 0, 0, struct.pack("!II", 0, 0)))
    elif what == "stream":
        c.sendall(frame(3, 0, stream, struct.pack("!I", 2)))
    elif what == "question":
        c.sendall(head + frame(0, 1, stream, answer(body, True)))


def h2(c, what):
    exactly(c, 24)
    c.sendall(frame(4, 0, 0))
    query = {}
    while True:
        head = exactly(c, 9)
        data = exactly(c, int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        if kind == 4 and not flags & 1:
            c.sendall(frame(4, 1, 0))
        if kind == 0:
            query[stream] = query.get(stream, b"") + data
            if flags & 1:
                note("h2-" + what, query[stream])
                h2_wrong(c, what, stream, answer(query.pop(stream)))


# --- DNS over TLS -----------------------------------------------------------------


def dot(c, what):
    while True:
        n = int.from_bytes(exactly(c, 2), "big")
        query = exactly(c, n)
        note("dot-" + what, query)
        body = answer(query)
        if general(c, what, len(body).to_bytes(2, "big") + body):
            continue
        if what == "id":
            body = bytes([body[0] ^ 0x55]) + body[1:]
        elif what == "question":
            body = answer(query, True)
        elif what == "short":
            body = b"abc"
        elif what == "big":
            body = bytes(2) + bytes(60000)
        c.sendall(len(body).to_bytes(2, "big") + body)


def one(raw, ctx, kind, what):
    try:
        raw.settimeout(30)
        if what == "late":
            while raw.recv(4096):
                pass
            return
        with ctx.wrap_socket(raw, server_side=True) as c:
            {"h1": h1, "h2": h2, "dot": dot}[kind](c, what)
    except (OSError, EOFError, ValueError, IndexError):
        pass
    finally:
        raw.close()


def serve(addr, port, cert, mode):
    kind, what = mode.split("-", 1)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(cert)
    ctx.set_alpn_protocols([{"h1": "http/1.1", "h2": "h2", "dot": "dot"}[kind]])
    s = socket.create_server((addr, port), backlog=64)

    def accept():
        while True:
            threading.Thread(target=one, args=(s.accept()[0], ctx, kind, what), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main():
    addr, cert, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for i, mode in enumerate(sys.argv[4:]):
        serve(addr, port + i, cert, mode)
    print("serving", flush=True)
    threading.Event().wait()


main()
