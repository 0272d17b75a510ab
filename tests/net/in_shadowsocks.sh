#!/bin/bash
# Shadowsocks inbound: ss-tunnel, v2ray and culvert as clients; 2022 methods;
# replays, wrong clients, users
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
peers_up ss-tunnel v2ray python3
K16=$(head -c 16 /dev/urandom | base64) K32=$(head -c 32 /dev/urandom | base64)
U1=$(head -c 32 /dev/urandom | base64) U2=$(head -c 32 /dev/urandom | base64)
METHODS=(aes-128-gcm aes-256-gcm chacha20-ietf-poly1305 xchacha20-ietf-poly1305
	2022-blake3-aes-128-gcm 2022-blake3-aes-256-gcm 2022-blake3-chacha20-poly1305 none)
password() { case $1 in 2022*128-gcm) echo "$K16" ;; 2022*) echo "$K32" ;; *) echo topsecret ;; esac; }
ibs='' ports=()
for i in "${!METHODS[@]}"; do
	m=${METHODS[i]}
	ibs="$ibs, $(ib "$m" shadowsocks $((1001 + i)) "{ \"method\": \"$m\", \"password\": \"$(password "$m")\", \"network\": \"tcp,udp\", \"email\": \"love@s\" }")"
	ports+=($((1001 + i)))
done
serve_culvert "${ibs#,}, $(ib several shadowsocks 1020 '{ "network": "tcp,udp", "users": [
	{ "method": "aes-128-gcm", "password": "one" }, { "method": "aes-128-gcm", "password": "topsecret", "email": "second@s" } ] }'),
	$(ib users22 shadowsocks 1021 "{ \"network\": \"tcp,udp\", \"method\": \"2022-blake3-aes-256-gcm\", \"password\": \"$K32\",
		\"clients\": [ { \"password\": \"$U1\", \"email\": \"ann@22\" }, { \"password\": \"$U2\", \"email\": \"bob@22\", \"level\": 1 } ] }")" \
	"${ports[@]}" 1020 1021
out() { ob out shadowsocks "{ \"servers\": [ { \"address\": \"10.1.0.1\", \"port\": $2, \"method\": \"$1\", \"password\": \"$(password "$1")\" } ] }"; }
for i in "${!METHODS[@]}"; do
	m=${METHODS[i]} b=$((6000 + 20 * i))
	doors culvert "c$i" $b "$(out "$m" $((1001 + i)))"
	through "culvert $m" $b half 1,1200,1472,9000
done
doors culvert several 6400 "$(out aes-128-gcm 1020)"
through "culvert, second user" 6400
contains "the user is known" "$(cat "$TMP/server.log")" "second@s"
user22() { ob out shadowsocks "{ \"address\": \"10.1.0.1\", \"port\": 1021, \"method\": \"2022-blake3-aes-256-gcm\", \"password\": \"$1\" }"; }
doors culvert ann 6420 "$(user22 "$K32:$U1")"
through "2022, first user" 6420 half 1,1200,1472
doors culvert bob 6440 "$(user22 "$K32:$U2")"
through "2022, second user" 6440 half 1,1200,1472
log=$(cat "$TMP/server.log")
for who in "tcp:.*ann@22" "tcp:.*bob@22" "udp:.*ann@22" "udp:.*bob@22"; do
	matches "the user is known: $who" "$log" "$who"
done
n22=0
for bad in "$K32:$K32" "$U1:$U2" "$U1"; do # no user, another server's, no identity
	doors culvert bad$((n22 += 1)) $((6450 + 10 * n22)) "$(user22 "$bad")"
	o=$(on "$C" "$NT" tcp 127.0.0.1 $((6453 + 10 * n22)) -n 100 -O -t 1)
	contains "2022, wrong keys $n22" "$o" "rx=0:"
done
for m in chacha20-poly1305:2 none:7; do
	doors v2ray "v${m#*:}" $((6500 + 10 * ${m#*:})) "$(out "${m%:*}" $((1001 + ${m#*:})))"
	through "v2ray $m" $((6500 + 10 * ${m#*:})) noend 1,1200,1400
done
for i in 0 1 2 3; do
	for d in "$((6600 + i)) 10.3.0.1:5003" "$((6610 + i)) 10.3.0.1:5006"; do
		bg "$C" "t${d%% *}" ss-tunnel -s 10.1.0.1 -p $((1001 + i)) -k topsecret -m "${METHODS[i]}" -l "${d%% *}" -L "${d##* }" -u -t 60
		wait_port "$C" tcp "${d%% *}"
	done
	o=$(on "$C" "$NT" tcp 127.0.0.1 $((6600 + i)) -n $SOURCE_BYTES -w $SOURCE_BYTES -t 10)
	contains "ss-tunnel ${METHODS[i]}" "$o" "rx=$(sha $SOURCE_BYTES)"
	o=$(on "$C" "$NT" udp 127.0.0.1 $((6610 + i)) -n 1,500,1300)
	contains "ss-tunnel ${METHODS[i]} datagrams" "$o" "ok=3 bad=0"
done
silence "shadowsocks" 1001
silence "2022" 1005

# a recording of a whole request meets silence the second time
bg "$C" tap python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 7000)); rec = b""
c, _ = s.accept(); u = socket.create_connection(("10.1.0.1", 1001))
c.settimeout(0.5)
try:
    while True: rec += c.recv(65536)
except OSError: pass
u.sendall(rec); c.sendall(u.recv(65536)); c.close(); u.close()
u = socket.create_connection(("10.1.0.1", 1001)); u.sendall(rec); u.settimeout(8)
try: print("replayed:", len(u.recv(100)), flush=True)
except OSError as e: print("replayed:", e.__class__.__name__, flush=True)'
wait_port "$C" tcp 7000
doors culvert tapped 6700 "$(out aes-128-gcm 1001 | sed 's/10.1.0.1/127.0.0.1/; s/1001/7000/')"
on "$C" "$NT" tcp 127.0.0.1 6703 -n 100 -O -t 2 >/dev/null
wait_log tap "replayed:"
matches "a replay meets silence" "$(cat "$TMP/tap.log")" "replayed: (0|ConnectionResetError)"
lacks "no secret is logged" "$(cat "$TMP/server.log")" "topsecret"
lacks "no key is logged" "$(cat "$TMP/server.log")" "$K32"
pass
