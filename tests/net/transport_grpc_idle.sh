#!/bin/bash
# transport_grpc_idle.sh: gRPC keepalive: a server that stopped answering is noticed
# by a PING when asked for, and only then; one that answers keeps its idle flows, and an
# idle connection as long as the configuration is in force
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
net_up
serve echo tcp-serve 5001 echo
g() { echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\" ${1:-} } }"; }
server() { # NAME PORT
	echo "{ \"log\": { \"loglevel\": \"info\" }, \"inbounds\": [ { \"listen\": \"10.2.0.3\", \"port\": $2,
		\"protocol\": \"dokodemo-door\", \"settings\": { \"address\": \"10.3.0.1\", \"port\": 5001 },
		\"streamSettings\": $(g) } ], \"outbounds\": [ { \"protocol\": \"freedom\" } ] }" >"$TMP/$1.json"
	bg "$S" "$1" "$CULVERT" run -c "$TMP/$1.json"
	wait_port "$S" tcp "$2"
}
server frozen 8001
server alive 8002
# an answer to a ping may take its time under sanitizers
ping=', "idle_timeout": 10, "health_check_timeout": '$SLOW
start_in <<END
{
  "log": { "loglevel": "info" },
  "inbounds": [ $(join "$(door 7001 asks)" "$(door 7002 waits)" "$(door 7003 lives)" "$(door 7004 always)") ],
  "routing": { "rules": [ $(to asks waits lives always) ] },
  "outbounds": [ $(join \
	"$(wrap_out asks 10.2.0.3:8001 "$(g "$ping")")" "$(wrap_out waits 10.2.0.3:8001 "$(g)")" \
	"$(wrap_out lives 10.2.0.3:8002 "$(g "$ping")")" \
	"$(wrap_out always 10.2.0.3:8002 "$(g "$ping, \"permit_without_stream\": true")")" ) ]
}
END
# each says 10 bytes, hears them, and then nothing is said for longer than the limits
for p in 1 2 3; do
	bg "$C" flow$p "$NT" tcp 10.1.0.1 700$p -n 10 -O -t 16
done
out=$(on "$C" "$NT" tcp 10.1.0.1 7004 -n 10)
contains "no stream stays" "$out" "rx=$(sha 10) end=FIN"
seen() { on "$S" ss -Htni state established "sport = :$1" | grep -c 'bytes_received'; }
wait_for 5 eval '[ "$(seen 8001)" = 2 ] && [ "$(seen 8002)" = 2 ]' || fail "connections: $(seen 8001) $(seen 8002)"
heard() { on "$S" ss -Htni state established "sport = :$1" | sed -n 's/.* data_segs_in:\([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n + 0 }'; }
before=$(heard 8002)
kill -STOP "${PID[frozen]}"
t0=${EPOCHREALTIME/./}
wait_for 14 log_has flow1 "end=ECONNRESET" || fail "nobody noticed: $(cat "$TMP/flow1.log")"
ms=$(((${EPOCHREALTIME/./} - t0) / 1000))
le "ms, not before" 8000 "$ms" # it counts from what it heard last
le "ms, not later" "$ms" $((13000 * SLOW))
wait_log culvert "grpc: carrier to 10.2.0.3:8001 ends with 1 streams: Connection timed out"
# the server that answers was asked on both carriers, and they stay
eq "carriers of the server that lives" "$(seen 8002)" 2
le "segments since" $((before + 2)) "$(heard 8002)"
wait_log flow3 "end=TIMEOUT"
contains "the flow of a server that answers" "$(cat "$TMP/flow3.log")" "rx=$(sha 10)"
wait_log flow2 "end="
contains "without idle_timeout nobody asks" "$(cat "$TMP/flow2.log")" "end=TIMEOUT"
kill -CONT "${PID[frozen]}"
# of the old configuration nothing stays that nobody has, whatever it asks
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 2 is in force"
wait_for 14 log_has culvert "grpc: carrier to 10.2.0.3:8002 ends with 0 streams: not needed" ||
	fail "an old configuration keeps a connection: $(seen 8002)"
ASSERTS=$((ASSERTS + 1))
stop culvert
eq "ends well" "$RC" 0
pass
