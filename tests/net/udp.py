#!/usr/bin/env python3
"""udp.py: what tests/net/udp.sh asks of datagrams and nt cannot do

  serve PORT            answers each datagram with "IP PORT" of its sender, from
                        every family; "cone IP PORT" makes it send there from a
                        second socket
  cone ADDR PORT OTHER  one socket: two destinations see one outer port; a third
                        party that was never addressed gets through
  flood ADDR N M        N source ports to one destination, one source port to M
  segments ADDR PORT    one send of 11 datagrams (UDP_SEGMENT); their echoes, read
                        one by one and coalesced (UDP_GRO)
  ask ADDR PORT [N]     N requests, each from a new port; prints ok=N
"""
import os
import socket
import sys
import time


def fam(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def sock(addr="0.0.0.0"):
    s = socket.socket(fam(addr), socket.SOCK_DGRAM)
    s.settimeout(5)
    return s


def clean(a):
    return a[0].replace("::ffff:", ""), a[1]


def serve(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    # answer from the address that was asked
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.bind(("::", port))
    other = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    other.bind(("::", port + 1))
    while True:
        data, anc, _, peer = s.recvmsg(2048, 256)
        words = data.split()
        if words and words[0] == b"cone":
            other.sendto(b"hello", peer)
        reply = "%s %d" % clean(peer)
        pass_on = [(l, t, d) for l, t, d in anc if t == socket.IPV6_PKTINFO]
        # the interface is routing's affair
        pass_on = [(l, t, d[:16] + b"\0\0\0\0") for l, t, d in pass_on]
        try:
            s.sendmsg([reply.encode()], pass_on, 0, peer)
        except OSError as e:
            print("send:", e, flush=True)


def cone(a, port, b):
    s = sock(a)
    s.sendto(b"x", (a, port))
    one, src = s.recvfrom(2048)
    assert clean(src) == (a, port), src
    s.sendto(b"x", (b, port))
    two, src = s.recvfrom(2048)
    assert clean(src) == (b, port), src
    assert one == two, (one, two)
    print("outer", one.decode())
    s.sendto(b"cone", (a, port))
    got = {}
    for _ in range(2):
        data, src = s.recvfrom(2048)
        got[src[1]] = (data, src[0])
    assert got[port][0] == one, got
    data, src = got[port + 1]
    assert data == b"hello", got
    # and an answer to it leaves by the same outer port
    print("cone from %s" % src)


def flood(a, n, m):
    dst = (a, 9)
    for i in range(n):
        s = sock(a)
        s.sendto(b"flood", dst)
        s.close()
        if i % 256 == 0:
            time.sleep(0.005)
    s = sock(a)
    for i in range(m):
        s.sendto(b"flood", (a, 10000 + i))
        if i % 256 == 0:
            time.sleep(0.005)
    print("sent", n + m)


def ask(a, port, n):
    ok = 0
    for _ in range(n):
        s = sock(a)
        s.settimeout(1)
        for _ in range(3):
            s.sendto(b"x", (a, port))
            try:
                _, src = s.recvfrom(2048)
            except TimeoutError:
                continue
            ok += clean(src) == (a, port)
            break
        s.close()
    print("ok=%d" % ok)


def segments(a, port):
    data = bytes((i * 7 + i // 1200) & 255 for i in range(12055))
    for gro in 0, 1:
        s = sock(a)
        s.bind(("", 4000 + os.getpid() % 900 + gro))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.setsockopt(socket.IPPROTO_UDP, 104, gro)
        size = (1200).to_bytes(2, sys.byteorder)
        s.sendmsg([data], [(socket.IPPROTO_UDP, 103, size)], 0, (a, port))
        got = []
        while sum(map(len, got)) < len(data):
            got.append(s.recv(65536))
        assert b"".join(got) == data
        assert gro or [len(x) for x in got] == [1200] * 10 + [55], got
    print("segments ok")


cmd, args = sys.argv[1], sys.argv[2:]
if cmd == "serve":
    serve(int(args[0]))
elif cmd == "cone":
    cone(args[0], int(args[1]), args[2])
elif cmd == "flood":
    flood(args[0], int(args[1]), int(args[2]))
elif cmd == "segments":
    segments(args[0], int(args[1]))
elif cmd == "ask":
    ask(args[0], int(args[1]), int(args[2]) if len(args) > 2 else 1)
