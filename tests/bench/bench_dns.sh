#!/bin/bash
# FakeDNS answers: one worker behind a TUN and behind a socket, against dnsmasq
#
# dnsmasq answers every name from its configuration (no upstream, no cache): the
# least a DNS server can do for a question. "new": each name for the first time;
# "same": 1000 names over and over.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-3} SECS=${SECS:-1.5} WINDOW=${WINDOW:-64}
LOAD=$ROOT/build/bench/dnsload

net_up
wide "$C"
bg "$G" dnsmasq dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --pid-file= \
	--bind-interfaces --user=root --listen-address=10.1.0.1 --local-ttl=1 \
	--address=/bench.test/10.9.9.9 --dns-forward-max=10000
wait_port "$G" udp 53
# shellcheck disable=SC2119
start_culvert <<-'END'
	{
	  "log": { "loglevel": "warning", "access": "none" },
	  "culvert": { "workers": 1 },
	  "inbounds": [
	    { "tag": "lan", "protocol": "tun",
	      "settings": { "name": "culvert0", "mtu": 1500 } },
	    { "tag": "socket", "protocol": "dokodemo-door", "port": 5353,
	      "settings": { "network": "udp", "address": "10.9.9.9", "port": 53 } } ],
	  "dns": { "servers": [ "fakedns", "10.3.0.1" ] },
	  "fakedns": { "ipPool": "10.64.0.0/10", "poolSize": 1000000 },
	  "routing": { "rules": [ { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    { "tag": "dns", "protocol": "dns" } ]
	}
END
wait_port "$G" udp 5353
path_tun

# dns ROW PROGRAM ADDRESS PORT
dns() {
	local kind n
	load "$2" "$3" "$4" 0.2 8 1 # neighbours are found, memory is there
	for kind in new same; do
		n=0
		[ $kind = new ] || n=1000
		load "$2" "$3" "$4" "$SECS" "$WINDOW" $n
		put "$1" "${kind}_rate" "$(value "$OUT" rate)"
		put "$1" "${kind}_cpu_us" \
			"$(calc "$SPENT / 1000 / $(value "$OUT" answers)" 2)"
		put "$1" "${kind}_per_cpu_s" \
			"$(calc "$(value "$OUT" answers) * 1e9 / $SPENT" 0)"
		put "$1" "${kind}_p99_us" "$(value "$OUT" p99_us)"
		put "$1" "${kind}_lost_pct" "$(calc "100 * ($(value "$OUT" lost) + \
			$(value "$OUT" bad)) / $(value "$OUT" asked)" 3)"
	done
}

machine
for ((r = 0; r < ROUNDS; r++)); do
	dns dnsmasq dnsmasq 10.1.0.1 53
	dns culvert-tun culvert 10.3.0.1 53
	dns culvert-socket culvert 10.1.0.1 5353
done
table "FakeDNS answers" dnsmasq new_rate:0 new_rate/ new_cpu_us new_cpu_us/ \
	new_p99_us:0 new_lost_pct:3 same_rate:0 same_rate/ same_cpu_us same_cpu_us/ \
	same_p99_us:0
limit culvert-tun new_lost_pct "<=" 0.1
limit culvert-tun new_per_cpu_s ">=" 15000

keep dns
exit $BROKEN
