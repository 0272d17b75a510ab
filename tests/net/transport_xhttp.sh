#!/bin/bash
# transport_xhttp.sh: XHTTP, client and server: each mode over HTTP/1.1 bare and in
# TLS, and over HTTP/2 in TLS and REALITY, culvert with culvert
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
net_up
serve echo tcp-serve 5001 echo
make_ca
make_www
site 9444 # REALITY's target
read -r _ private _ _ public < <("$CULVERT" x25519 | tr '\n' ' ')
hidden="\"security\": \"reality\", \"realitySettings\": { \"target\": \"10.2.0.3:9444\", \"serverNames\": [ \"tls.test\" ],
	\"privateKey\": \"$private\", \"shortIds\": [ \"1234abcd\" ] }"
known="\"security\": \"reality\", \"realitySettings\": { \"serverName\": \"tls.test\", \"publicKey\": \"$public\", \"shortId\": \"1234abcd\" }"

tls() { # ALPN
	echo "\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"alpn\": [ \"$1\" ], \"disableSystemRoot\": true,
		\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
}
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
x() { echo "\"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x?a=b\" ${1:-} }"; }
MODES=(stream-one stream-up packet-up)
tags=() doors=() outs=() port=7000
cell() { # TAG TO STREAM
	port=$((port + 1))
	tags+=("$1")
	PORTS[$1]=$port
	doors+=("$(door $port "$1")")
	outs+=("$(wrap_out "$1" "$2" "{ $3 }")")
}
declare -A PORTS=()
for m in "${MODES[@]}"; do
	mode=", \"mode\": \"$m\""
	cell "$m-h1" 10.2.0.1:8001 "$(x "$mode")"
	cell "$m-h1s" 10.2.0.1:8002 "$(x "$mode"), $(tls http/1.1)"
	cell "$m-h2" 10.2.0.1:8002 "$(x "$mode"), $(tls h2)"
	cell "$m-real" 10.2.0.1:8004 "$(x "$mode"), $known"
	cell "$m-v6" "[fd02::1]:8002" "$(x "$mode"), $(tls h2)"
done
cell auto-real 10.2.0.1:8004 "$(x), $known"
odd='"extra": { "uplinkHTTPMethod": "put", "sessionIDTable": "hex", "sessionIDLength": "12-40", "noGRPCHeader": true,
	"headers": { "User-Agent": "odd/1", "X-More": "m" }, "scMaxEachPostBytes": "9000-20000", "scMinPostsIntervalMs": "1-2",
	"xmux": { "maxConcurrency": 2, "hMaxRequestTimes": "3-5", "cMaxReuseTimes": 2 } }'
cell odd-up 10.2.0.1:8002 "$(x ", \"mode\": \"stream-up\", $odd"), $(tls h2)"
cell odd-pkt 10.2.0.1:8002 "$(x ", \"mode\": \"packet-up\", $odd"), $(tls h2)"
cell odd-pkt1 10.2.0.1:8001 "$(x ", \"mode\": \"packet-up\", $odd")"
# the way down by another address, as another kind of connection
apart() { echo "\"downloadSettings\": { \"address\": \"$1\", \"port\": $2, $3 }"; }
d="$(x)"
for m in stream-up packet-up; do
	cell "apart-$m-h1" 10.2.0.1:8001 "$(x ", \"mode\": \"$m\", $(apart fd02::1 8001 "$d")")"
	cell "apart-$m-h2" "[fd02::1]:8002" "$(x ", \"mode\": \"$m\", $(apart 10.2.0.1 8002 "$d, $(tls h2)")"), $(tls h2)"
	cell "apart-$m-mix" 10.2.0.1:8002 "$(x ", \"extra\": { $(apart fd02::1 8002 "$d, $(tls http/1.1)") }, \"mode\": \"$m\""), $(tls h2)"
