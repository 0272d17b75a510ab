# hostile.py: packets that no client sends, by a raw socket on c0
#
#	hostile.py cases ADDR4 ADDR6	100 malformed packets, a flow after each ten
#					and a datagram after each: prints "cases N"
#	hostile.py syns ADDR4 COUNT	SYNs from many addresses and ports
#	hostile.py flood ADDR4 SECS	SYNs without a pause: prints "sent N"
#	hostile.py slow ADDR4 COUNT	clients whose acknowledgement takes a second
#	hostile.py blind ADDR4 COUNT	resets and SYNs into a flow, beside the edge
#	hostile.py ooo ADDR4 COUNT	one flow, COUNT one-byte segments out of order
#
# Frames are made from the RFCs here, so that every field can lie.
import os
import random
import socket
import struct
import sys
import time

DEV = "c0"


def mac_of(dev):
    with open("/sys/class/net/%s/address" % dev) as f:
        return bytes.fromhex(f.read().strip().replace(":", ""))


def gateway_mac():
    """The neighbour that answers for the default route"""
    os.system("ping -c 1 -W 2 10.1.0.1 >/dev/null")
    for line in os.popen("ip neigh show 10.1.0.1 dev " + DEV):
        w = line.split()
        return bytes.fromhex(w[w.index("lladdr") + 1].replace(":", ""))
    sys.exit("no neighbour")


def csum(b):
    if len(b) % 2:
        b += b"\0"
    s = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def pseudo(src, dst, proto, n):
    if len(src) == 4:
        return src + dst + struct.pack(">BBH", 0, proto, n)
    return src + dst + struct.pack(">I3xB", n, proto)


def ip4(src, dst, proto, payload, **k):
    head = struct.pack(">BBHHHBBH4s4s",
                       k.get("ver", 4) << 4 | k.get("ihl", 5),
                       k.get("tos", 0),
                       k.get("length", 20 + len(k.get("opts", b"")) + len(payload)),
                       k.get("id", 7), k.get("frag", 0), k.get("ttl", 64),
                       proto, 0, src, dst) + k.get("opts", b"")
    c = k.get("csum", csum(head))
    return head[:10] + struct.pack(">H", c) + head[12:] + payload


def ip6(src, dst, nxt, payload, **k):
    return struct.pack(">IHBB", k.get("ver", 6) << 28,
                       k.get("length", len(payload)), nxt,
                       k.get("ttl", 64)) + src + dst + payload


