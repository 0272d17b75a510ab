#!/usr/bin/python3
"""A REALITY server, and a VLESS server with Vision behind it or behind TLS.

    reality.py pipe PORT BACKEND KEY SHORTID   what comes out goes to 127.0.0.1:BACKEND
    reality.py vision PORT KEY SHORTID UUID    VLESS with Vision, dials what is asked
    reality.py keys                            a private and a public key

Written from RFC 8446 and docs/wire/, with python3-cryptography: nothing of it
is shared with what it tests. One line a connection goes to stdout: how it was
known, and with Vision the commands seen and sent and how many bytes went outside
of TLS each way.
"""
import base64
import hashlib
import hmac
import os
import random
import socket
import struct
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import (
    AESGCM, ChaCha20Poly1305)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.x509.oid import NameOID
import datetime

RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw
SUITES = {0x1301: ('sha256', AESGCM, 16), 0x1302: ('sha384', AESGCM, 32),
          0x1303: ('sha256', ChaCha20Poly1305, 32)}
HASHES = {'sha256': hashes.SHA256(), 'sha384': hashes.SHA384()}


def say(*words):
    print(*words, flush=True)


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip('=')


def unb64(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def exactly(sock, n):
    data = b''
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def record(sock):
    head = exactly(sock, 5)
    return head, exactly(sock, struct.unpack('>H', head[3:])[0])


class Keys:
    """One direction"""

    def __init__(self, name, aead, size, secret):
        self.name, self.aead, self.size = name, aead, size
        self.set(secret)

    def label(self, label, context, n):
        text = b'tls13 ' + label
        info = struct.pack('>HB', n, len(text)) + text + bytes(
            [len(context)]) + context
        return HKDFExpand(HASHES[self.name], n, info).derive(self.secret)

    def set(self, secret):
        self.secret, self.seq = secret, 0
        self.iv = self.label(b'iv', b'', 12)
        self.cipher = self.aead(self.label(b'key', b'', self.size))

    def update(self):
        self.set(self.label(b'traffic upd', b'', len(self.secret)))

    def nonce(self):
        n = int.from_bytes(self.iv, 'big') ^ self.seq
        self.seq += 1
        return n.to_bytes(12, 'big')

    def seal(self, kind, data, pad=0):
        inner = data + bytes([kind]) + bytes(pad)
        head = b'\x17\3\3' + struct.pack('>H', len(inner) + 16)
        return head + self.cipher.encrypt(self.nonce(), inner, head)

    def open(self, head, body):
        inner = self.cipher.decrypt(self.nonce(), body, head).rstrip(b'\0')
        return inner[-1], inner[:-1]


def extensions(hello):
    at = 38 + 1 + hello[38]
    at += 2 + struct.unpack('>H', hello[at:at + 2])[0]
    at += 1 + hello[at]
    end, out = at + 2 + struct.unpack('>H', hello[at:at + 2])[0], {}
    at += 2
    while at < end:
        kind, n = struct.unpack('>HH', hello[at:at + 4])
        out[kind] = hello[at + 4:at + 4 + n]
        at += 4 + n
    return out


def client_share(ext):
    """That of X25519; as with Xray since 26.9.8 one of ML-KEM must be before it"""
    data, at, hybrid = ext[51], 2, 0
    while at < len(data):
        group, n = struct.unpack('>HH', data[at:at + 4])
        if group == 29 and hybrid != 1:
            raise ValueError('no x25519mlkem768')
        if group == 29:
            return data[at + 4:at + 4 + n]
        hybrid += group == 0x11ec and n == 1216
        at += 4 + n
    raise ValueError('no x25519')


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, 'big') + body


def vec(n, data):
    return len(data).to_bytes(n, 'big') + data


