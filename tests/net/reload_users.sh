#!/bin/bash
# reload_users.sh: whom a reload takes away has no new sessions by a connection that he
# has (gRPC, XHTTP); those that are there go on, and so do the others
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/reload_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
net_up
serve echo tcp-serve 5001 echo
make_ca
how() { # TRANSPORT TLS
	case $1 in
	grpc) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\" }, $2 }" ;;
	*) echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\", \"mode\": \"$1\" }, $2 }" ;;
	esac
}
WAYS="grpc stream-one stream-up packet-up"
server() { # CLIENTS
	local w p=8000 c=
	echo '{ "log": { "loglevel": "info" }, "culvert": { "workers": 1 }, "inbounds": ['
	for w in $WAYS; do
		p=$((p + 1))
		echo "$c { \"tag\": \"$w\", \"listen\": \"10.2.0.3\", \"port\": $p, \"protocol\": \"vless\",
			\"settings\": { \"decryption\": \"none\", \"clients\": [ $1 ] }, \"streamSettings\": $(how "$w" "$own") }"
		c=,
	done
	echo "], \"outbounds\": [ { \"protocol\": \"freedom\", \"settings\": { $ALLOW } } ] }"
}
server "$ann, $bob" >"$TMP/server.json"
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8004
start_clients
for p in 1 2 3 4; do
	for base in 600 700; do
		out=$(on "$C" "$NT" tcp 10.1.0.1 $base$p -n 100)
		contains "before, $base$p" "$out" "rx=$(sha 100) end=FIN"
	done
	# a flow that is there, and says the rest afterwards
	bg "$C" flow$p "$NT" tcp 10.1.0.1 600$p -n 80 -C 40 -d 6000 -t 30
done
four() { [ "$(on "$S" ss -Htn state established "dport = :5001" | wc -l)" = 4 ]; }
wait_for 5 four || fail "the flows do not come"
server "$ann" >"$TMP/server.json"
kill -HUP "${PID[server]}"
wait_log server "generation 2 is in force"
for p in 1 2 3 4; do
	out=$(on "$C" "$NT" tcp 10.1.0.1 600$p -n 100 -t 2)
	contains "bob's new session, 600$p" "$out" " rx=0:"
	out=$(on "$C" "$NT" tcp 10.1.0.1 700$p -n 100)
	contains "ann's new session, 700$p" "$out" "rx=$(sha 100) end=FIN"
done
all_said flow "rx=$(sha 80) end=FIN"
stop culvert
stop server
eq "ends well" "$RC" 0
pass
