"""tcp PORT: how each connection's bytes came; udp PORT: each datagram; longer ones are echoed

TCP lines: records of TLS seen and their lengths, segments with data, bytes and when
the last was read, in ms of the clock; name=tls.test when the joined hello has it. The
kernel counts segments: on a busy machine one read gets several.
"""
import socket
import struct
import sys
import threading
import time


def records(data):
    lengths, joined = [], b''
    while len(data) >= 5 and data[0] == 22:
        n = int.from_bytes(data[3:5], 'big')
        lengths.append(n)
        joined += data[5:5 + n]
        data = data[5 + n:]
    return lengths, joined


DATA_SEGS_IN = 152  # of struct tcp_info


def segments(c):
    info = c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from('I', info, DATA_SEGS_IN)[0]


def serve(c):
    data, last = b'', 0
    c.settimeout(1.5)
    try:
        while part := c.recv(65536):
            data += part
            last = time.time()
    except OSError:
        pass
    lengths, joined = records(data)
    name = 'tls.test' if b'tls.test' in joined else '-'
    print(f'records={len(lengths)} lengths={",".join(map(str, lengths))} '
          f'segments={segments(c)} bytes={len(data)} at={int(last * 1000)} name={name}',
          flush=True)
    c.close()


kind, port = sys.argv[1], int(sys.argv[2])
if kind == 'tcp':
    s = socket.create_server(('', port))
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],)).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', port))
print('bound', flush=True)
while True:
    data, peer = s.recvfrom(65536)
    print(f'len={len(data)} {data[:16].hex()}', flush=True)
    if len(data) > 9:  # noise has no answer
        s.sendto(data, peer)
