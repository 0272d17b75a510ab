#!/bin/bash
# Rules of every kind on real connections; the access log says how each went
# timeout: 300
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

net_up
serve echo tcp-serve 5003 echo
serve more tcp-serve 7100 echo
bg "$S" uecho "$NT" udp-serve -l 10.3.0.1 7777 echo
wait_port "$S" udp 7777
bg "$S" qecho "$NT" udp-serve -l 10.3.0.4 443 echo
wait_port "$S" udp 443
addr "$C" c0 10.1.0.66/24 fd01::66/64

# What starts a TLS stream, made by a real client
python3 - tls.example.org >"$TMP/hello" <<-'END'
	import ssl, sys
	c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
	out = ssl.MemoryBIO()
	o = c.wrap_bio(ssl.MemoryBIO(), out, server_hostname=sys.argv[1])
	try:
	    o.do_handshake()
	except ssl.SSLWantReadError:
	    sys.stdout.buffer.write(out.read())
END
# A geosite.dat with list SITES of example.ORG (ORG may change), a geoip.dat
export XRAY_LOCATION_ASSET=$TMP/assets
mkdir -p "$TMP/assets"
lists() { # ORG
	python3 - "$TMP/assets" "$1" <<-'END'
		import sys
		def num(n):
		    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + num(n >> 7)
		def field(n, b):
		    return num(n << 3 | 2) + num(len(b)) + b
		def domain(kind, value, *attrs):  # 0 keyword, 1 regexp, 2 domain, 3 full
		    return field(2, b"\x08" + num(kind) + field(2, value.encode()) +
		                 b"".join(field(3, field(1, a.encode()) + b"\x10\x01") for a in attrs))
		def cidr(ip, bits):
		    return field(2, field(1, bytes(ip)) + b"\x10" + num(bits))
		def entry(code, *items):
		    return field(1, field(1, code.encode()) + b"".join(items))
		where, org = sys.argv[1:]
		open(where + "/geosite.dat", "wb").write(
		    entry("OTHER", domain(2, "example.com")) +
		    entry("SITES", domain(2, org), domain(3, "one.test", "x", "y"),
		          domain(0, "adserv"), domain(1, r"^r[0-9]+\.test$", "x")))
		open(where + "/mine.dat", "wb").write(entry("MINE", domain(2, "mine.test")))
		open(where + "/geoip.dat", "wb").write(
		    entry("XX", cidr([10, 3, 0, 2], 32), cidr([0xfd, 3] + [0] * 13 + [2], 128)) +
		    entry("YY", cidr([10, 0, 0, 0], 8), cidr([0xfd] + [0] * 15, 8)))
	END
}
lists example.org || fail "no lists"
printf '\x13BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaaBBBBBBBBBBBBBBBBBBBB' >"$TMP/bt"

# config STRATEGY RULES [DEFAULT]: r1..r9 are ways out with no difference. SNIFFS: the
# inbound does; LOOP: more of the loopback's settings
config() {
	local i outs=""
	for i in 1 2 3 4 5 6 7 8 9; do
		outs+=", { \"tag\": \"r$i\", \"protocol\": \"freedom\",
			\"settings\": { \"domainStrategy\": \"UseIP\" } }"
	done
	cat <<-END
	{
	  "log": { "loglevel": "warning", "access": "$TMP/access.txt" },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 },
	    "sniffing": { "enabled": ${SNIFFS:-true},
	      "destOverride": [ "http", "tls", "quic" ] } } ],
	  "dns": { "hosts": { "full:a.test": "10.3.0.1", "full:b.test": "10.3.0.2",
	    "full:c.test": "10.3.0.3", "full:six.test": "fd03::5",
	    "domain:example.org": "10.3.0.1", "domain:example.com": "10.3.0.1",
	    "domain:example.net": "10.3.0.1", "regexp:^(one|r77)[.]test$": "10.3.0.1",
	    "keyword:serv": "10.3.0.1", "keyword:mine": "10.3.0.1",
	    "full:x.a.test": "10.3.0.1", "full:notexample.com": "10.3.0.1",
	    "full:host": "10.3.0.1" } },
	  "routing": { "domainStrategy": "$1", "rules": [ $2 ] },
	  "outbounds": [ { "tag": "${3:-direct}", "protocol": "freedom",
	    "settings": { "domainStrategy": "UseIP" } } $outs,
	    { "tag": "loop", "protocol": "loopback",
	      "settings": { ${LOOP:-} "inboundTag": "second" } } ],
	  "culvert": { "workers": 2 }
	}
	END
}

