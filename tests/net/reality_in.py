#!/usr/bin/env python3
"""Strangers at a REALITY server. Each subcommand prints one line a probe.

    reality_in.py same HOST:PORT HOST:PORT   each probe at both: what came, how it
                                             ended; "same" or both of them
    reality_in.py tap PORT HOST:PORT FILE    relays, keeps the first client's hello; a
                                             line a connection: what the server said
    reality_in.py replay HOST:PORT HOST:PORT FILE   it is said again at both, and
                                             something after it
    reality_in.py slow HOST:PORT             silence, and drips of a hello

A TLS record is shown as its type and length, everything else in hex.
"""
import re
import socket
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

HELLO = bytes.fromhex(  # TLS 1.2 and 1.3, X25519, tls.test
    "0303" + "5a" * 32 + "20" + "a5" * 32 + "0008130113021303c02b0100")
EXTS = bytes.fromhex(
    "0000000d000b0000" + "08" + b"tls.test".hex() + "000a00040002001d"
    "000d000a00080403080408050806" "002b0005040304" "0303"
    "003300260024001d0020") + b"\x09" + bytes(31)


def hello(name=b"tls.test", exts=EXTS):
    exts = exts.replace(b"tls.test", name)
    body = HELLO + struct.pack(">H", len(exts)) + exts
    msg = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(msg)) + msg


def where(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def shown(data):
    out = []
    while len(data) >= 5 and 20 <= data[0] <= 23 and data[1] == 3:
        n = struct.unpack(">H", data[3:5])[0]
        # the certificate's signature has no fixed length
        out.append("%d/%s" % (data[0], "sig" if 90 <= n <= 105 else n))
        data = data[5 + n:]
    rest = [data.hex()[:200] + "+%d" % len(data)] if data else []
    return " ".join(out + rest) or "nothing"


def hear(s, seconds):
    """What comes until the end, how it ends, and after how long"""
    data, begin = b"", time.monotonic()
    s.settimeout(seconds)
    try:
        while True:
            b = s.recv(65536)
            if not b:
                return data, "FIN", time.monotonic() - begin
            data += b
    except socket.timeout:
        return data, "open", time.monotonic() - begin
    except ConnectionResetError:
        return data, "RST", time.monotonic() - begin


def probe(at, steps):
    with socket.create_connection(where(at), 5) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for step in steps:
            try:
                if step == "fin":
                    s.shutdown(socket.SHUT_WR)
                elif isinstance(step, float):
                    time.sleep(step)
                else:
                    s.sendall(step)
            except OSError:
                break  # the other side has ended it: how, is heard below
        data, end, _ = hear(s, 2)
    # the time that a page was made at may differ
    return shown(re.sub(rb"Date: [^\r]*", b"Date:", data)) + " " + end


H = hello()
# a change_cipher_spec, and a record that nobody can open
NOISE = b"\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x35" + b"\x55" * 53
PROBES = {
    "plain HTTP": [b"GET / HTTP/1.0\r\n\r\n"],
    "half a hello and an end": [H[:100], "fin"],
    "an end": ["fin"],
    "a hello, no more": [H],
    "a hello in pieces": [H[:3], 0.05, H[3:60], 0.05, H[60:]],
    "a hello and an end": [H, "fin"],
    "a hello and noise": [H, 0.2, NOISE],
    "another name": [hello(b"not.test")],
    "no TLS 1.3": [hello(exts=EXTS.replace(b"\x00\x2b\x00\x05\x04\x03\x04",
                                           b"\x00\x2b\x00\x05\x04\x03\x02"))],
    "an empty record": [b"\x16\x03\x01\x00\x00"],
    "a record too long": [b"\x16\x03\x01\xff\xff" + bytes(200)],
    "a length that lies": [H[:6] + b"\x00\xff\xff" + H[9:], "fin"],
    "an alert": [b"\x15\x03\x01\x00\x02\x02\x28"],
    "SSLv2": [bytes.fromhex("802e01000200150000001001008002") + bytes(33)],
}


def same(direct, via, probes=None):
    probes = probes or PROBES
    with ThreadPoolExecutor(2 * len(probes)) as all:
        both = {name: [all.submit(probe, at, steps) for at in (direct, via)]
                for name, steps in probes.items()}
    for name, (a, b) in both.items():
        a, b = a.result(), b.result()
        for _ in range(2):  # a reset may overtake what was said before it
            if a != b:
                a, b = probe(direct, probes[name]), probe(via, probes[name])
        print("%s: %s" % (name, "same: " + a if a == b else
                          "DIFFERS: %s | %s" % (a, b)), flush=True)


def tap(port, to, path):
    ls = socket.create_server(("", port))
    print("ready", flush=True)
    first = True

    def pump(src, dst, keep):
        said = b""
        try:
            while True:
                b = src.recv(65536)
                said = (said + b)[:16384]
                if keep:
                    with open(path, "ab") as f:
                        f.write(b)
                    keep = False
                if not b:
                    break
                dst.sendall(b)
            dst.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if keep is None:
            print("said", shown(said), flush=True)

    while True:
        c, _ = ls.accept()
        t = socket.create_connection(where(to))
        threading.Thread(target=pump, args=(c, t, first), daemon=True).start()
        threading.Thread(target=pump, args=(t, c, None), daemon=True).start()
        first = False


def replay(direct, via, path):
    with open(path, "rb") as f:
        said = f.read()
    ccs = NOISE[:6]
    same(direct, via, {
        "no more": [said],
        "an end": [said, 0.3, "fin"],
        "noise": [said, 0.3, NOISE],
        "noise alone": [said, 0.3, NOISE[6:]],
        "half a record": [said, 0.3, NOISE[:-20], "fin"],
        "an alert": [said, 0.3, b"\x15\x03\x03\x00\x02\x02\x28"],
        "a hello": [said, 0.3, said],
        "no TLS": [said, 0.3, b"GET / HTTP/1.0\r\n\r\n"],
        "a broken change_cipher_spec": [said, 0.3, b"\x14\x03\x03\x00\x01\x02"],
        "a head of another version": [said, 0.3, b"\x17\x03\x01\x00"],
        "2 of them": [said, 0.3, ccs, 0.1, ccs],
        "17 of them": [said, 0.3, 17 * ccs],
        "40 of them, one by one": [said, 0.3] + 40 * [ccs, 0.01],
        "40 of them and noise": [said, 0.3, 40 * ccs + NOISE[6:]],
    })


def slow(at):
    def one(name, drip):
        with socket.create_connection(where(at), 5) as s:
            stop = threading.Event()

            def say():
                for b in drip:
                    if stop.wait(0.25):
                        return
                    try:
                        s.sendall(bytes([b]))
                    except OSError:
                        return
            t = threading.Thread(target=say, daemon=True)
            t.start()
            data, end, took = hear(s, 12)
            stop.set()
            t.join()
        print("%s: %s %s after %d s" % (name, shown(data), end, took),
              flush=True)
    ts = [threading.Thread(target=one, args=a)
          for a in (("silence", b""), ("drip", H))]
    for t in ts:
        t.start()
    for t in ts:
        t.join()


{"same": same, "tap": lambda p, t, f: tap(int(p), t, f), "replay": replay,
 "slow": slow}[sys.argv[1]](*sys.argv[2:])