class Tls:
    def __init__(self, sock, key, short_id):
        self.sock, self.known, self.closed = sock, 'nobody', False
        head, hello = record(sock)
        self.log = hello
        ext = extensions(hello)
        self.name = ext[0][5:].decode() if 0 in ext else '-'
        share = client_share(ext)
        auth = self.judge(hello, key, short_id, share)
        suite = random.choice(sorted(SUITES))
        self.hash, self.aead, self.size = SUITES[suite]
        eph = X25519PrivateKey.generate()
        secret = eph.exchange(X25519PublicKey.from_public_bytes(share))
        answer = (b'\3\3' + os.urandom(32) + vec(1, hello[39:71]) +
                  struct.pack('>HB', suite, 0) + vec(
                      2, b'\0\x2b\0\2\3\4' + b'\0\x33' +
                      vec(2, b'\0\x1d' + vec(2, eph.public_key().public_bytes(
                          *RAW)))))
        self.say_plain(message(2, answer))
        self.handshake(secret, auth)

    def judge(self, hello, key, short_id, share):
        """The auth key of a known client, or None"""
        shared = key.exchange(X25519PublicKey.from_public_bytes(share))
        auth = HKDF(hashes.SHA256(), 32, hello[6:26],
                    b'REALITY').derive(shared)
        try:
            plain = AESGCM(auth).decrypt(
                hello[26:38], hello[39:71],
                hello[:39] + bytes(32) + hello[71:])
        except Exception:
            return None
        if plain[8:] != short_id or tuple(plain[:3]) < (26, 9, 8):
            return None
        self.known = 'short id ' + plain[8:].hex()
        return auth

    def say_plain(self, msg):
        self.log += msg
        self.sock.sendall(b'\x16\3\3' + vec(2, msg) + b'\x14\3\3\0\1\1')

    def digest(self):
        return hashlib.new(self.hash, self.log).digest()

    def extract(self, salt, ikm):
        return hmac.new(salt, ikm, self.hash).digest()

    def derive(self, secret, label, digest):
        keys = Keys.__new__(Keys)
        keys.name, keys.secret = self.hash, secret
        return keys.label(label, digest, len(secret))

    def handshake(self, shared, auth):
        size = hashlib.new(self.hash).digest_size
        empty = hashlib.new(self.hash, b'').digest()
        early = self.extract(bytes(size), bytes(size))
        hs = self.extract(self.derive(early, b'derived', empty), shared)
        make = lambda s: Keys(self.hash, self.aead, self.size, s)
        self.tx = make(self.derive(hs, b's hs traffic', self.digest()))
        self.rx = make(self.derive(hs, b'c hs traffic', self.digest()))
        master = self.extract(self.derive(hs, b'derived', empty), bytes(size))
        self.flight(auth)
        tx = self.derive(master, b's ap traffic', self.digest())
        rx = self.derive(master, b'c ap traffic', self.digest())
        want = self.finished(self.rx)
        while True:
            head, body = record(self.sock)
            if head[0] == 0x14:
                continue
            kind, data = self.rx.open(head, body)
            assert kind == 22 and data == message(20, want), 'Finished'
            break
        self.tx, self.rx = make(tx), make(rx)
        # a ticket, and the empty padded record of some servers
        self.sock.sendall(self.tx.seal(22, message(4, os.urandom(80))) +
                          self.tx.seal(23, b'', 100))

    def finished(self, keys):
        key = keys.label(b'finished', b'', len(keys.secret))
        return hmac.new(key, self.digest(), self.hash).digest()

    def flight(self, auth):
        cert_key = Ed25519PrivateKey.generate()
        der = self.certificate(cert_key, auth)
        out = b''
        for kind in (8, 11, 15, 20):
            if kind == 8:
                body = vec(2, b'\0\x10' + vec(2, vec(2, vec(1, b'h2'))))
            elif kind == 11:
                body = b'\0' + vec(3, vec(3, der) + b'\0\0')
            elif kind == 15:
                sig = cert_key.sign(b' ' * 64 +
                                    b'TLS 1.3, server CertificateVerify\0' +
                                    self.digest())
                body = b'\x08\x07' + vec(2, sig)
            else:
                body = self.finished(self.tx)
            self.log += message(kind, body)
            out += self.tx.seal(22, message(kind, body), random.randrange(300))
        for at in range(0, len(out), 311):  # in pieces
            self.sock.sendall(out[at:at + 311])

    @staticmethod
    def certificate(key, auth):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'x')])
        now = datetime.datetime.utcnow()
        day = datetime.timedelta(1)
        cert = x509.CertificateBuilder().subject_name(name).issuer_name(
            name).public_key(key.public_key()).serial_number(1) \
            .not_valid_before(now - day).not_valid_after(now + day) \
            .sign(key, None)
        der = cert.public_bytes(serialization.Encoding.DER)
        if auth:
            pub = key.public_key().public_bytes(*RAW)
            der = der[:-64] + hmac.new(auth, pub, 'sha512').digest()
        return der

    def recv(self):
        """Bytes, or b'' at close_notify"""
        while not self.closed:
            head, body = record(self.sock)
            kind, data = self.rx.open(head, body)
            if kind == 23 and data:
                return data
            if kind == 22 and data[0] == 24:
                self.rx.update()
            elif kind == 21:
                assert data[1] == 0, 'alert'
                self.closed = True
        return b''

    def send(self, data):
        for at in range(0, len(data), 16384):
            # before the data: those may be the last within TLS
            if random.randrange(20) == 0:
                wish = bytes([random.randrange(2)])  # 1: the client's, too
                self.sock.sendall(self.tx.seal(22, message(24, wish)))
                self.tx.update()
            self.sock.sendall(self.tx.seal(23, data[at:at + 16384]))

    def end(self):
        self.sock.sendall(self.tx.seal(21, b'\1\0'))
        self.sock.shutdown(socket.SHUT_WR)


