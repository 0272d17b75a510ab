#!/bin/bash
# observe.sh: outbounds are probed, and balancers follow: the fastest, the living,
# the fallback when all are dead
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in openssl socat curl python3; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
make_ca
# What probes ask: at once, and after 300 ms; by TLS
cat >"$TMP/web.sh" <<'END'
while read -r l && [ "${#l}" -gt 1 ]; do :; done
sleep "$1"
printf 'HTTP/1.1 204 No Content\r\n\r\n'
END
web() { bg "$S" "$1" socat "$2,fork,reuseaddr" EXEC:"bash $TMP/web.sh $3"; }
web quick "TCP-LISTEN:8001,bind=10.2.0.3" 0
web slow "TCP-LISTEN:8001,bind=10.2.0.4" 0.3
web tls "OPENSSL-LISTEN:8443,bind=10.2.0.3,cert=$TMP/names.pem,verify=0" 0
for port in 8001 8443; do wait_port "$S" tcp $port; done
# conf OBSERVATORY STRATEGY: "a" reaches the slow one, "b" the quick one
conf() {
	cat <<-END
	{
	  "log": { "loglevel": "info" }, "metrics": { "listen": "127.0.0.1:9101" },
	  "api": { "tag": "api", "listen": "127.0.0.1:9102", "services": [ "RoutingService" ] },
	  $1,
	  "inbounds": [ $(door 7001 in) ],
	  "routing": { "balancers": [ { "tag": "best", "selector": [ "way-" ], "fallbackTag": "spare",
	      "strategy": { "type": "$2" } } ],
	    "rules": [ { "inboundTag": [ "in" ], "balancerTag": "best" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, { "tag": "spare", "protocol": "freedom" },
	    { "tag": "way-a", "protocol": "freedom", "settings": { "redirect": "${3:-10.2.0.4}:0" } },
	    { "tag": "way-b", "protocol": "freedom", "settings": { "redirect": "${4:-10.2.0.3}:0" } } ]
	}
	END
}
door() {
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": 5001 } }"
}
# goes: which outbound the next connection takes
goes() {
	local before
	before=$(grep -c " accepted tcp:" "$TMP/culvert.log")
	on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 -t 5 >/dev/null
	wait_for 5 eval "[ \$(grep -c ' accepted tcp:' '$TMP/culvert.log') -gt $before ]" || fail "no session came"
	grep " accepted tcp:" "$TMP/culvert.log" | tail -n 1
}
all() { # all NAME TAG: five connections go to TAG
	local i
	for i in 1 2 3 4 5; do contains "$1" "$(goes)" "[in -> $2]"; done
}
plain='"observatory": { "subjectSelector": [ "way-" ], "probeURL": "http://probe.test:8001/x", "probeInterval": "200ms", "enableConcurrency": true }'
start_in < <(conf "$plain" leastPing)
wait_log culvert "observatory: [way-a] is alive"
wait_log culvert "observatory: [way-b] is alive"
all "the quick one" way-b
# by hand, with `culvert api`
api() { on "$G" "$CULVERT" api "$1" -s 127.0.0.1:9102 "${@:2}" 2>&1; }
contains "which one it takes" "$(api bi best)" '"way-b"'
lacks "by its strategy" "$(api bi best)" override
ok "another one is chosen" api bo -b best way-a
contains "and told" "$(api bi best)" '"target": "way-a"'
all "the chosen one" way-a
bad "one that is none of them is refused" api bo -b best spare
ok "by its strategy again" api bo -b best -r
all "the quick one again" way-b
bad "which balancer must be said" api bo way-a
stop quick
wait_log culvert "observatory: [way-b] is dead: Connection refused"
all "the living one" way-a
# seen METRIC-JSON-KEY TAG: how many seconds ago
seen() {
	on "$G" curl -s http://127.0.0.1:9101/debug/vars |
		python3 -c 'import json, sys, time; print(int(time.time()) - json.load(sys.stdin)["observatory"][sys.argv[2]][sys.argv[1]])' "$@"
}
le "when it was tried" "$(seen last_try_time way-a)" $((10 * SLOW))
le "when it was seen" "$(seen last_seen_time way-a)" $((10 * SLOW))
le "not from tomorrow" 0 "$(seen last_seen_time way-a)"
stop slow
wait_log culvert "observatory: [way-a] is dead"
all "the fallback" spare
web quick "TCP-LISTEN:8001,bind=10.2.0.3" 0
wait_for 10 eval '[ "$(grep -c "\[way-b\] is alive" "$TMP/culvert.log")" = 2 ]' || fail "it does not come back"
all "the one that came back" way-b
# a reload: other probes, other strategy; the dead are left out of turns
conf '"burstObservatory": { "subjectSelector": [ "way-" ], "pingConfig": { "destination": "http://probe.test:8001/", "interval": "10s", "sampling": 3, "timeout": "1s" } }' roundRobin >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_for 10 eval '[ "$(grep -c "\[way-b\] is alive" "$TMP/culvert.log")" = 3 ]' || fail "no probes after the reload"
wait_for 10 eval '[ "$(grep -c "\[way-a\] is dead" "$TMP/culvert.log")" = 2 ]' || fail "no dead one after the reload"
all "a turn without the dead" way-b
# by TLS: the system's CAs do not know this one
conf '"observatory": { "subjectSelector": [ "way-b" ], "probeURL": "https://tls.test:8443/", "probeInterval": "1s" }' leastPing >"$TMP/config.json"
kill -HUP "${PID[culvert]}"
wait_log culvert "tls: tls.test: certificate of an unknown CA"
wait_log culvert "observatory: [way-b] is dead: Key was rejected by service"
stop culvert
eq "ends well" "$RC" 0
pass
