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
for a in 10.3.0.1 10.3.0.2 fd03::1; do
	bg "$S" "udp$a" "$NT" udp-serve -l "$a" 5006 echo
done
bg "$S" udp443 "$NT" udp-serve -l 10.3.0.1 443 echo

cat >"$TMP/server.json" <<-'END'
	{ "log": { "loglevel": "debug" },
	  "inbounds": [ { "tag": "carriers", "port": 9000, "listen": "10.2.0.3",
	    "protocol": "dokodemo-door",
	    "settings": { "network": "tcp", "address": "v1.mux.cool", "port": 9527 } } ],
	  "outbounds": [ { "tag": "out", "protocol": "freedom" } ] }
END
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 9000

# client PORT MUX: culvert in $G whose TUN leads to the server at PORT
client() {
	start_culvert <<-END
	{ "log": { "loglevel": "debug" },
	  "culvert": { "workers": 1 },
	  "inbounds": [ { "tag": "tun", "protocol": "tun",
	    "settings": { "name": "culvert0" } } ],
	  "outbounds": [ { "tag": "muxed", "protocol": "freedom",
	    "settings": { "redirect": "10.2.0.3:$1" }, "mux": $2 } ] }
	END
	to_tun culvert0
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
udp_echo() { on "$C" "$NT" udp "$1" "$2" -n 20 2>&1; }

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
pass
