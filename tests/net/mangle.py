#!/usr/bin/env python3
"""mangle.py PORT ADDR TARGETPORT MODE AFTER: a relay of TCP that does harm once.

Listens on all addresses, passes each connection on to ADDR. Of what comes back
AFTER bytes pass; then, by MODE, of each connection:

  cut     both ends get a FIN: an end that nobody has signed
  flip    one bit of the next byte is another one
  slow    nothing bad: pieces of 100 bytes, and never more than AFTER a second
"""
import socket
import sys
import threading
import time

PORT, ADDR, TARGET, MODE, AFTER = sys.argv[1:6]
AFTER = int(AFTER)


def shut(s):
    try:
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def up(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    shut(b)


def down(b, a):
    left = AFTER
    try:
        while data := b.recv(100 if MODE == 'slow' else 65536):
            if MODE == 'slow':
                time.sleep(len(data) / AFTER)
            elif left < len(data):
                if MODE == 'cut':
                    a.sendall(data[:left])
                    break
                data = bytearray(data)
                data[left] ^= 4
                left = 1 << 60
            a.sendall(data)
            left -= len(data)
    except OSError:
        pass
    shut(a)
    if MODE == 'cut':
        shut(b)


def serve(a):
    b = socket.create_connection((ADDR, int(TARGET)))
    threading.Thread(target=up, args=(a, b), daemon=True).start()
    down(b, a)


def main():
    s = socket.create_server(('', int(PORT)), family=socket.AF_INET6,
                             dualstack_ipv6=True)
    while True:
        a, _ = s.accept()
        threading.Thread(target=serve, args=(a,), daemon=True).start()


main()
