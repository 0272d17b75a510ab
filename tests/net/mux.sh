#!/bin/bash
# mux.sh: Mux.cool and XUDP: culvert to culvert, culvert to v2ray and back.
# The carriers are bare TCP: freedom with "redirect" on one side, a
# dokodemo-door to v1.mux.cool on the other.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
net_up
serve echo tcp-serve 5001 echo
serve sink tcp-serve 5002 sink
serve source tcp-serve 5003 source -n 3000000
serve rst tcp-serve 5004 rst -n 1000
serve big tcp-serve 5005 source -n 30000000
for a in 10.3.0.1 10.3.0.2 fd03::1; do
	bg "$S" "udp$a" "$NT" udp-serve -l "$a" 5006 echo
done
bg "$S" udp443 "$NT" udp-serve -l 10.3.0.1 443 echo

cat >"$TMP/server.json" <<-'END'
	{ "log": { "loglevel": "debug" }, "culvert": { "workers": 1 },
	  "inbounds": [ { "tag": "carriers", "port": 9000, "listen": "10.2.0.3",
	    "protocol": "dokodemo-door",
	    "settings": { "network": "tcp", "address": "v1.mux.cool", "port": 9527 } } ],
	  "outbounds": [ { "tag": "out", "protocol": "freedom" } ] }
END
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 9000

# proxy OUTBOUND: culvert in $G whose TUN leads to it
proxy() {
	# shellcheck disable=SC2119
	start_culvert <<-END
	{ "log": { "loglevel": "debug" },
	  "culvert": { "workers": 1 },
	  "inbounds": [ { "tag": "tun", "protocol": "tun",
	    "settings": { "name": "culvert0" } } ],
	  "outbounds": [ $1 ] }
	END
	to_tun culvert0
}

# client PORT MUX: the same, to the server at PORT
client() {
	proxy "{ \"tag\": \"muxed\", \"protocol\": \"freedom\",
	  \"settings\": { \"redirect\": \"10.2.0.3:$1\" }, \"mux\": $2 }"
}

# no_client: its routes go with the device
no_client() {
	stop culvert
	eq "the client ends well" "$RC" 0
	ip -n "$G" rule del pref 77
	ip -n "$G" -6 rule del pref 77
}

carriers() { on "$S" ss -Htn state established "sport = :9000" | wc -l; }
upload() { on "$C" "$NT" tcp "$1" 5002 -n 1000000 -P 2>&1; }

client 9000 '{ "enabled": true }'
for a in 10.3.0.1 fd03::1; do
	out=$(on "$C" "$NT" tcp $a 5001 -n 1000000)
	contains "$a echo" "$out" "rx=$(sha 1000000)"
	contains "$a echo ends" "$out" "end=FIN"
	out=$(upload $a)
	contains "$a answer after the half close" "$out" "$(sha 1000000)"
	out=$(on "$C" "$NT" tcp $a 5003)
	contains "$a download" "$out" "rx=$(sha 3000000)"
	out=$(on "$C" "$NT" tcp $a 5004 -n 1000)
	contains "$a reset passes on" "$out" "end=ECONNRESET"
	out=$(on "$C" "$NT" tcp $a 5009 -n 10)
	contains "$a nobody listens" "$out" "end=ECONNRESET"
done
eq "one connection for all of them" "$(carriers)" 1
contains "the server sees sessions" "$(cat "$TMP/server.log")" "-> 10.3.0.1:5001 [carriers -> out]"
lacks "a half close is told at once" "$(cat "$TMP/server.log")" "malformed"

# UDP: XUDP in the same connection; one socket for all destinations of a port
for a in 10.3.0.1 fd03::1; do
	out=$(on "$C" "$NT" udp $a 5006 -n 20,1400,7000)
	contains "$a datagrams" "$out" "ok=3 bad=0"
done
eq "UDP goes with TCP" "$(carriers)" 1
out=$(on "$C" "$NT" udp 10.3.0.1 443 -n 20 -c 2>&1)
contains "QUIC is refused, so that browsers use TCP" "$out" "ECONNREFUSED"
no_client

