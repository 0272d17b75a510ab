#!/bin/bash
# dns_secure.sh: encrypted DNS: over HTTPS by HTTP/2 (unbound) and HTTP/1.1 (nghttpx
# in front of it), over TLS, h2c; through a SOCKS outbound and straight; one
# connection for many queries; restarts, servers that are down
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/transport_lib.sh
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source=tests/net/dns_secure_lib.sh
. "$(dirname "$0")/dns_secure_lib.sh"

secure_up
bg "$S" micro microsocks -i 10.2.0.3 -p 1082
wait_port "$S" tcp 1082
bg "$S" front nghttpx --conf=/dev/null --no-ocsp --workers=1 -f '10.3.0.4,8443' \
	--npn-list=http/1.1 --add-response-header='age: 50' -b '10.3.0.1,8080;;proto=h2' --errorlog-file=/dev/stderr \
	--accesslog-file="$TMP/front.txt" "$TMP/dns.key" "$TMP/dns.crt"
wait_port "$S" tcp 8443

# server DOMAIN ADDRESS [MORE]
server() {
	echo "{ \"address\": \"$2\", \"domains\": [ \"domain:$1.test\" ],
		\"timeoutMs\": 2000, \"skipFallback\": true ${3:-} },"
}
CA="\"tlsSettings\": { \"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ], \"disableSystemRoot\": true }"