# use STRATEGY RULES [DEFAULT]: in force for connections from now on
GEN=1
use() {
	config "$@" >"$TMP/config.json"
	GEN=$((GEN + 1))
	kill -HUP "${PID[culvert]}"
	wait_log culvert "generation $GEN is in force"
}

SPORT=20000
# went WHAT TAG ARROW-OR-EMPTY NT-ARGUMENTS...: by the access line of this port
went() {
	local what=$1 tag=$2 line
	SPORT=$((SPORT + 1))
	shift 2
	on "$C" "$NT" "$@" -p $SPORT -t 8 >"$TMP/went.log" 2>&1
	wait_for 5 grep -q ":$SPORT accepted" "$TMP/access.txt" ||
		fail "$what: no access line; client: $(cat "$TMP/went.log")"
	line=$(grep ":$SPORT accepted" "$TMP/access.txt" | tail -n 1)
	ASSERTS=$((ASSERTS + 1))
	[[ $line == *" $tag]"* ]] || fail "$what: want [$tag], got: $line"
	LINE=$line
}
http() { # WHAT TAG HOST [ADDR] [METHOD] [HEADER]
	went "$1" "$2" tcp "${4:-10.3.0.1}" 5003 -m \
		"${5:-GET} /x HTTP/1.1"$'\r\n'"Host: $3"$'\r\n'"${6:-X-A: 1}"$'\r\n\r\n'
}

config AsIs "" >"$TMP/first.json"
start_culvert <"$TMP/first.json"
to_tun culvert0

echo "-- no rule: the first outbound, by default"
went "default" direct tcp 10.3.0.1 5003 -n 10
contains "default is marked so" "$LINE" "[lan >> direct]"

echo "-- domain kinds"
use AsIs '
 { "domain": [ "full:a.test" ], "outboundTag": "r1" },
 { "domain": [ "domain:example.com" ], "outboundTag": "r2" },
 { "domain": [ "keyword:mple.o" ], "outboundTag": "r3" },
 { "domain": [ "regexp:^b\\.[a-z]{4}$" ], "outboundTag": "r4" },
 { "domain": [ "dotless:os" ], "outboundTag": "r5" },
 { "domain": [ "c.te" ], "outboundTag": "r6" }'
http "full" r1 a.test
contains "a rule is marked so" "$LINE" "[lan -> r1]"
http "full, in capitals" r1 A.TEST
http "full is not for what lies below" direct x.a.test
http "domain itself" r2 example.com
http "domain, below" r2 www.example.com
http "domain is not a suffix of letters" direct notexample.com
http "keyword" r3 www.example.org
http "regexp" r4 b.test
http "dotless" r5 host
http "substring" r6 c.test
went "TLS carries the name" r3 tcp 10.3.0.1 5003 -f "$TMP/hello" -t 2

echo "-- addresses"
use AsIs '
 { "ip": [ "10.3.0.2", "fd03::2" ], "outboundTag": "r1" },
 { "ip": [ "198.51.100.0/24", "2001:db8:51::/48" ], "outboundTag": "r2" },
 { "ip": [ "!10.0.0.0/8", "!fd00::/8" ], "outboundTag": "r3" },
 { "source": [ "10.1.0.66", "fd01::66" ], "outboundTag": "r4" }'
