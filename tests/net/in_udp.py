#!/usr/bin/env python3
"""in_udp.py: what tests/net/in_*.sh ask of datagrams and nt cannot do

  spray PORT                 server: "N" makes it answer the sender from N
                             sources, addresses x ports, in bursts the sender
                             paces: each "more" is one burst
  sprayed ADDR PORT N        client: asks for N sources, counts who answered
  cone ADDR PORT OTHER PORT2 one socket to two destinations (udp.py serve): are
                             the outer ports one? does each answer from itself?
  socks ADDR PORT DEST DPORT [USER PASS] [SIZE...]
                             UDP through SOCKS5; echo expected; then a packet
                             from another local address must not pass
"""
import socket
import sys

BURST = 200
SOURCES4 = ["10.3.0.%d" % i for i in range(1, 10)]
SOURCES6 = ["fd03::%d" % i for i in range(1, 10)]


def fam(addr):
    return socket.AF_INET6 if ":" in addr else socket.AF_INET


def sock(addr="0.0.0.0"):
    s = socket.socket(fam(addr), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.settimeout(5)
    return s


def sources(v6):
    for port in range(10000, 60000):
        for a in SOURCES6 if v6 else SOURCES4:
            yield a, port


def spray(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    gen, left = None, 0
    while True:
        data, peer = s.recvfrom(100)
        v4 = peer[0].startswith("::ffff:")
        to = (peer[0].replace("::ffff:", ""), peer[1])
        if data != b"more":
            gen, left = sources(not v4), int(data)
        for _ in range(min(BURST, left)):
            src = next(gen)
            o = socket.socket(fam(src[0]), socket.SOCK_DGRAM)
            o.bind(src)
            o.sendto(("%s %d" % src).encode(), to)
            o.close()
            left -= 1


def sprayed(addr, port, n):
    s = sock(addr)
    seen, wrong = set(), 0
    s.sendto(b"%d" % n, (addr, port))
    while len(seen) < n:
        s.settimeout(3)
        try:
            for _ in range(min(BURST, n - len(seen))):
                data, peer = s.recvfrom(100)
                if data.decode() != "%s %d" % peer[:2]:
                    wrong += 1
                seen.add(peer[:2])
                s.settimeout(0.3)
        except socket.timeout:
            if not seen:
                break
            # a lost one: what is left never comes
            n -= 1
            continue
        s.sendto(b"more", (addr, port))
    print("sources=%d wrong=%d" % (len(seen), wrong))


def cone(addr, port, other, port2):
    s = sock(addr)
    outer = set()
    good = 0
    for a, p in ((addr, port), (other, port2)):
        s.sendto(b"who", (a, p))
        data, peer = s.recvfrom(100)
        outer.add(data)
        good += peer[:2] == (a, p)
    print("outer=%d exact=%d" % (len(outer), good))


def read_n(t, n):
    b = b""
    while len(b) < n:
        d = t.recv(n - len(b))
        if not d:
            raise OSError("closed")
        b += d
    return b


def address(host):
    try:
        f = fam(host)
        return (b"\4" if f == socket.AF_INET6 else b"\1") + socket.inet_pton(f, host)
    except OSError:
        return b"\3" + bytes([len(host)]) + host.encode()


def associate(proxy, port, user, pw):
    t = socket.create_connection((proxy, port), timeout=5)
    t.sendall(b"\5\1\2" if user else b"\5\1\0")
    read_n(t, 2)
    if user:
        t.sendall(b"\1" + bytes([len(user)]) + user.encode() +
                  bytes([len(pw)]) + pw.encode())
        if read_n(t, 2)[1]:
            raise OSError("refused")
    t.sendall(b"\5\3\0\1\0\0\0\0\0\0")
    head = read_n(t, 4)
    if head[1]:
        raise OSError("reply %d" % head[1])
    f, n = (socket.AF_INET6, 16) if head[3] == 4 else (socket.AF_INET, 4)
    ip = socket.inet_ntop(f, read_n(t, n))
    return t, (ip, int.from_bytes(read_n(t, 2), "big"))


def socks(proxy, port, dest, dport, user="", pw="", *sizes):
    t, relay = associate(proxy, port, user, pw)
    u = sock(proxy)
    head = b"\0\0\0" + address(dest) + int(dport).to_bytes(2, "big")
    ok = 0
    for size in [int(x) for x in sizes] or [0, 1, 100, 1400]:
        data = bytes(i * 7 & 255 for i in range(size))
        u.sendto(head + data, relay)
        back, peer = u.recvfrom(65536)
        ok += peer[:2] == relay and back[3:].endswith(data) and \
            len(back) - size in (10, 22, 7 + len(dest))
    print("ok=%d" % ok)
    u.sendto(b"\0\0\1" + head[3:] + b"x", relay)  # a fragment: dropped
    u.sendto(b"\0\0", relay)
    other = sock(proxy)
    other.sendto(head + b"y", relay)  # another port of the client: dropped
    u.sendto(head + b"w", relay)  # its echo comes after what would pass
    u.recvfrom(65536)
    other.settimeout(0.1)
    try:
        other.recvfrom(100)
        print("other=passed")
    except socket.timeout:
        print("other=dropped")
    t.close()  # the association ends with it
    u.settimeout(0.3)
    for _ in range(10):
        u.sendto(head + b"z", relay)
        try:
            u.recvfrom(100)
        except (socket.timeout, ConnectionRefusedError):
            print("after=gone")
            return
    print("after=alive")


def main():
    cmd, a = sys.argv[1], sys.argv[2:]
    if cmd == "spray":
        spray(int(a[0]))
    elif cmd == "sprayed":
        sprayed(a[0], int(a[1]), int(a[2]))
    elif cmd == "cone":
        cone(a[0], int(a[1]), a[2], int(a[3]))
    elif cmd == "socks":
        socks(a[0], int(a[1]), a[2], a[3], *a[4:])


main()