# --- pipe ---------------------------------------------------------------------

def pump(read, write, end):
    try:
        while True:
            data = read()
            if not data:
                break
            write(data)
        end()
    except Exception:
        pass


def both(up, down):
    t = threading.Thread(target=pump, args=up, daemon=True)
    t.start()
    pump(*down)
    t.join()


def pipe(sock, key, short_id, backend):
    tls = Tls(sock, key, short_id)
    say(tls.known, 'name', tls.name)
    to = socket.create_connection(('127.0.0.1', backend))
    both((tls.recv, to.sendall, lambda: to.shutdown(socket.SHUT_WR)),
         (lambda: to.recv(65536), tls.send, tls.end))
    to.close()


# --- VLESS with Vision ----------------------------------------------------------

class Vision:
    """What both directions know of the stream within"""

    def __init__(self, tls, uuid):
        self.tls, self.uuid = tls, uuid
        self.left, self.is_tls, self.direct_ok = 8, False, False
        self.seen, self.sent, self.raw = [], [], [0, 0]
        self.buf, self.first, self.up_plain = b'', True, None
        self.first_out, self.down_plain = True, None

    def look(self, data):
        if self.left <= 0:
            return
        self.left -= 1
        if data[:3] == b'\x16\3\3' and data[5:6] == b'\2' and len(data) > 78:
            self.is_tls, self.left = True, 0
            at = 44 + data[43]
            suite = struct.unpack('>H', data[at:at + 2])[0]
            self.direct_ok = (b'\0\x2b\0\2\3\4' in data and
                              0x1301 <= suite <= 0x1304)
        elif data[:2] == b'\x16\3' and data[5:6] == b'\1':
            self.is_tls = True

    def need(self, n):
        while len(self.buf) < n:
            more = self.tls.recv()
            if not more:
                raise EOFError
            self.buf += more

    def take(self, n):
        self.need(n)
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def read(self):
        """Content; b'' at the end"""
        if self.up_plain == 'raw':
            data = self.buf or self.tls.sock.recv(65536)
            self.raw[0] += len(data)
            self.buf = b''
            return data
        if self.up_plain:
            data, self.buf = self.buf or self.tls.recv(), b''
            return data
        if self.first:
            assert self.take(16) == self.uuid, 'uuid'
            self.first = False
        try:
            command, n, pad = struct.unpack('>BHH', self.take(5))
        except EOFError:
            return b''
        data = self.take(n)
        self.take(pad)
        self.seen.append(command)
        if command:
            self.up_plain = 'raw' if command == 2 else 'tls'
            assert command == 1 or not self.buf, 'bytes behind direct'
        self.look(data)
        return data or self.read()

    def frame(self, command, data):
        head = self.uuid if self.first_out else b''
        self.first_out = False
        self.sent.append(command)
        pad = random.randrange(900)
        return head + struct.pack('>BHH', command, len(data),
                                  pad) + data + os.urandom(pad)

    def write(self, data):
        if self.down_plain == 'raw':
            self.raw[1] += len(data)
            return self.tls.sock.sendall(data)
        if self.down_plain:
            return self.tls.send(data)
        self.look(data)
        for at in range(0, len(data), 8000):
            part = data[at:at + 8000]
            last = at + 8000 >= len(data)
            command = 0
            if last and self.is_tls and data[:3] == b'\x17\3\3':
                command = 2 if self.direct_ok else 1
            elif last and not self.is_tls and self.left <= 1:
                command = 1
            self.tls.send(self.frame(command, part))
            if command:
                self.down_plain = 'raw' if command == 2 else 'tls'

    def end(self):
        if self.down_plain == 'raw':
            return self.tls.sock.shutdown(socket.SHUT_WR)
        return self.tls.end()