done
cell apart-real 10.2.0.1:8004 "$(x ", $(apart fd02::1 8004 "$d, $known")"), $known"
cell apart-via 10.2.0.1:8002 "$(x ", $(apart fd02::1 8002 "$d, $(tls h2), \"sockopt\": { \"dialerProxy\": \"hop\" }")"), $(tls h2)"
cell apart-gone 10.2.0.1:8001 "$(x ", $(apart 10.2.0.1 8009 "$d")")"
cell apart-wrong 10.2.0.1:8001 "$(x ", $(apart 10.2.0.1 8001 "\"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/y\" }")")"
cell wrong-path 10.2.0.1:8001 "\"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/y\", \"mode\": \"stream-one\" }"
cell wrong-mode 10.2.0.1:8003 "$(x ', "mode": "stream-up"')"
cell wrong-pad 10.2.0.1:8001 "$(x ', "mode": "packet-up", "xPaddingBytes": 5')"
cell no-server 10.2.0.3:5001 "$(x ', "mode": "stream-one"')"
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "${doors[@]}" \
	"$(door 8001 direct "{ $(x) }")" "$(door 8002 direct2 "{ $(x), $own }")" \
	"$(door 8003 direct3 "{ $(x ', "mode": "packet-up"') }")" \
	"$(door 8004 direct4 "{ $(x), $hidden }")") ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, { "tag": "hop", "protocol": "freedom" }, $(join "${outs[@]}") ]
}
END
A=10.1.0.1 slow=()
for m in "${MODES[@]}"; do
	for v in h1 h1s h2 v6 real; do transfers "$m, $v" $A "${PORTS[$m-$v]}"; done
done
for o in odd-up odd-pkt odd-pkt1; do transfers "$o" $A "${PORTS[$o]}"; done
matches "used up carriers end" "$(cat "$TMP/culvert.log")" 'xhttp: carrier to 10.2.0.1:8002 ends with 0 streams: not needed'
transfers "auto over REALITY" $A "${PORTS[auto-real]}"
id=$(sed -n 's/.* \(s[0-9a-f]*\) route: .*-> \[auto-real\]$/\1/p' "$TMP/culvert.log" | tail -n 1)
contains "auto is stream-one there" "$(grep " $id xhttp" "$TMP/culvert.log")" "xhttp: stream-one, HTTP/2"
for m in stream-up packet-up; do
	for v in h1 h2 mix; do transfers "apart, $m, $v" $A "${PORTS[apart-$m-$v]}"; done
done
contains "the session came by its way down" "$(cat "$TMP/culvert.log")" 'accept: tcp [direct] [fd02::1]'
transfers "apart, auto over REALITY" $A "${PORTS[apart-real]}"
contains "auto is stream-up then" "$(cat "$TMP/culvert.log")" 'xhttp: stream-up, HTTP/2, another way down'
transfers "apart, down by another outbound" $A "${PORTS[apart-via]}"
refused "apart, nobody is there" $A "${PORTS[apart-gone]}"
refused "apart, wrong path there" $A "${PORTS[apart-wrong]}"
refused "wrong path" $A "${PORTS[wrong-path]}"
wait_log culvert "xhttp: server answers 404"
refused "a mode the server does not take" $A "${PORTS[wrong-mode]}"
refused "padding that does not fit" $A "${PORTS[wrong-pad]}"
wait_log culvert "xhttp: server answers 400"
refused "an echo is no server" $A "${PORTS[no-server]}"

# many at the same time
for m in "${MODES[@]}"; do
	out=$(on "$C" "$NT" tcp-short $A "${PORTS[$m-h2]}" -n 200 -j 20)
	contains "$m: 200 streams, 20 at a time" "$out" "ok=200 failed=0"
done
out=$(on "$C" "$NT" tcp-short $A "${PORTS[packet-up-h1]}" -n 100 -j 20)
contains "packet-up, h1: 100 streams, 20 at a time" "$out" "ok=100 failed=0"
# a reader that does not read holds up itself only
for m in "${MODES[@]}"; do
	on "$C" "$NT" tcp $A "${PORTS[$m-h2]}" -n 20000000 -d 3000 -t 30 >"$TMP/slow.$m.log" 2>&1 &
	slow[${#slow[@]}]=$!
done
sleep 0.5
for m in "${MODES[@]}"; do transfers "$m beside slow ones" $A "${PORTS[$m-h2]}"; done
wait "${slow[@]}"
for m in "${MODES[@]}"; do
	contains "$m: the slow one gets all" "$(cat "$TMP/slow.$m.log")" "rx=$(sha 20000000) end=FIN"
done
stop culvert
eq "ends well" "$RC" 0
pass
