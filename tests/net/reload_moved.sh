#!/bin/bash
# reload_moved.sh: a listener that a reload moves, or changes: connections that came by it
# (gRPC, XHTTP over HTTP/2 and 1.1) begin nothing new, what runs on them ends whole, and
# so do they. Where somebody listens there again a client loses no flow
# timeout: 120
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
serve echo tcp-serve 5001 echo -t 300
make_ca
how() { # TRANSPORT TLS SOCKOPT
	case $1 in
	grpc) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\" }, $2, $3 }" ;;
	h1) echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\", \"mode\": \"packet-up\" }, $3 }" ;;
	*) echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\", \"mode\": \"$1\" }, $2, $3 }" ;;
	esac
}
WAYS="grpc stream-one stream-up packet-up h1" none='"sockopt": {}'
server() { # CLIENTS FIRST-PORT [SOCKOPT]
	local w p=$2 c=
	echo '{ "log": { "loglevel": "info" }, "culvert": { "workers": 2 }, "inbounds": ['
	for w in $WAYS; do
		p=$((p + 1))
		echo "$c { \"tag\": \"$w\", \"listen\": \"10.2.0.3\", \"port\": $p, \"protocol\": \"vless\",
			\"settings\": { \"decryption\": \"none\", \"clients\": [ $1 ] },
			\"streamSettings\": $(how "$w" "$own" "${3:-$none}") }"
		c=,
	done
	echo "], \"outbounds\": [ { \"protocol\": \"freedom\", \"settings\": { $ALLOW } } ] }"
}
gen=1
reload() { # SERVER'S ARGUMENTS
	server "$@" >"$TMP/server.json"
	gen=$((gen + 1))
	kill -HUP "${PID[server]}"
	wait_log server "generation $gen is in force"
}
echo_flows() { [ "$(on "$S" ss -Htn state established "dport = :5001" | wc -l)" = "$1" ]; }
conns() { on "$S" ss -Htn state established "sport >= :$1 and sport <= :$2" | wc -l; }
conns_are() { [ "$(conns "$1" "$2")" = "$3" ]; }

server "$ann, $bob" 8000 >"$TMP/server.json"
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8005
start_clients "$none"

echo "-- changed, at the same place: all goes on by other connections"
for p in 1 2 3 4 5; do
	out=$(on "$C" "$NT" tcp 10.1.0.1 600$p -n 100)
	contains "before, 600$p" "$out" "rx=$(sha 100) end=FIN"
	bg "$C" stay$p "$NT" tcp 10.1.0.1 600$p -n 300000 -C 40 -d 4000 -t 30
	n=4000
	[ $p -lt 4 ] || n=120 # a piece of the way up every 30 ms
	bg "$C" many$p "$NT" tcp-short 10.1.0.1 700$p -n $n -j 2 -t 30
done
wait_for 5 grep -q "end: tcp" "$TMP/server.log"
for i in 1 2 3; do
	nap 0.3
	reload "$ann, $bob" 8000 "\"sockopt\": { \"tcpUserTimeout\": ${i}0000 }"
done
for p in 1 2 3 4 5; do alive many$p && echo "   load $p ran all the time"; done
all_said many " failed=0"
all_said stay "rx=$(sha 300000) end=FIN"
contains "it was told to" "$(<"$TMP/server.log")" "grpc: carrier of"

echo "-- the same, and bob is removed"
for p in 1 2 3 4 5; do
	bg "$C" old$p "$NT" tcp 10.1.0.1 600$p -n 80000 -C 40 -d 2000 -t 30
done
wait_for 5 echo_flows 5 || fail "the flows do not come"
reload "$ann" 8000 '"sockopt": { "tcpUserTimeout": 40000 }'
for p in 1 2 3 4 5; do
	out=$(on "$C" "$NT" tcp 10.1.0.1 600$p -n 100 -t 2)
	contains "bob's new session, 600$p" "$out" " rx=0:"
	out=$(on "$C" "$NT" tcp 10.1.0.1 700$p -n 100)
	contains "ann's new session, 700$p" "$out" "rx=$(sha 100) end=FIN"
done
all_said old "rx=$(sha 80000) end=FIN"
reload "$ann, $bob" 8000

echo "-- moved, and bob is removed"
for p in 1 2 3 4 5; do
	bg "$C" flow$p "$NT" tcp 10.1.0.1 600$p -n 80000 -C 40 -d 6000 -t 30
done
wait_for 5 echo_flows 5 || fail "the flows do not come"
reload "$ann" 8100
for p in 1 2 3 4 5; do
	for base in 600 700; do
		# (by HTTP/1.1 a flow that fails takes connections that wait along)
		[ $base$p != 6005 ] || continue
		out=$(on "$C" "$NT" tcp 10.1.0.1 $base$p -n 100 -t 2)
		contains "new session by the old connection, $base$p" "$out" " rx=0:"
	done
done
# ann's, which carry nothing, are closed
wait_for 4 conns_are 8001 8004 4 || fail "idle ones stay: $(conns 8001 8004)"
all_said flow "rx=$(sha 80000) end=FIN"
wait_for 5 conns_are 8001 8004 0 || fail "empty ones stay: $(conns 8001 8004)"
stop culvert
stop server
eq "ends well" "$RC" 0
pass
