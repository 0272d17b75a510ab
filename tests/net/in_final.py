#!/usr/bin/env python3
"""in_final.py [SECONDS]: asks SOCKS5 proxies, all at a time

Standard input, a line each:	NAME PROXY:PORT tcp|udp HOST PORT
				NAME PROXY:PORT cone HOST PORT HOST2 PORT2
Prints "NAME RESULT" in that order: echo, reset, end, silence (SECONDS, 2 by default,
passed). cone: one association sends to the one, to the other and to the one
again; "A+B" echoes came back. An IPv6 HOST is sent as 16 bytes, also when it is v4-mapped.
tcp: "after N" when it ended between seconds N and N + 1
"""
import socket
import struct
import sys
import threading
import time

WAIT = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0


def wire(host, port):
    if ":" in host:
        head = b"\4" + socket.inet_pton(socket.AF_INET6, host)
    elif host.replace(".", "").isdigit():
        head = b"\1" + socket.inet_aton(host)
    else:
        head = b"\3" + bytes([len(host)]) + host.encode()
    return head + struct.pack(">H", int(port))


def greet(proxy, command, host, port):
    at, p = proxy.rsplit(":", 1)
    s = socket.create_connection((at, int(p)), 10)
    s.sendall(b"\5\1\0")
    s.recv(2)
    s.sendall(bytes([5, command, 0]) + wire(host, port))
    return s


def tcp(proxy, host, port):
    begun = time.monotonic()  # the proxy begins to count within greet()
    s = greet(proxy, 1, host, port)
    since = time.monotonic()
    s.settimeout(WAIT)
    word, got = b"0123456789", b""
    try:
        got = s.recv(10)  # the proxy's answer
        s.sendall(word)
        got = b""
        while len(got) < len(word):
            more = s.recv(100)
            if not more:
                break
            got += more
    except TimeoutError:
        return "silence"
    except OSError:
        pass
    now = time.monotonic()
    if got == word:
        return "echo"
    return "ended" if now - since < 0.8 else "after %d" % (now - begun)


def associate(proxy):
    s = greet(proxy, 3, "0.0.0.0", 0)
    reply = s.recv(10)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.connect((proxy.rsplit(":", 1)[0], struct.unpack(">H", reply[8:10])[0]))
    u.settimeout(WAIT)
    return s, u


def udp(proxy, host, port):
    s, u = associate(proxy)
    u.send(b"\0\0\0" + wire(host, port) + b"0123456789")
    try:
        return "echo" if u.recv(100).endswith(b"0123456789") else "wrong"
    except TimeoutError:
        return "silence"
    finally:
        s.close()


def cone(proxy, host, port, host2, port2):
    s, u = associate(proxy)
    got = [0, 0]
    for i, to in enumerate(((host, port), (host2, port2), (host, port))):
        u.send(b"\0\0\0" + wire(*to) + b"%d" % i)
        time.sleep(0.1)
    try:
        while True:
            got[u.recv(100)[-1:] == b"1"] += 1
    except TimeoutError:
        s.close()
        return "%d+%d" % tuple(got)


def ask(out, i, words):
    try:
        out[i] = {"tcp": tcp, "udp": udp, "cone": cone}[words[2]](
            words[1], *words[3:])
    except OSError as e:
        out[i] = "failed: %s" % e


lines = [x.split() for x in sys.stdin if x.strip()]
result = [None] * len(lines)
threads = [threading.Thread(target=ask, args=(result, i, x))
           for i, x in enumerate(lines)]
for t in threads:
    t.start()
for t in threads:
    t.join()
for words, r in zip(lines, result):
    print(words[0], r)
