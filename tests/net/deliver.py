#!/usr/bin/env python3
"""An answer while the client still sends.

deliver.py serve	servers that answer 413 in the middle of an upload and are gone
			when the other end's kernel has all of it, with more unread:
	5081 5083	that is a reset, behind 600 and 150000 bytes
	5082 5084	the same behind an end in order
deliver.py call ADDRESS TRIES
			uploads to each of them, reads at the same time; prints
			what is wrong with an answer, nothing if all are whole
"""
import fcntl
import hashlib
import select
import socket
import struct
import sys
import threading
import time

SIOCOUTQ = 0x5411
SIZES = {5081: 600, 5082: 600, 5083: 150000, 5084: 150000}
UPLOAD = 64 << 20
LIMIT_S = 20


def answer(port):
    body = bytes((i * 7 + i // 251) % 251 for i in range(SIZES[port]))
    head = f"HTTP/1.1 413 Too Large\r\nContent-Length: {len(body)}\r\n"
    return (head + "Connection: close\r\n\r\n").encode() + body


def digest(data):
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:16]}"


def refuse(s, port):
    until = time.monotonic() + LIMIT_S
    try:
        s.recv(20000)
        s.sendall(answer(port))
        if port % 2 == 0:
            s.shutdown(socket.SHUT_WR)
        while time.monotonic() < until:
            if not struct.unpack("i", fcntl.ioctl(s, SIOCOUTQ, b"\0" * 4))[0]:
                break
            time.sleep(0.002)
        # the upload fills this end: there is more than was read
        while time.monotonic() < until and not s.recv(1, socket.MSG_PEEK):
            time.sleep(0.002)
    except OSError as e:
        print(port, e, flush=True)
    s.close()


def serve():
    listeners = []
    for port in SIZES:
        for family in (socket.AF_INET, socket.AF_INET6):
            s = socket.socket(family, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
            s.listen(200)
            listeners.append(s)
    print("ready", flush=True)
    while True:
        for s in select.select(listeners, [], [])[0]:
            c, _ = s.accept()
            threading.Thread(target=refuse, args=(c, s.getsockname()[1]),
                             daemon=True).start()


def call(addr, port):
    s = socket.create_connection((addr, port), timeout=LIMIT_S)
    s.setblocking(False)
    head = (f"POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {UPLOAD}\r\n"
            "\r\n").encode()
    left, piece, got, end = UPLOAD, head, b"", "time"
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        r, w, _ = select.select([s], [s] if left > 0 else [], [], 1)
        if w:
            try:
                left -= s.send(piece)
                piece = bytes(65536)
            except BlockingIOError:
                pass
            except OSError:
                left = 0  # nothing more goes out: only reading is left
        if not r:
            continue
        try:
            data = s.recv(65536)
        except BlockingIOError:
            continue
        except OSError as e:
            end = type(e).__name__
            break
        if not data:
            end = "FIN"
            break
        got += data
    return digest(got), end


def calls(addr, tries):
    for port in SIZES:
        want = digest(answer(port))
        for _ in range(tries):
            try:
                got, end = call(addr, port)
            except OSError as e:
                got, end = "nothing", e
            if got != want:
                print(f"{port}: got {got} {end}, want {want}")


def main():
    if sys.argv[1] == "serve":
        serve()
    else:
        calls(sys.argv[2], int(sys.argv[3]))


main()
