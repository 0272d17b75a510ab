#!/bin/bash
# api.sh: the API and metrics as panels use them, by v2ctl and curl as clients: the
# configuration is of the kind that 3x-ui and Marzban write. Counters are what was
# sent. With XRAY=/path also by `xray api` (api_xray.sh)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/api_lib.sh"
command -v curl >/dev/null || skip "no curl"
peers_up v2ctl
api_up

# --- counters -------------------------------------------------------------------
stats() { on "$G" v2ctl api --server=127.0.0.1:62789 "StatsService.$1" "$2"; }
got=$(stats QueryStats 'pattern: "" reset: false')
contains "counters of inbounds are there from the start" "$got" 'name: "inbound>>>vl-in>>>traffic>>>uplink"'
lacks "those of users come with their first session" "$got" "user>>>"
upload vl 6001 300000
upload vl 6001 200000
eq "sent is counted, no byte more" "$(counter 'user>>>ann@x>>>traffic>>>uplink')" 500000
eq "for the inbound, too" "$(counter 'inbound>>>vl-in>>>traffic>>>uplink')" 500000
eq "and the outbound" "$(counter 'outbound>>>direct>>>traffic>>>uplink')" 500000
out=$(on "$C" "$NT" tcp 127.0.0.1 6011 -n 1000 -w $SOURCE_BYTES)
contains "a download" "$out" "rx=$(sha $SOURCE_BYTES)"
# the sink answers each upload with 24 bytes
wait_for 5 counted 'user>>>ann@x>>>traffic>>>downlink' $((SOURCE_BYTES + 48)) || fail "downlink: $(counter 'user>>>ann@x>>>traffic>>>downlink')"
out=$(on "$C" "$NT" udp 127.0.0.1 6021 -n 1000,1000)
contains "datagrams" "$out" "ok=2 bad=0"
wait_for 5 counted 'user>>>ann@x>>>traffic>>>downlink' $((SOURCE_BYTES + 2048)) || fail "datagrams are not counted"
eq "the other user has none" "$(counter 'user>>>bob@x>>>traffic>>>uplink')" ""
upload tr 6002 70000
eq "trojan's user" "$(counter 'user>>>bob@x>>>traffic>>>uplink')" 70000
upload vm 6003 80000
eq "vmess's" "$(counter 'user>>>cid@x>>>traffic>>>uplink')" 80000
upload ss 6004 90000
eq "shadowsocks'" "$(counter 'user>>>dan@x>>>traffic>>>uplink')" 90000
upload muxed 6005 60000
eq "what mux carries is counted once" "$(counter 'user>>>eve@x>>>traffic>>>uplink')" 60000
eq "and once for its inbound" "$(counter 'inbound>>>mx-in>>>traffic>>>uplink')" 60000
got=$(stats QueryStats 'pattern: "user>>>ann@x" reset: true')
contains "a reset gives what was" "$got" "value: 503000"
eq "and begins again" "$(counter 'user>>>ann@x>>>traffic>>>uplink')" 0
upload vl 6001 1234
eq "from there" "$(counter 'user>>>ann@x>>>traffic>>>uplink')" 1234
got=$(stats GetStats 'name: "user>>>nobody>>>traffic>>>uplink"' 2>&1)
contains "a counter that is not there" "$got" "NotFound"
contains "the process" "$(stats GetSysStats '')" "NumGoroutine"
got=$(stats GetStats 'nope' 2>&1)
lacks "nothing wrong is taken" "$got" "value"

