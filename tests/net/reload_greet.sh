#!/bin/bash
# A reload between a client's accept and its request for packets (VLESS, SOCKS): inbound
# and policy of the generation before live as long as these packets (a sanitizer sees it
# otherwise)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/in_lib.sh"
command -v python3 >/dev/null || skip "no python3"
net_up
serve echo udp-serve 5006 echo
ID=b831381d-6324-4d53-ad4f-8cda48b30811
conf() { # LOGLEVEL
	cat <<-END
	{ "log": { "loglevel": "$1" },
	  "inbounds": [ { "listen": "10.1.0.1", "port": 7001, "protocol": "vless", "settings": {
	    "decryption": "none", "clients": [ { "id": "$ID", "email": "a@b" } ] } },
	    { "listen": "10.1.0.1", "port": 7002, "protocol": "socks", "settings": { "udp": true } } ],
	  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
	END
}
cat >"$TMP/client.py" <<'END'
# Half a request; the rest, and packets, once the file is there
import os, socket, sys, time, uuid
ident, ready, go = sys.argv[1:]
s = socket.create_connection(("10.1.0.1", 7001))
s.sendall(b"\0" + uuid.UUID(ident).bytes)
open(ready, "w").write("ready\n")
while not os.path.exists(go):
    time.sleep(0.05)
s.sendall(b"\0\2" + (5006).to_bytes(2, "big") + b"\1" + bytes([10, 3, 0, 1]) + b"\0\3abc")
time.sleep(0.3)
s.sendall(b"\0\3def")
s.settimeout(20)
got = b""
while len(got) < 12:
    d = s.recv(100)
    if not d:
        break
    got += d
print(got)
END
cat >"$TMP/socks.py" <<'END'
# The greeting; UDP ASSOCIATE and two datagrams once the file is there
import os, socket, sys, time
ready, go = sys.argv[1:]
s = socket.create_connection(("10.1.0.1", 7002))
s.settimeout(20)
s.sendall(b"\5\1\0")
assert s.recv(2) == b"\5\0"
open(ready, "w").write("ready\n")
while not os.path.exists(go):
    time.sleep(0.05)
s.sendall(b"\5\3\0\1\0\0\0\0\0\0")
reply = s.recv(64)
print("reply", reply[1])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
for text in (b"abc", b"def"):
    u.sendto(b"\0\0\0\1" + bytes([10, 3, 0, 1]) + (5006).to_bytes(2, "big") + text,
             ("10.1.0.1", int.from_bytes(reply[8:10], "big")))
    print(u.recv(100)[10:].decode())
END
start_in < <(conf debug)
on "$C" python3 "$TMP/client.py" "$ID" "$TMP/ready" "$TMP/go" >"$TMP/client.log" 2>&1 &
client=$!
on "$C" python3 "$TMP/socks.py" "$TMP/ready2" "$TMP/go" >"$TMP/socks.log" 2>&1 &
socks=$!
wait_for 10 test -s "$TMP/ready" || fail "no client"
wait_for 10 test -s "$TMP/ready2" || fail "no SOCKS client"
wait_log culvert "accept: tcp"
conf info >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 2 is in force"
touch "$TMP/go"
wait $client
contains "packets go and come" "$(cat "$TMP/client.log")" 'x00\x03abc\x00\x03def'
wait $socks
eq "SOCKS: packets go and come" "$(cat "$TMP/socks.log")" "$(printf 'reply 0\nabc\ndef')"
alive culvert || fail "culvert ended"
stop culvert
eq "ends well" "$RC" 0
pass