# The carrier is cut: the server goes on with the same socket of the client
client 9000 '{ "enabled": true }'
udp_port() { tail -n 1 "$TMP/udp10.3.0.1.log" | sed 's/^from=[^,]*,\([0-9]*\).*/\1/'; }
out=$(on "$C" "$NT" udp 10.3.0.1 5006 -p 4444 -n 30)
contains "before the cut" "$out" "ok=1 bad=0"
first=$(udp_port)
if on "$G" ss -K dst 10.2.0.3 dport = 9000 2>/dev/null | grep -q 9000; then
	wait_for 5 grep -q "connection with 1 sessions ended" "$TMP/culvert.log" ||
		fail "the cut is not seen"
	out=$(on "$C" "$NT" udp 10.3.0.1 5006 -p 4444 -n 31)
	contains "after the cut" "$out" "ok=1 bad=0"
	eq "the same socket" "$(udp_port)" "$first"
fi
no_client

# xudpProxyUDP443 "allow"; UDP on connections of its own; 3 sessions on each
client 9000 '{ "enabled": true, "concurrency": 3, "xudpConcurrency": 2,
	"xudpProxyUDP443": "allow" }'
out=$(on "$C" "$NT" udp 10.3.0.1 443 -n 20 2>&1)
contains "443 allowed" "$out" "ok=1 bad=0"
eq "a connection for UDP" "$(carriers)" 1
bg "$C" many "$NT" tcp-hold 10.3.0.1 5001 -n 7 -d 3000
wait_log many "open=7"
eq "7 sessions at 3 a connection" "$(carriers)" 4
wait_log many "alive=7"
no_client
wait_for 5 test "$(carriers)" = 0 || fail "carriers are left: $(carriers)"

# the protocol's own UDP with "skip"; UDP only
client 9000 '{ "enabled": true, "concurrency": -1, "xudpConcurrency": 4 }'
out=$(on "$C" "$NT" udp 10.3.0.1 5006 -n 20 2>&1)
contains "UDP muxed" "$out" "ok=1 bad=0"
eq "TCP is not" "$(carriers)" 1
no_client

# a dead carrier ends its sessions at once, with a reason
client 9000 '{ "enabled": true }'
bg "$C" cut "$NT" tcp 10.3.0.1 5001 -n 1000 -O -t 20
wait_for 5 grep -q "10.3.0.1:5001 by default" "$TMP/culvert.log"
sleep 0.3
stop server KILL
wait_log cut "end=ECONNRESET"
wait_log culvert "connection with 1 sessions ended: "
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 9000
out=$(on "$C" "$NT" tcp 10.3.0.1 5001 -n 1000)
contains "the next session opens a new one" "$out" "rx=$(sha 1000)"
no_client

# a session that is not read delays its connection, not the others; memory is
# bounded: 30 MB are offered
client 9000 '{ "enabled": true, "concurrency": 1 }'
bg "$C" stuck "$NT" tcp 10.3.0.1 5005 -O -d 4000 -t 20
before=$(rss culvert)
sleep 1
out=$(on "$C" "$NT" tcp 10.3.0.1 5003)
contains "another connection goes on" "$out" "rx=$(sha 3000000)"
le "memory of a session that is not read, KiB" $(($(rss culvert) - before)) $((8000 * SLOW))
wait_log stuck "rx=$(sha 30000000)"
no_client

command -v v2ray >/dev/null || pass
# v2ray takes culvert's frames. Its server knows no XUDP: a port, a destination
cat >"$TMP/v2server.json" <<-'END'
	{ "log": { "loglevel": "debug" },
	  "inbounds": [ { "port": 9001, "listen": "10.2.0.3", "protocol": "dokodemo-door",
	    "settings": { "network": "tcp", "address": "v1.mux.cool", "port": 9527 } } ],
	  "outbounds": [ { "protocol": "freedom" } ] }
END
bg "$S" v2server v2ray -config "$TMP/v2server.json"
wait_port "$S" tcp 9001
client 9001 '{ "enabled": true }'
for a in 10.3.0.1 fd03::1; do
	out=$(on "$C" "$NT" tcp $a 5001 -n 1000000)
	contains "v2ray server: $a echo" "$out" "rx=$(sha 1000000)"
	out=$(upload $a)
	contains "v2ray server: $a answer after the half close" "$out" "$(sha 1000000)"
	out=$(on "$C" "$NT" tcp $a 5003)
	contains "v2ray server: $a download" "$out" "rx=$(sha 3000000)"
	out=$(on "$C" "$NT" udp $a 5006 -n 20,1400)
	contains "v2ray server: $a datagrams" "$out" "ok=2 bad=0"
