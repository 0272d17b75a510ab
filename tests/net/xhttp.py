#!/usr/bin/env python3
"""A rogue XHTTP client: xhttp.py HOST PORT CASE...: what each case saw, a line each

Behind the server at /x is an echo. Limits there: handshake 2 s, connIdle 3 s,
scMaxBufferedPosts 5, scMaxEachPostBytes 20000. At PORT + 1 all is in headers and
cookies: session Sess, number Num, padding Pad, data cookies d_0 ...
"""
import socket
import struct
import sys
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])
PAD = 'Referer: http://h/x/?x_padding=' + 'X' * 200 + '\r\n'
GIVE_UP_S = 12
ANSWER = b'x-padding: '


class Conn:
    """One connection; requests by hand, answers read as far as asked"""

    def __init__(self, port=PORT):
        self.s = socket.create_connection((HOST, port), timeout=GIVE_UP_S)
        self.b = b''

    def say(self, data):
        self.s.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def ask(self, line, headers=PAD, body=None):
        length = '' if body is None else f'Content-Length: {len(body)}\r\n'
        return self.say(f'{line} HTTP/1.1\r\nHost: h\r\n{headers}{length}\r\n'
                        .encode() + (body or b''))

    def more(self):
        d = self.s.recv(65536)
        self.b += d
        return bool(d)

    def status(self):
        while b'\r\n\r\n' not in self.b:
            if not self.more():
                return 'closed'
        head, self.b = self.b.split(b'\r\n\r\n', 1)
        if b'\r\n' + ANSWER not in head.lower() and b' 200 ' in head:
            return 'no padding'
        return head.split()[1].decode()

    def chunk(self):
        """Payload of the next chunk; None at the end"""
        while b'\r\n' not in self.b:
            if not self.more():
                return None
        size, self.b = self.b.split(b'\r\n', 1)
        n = int(size, 16)
        while len(self.b) < n + 2:
            if not self.more():
                return None
        data, self.b = self.b[:n], self.b[n + 2:]
        return data or None

    def chunks(self, n):
        got = b''
        while len(got) < n:
            c = self.chunk()
            if c is None:
                break
            got += c
        return got

    def end(self):
        """How, and after how many seconds, the connection ends"""
        t = time.monotonic()
        try:
            while self.more():
                pass
            how = 'FIN'
        except TimeoutError:
            how = 'never'
        except OSError:
            how = 'RST'
        return how if time.monotonic() - t < 8 else how + ' late'


def piece(c, name, seq, body):
    return c.ask(f'POST /x/{name}/{seq}', body=body)


def get(name):
    c = Conn().ask(f'GET /x/{name}')
    return c, c.status()


def answers():
    for line, headers in (
            ('GET /y/a', PAD), ('GET /x/a', ''), ('GET /x/', PAD),
            ('GET /x/a', 'Referer: http://h/?x_padding=XX\r\n'),
            ('POST /x/a/1x', PAD), ('POST /x//1', PAD),
            ('POST /x/a/18446744073709551616', PAD),
            ('POST /x/' + 'a' * 129, PAD), ('OPTIONS /x/a', ''),
            ('OPTIONS /x/a/0', PAD + 'Access-Control-Request-Method: POST\r\n'),
            ('DELETE /y', PAD), ('BREW /x/a/0', PAD)):
        yield Conn().ask(line, headers, b'').status()


def order():
    g, status = get('order')
    c = Conn()
    for seq in (3, 1, 2, 0):
        piece(c, 'order', seq, b'%d' % seq * 1000)
    for _ in range(4):
        status += ' ' + c.status()
    good = b''.join(b'%d' % i * 1000 for i in range(4))
    yield f'{status} {g.chunks(4000) == good}'
    # the empty one is the end: the echo says its own, and the answer is whole
    piece(c, 'order', 4, b'')
    yield f'{c.status()} {g.chunk()}'


def head(session=None, seq=None, data='', pad=b'X' * 200, more=''):
    lines = f'Pad: {pad.decode()}\r\n{more}'
    if session is not None:
        lines += f'Sess: {session}\r\n'
    if seq is not None:
        lines += f'Num: {seq}\r\n'
    return lines + (f'Cookie: {data}\r\n' if data else '')


def where():
    """Everything is somewhere else; what is wrong there costs that request"""
    global ANSWER
    ANSWER = b'pad: '
    down = Conn(PORT + 1).ask('GET /w', head('good'))
    yield down.status()
    wrong = (head(None, 0, 'd_0=YWJj'),  # a number without a session
             head('good', None, 'd_0=YWJj'),  # none: a second GET
             head('good', 'x', 'd_0=YWJj'), head('good', '-1', 'd_0=YWJj'),
             head('good', '0', 'd_0=Y*Jj'), head('good', '0', 'd_0=YWJjZ'),
             head('good', '0', '; '.join(f'd_{i}=YWJj' for i in range(300))),
             head('a' * 129, 0, 'd_0=YWJj'),
             head('good', '0', 'd_0=YWJj', b'XX'),
             PAD + head('good', '0', 'd_0=YWJj', b''))
    yield ' '.join(Conn(PORT + 1).ask('GET /w', h).status() for h in wrong)
    # a body where data is a cookie, a head that is too long
    yield Conn(PORT + 1).ask('POST /w', head('good', 0), b'abc').status()
    long = Conn(PORT + 1)
    long.say('GET /w HTTP/1.1\r\nHost: h\r\n' + head(
        'good', 0, 'd_0=' + 'YWJj' * 5000) + '\r\n')
    yield long.end() in ('FIN', 'RST')
    # none of them was taken; the flow goes on, its chunks in any order
    c = Conn(PORT + 1)
    got = c.ask('GET /w', head('good', 1, 'd_1=Vm; a=b; d_0=ZG')).status()
    got += ' ' + c.ask('POST /w', head('good', 0, 'd_0=YWJj'), b'').status()
    yield f'{got} {down.chunks(5)}'
    got = c.ask('GET /w', head('good', 2)).status()
    yield f'{got} {down.chunk()}'