def vless_target(take):
    port, kind = struct.unpack('>HB', take(3))
    if kind == 2:
        return take(take(1)[0]).decode(), port
    return socket.inet_ntop(*((socket.AF_INET, take(4)) if kind == 1 else
                              (socket.AF_INET6, take(16)))), port


def vision(sock, key, short_id, uuid):
    tls = Tls(sock, key, short_id)
    v = Vision(tls, uuid)
    version, who, n = v.take(1), v.take(16), v.take(1)[0]
    addons = v.take(n)
    assert version == b'\0' and who == uuid, 'id'
    assert addons == b'\x0a\x10xtls-rprx-vision', addons
    command = v.take(1)
    assert command == b'\1', command
    to = socket.create_connection(vless_target(v.take))
    tls.send(b'\0\0')
    both((v.read, to.sendall, lambda: to.shutdown(socket.SHUT_WR)),
         (lambda: to.recv(65536), v.write, v.end))
    say(tls.known, 'name', tls.name, 'seen', v.seen, 'sent', v.sent, 'raw',
        v.raw)
    to.close()


def serve(port, handle, *args):
    ls = socket.create_server(('::', port), family=socket.AF_INET6,
                              dualstack_ipv6=True, backlog=64)

    def one(sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handle(sock, *args)
        except Exception as e:
            say('ended:', type(e).__name__, e)
        sock.close()

    while True:
        sock, _ = ls.accept()
        threading.Thread(target=one, args=(sock,), daemon=True).start()


def private(text):
    return X25519PrivateKey.from_private_bytes(unb64(text))


def main(argv):
    if argv[1] == 'keys':
        key = X25519PrivateKey.generate()
        raw = key.private_bytes(RAW[0], serialization.PrivateFormat.Raw,
                                serialization.NoEncryption())
        print(b64(raw), b64(key.public_key().public_bytes(*RAW)))
    elif argv[1] == 'pipe':
        serve(int(argv[2]), pipe, private(argv[4]),
              bytes.fromhex(argv[5]).ljust(8, b'\0'), int(argv[3]))
    else:
        serve(int(argv[2]), vision, private(argv[3]),
              bytes.fromhex(argv[4]).ljust(8, b'\0'),
              bytes.fromhex(argv[5].replace('-', '')))


main(sys.argv)
