#!/usr/bin/env python3
"""UDP echo on port 5006 of many addresses: matrix.py COUNT

10.4.0.1.. and fd04::1.., which need only be routed to this host.
"""
import selectors
import socket
import sys

IPV6_FREEBIND = 78
sel = selectors.DefaultSelector()
for i in range(1, int(sys.argv[1]) + 1):
    for family, addr in ((socket.AF_INET, f"10.4.0.{i}"),
                         (socket.AF_INET6, f"fd04::{i:x}")):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        s.bind((addr, 5006))
        sel.register(s, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in sel.select():
        data, peer = key.fileobj.recvfrom(65536)
        key.fileobj.sendto(data, peer)