# --- metrics ----------------------------------------------------------------------
vars=$(on "$G" curl -sf http://127.0.0.1:62790/debug/vars)
ok "it is JSON" python3 -c 'import json,sys; d=json.loads(sys.argv[1]); assert d["stats"]["user"]["ann@x"]["uplink"] == 1234; assert d["stats"]["inbound"]["vl-in"]["uplink"] == 503000 + 1234; assert d["observatory"] is None' "$vars"
prom=$(on "$G" curl -sf http://127.0.0.1:62790/metrics)
contains "Prometheus" "$prom" 'culvert_traffic_bytes_total{kind="user",name="ann@x",direction="uplink"} 1234'
eq "no other page" "$(on "$G" curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:62790/debug/pprof/)" 404
eq "GET alone" "$(on "$G" curl -s -o /dev/null -w '%{http_code}' -d x http://127.0.0.1:62790/metrics)" 405
eq "metrics by a routing rule" "$(on "$G" curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:62791/debug/vars)" 200

# --- hostile callers ----------------------------------------------------------------
# call PATH FILE [CURL OPTION...]: headers of the answer
call() {
	on "$G" curl -s -i --http2-prior-knowledge -X POST -H 'content-type: application/grpc' -H 'te: trailers' \
		--data-binary "@$2" "${@:3}" "http://127.0.0.1:62789$1"
}
Q=/xray.app.stats.command.StatsService/QueryStats
printf '\0\0\0\0\0' >"$TMP/empty"
contains "an empty message is one" "$(call $Q "$TMP/empty" | tr -d '\0')" "grpc-status: 0"
contains "the other prefix" "$(call /v2ray.core.app.stats.command.StatsService/QueryStats "$TMP/empty" | tr -d '\0')" "grpc-status: 0"
contains "no such service" "$(call /x.Y/Z "$TMP/empty")" "grpc-status: 12"
contains "nor such a prefix" "$(call /app.stats.command.StatsService/QueryStats "$TMP/empty")" "grpc-status: 12"
contains "no such method" "$(call /xray.app.stats.command.StatsService/Nope "$TMP/empty")" "grpc-status: 12"
contains "a service that was not asked for" "$(call /xray.app.router.command.RoutingService/ListRule "$TMP/empty")" "grpc-message: this service is not among api.services"
: >"$TMP/nothing"
contains "no message" "$(call $Q "$TMP/nothing")" "grpc-status: 3"
printf '\0\377\377\377\377x' >"$TMP/lies"
contains "a length that lies" "$(call $Q "$TMP/lies")" "grpc-status: 3"
printf '\1\0\0\0\0' >"$TMP/packed"
contains "a compressed message" "$(call $Q "$TMP/packed")" "grpc-status: 12"
printf '\0\0\0\0\2\012\177' >"$TMP/cut"
contains "a field longer than its message" "$(call $Q "$TMP/cut")" "grpc-status: 3"
got=$(on "$G" python3 "${0%/*}/api.py" 62789 big)
eq "a message above the limit has an answer, and then it ends" "$got" "headers end
reset 0"
eq "not gRPC" "$(on "$G" curl -s -o /dev/null -w '%{http_code}' --http2-prior-knowledge -d x http://127.0.0.1:62789$Q)" 415
eq "HTTP/1 is not spoken" "$(on "$G" curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:62789/)" 000
# more calls than there are places, that never end: others wait no longer than these
got=$(on "$G" python3 "${0%/*}/api.py" 62789 slow 100)
contains "calls that never end do, each of them" "$got" "over 100 refused 36"
ms=${got##*ms }
le "by their deadline" "$ms" $((12000 * SLOW))
le "not before" 9000 "$ms"
head -c 100000 /dev/urandom >"$TMP/noise"
on "$G" bash -c 'timeout 2 cat <"$1" >/dev/tcp/127.0.0.1/62789' _ "$TMP/noise" 2>/dev/null
contains "the others are served" "$(stats GetStats 'name: "user>>>ann@x>>>traffic>>>uplink"')" "1234"

# --- it stays so over a reload ----------------------------------------------------------
kill -HUP "${PID[server]}"
wait_log server "generation 2 is in force"
eq "counters survive a reload" "$(counter 'user>>>ann@x>>>traffic>>>uplink')" 1234
upload vl 6001 1000
eq "and go on" "$(counter 'user>>>ann@x>>>traffic>>>uplink')" 2234
lacks "no secret is logged" "$(cat "$TMP/server.log")" "$ID"
stop server
eq "ends well" "$RC" 0
pass