# config LAST-SERVERS: servers by domain, all of them encrypted
config() {
	cat <<-END
	{
	  "log": { "loglevel": "debug", "access": "$TMP/access.txt", "dnsLog": true },
	  "culvert": { "workers": 1 },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "dns": { "tag": "dns-own", "hosts": { "dns.secure.test": "10.3.0.1" },
	    "clientIp": "192.0.2.77",
	    "servers": [
	      $(server doh https://10.3.0.1/dns-query)
	      $(server six 'https://[fd03::1]/dns-query')
	      $(server dohl https+local://10.3.0.1/dns-query)
	      $(server named https://dns.secure.test/dns-query)
	      $(server own https://own.secure.test/dns-query ', "tag": "resolves"')
	      $(server ownl https+local://ownl.secure.test/dns-query)
	      $(server dot tls://10.3.0.1)
	      $(server dotl tls+local://dns.secure.test ", $CA")
	      $(server one https://10.3.0.4:8443/dns-query)
	      $(server onel https+local://10.3.0.4:8443/dns-query)
	      $(server h2c h2c://10.3.0.1:8080/dns-query)
	      $(server h2cl h2c+local://10.3.0.1:8080)
	      $(server badname https://10.3.0.5/dns-query ", \"finalQuery\": true")
	      $(server badca https://10.3.0.1/dns-query ", \"finalQuery\": true,
			\"tlsSettings\": { \"disableSystemRoot\": true }")
	      $(server gone tls://10.3.0.6)
	      $(server gone https://10.3.0.1/dns-query)
	      "tls+local://10.3.0.1" ] },
	  "routing": { "rules": [
	    { "inboundTag": [ "dns-own" ], "outboundTag": "proxy" },
	    { "inboundTag": [ "resolves" ], "outboundTag": "resolves" },
	    { "port": 53, "outboundTag": "dns" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" },
	    { "tag": "dns", "protocol": "dns" },
	    { "tag": "resolves", "protocol": "freedom",
	      "settings": { "domainStrategy": "ForceIP" } },
	    { "tag": "proxy", "protocol": "socks",
	      "settings": { "servers": [ { "address": "10.2.0.3", "port": 1082 } ] } } ]
	}
	END
}
# for ownl: the nameserver of the host itself
resolver "$G" 10.3.0.2
export SSL_CERT_FILE=$TMP/ca.pem # what the system trusts, here
start_culvert <<<"$(config)"
unset SSL_CERT_FILE
to_tun culvert0

echo "-- A, AAAA, CNAME, no such name: over everything"
for d in doh six dohl named own ownl dot dotl one onel h2c h2cl; do
	out=$(answers "$d")
	contains "$d: A" "$out" "a.$d.test. A 10.9.9.1"
	contains "$d: AAAA" "$out" "a.$d.test. AAAA fd09::1"
	contains "$d: CNAME" "$out" "alias.$d.test. A 10.9.9.1"
	eq "$d: 40 addresses are cut to what is kept" "$(grep -c "^big.$d.test. A" <<<"$out")" 16
	contains "$d: no such name" "$out" NXDOMAIN
done
le "Age: 50 is taken from the 60 s of an answer" \
	"$(ask b.many.one.test A | awk '/IN\tA\t/ { print $2 }')" 10
contains "dnsLog" "$(<"$TMP/access.txt")" "DOH//10.3.0.1:443 got answer: a.doh.test -> [10.9.9.1]"
contains "dnsLog, DoT" "$(<"$TMP/access.txt")" "DOTL//dns.secure.test:853 got answer: a.dotl.test -> [10.9.9.1]"
for t in 'DOH//10.3.0.1:443: connected, HTTP/2' 'DOT//10.3.0.1:853: connected, DNS over TLS' \
		'DOH//10.3.0.4:8443: connected, HTTP/1.1' 'DOHL//10.3.0.1:8080: connected, HTTP/2'; do
	contains "log" "$(<"$TMP/culvert.log")" "$t"
done

echo "-- the routed ones went through the proxy, the local ones did not"
for t in 10.3.0.1:443 '[fd03::1]:443' 10.3.0.1:853 10.3.0.4:8443 10.3.0.1:8080; do
	contains "routed" "$(<"$TMP/access.txt")" "accepted tcp:$t [dns-own -> proxy]"
done
eq "sessions, one a connection" "$(grep -cE '\[(dns-own -> proxy|resolves -> resolves)\]' "$TMP/access.txt")" \
	"$(grep -cE 'dns: DO[HT]//.*: connected' "$TMP/culvert.log")"
# dohl, dotl, own, ownl; and the last server, asked for own and what does not exist
eq "connections of culvert itself" "$(peers 10.2.0.1)" 5
eq "connections of the proxy: doh, six, named, dot" "$(($(peers) - 5))" 4
contains "own's name was asked of a server without one" "$(<"$TMP/access.txt")" \
	"DOTL//10.3.0.1:853 got answer: own.secure.test -> [10.3.0.1]"
contains "ownl's of the system's" "$(<"$TMP/access.txt")" \
	"localhost got answer: ownl.secure.test -> [10.3.0.1]"

echo "-- whose certificate does not fit is not asked"
contains "another address" "$(ask a.badname.test A)" SERVFAIL
contains "nobody to believe" "$(ask a.badca.test A)" SERVFAIL
contains "said" "$(<"$TMP/culvert.log")" "certificate is for"

echo "-- many queries, one connection"
for d in doh:200 dot:60 one:60; do
	before=$(connected)
	many ${d/:/ }
	eq "$d: no new connection" "$(connected)" "$before"
done
contains "by POST" "$(tail -n1 "$TMP/front.txt")" '"POST /dns-query HTTP/1.1" 200'

echo "-- many at the same time: HTTP/1.1 takes some connections, never more than four"
at_once one 40
at_once doh 40
at_once dot 40
le "connections to the HTTP/1.1 server" \
	"$(grep -c 'DOH//10.3.0.4:8443: connected' "$TMP/culvert.log")" 4

echo "-- a connection that is dead and does not say so: another one, in time"
for d in doh dotl; do
	swallow
	ms=$(ask "q.many.$d.test" A | awk '/IN\tA\t10.9.9.1/ { ok = 1 } /Query time/ { print ok ? $4 : "none" }')
	le "$d: a third of the time-out, and a handshake" "$ms" $((1500 * SLOW))
	on "$S" nft delete table inet dead
done

echo "-- a server that restarts, one that is gone"
ends=$(grep -c 'connection ends' "$TMP/culvert.log")
stop unbound
wait_for 5 more_ends "$ends" || fail "the end of a server is not seen"
unbound_start
for d in doh dot dohl dotl; do eq "$d: after a restart" "$(short "r.many.$d.test" A)" 10.9.9.1; done
eq "no server: the next one" "$(short a.gone.test A)" 10.9.9.1
wait_log culvert "DOT//10.3.0.6:853 does not answer"

echo "-- idle connections end; a reload leaves none of the old"
before=$(connected)
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 2"
# a worker takes the new generation up when it comes to it
n=0
fresh() {
	n=$((n + 1))
	[ "$(short "s$n.many.doh.test" A)" = 10.9.9.1 ] &&
		[ "$(connected)" -gt "$before" ]
}
wait_for 5 fresh || fail "no answer by a new connection after a reload"
ASSERTS=$((ASSERTS + 1))
stop culvert
eq "ends in order" "$RC" 0
pass
