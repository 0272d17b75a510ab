#!/bin/bash
# dns_down.sh: a DNS server that a firewall swallows costs its time-out once, not
# for each name; it is used again when it is back. UseSys follows the routes.
# alone: (it measures, or breaks things on purpose)
# shellcheck source=tests/net/lib.sh disable=SC2119,SC2317
. "$(dirname "$0")/lib.sh"

net_up
DNSMASQ="dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --pid-file=
	--bind-interfaces --user=root --log-facility=- --local=/test/"
for i in 1 2; do
	# shellcheck disable=SC2086
	bg "$S" "server$i" $DNSMASQ --listen-address=10.3.0.$i --log-queries \
		--address="/many.test/10.9.9.$i" --address="/many.test/fd09::$i"
done
wait_port "$S" udp 53

# What "localhost" means in $G
resolver "$G" 10.3.0.1 10.3.0.2

config() { # DNS-KEYS [SERVERS]
	cat <<-END
	{
	  "log": { "loglevel": "info" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "dns": { "tag": "dns-own", $1 "servers": [
	      ${2:-{ \"address\": \"10.3.0.1\", \"timeoutMs\": 1500 \},
	      { \"address\": \"10.3.0.2\", \"timeoutMs\": 1500 \}} ] },
	  $(dns_routing)
	}
	END
}

swallow() { on "$S" nft -f - <<<"add table inet down
	add chain inet down in { type filter hook input priority 0; }
	add rule inet down in ip daddr 10.3.0.1 udp dport 53 drop"; }
unswallow() { on "$S" nft delete table inet down; }

# asked NAME [TYPE]: "ADDRESS MS", by a new name
asked() {
	on "$C" dig +tries=1 +time=6 @10.3.0.77 "$1.many.test" "${2:-A}" |
		awk '/IN\t(A|AAAA)\t/ { a = $5 } /Query time/ { print a, $4 }'
}
# asked_ms NAME LOWEST HIGHEST ADDRESS [TYPE]
asked_ms() {
	local a ms
	read -r a ms <<<"$(asked "$1" "${5:-A}")"
	eq "$1 from" "$a" "$4"
	le "$1 takes at least $2 ms" "$2" "$ms"
	le "$1 takes at most $3 ms" "$ms" $(($3 * SLOW))
}

start_culvert <<<"$(config "")"
to_tun culvert0
asked_ms first 0 500 10.9.9.1

echo "-- swallowed: once a time-out, then a round trip"
swallow
asked_ms a 1400 3000 10.9.9.2
wait_log culvert "UDP:10.3.0.1:53 does not answer"
for n in b c d e f; do asked_ms $n 0 400 10.9.9.2; done
asked_ms g 0 400 fd09::2 AAAA

echo "-- back: the next query finds it"
unswallow
asked h >/dev/null
wait_log culvert "UDP:10.3.0.1:53 answers again"
asked_ms i 0 500 10.9.9.1

echo "-- all at once: no time-out at all"
stop culvert
swallow
ip -n "$G" rule del pref 77; ip -n "$G" -6 rule del pref 77
start_culvert <<<"$(config '"enableParallelQuery": true,')"
to_tun culvert0
asked_ms j 0 400 10.9.9.2

echo "-- the first nameserver of resolv.conf"
stop culvert
ip -n "$G" rule del pref 77; ip -n "$G" -6 rule del pref 77
start_culvert <<<"$(config "" '"localhost"')"
to_tun culvert0
asked_ms o 1900 3500 10.9.9.2
asked_ms p 0 400 10.9.9.2
unswallow

echo "-- UseSys: AAAA only while the host has a way to IPv6"
stop culvert
ip -n "$G" rule del pref 77; ip -n "$G" -6 rule del pref 77
start_culvert <<<"$(config '"queryStrategy": "UseSys",')"
to_tun culvert0
asked_ms k 0 500 fd09::1 AAAA
ip -n "$G" -6 route del default
no_v6() { [[ $(asked "x$RANDOM" AAAA) == " "* ]]; }
wait_for 5 no_v6 || fail "AAAA without a route: $(asked l AAAA)"
asked_ms m 0 500 10.9.9.1
ip -n "$G" -6 route add default via fd02::2
yes_v6() { [[ $(asked "y$RANDOM" AAAA) == fd09::1* ]]; }
wait_for 5 yes_v6 || fail "no AAAA with a route: $(asked n AAAA)"
ASSERTS=$((ASSERTS + 2))
pass
