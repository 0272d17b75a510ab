#!/usr/bin/env python3
"""geodata.py ADDRESS PORT CERT KEY: an HTTPS server that misleads downloaders.

/endless: a body without an end; /drip: a byte a second; /cut: less than it says;
/loop: leads to itself; /out: to what is no https; /html: no list; /huge: says so.

geodata.py dat FILE [FILLER] LIST=PREFIX...: writes a geoip.dat, with a list of so many
prefixes more
"""
import ipaddress
import socketserver
import ssl
import sys
import time


def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(tag, data):
    return varint(tag << 3 | 2) + varint(len(data)) + data


def prefix(text):
    net = ipaddress.ip_network(text)
    return field(2, field(1, net.network_address.packed) +
                 b'\x10' + varint(net.prefixlen))


def write_dat(path, args):
    out = b''
    if args[0].isdigit():
        out += field(1, field(1, b'FILLER') + b''.join(
            prefix(str(ipaddress.ip_address(0xc0000000 + i)))
            for i in range(int(args[0]))))
        args = args[1:]
    for a in args:
        name, net = a.split('=')
        out += field(1, field(1, name.upper().encode()) + prefix(net))
    with open(path, 'wb') as f:
        f.write(out)


OK = b'HTTP/1.1 200 OK\r\n'
HTML = b'<!DOCTYPE html><p>Not here'


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline() not in (b'\r\n', b''):
            pass
        try:
            getattr(self, path[1:])()
        except OSError:
            pass

    def endless(self):
        self.wfile.write(OK + b'Transfer-Encoding: chunked\r\n\r\n')
        chunk = b'10000\r\n' + bytes(0x10000) + b'\r\n'
        while True:
            self.wfile.write(chunk)

    def drip(self):
        self.wfile.write(OK + b'\r\n')
        while True:
            self.wfile.write(b'\n')
            time.sleep(1)

    def cut(self):
        self.wfile.write(OK + b'Content-Length: 99\r\n\r\n\n\x07\n\x01A')

    def loop(self):
        self.wfile.write(b'HTTP/1.1 302 Found\r\nLocation: /loop\r\n\r\n')

    def out(self):
        self.wfile.write(b'HTTP/1.1 302 Found\r\n'
                         b'Location: http://tls.test/x\r\n\r\n')

    def html(self):
        self.wfile.write(OK + b'Content-Length: %d\r\n\r\n' % len(HTML) + HTML)

    def huge(self):
        self.wfile.write(OK + b'Content-Length: 99999999999\r\n\r\n')


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    if sys.argv[1] == 'dat':
        write_dat(sys.argv[2], sys.argv[3:])
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    with Server((sys.argv[1], int(sys.argv[2])), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
        server.serve_forever()


main()