done
wait_log culvert "the server knows no XUDP"
# one port, two destinations: a session for each
for a in 10.3.0.1 10.3.0.2; do
	out=$(on "$C" "$NT" udp $a 5006 -p 4444 -n 20)
	contains "v2ray server: $a from one port" "$out" "ok=1 bad=0"
done
no_client

# under VMess and VLESS (command 3); and their UDP as XUDP without mux
id=b831381d-6324-4d53-ad4f-8cda48b30811
cat >"$TMP/v2proto.json" <<-END
	{ "log": { "loglevel": "debug" },
	  "inbounds": [ { "port": 9002, "listen": "10.2.0.3", "protocol": "vmess",
	      "settings": { "clients": [ { "id": "$id" } ] } },
	    { "port": 9003, "listen": "10.2.0.3", "protocol": "vless",
	      "settings": { "clients": [ { "id": "$id" } ], "decryption": "none" } } ],
	  "outbounds": [ { "protocol": "freedom" } ] }
END
bg "$S" v2proto v2ray -config "$TMP/v2proto.json"
wait_port "$S" tcp 9003
proto_carriers() { on "$S" ss -Htn state established "sport = :$1" | wc -l; }
for p in vmess:9002 vless:9003; do
	for mux in true false; do
		proxy "{ \"tag\": \"p\", \"protocol\": \"${p%:*}\",
		  \"settings\": { \"address\": \"10.2.0.3\", \"port\": ${p#*:},
		    \"id\": \"$id\", \"encryption\": \"none\" },
		  \"mux\": { \"enabled\": $mux } }"
		for i in 1 2 3; do
			out=$(on "$C" "$NT" tcp 10.3.0.1 5001 -n 300000)
			contains "$p mux $mux: echo $i" "$out" "rx=$(sha 300000)"
		done
		out=$(on "$C" "$NT" udp 10.3.0.1 5006 -n 20,1400)
		contains "$p mux $mux: datagrams" "$out" "ok=2 bad=0"
		contains "$p mux $mux: as XUDP" "$(cat "$TMP/culvert.log")" "mux: [p] opens a connection"
		[ "$mux" = false ] ||
			eq "$p: one connection" "$(proto_carriers "${p#*:}")" 1
		no_client
	done
done

# v2ray's client: each destination a door in $C
door() {
	echo "{ \"port\": $1, \"listen\": \"127.0.0.1\", \"protocol\": \"dokodemo-door\",
	  \"settings\": { \"network\": \"tcp,udp\", \"address\": \"$2\", \"port\": $3 } }"
}
cat >"$TMP/v2client.json" <<-END
	{ "log": { "loglevel": "debug" },
	  "inbounds": [ $(door 7001 10.3.0.1 5001), $(door 7002 10.3.0.1 5002),
	    $(door 7003 fd03::1 5003), $(door 7004 10.3.0.1 5006) ],
	  "outbounds": [ { "protocol": "freedom",
	    "settings": { "redirect": "10.2.0.3:9000" },
	    "mux": { "enabled": true, "concurrency": 8 } } ] }
END
bg "$C" v2client v2ray -config "$TMP/v2client.json"
wait_port "$C" tcp 7004
# (its client ends both directions with one, so no half closes here)
out=$(on "$C" "$NT" tcp-hold 127.0.0.1 7001 -n 3 -d 100)
contains "v2ray client: echo" "$out" "open=3"
contains "v2ray client: echo again" "$out" "alive=3"
out=$(on "$C" "$NT" tcp 127.0.0.1 7003 -O)
contains "v2ray client: download" "$out" "rx=$(sha 3000000)"
out=$(on "$C" "$NT" udp 127.0.0.1 7004 -n 20,1400)
contains "v2ray client: datagrams" "$out" "ok=2 bad=0"
alive server || fail "the server died"
stop server
eq "the server ends well" "$RC" 0
pass
