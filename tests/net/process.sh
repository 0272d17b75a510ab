#!/bin/bash
# Rules by the program a connection comes from: TUN, redirect and tproxy of the host,
# socks on loopback; TCP and datagrams, v4 and v6. What is forwarded is nobody's
# timeout: 240
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
host_net
serve echo4 udp-serve 5025 echo -l 198.51.100.1
serve echo6 udp-serve 5026 echo -l 2001:db8:51::1
bg "$S" web python3 "$(dirname "$0")/in_http.py" serve 8080 web
wait_port "$S" tcp 8080
# The same program by three names, and curl by two
mkdir -p "$TMP/opt/app"
for p in other opt/app/inside; do cp "$NT" "$TMP/$p"; done
cp "$(command -v curl)" "$TMP/fetch"
chmod 755 "$TMP" # for who is not root below

# The last rule is by two conditions; r4 by an address: nobody is looked for
conf() { # CAPTURE
	local i outs="" tun=""
	[ "$1" != tun ] || tun='{ "protocol": "tun", "tag": "tun" },'
	for i in 1 2 3 4 5; do
		outs+=", { \"tag\": \"r$i\", \"protocol\": \"freedom\",
			\"settings\": { $ALLOW } }"
	done
	cat >"$TMP/up.json" <<-XX
	{ "log": { "loglevel": "info", "access": "$TMP/access.txt" },
	  "dns": { "servers": [ "localhost" ] },
	  "inbounds": [ $tun { "tag": "socks", "protocol": "socks", "port": 1080,
	    "listen": "::", "settings": { "udp": true } } ],
	  "routing": { "rules": [
	    { "ip": [ "198.51.100.2" ], "outboundTag": "r4" },
	    { "process": [ "self/" ], "outboundTag": "r5" },
	    { "process": [ "other", "curl" ], "outboundTag": "r1" },
	    { "process": [ "$TMP/opt/app/" ], "outboundTag": "r2" },
	    { "process": [ "nothing", "$TMP/fetch", "$NT" ], "port": "1-9000",
	      "outboundTag": "r3" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom",
	    "settings": { $ALLOW } } $outs ],
	  "culvert": { "capture": "$1", "workers": 2 } }
	XX
}

SPORT=20000
# went WHAT TAG [-program PATH] COMMAND...: by the access line of this source port
went() { # WHAT NS TAG PROGRAM-OR-"" COMMAND...
	local what=$1 ns=$2 tag=$3 program=$4 line
	shift 4
	SPORT=$((SPORT + 1))
	on "$ns" "${@//PORT/$SPORT}" >"$TMP/went.log" 2>&1
	contains "$what: it works" "$(cat "$TMP/went.log")" "$SAYS"
	wait_for 5 grep -q ":$SPORT accepted" "$TMP/access.txt" ||
		fail "$what: no access line; client: $(cat "$TMP/went.log")"
	line=$(grep ":$SPORT accepted" "$TMP/access.txt" | tail -n 1)
	contains "$what" "$line" " $tag]"
	if [ -n "$program" ]; then
		contains "$what: program" "$line" "] process: $program"
	else
		lacks "$what: program" "$line" "process:"
	fi
}
tcp() { SAYS="rx=$(sha 3000) end=FIN" went "$1, TCP $5" "$2" "$3" "$4" "${@:6}" tcp "$5" 5003 -n 3000 -p PORT -t 8; }
udp() {
	local port=5025
	[[ $5 != *:* ]] || port=5026
	SAYS="ok=1 bad=0" went "$1, UDP $5" "$2" "$3" "$4" "${@:6}" udp "$5" $port -n 100 -p PORT -t 8
}

all() { # HOW TCP UDP: kinds that are caught
	local k a
	for k in $2; do
		for a in $FAR; do
			$k "$1" "$G" r3 "$NT" "$a" "$NT"
			$k "$1" "$G" r1 "$TMP/other" "$a" "$TMP/other"
			$k "$1" "$G" r2 "$TMP/opt/app/inside" "$a" "$TMP/opt/app/inside"
			$k "$1, nobody's" "$G" r1 "$TMP/other" "$a" \
				setpriv --reuid 65534 --clear-groups "$TMP/other"
			$k "$1, forwarded" "$C" direct "" "$a" "$TMP/other"
		done
		[ "$k" != tcp ] ||
			$k "$1, not looked for" "$G" r4 "" 198.51.100.2 "$TMP/other"
	done
}

for how in tun tproxy redirect; do
	echo "-- $how"
	conf $how
	host_up "$TMP/up.json"
	kinds="tcp udp"
	[ $how != redirect ] || kinds=tcp
	all $how "$kinds"
	if [ $how = tun ]; then
		echo "-- socks on loopback"
		for at in 127.0.0.1 '[::1]' 10.1.0.1; do
			for u in 198.51.100.1 '[2001:db8:51::1]'; do
				SAYS=name=web went "socks $at, curl" "$G" r1 \
					"$(readlink -f "$(command -v curl)")" \
					curl -sS -m 8 --local-port PORT \
					-x "socks5h://$at:1080" "http://$u:8080/x"
				SAYS=name=web went "socks $at, its copy" "$G" r3 \
					"$TMP/fetch" "$TMP/fetch" -sS -m 8 \
					--local-port PORT \
					-x "socks5h://$at:1080" "http://$u:8080/x"
			done
		done
		SAYS=name=web went "socks, from the LAN" "$C" direct "" \
			curl -sS -m 8 --local-port PORT -x socks5h://10.1.0.1:1080 \
			http://198.51.100.1:8080/x
		python=$(python3 -c 'import os; print(os.readlink("/proc/self/exe"))')
		SAYS=echo went "socks, datagrams" "$G" direct "$python" python3 -c '
import socket, struct, sys
port, at = int(sys.argv[1]), ("127.0.0.1", 1080)
t = socket.create_connection(at, timeout=8)
t.sendall(b"\5\1\0")
assert t.recv(2) == b"\5\0"
t.sendall(b"\5\3\0\1" + bytes(6))
relay = ("127.0.0.1", struct.unpack(">H", t.recv(10)[8:])[0])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(8)
u.bind(("127.0.0.1", port))
u.connect(relay)
u.send(b"\0\0\0\1" + socket.inet_aton("198.51.100.1") + struct.pack(">H", 5025) + b"echo")
print(u.recv(99)[10:].decode())' PORT
	fi
	ok "down" on "$G" "$CULVERT" down
	wait_for 5 not_alive culvert || fail "culvert still runs after down"
	: >"$TMP/access.txt"
done

echo "-- route-test"
contains "of a program" "$("$CULVERT" route-test -process /a/curl -c "$TMP/up.json" \
	tcp:203.0.113.1:80)" "[r1] by rule rules[2]"
contains "of none" "$("$CULVERT" route-test -c "$TMP/up.json" \
	tcp:203.0.113.1:80)" "[direct] by default"
pass
