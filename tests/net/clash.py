"""clash.py ws|many ADDR PORT TARGET N: a WebSocket as a dashboard opens it

ws: print N messages, one a line. many: open N at once, print what was answered how
often ("101:64 503:6"). mute: open N that say nothing, print how many of them the
server ends within a second, and what a request gets beside the others. slow: read N
bytes of a file in 20 s at least, print how many came, and whether the end did.
"""
import base64
import collections
import hashlib
import os
import socket
import sys
import time

GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'


def shake(addr, port, target):
    """A connection, the status of the answer, what came behind its head"""
    s = socket.create_connection((addr, port), 5)
    s.settimeout(8)
    key = base64.b64encode(os.urandom(16))
    s.sendall(b'GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n'
              b'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
              b'Sec-WebSocket-Key: %s\r\n\r\n'
              % (target.encode(), addr.encode(), port, key))
    got = b''
    while b'\r\n\r\n' not in got:
        part = s.recv(4096)
        assert part, f'ended after {got!r}'
        got += part
    head, rest = got.split(b'\r\n\r\n', 1)
    status = int(head.split()[1])
    if status == 101:
        want = base64.b64encode(hashlib.sha1(key + GUID).digest())
        assert b'Sec-WebSocket-Accept: ' + want in head, head
    return s, status, rest


class Reader:
    def __init__(self, s, rest):
        self.s, self.rest = s, rest

    def take(self, n):
        while len(self.rest) < n:
            part = self.s.recv(65536)
            assert part, 'the feed ended'
            self.rest += part
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def message(self):
        b0, b1 = self.take(2)
        assert b0 & 0x80 and not b1 & 0x80, 'not a whole frame without a mask'
        n = b1
        if n == 126:
            n = int.from_bytes(self.take(2), 'big')
        elif n == 127:
            n = int.from_bytes(self.take(8), 'big')
        return b0 & 15, self.take(n)


def ended(s):
    s.settimeout(0.001)
    try:
        return not s.recv(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def mute(addr, port, count):
    open_now = [socket.create_connection((addr, port), 5) for _ in range(count)]
    time.sleep(1)
    over = sum(ended(s) for s in open_now)
    s = socket.create_connection((addr, port), 5)
    s.settimeout(8)
    s.sendall(b'GET /version HTTP/1.1\r\nHost: %s:%d\r\n\r\n' % (addr.encode(), port))
    print(over, s.recv(4096).split()[1].decode())


def slow(addr, port, target, count):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.settimeout(8)
    s.connect((addr, port))
    s.sendall(b'GET %s HTTP/1.0\r\nHost: %s:%d\r\n\r\n' % (target.encode(), addr.encode(), port))
    got, began, end = -1, time.time(), 'cut'
    while True:
        try:
            part = s.recv(65536)
        except OSError:
            break
        if not part:
            end = 'end'
            break
        got = got + len(part) if got >= 0 else len(part) - part.index(b'\r\n\r\n') - 4
        time.sleep(max(0, began + 20 * got / count - time.time()))
    print(got, end)


def main():
    what, addr, port, target, count = sys.argv[1:]
    port, count = int(port), int(count)
    if what == 'mute':
        mute(addr, port, count)
        return
    if what == 'slow':
        slow(addr, port, target, count)
        return
    if what == 'many':
        open_now = [shake(addr, port, target) for _ in range(count)]
        by = collections.Counter(status for _, status, _ in open_now)
        print(' '.join(f'{k}:{by[k]}' for k in sorted(by)))
        return
    s, status, rest = shake(addr, port, target)
    assert status == 101, status
    reader = Reader(s, rest)
    while count:
        opcode, text = reader.message()
        if opcode == 1:
            print(text.decode(), flush=True)
            count -= 1


main()