def early():
    """The upload comes before its GET"""
    c = piece(Conn(), 'early', 0, b'abc')
    status = c.status()
    g, down = get('early')
    yield f'{status} {down} {g.chunks(3)}'


def twice():
    g, status = get('twice')
    c = Conn()
    for seq, body in ((0, b'abc'), (0, b'xyz'), (2, b'ghi'), (2, b'xyz'),
                      (1, b'def')):
        c = piece(Conn(), 'twice', seq, body)
        status += ' ' + c.status()
    yield f'{status} {g.chunks(9)}'
    yield get('twice')[1]


def missing():
    g, status = get('missing')
    status += ' ' + piece(Conn(), 'missing', 0, b'abc').status()
    status += ' ' + piece(Conn(), 'missing', 2, b'ghi').status()
    status += ' ' + piece(Conn(), 'missing', 2**64 - 1, b'end').status()
    yield f'{status} {g.chunks(3)} {g.end()}'


def flood():
    g, status = get('flood')
    for seq in range(1, 7):
        status += ' ' + piece(Conn(), 'flood', seq, b'x').status()
    yield f'{status} {g.end()}'


def large():
    g, status = get('large')
    c = Conn().ask('POST /x/large/0', PAD + 'Content-Length: 20001\r\n')
    yield f'{status} {c.status()} {g.end()}'
    g, status = get('large2')
    c = Conn().ask('POST /x/large2/0', PAD + 'Transfer-Encoding: chunked\r\n')
    c.say(b'9000\r\n' + b'x' * 0x9000)
    try:
        yield f'{status} {c.status()} {g.end()}'
    except OSError:  # reset by what was not read any more
        yield f'{status} 413 {g.end()}'


def silence():
    yield Conn().end()
    yield Conn().say('POST /x/a').end()
    yield piece(Conn(), 'lonely', 0, b'').say(PAD).end()
    c = Conn().ask('POST /x/half/0', PAD + 'Content-Length: 10\r\n').say('abc')
    yield c.end()
    g, status = get('quiet')
    yield f'{status} {g.end()}'


def cut():
    for how in ('GET', 'POST'):
        g, status = get('cut' + how)
        c = Conn().ask(f'POST /x/cut{how}',
                       PAD + 'Transfer-Encoding: chunked\r\n')
        c.say('3\r\nabc\r\n')
        status += ' ' + c.status()
        got = g.chunks(3)
        if how == 'GET':
            g.s.close()
            yield f'{status} {got} {c.end()}'
        else:
            c.s.close()
            yield f'{status} {got} {g.end()}'


def again():
    """A POST is cut, and comes once more by another connection"""
    g, status = get('again')
    c = Conn().ask('POST /x/again/0', PAD + 'Content-Length: 9\r\n').say('abc')
    got = g.chunks(3)
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    c.s.close()
    time.sleep(0.3)
    c = piece(Conn(), 'again', 1, b'end')
    status += ' ' + piece(Conn(), 'again', 0, b'abcdefghi').status()
    yield f'{status} {c.status()} {got + g.chunks(9)}'


def one():
    """stream-one by hand, and two uploads for one session"""
    c = Conn().ask('POST /x/', PAD + 'Transfer-Encoding: chunked\r\n')
    c.say('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
    yield f'{c.status()} {c.chunks(5)} {c.chunk()}'
    g, status = get('one')
    both = [Conn().ask('POST /x/one', PAD + 'Transfer-Encoding: chunked\r\n')
            for _ in range(2)]
    status += ' ' + ' '.join(c.status() for c in both)
    yield f'{status} {piece(Conn(), "one", 0, b"x").status()}'


def many():
    """Uploads of which no GET is heard: the oldest are forgotten"""
    cs = [piece(Conn(), f'many{i}', 1, b'x') for i in range(600)]
    good = sum(c.status() == '200' for c in cs)
    g, status = get('last')
    yield f'{good} {status} {piece(Conn(), "last", 0, b"x").status()} ' \
          f'{g.chunks(1)}'


def beside():
    """An upload that goes on all the time"""
    g, status = get('beside')
    c = Conn()
    for seq in range(40):
        piece(c, 'beside', seq, b'%04d' % seq)
        if c.status() != '200' or g.chunks(4) != b'%04d' % seq:
            yield f'wrong at {seq}'
        time.sleep(0.2)
    yield f'{status} all came'


for case in sys.argv[3:]:
    for seen in globals()[case]():
        print(f'{case}: {seen}', flush=True)
