#!/usr/bin/env python3
"""dns.py: messages that no ordinary client sends, and many of them

flood SERVER SECONDS    questions for ever new names from 4 sockets, at most 64
                        open; prints answers/s, the 99th percentile, addresses
                        that went to another name within their TTL (dup)
bad SERVER              malformed messages over UDP and TCP, a good one after each
refused ADDRESS         a connection there is reset or refused, at once
tcp SERVER              several questions in one write, cut at every byte
"""
import random
import select
import socket
import struct
import sys
import time


def name(n):
    return b"".join(bytes([len(x)]) + x for x in n.encode().split(b".")) + b"\0"


def query(n, qtype=1, qid=None):
    qid = random.randrange(65536) if qid is None else qid
    return struct.pack(">6H", qid, 0x0100, 1, 0, 0, 0) + name(n) + \
        struct.pack(">2H", qtype, 1)


def udp(server):
    fam = socket.AF_INET6 if ":" in server else socket.AF_INET
    s = socket.socket(fam, socket.SOCK_DGRAM)
    s.connect((server, 53))
    return s


def flood(server, seconds):
    socks = [udp(server) for _ in range(4)]
    for s in socks:
        s.setblocking(False)
    open_at, lat, seen = {}, [], {}
    dup, i, got, full = 0, 0, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while len(open_at) < 64:
            i += 1
            q = query("h%d.flood.example" % i, qid=i & 0xffff)
            try:
                socks[i % 4].send(q)
            except BlockingIOError:
                break
            open_at[i & 0xffff] = (time.monotonic(), i)
        for s in select.select(socks, [], [], 0.2)[0]:
            try:
                while True:
                    b = s.recv(512)
                    at = open_at.pop(struct.unpack(">H", b[:2])[0], None)
                    if at is None:
                        continue
                    now = time.monotonic()
                    lat.append(now - at[0])
                    if b[3] & 15 == 2:  # all addresses are fresh: ask again
                        full += 1
                        continue
                    got += 1
                    if now - seen.get(b[-4:], 0) < 1:  # the TTL
                        dup += 1
                    seen[b[-4:]] = now
            except BlockingIOError:
                pass
        old = time.monotonic() - 1
        for k in [k for k, v in open_at.items() if v[0] < old]:
            del open_at[k]
    lat.sort()
    print("rate=%d p99_us=%d dup=%d asked=%d got=%d full=%d" %
          (got / seconds, lat[int(len(lat) * .99)] * 1e6, dup, i, got, full))


def cases():
    good = query("ok.example")
    yield "empty", b"", None
    for n in (1, 11):
        yield "cut %d" % n, good[:n], None
    for n in (12, 13, 20, len(good) - 1):
        yield "cut %d" % n, good[:n], 1
    h = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0)
    yield "pointer to itself", h + b"\xc0\x0c" + b"\0\1\0\1", 1
    yield "pointer ahead", h + b"\xc0\x20" + b"\0" * 40, 1
    yield "two pointers", h + b"\xc0\x0e\xc0\x0c" + b"\0\1\0\1", 1
    yield "label type", h + b"\x80a\0" + b"\0\1\0\1", 1
    yield "long name", h + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 4 + \
        b"\0\0\1\0\1", 1
    yield "thousand questions", struct.pack(">6H", 7, 0x0100, 1000, 0, 0, 0) + \
        good[12:] * 50, 1
    yield "records that lie", struct.pack(">6H", 7, 0x0100, 1, 9, 9, 9) + \
        good[12:], 1
    yield "response", struct.pack(">6H", 7, 0x8100, 1, 0, 0, 0) + good[12:], None
    yield "update", struct.pack(">6H", 7, 0x2800, 1, 0, 0, 0) + good[12:], 4
    yield "odd name", h + b"\3a b\7example\0" + b"\0\1\0\1", 3
    yield "zero bytes in a label", h + b"\3a\0b\7example\0" + b"\0\1\0\1", 3


def bad(server):
    s = udp(server)
    count = 0
    for what, b, want in cases():
        s.settimeout(0.3 if want is None else 3)
        try:
            s.send(b)
            r = s.recv(4096)
            got = r[3] & 15
        except socket.timeout:
            got = None
        assert got == want, "%s: rcode %s, want %s" % (what, got, want)
        s.settimeout(3)
        q = query("after%d.example" % count)
        s.send(q)
        r = s.recv(4096)
        assert r[:2] == q[:2] and r[3] & 15 == 0 and r[7] == 1, what
        count += 1
    random.seed(1)
    for _ in range(500):
        s.send(bytes(random.randrange(256) for _ in range(random.randrange(80))))
    time.sleep(0.3)
    s.close()
    s = udp(server)
    s.settimeout(3)
    s.send(query("end.example"))
    assert s.recv(512)[7] == 1
    print("bad=%d fine" % count)


def tcp(server):
    def frame(q):
        return struct.pack(">H", len(q)) + q

    fam = socket.AF_INET6 if ":" in server else socket.AF_INET
    s = socket.socket(fam, socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect((server, 53))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    f = s.makefile("rb")
    s.sendall(b"".join(frame(query("t%d.example" % i, qid=i))
                       for i in range(100)))
    ids = set()
    for _ in range(100):
        n = struct.unpack(">H", f.read(2))[0]
        b = f.read(n)
        ids.add(struct.unpack(">H", b[:2])[0])
        assert b[7] == 1
    assert len(ids) == 100
    for b in frame(query("slow.example")):
        s.sendall(bytes([b]))
        time.sleep(0.002)
    n = struct.unpack(">H", f.read(2))[0]
    assert f.read(n)[7] == 1
    s.sendall(struct.pack(">H", 5) + b"\1\2\3\4\5" + frame(query("x.example")))
    n = struct.unpack(">H", f.read(2))[0]
    assert f.read(n)[7] == 1
    s.shutdown(socket.SHUT_WR)
    assert f.read(1) == b""
    print("tcp fine")


def refused(address):
    t = time.monotonic()
    s = socket.socket()
    s.settimeout(3)
    try:
        s.connect((address, 80))
        s.recv(1)
        print("end of stream")
    except (ConnectionRefusedError, ConnectionResetError):
        print("refused" if time.monotonic() - t < 1 else "late")


{"refused": lambda a: refused(a[0]), "flood": lambda a: flood(a[0], float(a[1])), "bad": lambda a: bad(a[0]),
 "tcp": lambda a: tcp(a[0])}[sys.argv[1]](sys.argv[2:])