def tcp(src, dst, sport, dport, flags, payload=b"", **k):
    opts = k.get("opts", b"")
    off = k.get("off", 5 + len(opts) // 4)
    seg = struct.pack(">HHIIBBHHH", sport, dport, k.get("seq", 1000),
                      k.get("ack", 0), off << 4, flags, k.get("win", 65535),
                      0, k.get("urg", 0)) + opts + payload
    c = k.get("csum", csum(pseudo(src, dst, 6, len(seg)) + seg))
    return seg[:16] + struct.pack(">H", c) + seg[18:]


def udp(src, dst, sport, dport, payload=b"", **k):
    n = k.get("length", 8 + len(payload))
    seg = struct.pack(">HHHH", sport, dport, n, 0) + payload
    c = k.get("csum", csum(pseudo(src, dst, 17, len(seg)) + seg) or 0xffff)
    return seg[:6] + struct.pack(">H", c) + seg[8:]


def icmp(kind, code, rest, src=None, dst=None):
    b = struct.pack(">BBH", kind, code, 0) + rest
    pre = pseudo(src, dst, 58, len(b)) if src else b""
    return b[:2] + struct.pack(">H", csum(pre + b)) + b[4:]


SYN, RST, FIN, ACK, PSH, URG = 2, 1 << 2, 1, 16, 8, 32


def tcp_cases(s, d, wrap, port):
    """Segments with lies in the TCP header; @wrap puts IP around"""
    t = lambda *a, **k: wrap(6, tcp(s, d, 40000 + len(out), port, *a, **k))
    out = []
    for flags in (0, FIN, SYN | FIN, SYN | RST, SYN | FIN | RST | PSH | URG,
                  FIN | PSH | URG, RST, ACK, RST | ACK, SYN | ACK, 0xff,
                  URG, PSH | ACK, FIN | ACK):
        out.append(t(flags))
    for off in (0, 1, 4, 6, 15):
        out.append(t(SYN, off=off))
    out.append(t(SYN, csum=0))
    out.append(t(SYN, csum=0xbeef))
    for opts in (b"\x02\x04\x00\x00", b"\x02\x04\xff\xff", b"\x02\x00\x00\x00",
                 b"\x02\xff\x00\x00", b"\x03\x03\xff\x00", b"\x05\x00\x01\x01",
                 b"\x02\x04\x00\x01" * 10, b"\x01" * 40, b"\x08\x0a\0\0",
                 b"\xfd\x01\x01\x01", b"\x05\x22" + b"\xff" * 34):
        out.append(t(SYN, opts=opts[:len(opts) // 4 * 4]))
    out.append(t(SYN, b"data in a SYN" * 90))
    out.append(t(SYN, urg=9, win=0))
    out.append(wrap(6, tcp(s, d, 0, port, SYN)))
    out.append(wrap(6, tcp(s, d, 40100, 0, SYN)))
    for n in (0, 1, 2, 13, 19):
        out.append(wrap(6, tcp(s, d, 40200 + n, port, SYN)[:n]))
    return out


def cases4(d, port):
    s = socket.inet_aton("10.1.0.2")
    wrap = lambda proto, p: ip4(s, d, proto, p)
    good = tcp(s, d, 41000, port, SYN)
    data = udp(s, d, 41000, 7777, b"x" * 40)
    out = tcp_cases(s, d, wrap, port)
    out += [ip4(s, d, 6, good, ver=v) for v in (0, 5, 6, 15)]
    out += [ip4(s, d, 6, good, ihl=n) for n in (0, 1, 4, 6, 15)]
    out += [ip4(s, d, 6, good, length=n) for n in (0, 19, 20, 21, 65535)]
    out += [ip4(s, d, 6, good, csum=1), ip4(s, d, 6, good, ttl=0)]
    for opts in (b"\x44\x04\x00\x00", b"\x83\x03\x10\x00", b"\x07\xff\x04\x00",
                 b"\x01" * 40, b"\x00\xff\xff\xff"):
        out.append(ip4(s, d, 6, good, ihl=5 + len(opts) // 4, opts=opts))
    for src in ("127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"):
        a = socket.inet_aton(src)
        out.append(ip4(a, d, 6, tcp(a, d, 41001, port, SYN)))
    out.append(ip4(d, d, 6, tcp(d, d, port, port, SYN)))  # land
    out += [ip4(s, d, p, good) for p in (0, 2, 47, 132, 255)]
    # fragments: overlap, hole, beyond 65535, nothing but a last one
    out.append(ip4(s, d, 17, data[:24], frag=0x2000, id=1))
    out.append(ip4(s, d, 17, data[8:40], frag=0x2001, id=1))
    out.append(ip4(s, d, 17, data[16:], frag=0x0001, id=1))
    out.append(ip4(s, d, 17, b"z" * 200, frag=0x1fff, id=2))
    out.append(ip4(s, d, 6, good[:8], frag=0x2000, id=3))
    out.append(ip4(s, d, 17, b"", frag=0x2000, id=4))
    out.append(ip4(s, d, 17, b"q" * 9, frag=0x2000, id=5))
    out += [ip4(s, d, 17, udp(s, d, 41002, 7777, b"ab", length=n))
            for n in (0, 7, 9, 11, 65535)]
    out.append(ip4(s, d, 17, udp(s, d, 41003, 7777, b"ab", csum=0x1234)))
    out += [ip4(s, d, 17, data[:n]) for n in (0, 1, 7)]
    out += [ip4(s, d, 1, icmp(k, 0, b"\0" * n)) for k, n in
            ((8, 0), (8, 4), (3, 4), (5, 60), (13, 16), (255, 4))]
    out.append(ip4(s, d, 1, icmp(3, 4, b"\0\0\0\x01" + ip4(d, s, 6, good))))
    return out


def cases6(d, port):
    s = socket.inet_pton(socket.AF_INET6, "fd01::2")
    wrap = lambda proto, p: ip6(s, d, proto, p)
    good = tcp(s, d, 42000, port, SYN)
    data = udp(s, d, 42000, 7777, b"x" * 40)
    out = tcp_cases(s, d, wrap, port)[::3]
    out += [ip6(s, d, 6, good, ver=v) for v in (0, 4, 7)]
    out += [ip6(s, d, 6, good, length=n) for n in (0, 1, 19, 65535)]
    hop = lambda nxt, n: struct.pack(">BB6x", nxt, n)
    out += [ip6(s, d, 0, hop(6, n) + good) for n in (0, 1, 255)]
    out.append(ip6(s, d, 60, hop(60, 0) * 20 + hop(6, 0) + good))
    out.append(ip6(s, d, 43, hop(6, 0)))
    frag = lambda nxt, off, more, i: struct.pack(">BBHI", nxt, 0,
                                                 off << 3 | more, i)
    out.append(ip6(s, d, 44, frag(17, 0, 1, 1) + data[:24]))
    out.append(ip6(s, d, 44, frag(17, 1, 1, 1) + data[8:40]))
    out.append(ip6(s, d, 44, frag(17, 8191, 0, 2) + b"z" * 100))
    out.append(ip6(s, d, 44, frag(44, 0, 0, 3) + frag(44, 0, 0, 4) * 5))
    out.append(ip6(s, d, 44, frag(6, 0, 1, 5) + good[:8]))
    out.append(ip6(s, d, 44, b"\x11\0"))
    out.append(ip6(s, d, 17, udp(s, d, 42001, 7777, b"no", csum=0)))
    out.append(ip6(s, d, 17, udp(s, d, 42001, 7777, b"no", length=99)))
    out.append(ip6(s, d, 59, b"none"))
    out += [ip6(s, d, 58, icmp(k, 0, b"\0" * 4, s, d)) for k in
            (1, 2, 128, 133, 134, 135, 136, 137, 200)]
    return out


class Link:
    def __init__(self):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.s.bind((DEV, 0))
        self.macs = gateway_mac() + mac_of(DEV)

    def send(self, ip):
        # by the family we mean, not by the (lying) version field
        kind = b"\x86\xdd" if len(ip) >= 40 and self.v6 else b"\x08\0"
        self.s.send(self.macs + kind + ip)


def control(addr, port):
    """A flow as it should be: its bytes come back"""
    fam = socket.AF_INET6 if ":" in addr else socket.AF_INET
    c = socket.socket(fam)
    c.settimeout(10)
    t = time.monotonic()
    c.connect((addr, port))
    c.sendall(b"still here")
    got = b""
    while len(got) < 10:
        b = c.recv(10)
        if not b:
            sys.exit("control flow: end of stream")
        got += b
    c.close()
    return time.monotonic() - t


def run_cases(a4, a6):
    link, n, slowest = Link(), 0, 0
    for link.v6, list_ in ((False, cases4(socket.inet_aton(a4), 5003)),
                           (True, cases6(socket.inet_pton(socket.AF_INET6, a6),
                                         5003))):
        for p in list_:
            for _ in range(3):
                link.send(p)
            n += 1
            slowest = max(slowest, control(a6 if link.v6 else a4, 5003))
    print("cases", n, "slowest", int(slowest * 1000))


def run_syns(a4, count):
    link, d = Link(), socket.inet_aton(a4)
    link.v6 = False
    rnd = random.Random(1)
    for i in range(count):
        s = struct.pack(">I", 0x0a090000 | rnd.randrange(65536))
        link.send(ip4(s, d, 6, tcp(s, d, rnd.randrange(1024, 65535), 5003,
                                   SYN, seq=rnd.randrange(1 << 32))))
        if i % 4000 == 3999:
            print("control ms", int(control(a4, 5003) * 1000), flush=True)
    print("control ms", int(control(a4, 5003) * 1000))


def run_flood(a4, secs):
    link, d = Link(), socket.inet_aton(a4)
    link.v6 = False
    rnd = random.Random(2)
    frames = [ip4(struct.pack(">I", 0x0a090000 | rnd.randrange(65536)), d, 6,
                  b"") for _ in range(4000)]
    frames = [ip4(f[12:16], d, 6,
                  tcp(f[12:16], d, rnd.randrange(1024, 65535), 5003, SYN,
                      seq=rnd.randrange(1 << 32))) for f in frames]
    n, end = 0, time.monotonic() + secs
    while time.monotonic() < end:
        for f in frames:
            link.send(f)
        n += len(frames)
        # other ports the next time: another tuple for the same work
        frames = [f[:20] + tcp(f[12:16], d, rnd.randrange(1024, 65535), 5003,
                               SYN, seq=n) for f in frames]
    print("sent", n)


class Raw:
    """Hand-made flows of c0's address; the kernel's RSTs are dropped by the caller"""
    def __init__(self, a4):
        self.link, self.d = Link(), socket.inet_aton(a4)
        self.link.v6 = False
        self.s = socket.inet_aton("10.1.0.2")
        self.rx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                socket.htons(0x800))
        self.rx.bind((DEV, 0))
        self.rx.settimeout(0.1)

    def send(self, sport, flags, data=b"", **k):
        self.link.send(ip4(self.s, self.d, 6,
                           tcp(self.s, self.d, sport, 5003, flags, data, **k)))

    def receive(self, secs, take):
        """take(sport, flags, seq, ack, payload) for what comes; True ends it"""
        end = time.monotonic() + secs
        while time.monotonic() < end:
            try:
                p = self.rx.recv(2000)[14:]
            except socket.timeout:
                continue
            if p[9] != 6 or p[12:16] != self.d or p[16:20] != self.s:
                continue
            t = p[20:struct.unpack(">H", p[2:4])[0]]
            _, sport, seq, ack, off, flags = struct.unpack(">HHIIBB", t[:14])
            if take(sport, flags, seq, ack, t[off // 16 * 4:]):
                return


def run_slow(a4, count):
    raw, acks, due, done, reset = Raw(a4), {}, {}, set(), set()
    ports = range(56000, 56000 + count)
    for p in ports:
        due[p] = time.monotonic() + 0.5
        raw.send(p, SYN, seq=999, opts=b"\2\4\5\xb4\4\2\1\3\3\7\0\0")

    def take(sport, flags, seq, ack, payload):
        if sport not in ports:
            return False
        if flags & RST:
            reset.add(sport)
        elif flags & SYN and sport not in acks:
            acks[sport] = seq + 1
            due[sport] = time.monotonic() + 1
        elif payload == b"slow":
            done.add(sport)
        for p in [p for p in due if time.monotonic() > due[p]]:
            if p in acks:
                raw.send(p, ACK | PSH, b"slow", seq=1000, ack=acks[p])
            else:
                raw.send(p, SYN, seq=999, opts=b"\2\4\5\xb4\4\2\1\3\3\7\0\0")
            due[p] = time.monotonic() + 0.5  # again: queues are full
            if p in done or p in reset:
                del due[p]
        return len(done) + len(reset) == count
    for _ in range(100):
        raw.receive(0.1, take)
        take(0, 0, 0, 0, b"") or take(56000, 0, 0, 0, b"")
        if len(done) + len(reset) == count:
            break
    print("slow answered", len(acks), "served", len(done), "reset", len(reset))


def run_blind(a4, count):
    raw, state, answers = Raw(a4), {}, [0]

    def syn_ack(sport, flags, seq, ack, payload):
        state.update(ack=seq + 1)
        return sport == 55555 and flags & SYN
    raw.send(55555, SYN, seq=999)
    raw.receive(5, syn_ack)
    raw.send(55555, ACK, seq=1000, ack=state["ack"])
    t = time.monotonic()
    for i in range(count):
        raw.send(55555, RST if i % 2 else SYN, seq=1010 + i)
    took = time.monotonic() - t

    def answer(sport, flags, seq, ack, payload):
        answers[0] += sport == 55555 and not flags & SYN
        return False
    raw.receive(1, answer)
    raw.send(55555, ACK | PSH, b"alive", seq=1000, ack=state["ack"])
    echoed = []
    raw.receive(5, lambda sport, flags, seq, ack, payload:
                sport == 55555 and payload and not echoed.append(payload))
    print("blind answers", answers[0], "in ms", int(took * 1000) + 1000,
          b"".join(echoed).decode())


def run_ooo(a4, count):
    """Handshake by hand (the kernel's RSTs are dropped by the caller)"""
    link, d = Link(), socket.inet_aton(a4)
    link.v6 = False
    s, sport = socket.inet_aton("10.1.0.2"), 55555
    rx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
    rx.bind((DEV, 0))
    rx.settimeout(5)
    link.send(ip4(s, d, 6, tcp(s, d, sport, 5003, SYN, seq=999)))
    while True:
        p = rx.recv(2000)[14:]
        if p[9] == 6 and p[20:24] == struct.pack(">HH", 5003, sport):
            break
    ack = struct.unpack(">I", p[24:28])[0] + 1
    link.send(ip4(s, d, 6, tcp(s, d, sport, 5003, ACK, seq=1000, ack=ack)))
    for i in range(count):
        link.send(ip4(s, d, 6, tcp(s, d, sport, 5003, ACK, b"x",
                                   seq=1002 + (i * 7919 % 30000) * 2, ack=ack)))
    print("control ms", int(control(a4, 5003) * 1000))


if sys.argv[1] == "cases":
    run_cases(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "flood":
    run_flood(sys.argv[2], float(sys.argv[3]))
elif sys.argv[1] == "slow":
    run_slow(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "blind":
    run_blind(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "syns":
    run_syns(sys.argv[2], int(sys.argv[3]))
else:
    run_ooo(sys.argv[2], int(sys.argv[3]))
