#!/bin/bash
# transport_kcp_rogue.sh: an mKCP server and those who err: noise, a wrong seed, segments of
# nobody, floods of new connections, holes, replays from there and elsewhere. What
# goes on beside them goes on, memory and descriptors are as before.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v python3 >/dev/null || skip "no python3"
net_up
serve echo tcp-serve 5001 echo
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
kcp() { echo "\"streamSettings\": { \"network\": \"kcp\", \"kcpSettings\": { ${1:-} } }"; }
inb() { # PORT [SETTINGS]
	echo "{ \"tag\": \"v$1\", \"port\": $1, \"protocol\": \"vless\", $(kcp "${2:-}"),
		\"settings\": { \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\" } ] } }"
}
cat >"$TMP/server.json" <<END
{
  "log": { "loglevel": "info" },
  "policy": { "levels": { "0": { "handshake": 2, "connIdle": 20 } } },
  "inbounds": [ $(join "$(inb 8001)" "$(inb 8002 '"seed": "right"')") ],
  "outbounds": [ { "protocol": "freedom", "settings": { "finalRules": [ { "action": "allow" } ] } } ]
}
END
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" udp 8002
bg "$S" relay python3 "$ROOT/tests/net/kcp.py" relay 10.2.0.5 8004 10.2.0.3 8002
wait_log relay ready
out() { # TAG HOST PORT [SETTINGS]
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", $(kcp "${4:-}"), \"settings\": { \"address\": \"$2\", \"port\": $3,
		\"id\": \"$ID\", \"encryption\": \"none\" } }"
}
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 5, "downlinkOnly": 5 } } },
  "inbounds": [ $(join "$(door 7001 plain)" "$(door 7002 seed)" "$(door 7003 wrong)" "$(door 7004 replay)") ],
  "routing": { "rules": [ $(to plain seed wrong replay) ] },
  "outbounds": [ $(join "$(out plain 10.2.0.3 8001)" "$(out seed 10.2.0.3 8002 '"seed": "right"')" \
	"$(out wrong 10.2.0.3 8002 '"seed": "left"')" "$(out replay 10.2.0.5 8004 '"seed": "right"')") ]
}
END
errs() { on "$G" python3 "$ROOT/tests/net/kcp.py" "$@"; }
A=10.1.0.1
transfers plain $A 7001
transfers seed $A 7002
# what is there when the rest begins: a flow that says something, and one that waits
bg "$C" wrong "$NT" tcp $A 7003 -n 100 -t 30
bg "$C" slow "$NT" tcp $A 7001 -n 20000000 -d 6000 -t 60
bg "$C" quiet "$NT" tcp $A 7001 -n 100 -O -t 12
wait_for 5 log_has culvert "up: [wrong]" || fail "no flow"
rss0=$(rss server) fds0=$(fds server)
eq "noise" "$(errs garbage 10.2.0.3 8001 8002)" "garbage: 0 came back"
eq "segments of nobody" "$(errs strays 10.2.0.3 8001)" "strays: 0 came back"
out=$(errs flood 10.2.0.3 8001 60000)
eq "a flood" "$out" "flood: less than was sent came back"
# 1024 of each of two workers at a time, 3 KiB each; all 120,000 would be 350 MB
out=$(errs flood 10.2.0.3 8001 60000)
eq "another" "$out" "flood: less than was sent came back"
le "KiB grown by both" $(($(rss server) - rss0)) $((32768 * SLOW))
rss1=$(rss server)
eq "holes" "$(errs gap 10.2.0.3 8001 60)" "gap: sent"
le "KiB grown by holes" $(($(rss server) - rss1)) $((32768 * SLOW))
# all that was young is forgotten with the handshake's limit
new_flow() { on "$C" "$NT" tcp $A 7001 -n 1000 -t 5 | grep -q "rx=$(sha 1000) end=FIN"; }
wait_for 6 new_flow || fail "no new flow"
transfers replay $A 7004 "$C" 500000
wait_for 60 log_has slow "end=" || fail "the slow one does not end"
contains "a flow of before" "$(cat "$TMP/slow.log")" "rx=$(sha 20000000) end=FIN"
wait_for 20 log_has quiet "end=" || fail "quiet"
contains "one that waited" "$(cat "$TMP/quiet.log")" "rx=$(sha 100) end=TIMEOUT"
wait_for 30 log_has wrong "end=" || fail "nobody tells"
contains "a wrong seed" "$(cat "$TMP/wrong.log")" "end=ECONNRESET"
lacks "no seed is logged" "$(cat "$TMP/culvert.log" "$TMP/server.log")" "right"
le "descriptors" "$(fds server)" $((fds0 + 4))
stop culvert
eq "the client ends well" "$RC" 0
stop server
eq "the server ends well" "$RC" 0
pass
