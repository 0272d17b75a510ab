#!/bin/bash
# dns_rogue.sh: encrypted DNS servers that are silent, drip, lie, reset: each costs the
# query its time-out at most, and the next server answers
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/transport_lib.sh
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source=tests/net/dns_secure_lib.sh
. "$(dirname "$0")/dns_secure_lib.sh"

MODES=()
for k in h1 h2 dot; do
	for m in silent cut rst garbage drip big; do MODES+=("$k-$m"); done
done
MODES+=(h2-late h1-status h1-type h1-endless h1-two h2-status h2-type h2-goaway h2-stream
	h2-question dot-id dot-short dot-question)

secure_up
make_cert rogue "IP:10.3.0.3"
bg "$S" rogue python3 "$(dirname "$0")/dns_rogue.py" 10.3.0.3 "$TMP/rogue.pem" 9001 "${MODES[@]}"
wait_log rogue serving

servers() {
	local i scheme
	for i in "${!MODES[@]}"; do
		scheme=https
		[[ ${MODES[i]} != dot-* ]] || scheme=tls
		[ $((i % 2)) = 0 ] || scheme=$scheme+local
		echo "{ \"address\": \"$scheme://10.3.0.3:$((9001 + i))\",
			\"domains\": [ \"domain:${MODES[i]}.rogue.test\" ],
			\"timeoutMs\": 1000, \"skipFallback\": true },"
	done
}
export SSL_CERT_FILE=$TMP/ca.pem
start_culvert <<-END
	{
	  "log": { "loglevel": "debug" },
	  "culvert": { "workers": 1 },
	  "inbounds": [ { "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500 } } ],
	  "dns": { "tag": "dns-own", "disableCache": true, "clientIp": "192.0.2.77",
	    "servers": [ $(servers) "https://10.3.0.1/dns-query" ] },
	  $(dns_routing)
	}
END
unset SSL_CERT_FILE
to_tun culvert0
eq "a good server" "$(short good.rogue.test A)" 10.9.9.1

# all_at_once ROUND: one name of each mode; "MODE ADDRESS MS" a line
all_at_once() {
	local m pids=()
	for m in "${MODES[@]}"; do
		ask "x$1.$m.rogue.test" A | awk -v m="$m" \
			'/IN\tA\t/ { a = $5 } /Query time/ { print m, a, $4 }' >"$TMP/got.$m" &
		pids+=($!)
	done
	wait "${pids[@]}"
	for m in "${MODES[@]}"; do
		read -r _ a ms <"$TMP/got.$m"
		eq "$m, round $1: the next server answers" "$a" 10.9.9.1
		le "$m, round $1: in time" "$ms" $((2500 * SLOW))
	done
}
for n in 1 2 3; do all_at_once $n; done

echo "-- each was asked, and none is believed"
for i in "${!MODES[@]}"; do
	contains "${MODES[i]}" "$(<"$TMP/culvert.log")" ":$((9001 + i)) does not answer"
done
# on a busy machine 31 at once may all be late: each is asked alone then
asked=0
told() {
	log_has culvert "$2" && return
	asked=$((asked + 1))
	ask "y$asked.$1.rogue.test" A
	log_has culvert "$2"
}
while read -r m t; do
	wait_for 10 told "$m" "$t" || fail "$m: '$t' is not said"
	ASSERTS=$((ASSERTS + 1))
done <<-END
	h1-status HTTP status 500
	h2-type the answer is no application/dns-message
	dot-cut connection ends
END

echo "-- what they were asked: whole blocks; a subnet, padding; no id over HTTPS"
eq "over HTTPS" "$(grep '^h[12]-' "$TMP/rogue.log" | cut -d' ' -f2- | sort -u)" "128 no-id 8,12"
eq "over TLS" "$(grep '^dot-' "$TMP/rogue.log" | cut -d' ' -f2- | sort -u)" "128 id 8,12"

echo "-- nothing is left of them"
left() {
	[ "$(on "$S" ss -Htn state established '( sport > 9000 and sport < 9100 )' |
		grep -cvE ":90($(keep)) ")" = 0 ]
}
# Those whose connection has done no wrong: it may be used again. Where the server ends
# it, a query is sent once more by a new one; when its time is over before that is up, it
# has heard no query, and waits for the next one
keep() {
	local i out=
	for i in "${!MODES[@]}"; do
		[[ ${MODES[i]} =~ ^h2-(status|type|stream|question|big)|^dot-question|-(cut|rst)$ ]] &&
			out+="${out:+|}$(printf %02d $((i + 1)))"
	done
	echo "$out"
}
wait_for 5 left || fail "connections: $(on "$S" ss -tn)"
eq "a good server, still" "$(short good2.rogue.test A)" 10.9.9.1
stop culvert
eq "ends in order" "$RC" 0
pass
