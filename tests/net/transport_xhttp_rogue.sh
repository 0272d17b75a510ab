#!/bin/bash
# transport_xhttp_rogue.sh: an XHTTP server and clients that err: wrong requests,
# pieces that are missing, twice, too many, too large, out of order; silence and cuts.
# Each ends by itself and alone. HTTP/2 without TLS by curl.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
net_up
serve echo tcp-serve 5001 echo
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "handshake": 2, "connIdle": 3, "uplinkOnly": 2, "downlinkOnly": 2 } } },
  "inbounds": [ $(door 8001 x '{ "network": "xhttp", "xhttpSettings": { "path": "/x", "scMaxBufferedPosts": 5, "scMaxEachPostBytes": 20000 } }'),
    $(door 8002 w '{ "network": "xhttp", "xhttpSettings": { "path": "/w", "mode": "packet-up", "xPaddingObfsMode": true,
	"xPaddingPlacement": "header", "xPaddingHeader": "Pad", "sessionIDPlacement": "header", "sessionIDKey": "Sess",
	"seqPlacement": "header", "seqKey": "Num", "uplinkDataPlacement": "cookie", "uplinkDataKey": "d" } }') ],
  "outbounds": [ { "protocol": "freedom" } ]
}
END
cases=(beside answers order early twice missing flood large silence cut again one many where)
for c in "${cases[@]}"; do bg "$C" "case.$c" python3 "$ROOT/tests/net/xhttp.py" 10.1.0.1 8001 "$c"; done
saw() { # CASE LINE...
	wait "${PID[case.$1]}"
	unset "PID[case.$1]"
	eq "$1" "$(cat "$TMP/case.$1.log")" "$(printf "$1: %s\n" "${@:2}")"
}
saw answers 404 400 400 400 400 400 400 400 200 200 404 200
saw order '200 200 200 200 200 True' '200 None'
saw early "200 200 b'abc'"
saw twice "200 200 200 200 200 200 b'abcdefghi'" 409
saw missing "200 200 200 200 b'abc' RST"
saw flood '200 200 200 200 200 200 503 RST'
saw large '200 413 RST' '200 413 RST'
saw silence FIN FIN RST RST '200 RST'
saw cut "200 200 b'abc' RST" "200 200 b'abc' RST"
saw again "200 200 200 b'abcdefghiend'"
saw one "200 b'abcde' None" '200 200 409 409'
saw many "600 200 200 b'x'"
saw where 200 "400 409 400 400 400 400 400 400 400 400" 400 True "200 200 b'abcdef'" '200 None'
saw beside '200 all came'
if command -v curl >/dev/null; then
	out=$(printf hello | on "$C" curl -s --http2-prior-knowledge --max-time 10 -T - -X POST \
		-e "http://h/x/?x_padding=$(printf 'X%.0s' {1..200})" http://10.1.0.1:8001/x/)
	eq "HTTP/2 without TLS" "$out" hello
fi
stop culvert
eq "ends well" "$RC" 0
pass
