#!/bin/bash
# dns_secure_up.sh: encrypted DNS of a host whose own traffic is caught: what culvert
# itself sends to its servers, and to find their names, is not
# shellcheck source=tests/net/lib.sh disable=SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/transport_lib.sh
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source=tests/net/dns_secure_lib.sh
. "$(dirname "$0")/dns_secure_lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"

secure_up
resolver "$G" 198.51.100.3
server() { echo "{ \"address\": \"$2\", \"domains\": [ \"domain:$1.test\" ], \"timeoutMs\": 2000, \"finalQuery\": true }"; }
cat >"$TMP/up.json" <<-END
	{
	  "log": { "loglevel": "debug", "access": "$TMP/access.txt", "dnsLog": true },
	  "culvert": { "workers": 1 },
	  "inbounds": [ { "tag": "tun", "protocol": "tun" } ],
	  "dns": { "tag": "dns-own", "servers": [
	    $(server doh https://198.51.100.1/dns-query),
	    $(server dohl https+local://198.51.100.1/dns-query),
	    $(server dot tls://public.secure.test),
	    $(server dotl tls+local://public.secure.test) ] },
	  $(dns_routing)
	}
END
export SSL_CERT_FILE=$TMP/ca.pem
host_up "$TMP/up.json"
unset SSL_CERT_FILE
for d in doh dohl dot dotl; do
	for ns in "$G" "$C"; do
		eq "$d" "$(on "$ns" dig +tries=1 +time=5 @198.51.100.9 "n$ns.many.$d.test" A +short)" 10.9.9.1
	done
done
eq "connections" "$(connected)" 4
for n in 853 443; do
	eq "to port $n, one a server" \
		"$(on "$S" ss -Htn state established "( sport = :$n )" | grep -c "198.51.100.1:$n *10.2.0.1:")" 2
	eq "routed once" "$(grep -c "accepted tcp:.*:$n \[dns-own -> direct\]" "$TMP/access.txt")" 1
done
eq "caught: the eight questions, nothing of its own" \
	"$(grep -cF '[tun -> ' "$TMP/access.txt") $(grep -c ':53 \[tun -> dns\]' "$TMP/access.txt")" "8 8"
contains "its servers' name was asked of the system's" "$(<"$TMP/access.txt")" \
	"localhost got answer: public.secure.test -> [198.51.100.1]"
stop culvert
eq "ends in order" "$RC" 0
pass
