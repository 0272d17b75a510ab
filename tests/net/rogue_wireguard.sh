#!/bin/bash
# timeout: 240
# What strangers do to both ends of a WireGuard tunnel: garbage, cut, changed and
# repeated datagrams, a flood of handshakes; flows go on, nothing grows
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
. "$(dirname "$0")/wg_lib.sh"
peers_up python3
wg_keys server own
cat >"$TMP/relay.py" <<'END'
# Between 10.2.0.3:7000 and 10.2.0.1:51820: everything passes, and with it what a
# stranger might make of it: cut, changed, repeated, invented
import os, random, socket
R = random.Random(11)
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
a.bind(("10.2.0.3", 7000))
server, client, old = ("10.2.0.1", 51820), None, []
n = 0
while True:
    d, who = a.recvfrom(65535)
    if who != server:
        client = who
    to = client if who == server else server
    if to is None:
        continue
    n += 1
    old.append((d, to))
    if len(old) > 500:
        old.pop(R.randrange(500))
    if n < 40 or n % 16 == 0:
        a.sendto(d[:R.randrange(len(d) + 1)], to)
        i = R.randrange(len(d))
        a.sendto(d[:i] + bytes([d[i] ^ 1 << R.randrange(8)]) + d[i + 1:], to)
        a.sendto(os.urandom(R.randrange(1500)), to)
        a.sendto(bytes([R.randrange(5), 0, 0, 0]) + os.urandom(R.choice((28, 60, 88, 144))), to)
        a.sendto(*R.choice(old))
        a.sendto(d + d[:9], to)
    a.sendto(d, to)
    if n % 32 == 0:
        a.sendto(d, to)
END
cat >"$TMP/flood.py" <<'END'
# Initiations whose first MAC is right, from many ports; how many cookies came back?
import base64, hashlib, os, socket, sys, time
pub = base64.b64decode(sys.argv[1])
key = hashlib.blake2s(b"mac1----" + pub).digest()
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
answers = {}
for k in range(200):
    for t in s:
        m = bytes([1, 0, 0, 0]) + os.urandom(112)
        m += hashlib.blake2s(m, key=key, digest_size=16).digest() + bytes(16)
        t.sendto(m, ("10.2.0.1", 51820))
    time.sleep(0.005)
time.sleep(0.3)
for t in s:
    t.setblocking(False)
    try:
        while True:
            d = t.recv(2000)
            answers[d[0], len(d)] = answers.get((d[0], len(d)), 0) + 1
    except BlockingIOError:
        pass
print(answers)
END
cat >"$TMP/server.json" <<END
{ "log": { "loglevel": "info" }, $WORKERS
  "policy": { "levels": { "0": { "downlinkOnly": 20, "uplinkOnly": 20 } } },
  "inbounds": [ { "tag": "wg", "listen": "10.2.0.1", "port": 51820, "protocol": "wireguard", "settings": {
    "secretKey": "$KEY_server", "peers": [ { "publicKey": "$PUB_own", "allowedIPs": [ "10.99.0.3/32" ] } ] } } ],
  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
END
bg "$G" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$G" udp 51820
bg "$S" relay python3 "$TMP/relay.py"
wait_port "$S" udp 7000
cat >"$TMP/own.json" <<END
{ "log": { "loglevel": "info" }, $WORKERS
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(door 7001 10.3.0.1 5001 tcp), $(door 7002 10.3.0.1 5002 tcp),
    $(door 7003 10.3.0.1 5003 tcp) ],
  "outbounds": [ $(WG_N=3 wg_ob own 10.2.0.3:7000 "$KEY_own" "$PUB_server") ] }
END
bg "$C" own "$CULVERT" run -c "$TMP/own.json"
wait_port "$C" tcp 7003
moved() {
	local out n=$SOURCE_BYTES
	out=$(on "$C" "$NT" tcp 127.0.0.1 7002 -n 1000 -t 60)
	contains "$1: download" "$out" "rx=$(sha $n) end=FIN"
	out=$(on "$C" "$NT" tcp 127.0.0.1 7003 -n $n -t 60)
	contains "$1: echo" "$out" "rx=$(sha $n) end=FIN"
}
moved "first"
fds=$(fds server) kib=$(rss server) kib_own=$(rss own)
for i in 1 2 3; do moved "strangers, $i"; done
out=$(on "$S" python3 "$TMP/flood.py" "$PUB_server")
matches "a flood: cookies, not handshakes" "$out" "\(3, 64\): [0-9]{3,}"
lacks "and nothing else" "$out" "(2, 92)"
moved "after the flood"
le "descriptors" "$(fds server)" $((fds + 4))
le "memory of the server" "$(rss server)" $((kib + 3000 + 30000 * (SLOW > 1)))
le "memory of the client" "$(rss own)" $((kib_own + 3000 + 30000 * (SLOW > 1)))
for n in own server; do
	stop $n
	eq "$n ends well" "$RC" 0
done
pass
