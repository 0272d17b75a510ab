#!/bin/bash
# dns.sh: names through the gateway: FakeDNS, real servers, what is malformed
#
# Every port 53 goes to the dns outbound. dnsmasq on the server is the real
# resolver, reached through culvert's own routing; 10.3.0.3 swallows queries.
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
PY=$(dirname "$0")/dns.py

net_up
DNSMASQ="dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --pid-file=
	--bind-interfaces --user=root --log-facility=- --log-queries"
# shellcheck disable=SC2086
bg "$S" dnsmasq $DNSMASQ --listen-address=10.3.0.1 \
	--host-record=a.real.test,10.3.0.1,fd03::1 \
	--host-record=wrong.real.test,203.0.113.5 --host-record=x.keep.test,10.3.0.8 \
	--txt-record=txt.real.test,hello --local=/test/
# shellcheck disable=SC2086
bg "$S" second $DNSMASQ --listen-address=10.3.0.2 \
	--host-record=wrong.real.test,10.3.0.2 --local=/test/
bg "$S" silent "$NT" udp-serve -l 10.3.0.3 53 sink
wait_port "$S" udp 53
start_culvert <<-END
	{
	  "log": { "loglevel": "info", "access": "$TMP/access.log",
	    "dnsLog": true },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "dns": { "tag": "dns-own", "hosts": { "h.test": "10.3.0.9" },
	    "servers": [ "fakedns",
	      { "address": "10.3.0.1", "domains": [ "domain:real.test" ],
	        "expectedIPs": [ "10.3.0.0/16", "fd03::/16" ],
	        "timeoutMs": 2000 },
	      { "address": "10.3.0.2", "domains": [ "domain:real.test" ] },
	      { "address": "10.3.0.1", "domains": [ "domain:keep.test" ],
	        "skipFallback": true },
	      { "address": "10.3.0.3", "domains": [ "domain:dead.test" ],
	        "timeoutMs": 500, "finalQuery": true } ] },
	  "fakedns": [ { "ipPool": "198.18.0.0/15", "poolSize": 32768,
	      "persist": "$TMP/fake4" },
	    { "ipPool": "fc00::/18", "poolSize": 32768,
	      "persist": "$TMP/fake6" } ],
	  "routing": { "rules": [
	    { "inboundTag": [ "dns-own" ], "outboundTag": "direct" },
	    { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    { "tag": "dns", "protocol": "dns", "settings": { "rules": [
	      { "action": "direct", "qType": 16 },
	      { "action": "hijack", "qType": "1,28" } ] } } ]
	}
END
to_tun culvert0
ask() { on "$C" dig +tries=1 +time=4 "$@"; }

echo "-- fake addresses, both families, UDP and TCP, from any server asked"
for at in 10.3.0.1 10.3.0.77 fd03::1; do
	for how in +notcp +tcp; do
		out=$(ask @$at www.fake.test A $how +noall +answer)
		matches "A @$at $how" "$out" '[[:space:]]1[[:space:]]+IN[[:space:]]+A[[:space:]]+198\.1[89]\.'
		out=$(ask @$at www.fake.test AAAA $how +short)
		matches "AAAA @$at $how" "$out" '^fc00:'
	done
done
a=$(ask @10.3.0.1 www.fake.test A +short)
eq "the same name, the same address" "$(ask @10.3.0.1 WWW.Fake.Test A +short)" "$a"
eq "PTR" "$(ask @10.3.0.1 -x "$a" +short)" www.fake.test.
eq "HTTPS shows nothing" "$(ask @10.3.0.1 www.fake.test TYPE65 +short)" ""
contains "and is no error" "$(ask @10.3.0.1 www.fake.test TYPE65)" "NOERROR"

echo "-- real servers for their domains, hosts, forwarding"
eq "A of a real server" "$(ask @10.3.0.1 a.real.test A +short)" 10.3.0.1
eq "AAAA of it" "$(ask @10.3.0.1 a.real.test AAAA +short)" fd03::1
eq "expectedIPs sends to the next" "$(ask @10.3.0.1 wrong.real.test A +short)" 10.3.0.2
eq "hosts" "$(ask @10.3.0.1 h.test A +short)" 10.3.0.9
eq "TXT goes to the server asked" "$(ask @10.3.0.1 txt.real.test TXT +short)" '"hello"'
eq "over TCP too" "$(ask @10.3.0.1 txt.real.test TXT +short +tcp)" '"hello"'
contains "a dead server is SERVFAIL" "$(ask @10.3.0.1 x.dead.test A)" SERVFAIL
ip -n "$G" -6 route add unreachable 2001:db8:dead::/48
contains "no way to the server asked is SERVFAIL" \
	"$(ask @2001:db8:dead::1 txt.real.test TXT)" SERVFAIL
lacks "no fake name reaches a real server" "$(cat "$TMP"/dnsmasq.log)" fake.test
contains "dnsLog" "$(cat "$TMP/access.log")" "UDP:10.3.0.1:53 got answer: a.real.test -> [10.3.0.1]"

echo "-- names that stay real: domains of another server go before fakedns"
eq "keep.test" "$(ask @10.3.0.1 x.keep.test A +short)" 10.3.0.8
eq "in any case" "$(ask @10.3.0.1 X.KEEP.test A +short)" 10.3.0.8
matches "others stay fake" "$(ask @10.3.0.1 keep.other A +short)" '^198\.1[89]\.'

echo "-- malformed, over and over"
contains "malformed set" "$(on "$C" python3 "$PY" bad 10.3.0.1 2>&1)" fine
contains "malformed set, v6" "$(on "$C" python3 "$PY" bad fd03::1 2>&1)" fine
contains "TCP, many and in pieces" "$(on "$C" python3 "$PY" tcp 10.3.0.1 2>&1)" fine

echo "-- rate of fake answers"
out=$(on "$C" python3 "$PY" flood 10.3.0.1 3)
echo "$out"
contains "no live mapping twice" "$out" "dup=0"
[[ $out =~ rate=([0-9]+) ]]
# the client is the slower half; what culvert alone reaches is told by the bench
le "at least 4000/s here, sanitizers aside" $((SLOW > 1 ? 0 : 4000)) "${BASH_REMATCH[1]}"

echo "-- an address without a mapping is refused; mappings survive a kill"
for free in 198.1{8,9}.{20,60,100,140,180,220}.200; do # the pool starts anywhere
	[ -n "$(ask @10.3.0.1 -x "$free" +short)" ] || break
done
out=$(on "$C" python3 "$PY" refused "$free" 2>&1)
contains "unmapped, by TCP" "$out" refused
wait_log culvert "no name for $free"
kept() { a=$(ask @10.3.0.1 keep.fake.test A +short); [ -n "$a" ]; }
wait_for 4 kept # the flood may have used all addresses within the last 2 s
a6=$(ask @10.3.0.1 keep.fake.test AAAA +short)
matches "both families" "$a $a6" '^198\.1[89]\..* fc00:'
sleep 0.3
stop culvert KILL
ip -n "$G" rule del pref 77; ip -n "$G" -6 rule del pref 77
ip -n "$G" route flush table 77; ip -n "$G" -6 route flush table 77
cp "$TMP/config.json" "$TMP/again.json"
start_culvert <"$TMP/again.json"
to_tun culvert0
eq "PTR after kill -9" "$(ask @10.3.0.1 -x "$a" +short)" keep.fake.test.
eq "PTR, v6" "$(ask @10.3.0.1 -x "$a6" +short)" keep.fake.test.
eq "the same address" "$(ask @10.3.0.1 keep.fake.test A +short)" "$a"
eq "the same address, v6" "$(ask @10.3.0.1 keep.fake.test AAAA +short)" "$a6"
pass
