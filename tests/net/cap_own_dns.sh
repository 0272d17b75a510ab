#!/bin/bash
# Questions to the gateway's own addresses that culvert does not answer itself, in each way
# of capture: those of other types (nonIPQuery), and all of a client that routing sends
# elsewhere, are for the gateway's resolver
# timeout: 90
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
host_net
bg "$G" near dnsmasq -k --no-resolv --no-hosts --user=nobody --pid-file= \
	--bind-interfaces --address=/www.example.com/192.0.2.77 \
	--txt-record=www.example.com,near
wait_port "$G" udp 53
ip -n "$C" addr add 10.1.0.5/24 dev c0

# txt NS AT [OPTION...]
txt() { on "$1" dig +short +tries=1 +time=3 "${@:3}" "@$2" www.example.com TXT 2>&1 | head -n 1; }
TUN='{ "protocol": "tun", "tag": "tun-in", "settings": { "name": "culvert0" } }'
for how in tun redirect tproxy; do
	[ $how = tun ] || TUN=
	cat >"$TMP/up.json" <<-END
	{ "dns": { "servers": [ "fakedns" ] }, "inbounds": [ $TUN ],
	  "routing": { "rules": [
	    { "port": 53, "source": [ "10.1.0.5" ], "outboundTag": "direct" },
	    { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "protocol": "freedom", "tag": "direct",
	      "settings": { $ALLOW } },
	    { "protocol": "dns", "tag": "dns", "settings": { "nonIPQuery": "skip" } } ],
	  "culvert": { "capture": "$how" } }
	END
	host_up "$TMP/up.json"
	for o in +notcp +tcp; do
		for at in 10.1.0.1 fd01::1; do
			eq "$how: the LAN asks $at $o" "$(txt "$C" $at $o)" '"near"'
		done
		eq "$how: the host asks itself $o" "$(txt "$G" 127.0.0.1 $o)" '"near"'
		eq "$how: routed elsewhere $o" \
			"$(txt "$C" 10.1.0.1 $o -b 10.1.0.5)" '"near"'
	done
	matches "$how: addresses as ever" "$(ask "$C" 10.1.0.1 A www.example.com)" \
		'^198\.1[89]\.'
	stop culvert
done
pass
