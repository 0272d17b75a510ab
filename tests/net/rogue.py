#!/usr/bin/env python3
"""A relay that goes wrong in one direction: rogue.py ADDR TARGET < table

A line of the table: PORT TARGETPORT down|up MODE N. After N bytes of that direction
(down: from the target to who called) it does MODE, and never goes back:
  cut      close both        rst      reset both
  garbage  64 KiB of noise instead, then silence
  flood    noise without end (FLOOD_BYTES), as fast as it is taken
  drip     one byte a second of what should come
  silence  nothing more, both stay open
The other direction is relayed all the time. Noise is the same in every run.
"""
import random
import selectors
import socket
import struct
import sys
import threading
import time

FLOOD_BYTES = 32 << 20
NOISE = random.Random(7).randbytes(65536)


def close(*socks, reset=False):
    for s in socks:
        try:
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if reset:
            s.close()


def wrong(src, dst, mode, rest):
    """What comes after the first N bytes; @rest: of them read already"""
    if mode in ("cut", "rst"):
        close(src, dst, reset=mode == "rst")
    elif mode == "garbage":
        dst.sendall(NOISE)
    elif mode == "flood":
        for _ in range(FLOOD_BYTES // len(NOISE)):
            dst.sendall(NOISE)
    elif mode == "drip":
        while True:
            for i in range(len(rest)):
                dst.sendall(rest[i:i + 1])
                time.sleep(1)
            rest = src.recv(4096)
            if not rest:
                return
    while src.recv(65536):  # swallowed; ends when somebody closes
        pass


def relay(src, dst, mode=None, n=0):
    try:
        while mode is None or n > 0:
            b = src.recv(65536)
            if not b:
                dst.shutdown(socket.SHUT_WR)
                return
            if mode is None:
                dst.sendall(b)
                continue
            dst.sendall(b[:n])
            n, b = max(0, n - len(b)), b[n:]
            if not n:
                wrong(src, dst, mode, b)
                return
        wrong(src, dst, mode, b"")
    except OSError:
        pass
    finally:
        if mode:
            close(src, dst)


def serve(c, target, direction, mode, n):
    try:
        t = socket.create_connection(target, timeout=5)
    except OSError:
        c.close()
        return
    t.settimeout(None)
    down = (t, c)
    other = (c, t)
    if direction == "up":
        down, other = other, down
    threading.Thread(target=relay, args=other, daemon=True).start()
    relay(*down, mode, n)
    c.close()
    t.close()


def main():
    sel = selectors.DefaultSelector()
    threading.stack_size(131072)
    for line in sys.stdin:
        port, to, direction, mode, n = line.split()
        s = socket.create_server((sys.argv[1], int(port)), backlog=64)
        sel.register(s, selectors.EVENT_READ,
                     ((sys.argv[2], int(to)), direction, mode, int(n)))
    print("ready", flush=True)
    while True:
        for key, _ in sel.select():
            c, _ = key.fileobj.accept()
            threading.Thread(target=serve, args=(c, *key.data),
                             daemon=True).start()


main()
