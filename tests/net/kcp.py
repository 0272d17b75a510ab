# kcp.py: an mKCP client that errs, made from docs/wire/kcp.md
#
#	kcp.py garbage ADDR PORT...		noise of all lengths: prints what came back
#	kcp.py strays ADDR PORT			segments of nobody: prints what came back
#	kcp.py flood ADDR PORT COUNT		COUNT new connections of many sources
#	kcp.py gap ADDR PORT COUNT		COUNT connections with a hole after the first
#	kcp.py relay ADDR PORT TO TOPORT	passes on, twice, late and from elsewhere
import random
import select
import socket
import struct
import sys
import time


# Zeros at the end are only multiplied by, and then repeat what is before them: they
# cost nothing here, where a byte costs as much as hundreds in C
def fnv(b, zeros):
    h = 0x811c9dc5
    for c in b:
        h = (h ^ c) * 0x01000193 & 0xffffffff
    return h * pow(0x01000193, zeros, 1 << 32) & 0xffffffff


def simple(p):
    b = (struct.pack(">H", len(p)) + p).rstrip(b"\0")
    zeros = 2 + len(p) - len(b)
    d = bytearray(struct.pack(">I", fnv(b, zeros)) + b)
    for i in range(4, len(d)):
        d[i] ^= d[i - 4]
    return bytes(d + (d[-4:] * (zeros // 4 + 1))[:zeros])


def data(conv, number, payload, una=0):
    return simple(struct.pack(">HBBIIIH", conv, 1, 0, 5, number, una,
                              len(payload)) + payload)


def command(conv, cmd):
    return simple(struct.pack(">HBBIII", conv, cmd, 0, 0, 0, 100))


def ack(conv, numbers):
    return simple(struct.pack(">HBBIIIB", conv, 0, 0, 100, 0, 0,
                              len(numbers)) +
                  b"".join(struct.pack(">I", n) for n in numbers))


def sock():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.setblocking(False)
    return s


def heard(socks, wait):
    """(datagrams, bytes) that came to @socks until nothing comes for @wait s"""
    n = size = 0
    while True:
        ready = select.select(socks, [], [], wait)[0]
        if not ready:
            return n, size
        for s in ready:
            try:
                while True:
                    size += len(s.recv(4096))
                    n += 1
            except BlockingIOError:
                pass


def garbage(addr, ports):
    s, r = sock(), random.Random(1)
    for i in range(6000):
        s.sendto(r.randbytes(r.choice((0, 1, 5, 6, 16, 28, 40, 500, 1400, 9000))),
                 (addr, int(ports[i % len(ports)])))
        if i % 200 == 0:
            time.sleep(0.002)
    print("garbage: %d came back" % heard([s], 0.5)[0])


def strays(addr, port):
    s = sock()
    for conv in range(300):
        for p in (command(conv, 3), command(conv, 2), command(conv, 77),
                  ack(conv, range(9)), data(conv, 1, b"x" * 100),
                  data(conv, 0, b""), simple(b""), simple(b"abc")):
            s.sendto(p, (addr, int(port)))
    print("strays: %d came back" % heard([s], 0.5)[0])


def flood(addr, port, count):
    socks = [sock() for _ in range(16)]
    sent = n = size = 0
    for i in range(int(count)):
        p = data(i >> 4 & 0xffff, 0, b"\xff" * 40)
        try:
            socks[i & 15].sendto(p, (addr, int(port)))
            sent += len(p)
        except BlockingIOError:
            pass
        if i % 500 == 0:
            a, b = heard(socks, 0)
            n, size = n + a, size + b
    a, b = heard(socks, 3)
    print("flood: %s than was sent came back" %
          ("less" if size + b < sent else "more"), flush=True)


def gap(addr, port, count):
    s = sock()
    for conv in range(int(count)):
        s.sendto(data(conv, 0, b"\xff" * 40), (addr, int(port)))
        for number in range(2, 900):
            try:
                s.sendto(data(conv, number, bytes(1300)), (addr, int(port)))
            except BlockingIOError:
                pass
            if number % 64 == 0:
                heard([s], 0)
    print("gap: sent", flush=True)


def relay(addr, port, to, to_port):
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind((addr, int(port)))
    far, other, r = sock(), sock(), random.Random(2)
    client, old, target = None, [], (to, int(to_port))
    print("ready", flush=True)
    while True:
        for s in select.select([near, far, other], [], [])[0]:
            try:
                p, peer = s.recvfrom(4096)
            except BlockingIOError:
                continue
            if s is far and client:
                near.sendto(p, client)
                if r.random() < 0.3:
                    near.sendto(p, client)
            if s is not near:
                continue
            client = peer
            old = (old + [p])[-500:]
            out = [p] + [r.choice(old)] * (r.random() < 0.5)
            for q in out:
                far.sendto(q, target)
            if r.random() < 0.2:
                other.sendto(r.choice(old), target)


what = sys.argv[1]
if what == "garbage":
    garbage(sys.argv[2], sys.argv[3:])
else:
    {"strays": strays, "flood": flood, "gap": gap, "relay": relay}[what](*sys.argv[2:])
