#!/bin/bash
# SOCKS5 outbound against dante and microsocks, with and without password: TCP
# and UDP, v4, v6 and names; refusals; servers that are silent or drip
. "$(dirname "$0")/lib.sh"
for p in danted microsocks python3; do
	command -v "$p" >/dev/null || skip "no $p"
done
net_up
serve sink tcp-serve 5001 sink
serve source tcp-serve 5002 source -n 3000000
serve echo tcp-serve 5003 echo
serve rst tcp-serve 5004 rst -n 1000
# dante takes answers only from where it sent to
for a in 10.3.0.1 fd03::1 10.3.0.2; do
	bg "$S" "udp$a" "$NT" udp-serve -l "$a" 5006 echo
done
serve hold tcp-serve 1090 hold

# Users and names that only exist in $S
etc=/etc/netns/$S
mkdir -p "$etc"
echo "10.3.0.1 dom.test" >"$etc/hosts"
hash=$(openssl passwd -6 -salt abcdefgh secret)
{ cat /etc/passwd; echo "sockstest:x:64321:64321::/:/bin/false"; } >"$etc/passwd"
{ cat /etc/shadow; echo "sockstest:$hash:19000:0:99999:7:::"; } >"$etc/shadow"
chmod 600 "$etc/shadow"

# dante NAME PORT METHOD
dante() {
	cat >"$TMP/$1.conf" <<-END
		logoutput: stderr
		internal: 10.2.0.3 port = $2
		internal: fd02::3 port = $2
		external: s0
		clientmethod: none
		socksmethod: $3
		user.privileged: root
		user.unprivileged: root
		client pass { from: 0/0 to: 0/0 }
		socks pass { from: 0/0 to: 0/0 log: connect }
	END
	bg "$S" "$1" danted -f "$TMP/$1.conf"
	wait_port "$S" tcp "$2"
}
dante dante 1080 none
dante dantepw 1081 username
bg "$S" micro microsocks -i 10.2.0.3 -p 1082
bg "$S" micropw microsocks -i 10.2.0.3 -p 1083 -u me -P secret
# a reply that never ends: one byte of a long name every half second
bg "$S" drip python3 -c '
import socket, threading, time
def serve(c):
    try:
        c.recv(999)
        for b in b"\5\0\5\0\0\3\377" + b"x" * 255 + b"\0\0":
            c.send(bytes([b])); time.sleep(0.5)
    except OSError:
        pass
    c.close()
s = socket.create_server(("10.2.0.3", 1091))
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()'
wait_port "$S" tcp 1091

ob() {
	echo "{ \"tag\": \"$1\", \"protocol\": \"socks\", \"settings\": { \"address\": \"$2\", \"port\": $3 ${4:-} } }"
}
rule() { echo "{ \"ip\": [ \"10.3.0.$1\", \"fd03::$1\" ], \"outboundTag\": \"$2\" }"; }
start_culvert <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ {
    "tag": "lan", "protocol": "tun",
    "settings": { "name": "culvert0", "mtu": 1500, "gateway": [ "172.30.255.1/30", "fd6c:7663::1/126" ] },
    "sniffing": { "enabled": true, "destOverride": [ "http" ] }
  } ],
  "policy": { "levels": { "0": { "handshake": 3 } } },
  "routing": { "rules": [
    { "domain": [ "full:dom.test" ], "outboundTag": "dante" },
    $(rule 1 dante), $(rule 2 dantepw), $(rule 3 micro), $(rule 4 micropw),
    $(rule 5 silent), $(rule 6 drip), $(rule 7 wrongpw), $(rule 8 down)
  ] },
  "outbounds": [
    { "tag": "none", "protocol": "blackhole" },
    $(ob dante 10.2.0.3 1080),
    $(ob dantepw fd02::3 1081 ', "user": "sockstest", "pass": "secret"'),
    $(ob micro 10.2.0.3 1082),
    $(ob micropw 10.2.0.3 1083 ', "user": "me", "pass": "secret"'),
    $(ob silent 10.2.0.2 1090),
    $(ob drip 10.2.0.3 1091),
    $(ob wrongpw 10.2.0.3 1083 ', "user": "me", "pass": "wrong"'),
    $(ob down 10.2.0.3 1099)
  ]
}
END
to_tun culvert0
fds0=$(fds culvert)

# transfers NAME ADDRESS
transfers() {
	local out
	out=$(on "$C" "$NT" tcp "$2" 5001 -n 3000000 -P 2>/dev/null)
	eq "$1 sink, half-close" "$out" "$(sha 3000000)"
	out=$(on "$C" "$NT" tcp "$2" 5002 -n 1000)
	contains "$1 source" "$out" "rx=$(sha 3000000) end=FIN"
	out=$(on "$C" "$NT" tcp "$2" 5003 -n 500000)
	contains "$1 echo" "$out" "rx=$(sha 500000) end=FIN"
}
# ended NAME ADDRESS MAX_MS [PORT]: the client sees a reset, in time
ended() {
	local out t0=${EPOCHREALTIME/./}
	out=$(on "$C" "$NT" tcp "$2" "${4:-5003}" -n 10 -t 20)
	matches "$1: the client is reset" "$out" "end=ECONN(RESET|REFUSED)"
	le "$1: in time" $((${EPOCHREALTIME/./} - t0)) $(($3 * 1000 * SLOW))
}
transfers "dante v4" 10.3.0.1
transfers "dante v6" fd03::1
transfers "dante password" 10.3.0.2
# microsocks ends both ways at a half-close
for a in 10.3.0.3 fd03::3 10.3.0.4; do
	out=$(on "$C" "$NT" tcp "$a" 5002 -n 1000 -O)
	contains "microsocks source $a" "$out" "rx=$(sha 3000000) end=FIN"
done
wait_log culvert "socks: server takes pipelined requests"
wait_log culvert "socks: server does not take pipelined requests"

for a in 10.3.0.1 fd03::1 10.3.0.2; do
	out=$(on "$C" "$NT" udp "$a" 5006 -n 0,1,1200,1472,9000)
	contains "datagrams of $a" "$out" "ok=5 bad=0"
done
# Only dante knows the name, and nobody is at 192.0.2.9
out=$(on "$C" "$NT" tcp 192.0.2.9 5003 -P -t 5 \
	-m $'GET / HTTP/1.1\r\nHost: dom.test\r\n\r\n' 2>/dev/null)
contains "a name is asked for as a name" "$out" "Host: dom.test"
wait_log culvert "tcp:dom.test:5003"

ended "refused by the target" 10.3.0.1 1500 5999
ended "refused by the target (microsocks)" 10.3.0.3 1500 5999
ended "wrong password" 10.3.0.7 1500
ended "no server" 10.3.0.8 1500
ended "silent server" 10.3.0.5 4500
ended "dripping server" 10.3.0.6 4500
out=$(on "$C" "$NT" tcp 10.3.0.1 5004 -n 1000 -O)
contains "something ends after the target's RST" "$out" "end="

sleep 2
le "no descriptor is left over" "$(fds culvert)" $((fds0 + 24))
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "secret"
pass
