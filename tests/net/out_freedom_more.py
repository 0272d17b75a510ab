"""tcp PORT: how each connection's bytes came; udp PORT: each datagram; longer ones are echoed

TCP lines: records of TLS seen and their lengths, reads, bytes and the time from
the first to the last read; name=tls.test when the joined hello has that name.
"""
import socket
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


def serve(c):
    data, times = b'', []
    c.settimeout(1.5)
    try:
        while part := c.recv(65536):
            data += part
            times.append(time.monotonic())
    except OSError:
        pass
    lengths, joined = records(data)
    ms = int((times[-1] - times[0]) * 1000) if times else 0
    name = 'tls.test' if b'tls.test' in joined else '-'
    print(f'records={len(lengths)} lengths={",".join(map(str, lengths))} '
          f'reads={len(times)} bytes={len(data)} ms={ms} name={name}', flush=True)
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