went "ip v4" r1 tcp 10.3.0.2 5003 -n 1
went "ip v6" r1 tcp fd03::2 5003 -n 1
went "subnet v4" r2 tcp 198.51.100.3 5003 -n 1
went "subnet v6" r2 tcp 2001:db8:51::3 5003 -n 1
went "source v4" r4 tcp 10.3.0.3 5003 -n 1 -b 10.1.0.66
went "source v6" r4 tcp fd03::3 5003 -n 1 -b fd01::66
went "no address rule" direct tcp 10.3.0.3 5003 -n 1

use AsIs '
 { "inboundTag": [ "nobody" ], "outboundTag": "api" },
 { "ip": [ "!192.0.2.0/24" ], "port": 5003, "outboundTag": "r1" }'
went "not of a subnet" r1 tcp 10.3.0.1 5003 -n 1
went "which says nothing of the other family" direct tcp fd03::1 5003 -n 1

echo "-- lists of files, and a file that changes"
use AsIs '
 { "domain": [ "geosite:sites@x@y" ], "outboundTag": "r1" },
 { "domain": [ "geosite:sites@x" ], "outboundTag": "r2" },
 { "domain": [ "geosite:SITES", "ext:mine.dat:mine" ], "outboundTag": "r3" },
 { "ip": [ "geoip:xx" ], "outboundTag": "r4" },
 { "ip": [ "geoip:!yy" ], "outboundTag": "r5" }'
http "both attributes" r1 one.test
http "one attribute, a regexp" r2 r77.test
http "a domain of the list" r3 deep.example.org
http "a keyword of the list" r3 my.adserver.test
http "ext:" r3 www.mine.test
http "another list" direct www.example.com
went "geoip v4" r4 tcp 10.3.0.2 5003 -n 1
went "geoip v6" r4 tcp fd03::2 5003 -n 1
went "not in geoip" r5 tcp 198.51.100.1 5003 -n 1
went "in geoip" direct tcp 10.3.0.3 5003 -n 1
lists example.net
GEN=$((GEN + 1))
kill -HUP "${PID[culvert]}"
wait_log culvert "generation $GEN is in force"
http "the new list" r3 deep.example.net
http "the old one is gone" direct deep.example.org
config AsIs '{ "domain": [ "geosite:nowhere" ], "outboundTag": "r1" },
 { "ip": [ "geoip:zz" ], "outboundTag": "r1" }' >"$TMP/config.json"
bad "lists that are not there" "$CULVERT" run -test -c "$TMP/config.json"
matches "where and which" "$(cat "$TMP/bad.log")" \
	'config.json:[0-9]+:[0-9]+: error: routing.rules\[0\].domain\[0\]: .*nowhere'
contains "both in one pass" "$(cat "$TMP/bad.log")" 'routing.rules[1].ip[0]'

echo "-- ports, network, inbound"
use AsIs '
 { "port": "7000-7099,7100", "network": "tcp", "outboundTag": "r1" },
 { "network": "udp", "port": 7777, "outboundTag": "r2" },
 { "sourcePort": "30001-30002", "outboundTag": "r3" },
 { "inboundTag": [ "elsewhere" ], "outboundTag": "r4" },
 { "inboundTag": [ "second" ], "ip": [ "10.3.0.4" ], "outboundTag": "r6" },
 { "ip": [ "10.3.0.4" ], "outboundTag": "loop" },
 { "inboundTag": [ "other", "lan" ], "localPort": 5003, "ip": [ "10.3.0.5" ],
   "outboundTag": "r5" }'
went "port range" r1 tcp 10.3.0.1 7100 -n 1
went "network and port" r2 udp 10.3.0.1 7777 -n 10
contains "it says udp" "$LINE" "accepted udp:10.3.0.1:7777"
SPORT=30000
went "sourcePort" r3 tcp 10.3.0.1 5003 -n 1
went "sourcePort, end of range" r3 tcp 10.3.0.1 5003 -n 1
went "past the range" direct tcp 10.3.0.1 5003 -n 1
went "inboundTag of a loopback" r6 tcp 10.3.0.4 5003 -n 1
went "inboundTag and localPort" r5 tcp 10.3.0.5 5003 -n 1

