#!/usr/bin/env python3
"""in_http.py: a web server that tells what it was asked, and raw clients

  serve PORT NAME     HTTP/1.1, keep-alive; answers method, path, headers, body
                      hash and its NAME; /big sends a megabyte, /close ends
  raw ADDR PORT FILE  sends FILE's bytes, prints what comes until the end
  reuse ADDR PORT URL...  one connection to the proxy; a closed one is opened
                      anew; prints the status and NAME of each, and connections
"""
import hashlib
import socket
import sys
from http.client import HTTPConnection, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            b = b""
            while True:
                n = int(self.rfile.readline().split(b";")[0], 16)
                b += self.rfile.read(n)
                self.rfile.readline()
                if not n:
                    return b
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self):
        body = self.body()
        text = "name=%s\n%s %s %s\n%sbody=%d:%s\n" % (
            self.name, self.command, self.path, self.request_version,
            self.headers, len(body), hashlib.sha256(body).hexdigest()[:16])
        text = text.replace("\n\n", "\n").encode()
        if self.path == "/big":
            text = b"x" * 1000000
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        if self.path == "/close":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_OPTIONS = answer

    def log_message(self, *a):
        pass


def raw(addr, port, path):
    s = socket.create_connection((addr, port), timeout=10)
    with open(path, "rb") as f:
        s.sendall(f.read())
    try:
        while True:
            d = s.recv(65536)
            if not d:
                print("\nend=FIN")
                return
            sys.stdout.write(d.decode("latin1"))
    except OSError as e:
        print("\nend=%s" % type(e).__name__)


def reuse(addr, port, urls):
    c, opened = None, 0
    for u in urls:
        for _ in range(2):
            if c is None:
                c = HTTPConnection(addr, port, timeout=10)
                opened += 1
            try:
                c.request("GET", u)
                r = c.getresponse()
                b = r.read().decode()
                print(r.status, b.split("\n")[0])
                break
            except (RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                c.close()
                c = None
    print("connections=%d" % opened)


def main():
    cmd, a = sys.argv[1], sys.argv[2:]
    if cmd == "serve":
        Handler.name = a[1]
        Server(("::", int(a[0])), Handler).serve_forever()
    elif cmd == "raw":
        raw(a[0], int(a[1]), a[2])
    elif cmd == "reuse":
        reuse(a[0], int(a[1]), a[2:])


main()