echo "-- protocol and attributes"
use AsIs '
 { "attrs": { ":method": "POST" }, "outboundTag": "r1" },
 { "attrs": { "x-flag": "yes" }, "outboundTag": "r2" },
 { "protocol": [ "bittorrent" ], "outboundTag": "r3" },
 { "protocol": [ "tls" ], "outboundTag": "r4" },
 { "protocol": [ "http" ], "outboundTag": "r5" },
 { "protocol": [ "quic" ], "outboundTag": "r6" }'
http "method" r1 a.test 10.3.0.1 POST
http "header" r2 a.test 10.3.0.1 GET "X-Flag: yes"
http "http by its prefix" r5 a.test
went "tls" r4 tcp 10.3.0.1 5003 -f "$TMP/hello" -t 2
went "bittorrent" r3 tcp 10.3.0.1 5003 -f "$TMP/bt"
went "nothing known" direct tcp 10.3.0.1 5003 -m "hello there, this is no protocol"

echo "-- a loopback that sniffs"
LOOP='"sniffing": { "enabled": true, "destOverride": [ "http", "tls", "quic" ] },'
for SNIFFS in false true; do
	use AsIs '
 { "inboundTag": [ "second" ], "domain": [ "full:tls.example.org" ], "outboundTag": "r1" },
 { "inboundTag": [ "second" ], "protocol": [ "bittorrent" ], "outboundTag": "r2" },
 { "inboundTag": [ "second" ], "protocol": [ "http" ], "outboundTag": "r3" },
 { "inboundTag": [ "lan" ], "outboundTag": "loop" }'
	went "tls" r1 tcp 10.3.0.1 5003 -f "$TMP/hello" -t 2
	contains "its name is the target" "$LINE" "accepted tcp:tls.example.org:5003"
	went "bittorrent" r2 tcp 10.3.0.1 5003 -f "$TMP/bt"
	http "http" r3 a.test
	went "nothing known" direct tcp 10.3.0.1 5003 -m "hello there, this is no protocol"
done
unset LOOP SNIFFS

echo "-- domainStrategy"
RULES='
 { "ip": [ "10.3.0.2" ], "outboundTag": "r1" },
 { "domain": [ "full:b.test" ], "outboundTag": "r2" },
 { "ip": [ "10.3.0.3", "fd03::5" ], "outboundTag": "r3" }'
use AsIs "$RULES"
http "AsIs: the name rule" r2 b.test 10.3.0.9
http "AsIs: names match no address" direct c.test 10.3.0.9
use IPIfNonMatch "$RULES"
http "IPIfNonMatch: names first" r2 b.test 10.3.0.9
http "IPIfNonMatch: then addresses" r3 c.test 10.3.0.9
http "IPIfNonMatch: v6" r3 six.test 10.3.0.9
http "IPIfNonMatch: none" direct a.test 10.3.0.9
use IPOnDemand "$RULES"
http "IPOnDemand: in the order of rules" r1 b.test 10.3.0.9
http "IPOnDemand: addresses" r3 c.test 10.3.0.9

echo "-- combinations, another default, no rule left"
use AsIs '
 { "domain": [ "full:a.test" ], "port": "1-100", "outboundTag": "r1" },
 { "domain": [ "full:a.test" ], "network": "tcp,udp", "ruleTag": "both",
   "outboundTag": "r2" }' first
http "all of a rule must hold" r2 a.test
contains "ruleTag" "$("$CULVERT" route-test -c "$TMP/config.json" tcp:a.test:443)" both
went "default" first tcp 10.3.0.1 5003 -n 1

echo "-- a rule that leads nowhere is an error, and changes nothing"
config AsIs '{ "port": 1, "outboundTag": "nowhere" }' >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "nothing is changed"
contains "it is named" "$(cat "$TMP/culvert.log")" "nowhere"
http "the old rules hold" r2 a.test
alive culvert || fail "culvert died"
pass
