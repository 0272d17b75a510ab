#!/bin/bash
# transport_xhttp_where.sh: XHTTP with session, number, padding and data elsewhere than
# usual: in each place, by each mode that can, over HTTP/1.1 and HTTP/2, and behind
# nginx, culvert with culvert
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
command -v nginx >/dev/null || skip "no nginx"
net_up
serve echo tcp-serve 5001 echo
make_ca
tls="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"alpn\": [ \"h2\" ], \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
odd() { # PLACEMENT [METHOD]: padding there
	echo "\"xPaddingObfsMode\": true, \"xPaddingPlacement\": \"$1\", \"xPaddingMethod\": \"${2:-repeat-x}\""
}
at() { echo "\"sessionIDPlacement\": \"$1\", \"seqPlacement\": \"$2\""; }
fast='"scMinPostsIntervalMs": "1-2"'
declare -A HOW=(
	[query]="$(at query query), $(odd query)"
	[header]="$(at header header), $(odd header tokenish), \"xPaddingHeader\": \"X-Token\", \"xPaddingBytes\": \"50-90\""
	[cookie]="$(at cookie cookie), $(odd cookie tokenish), \"xPaddingKey\": \"sid\", \"sessionIDKey\": \"who\", \"seqKey\": \"n\""
	[mixed]="$(at header path), $(odd queryInHeader), \"xPaddingHeader\": \"Referer\", \"xPaddingKey\": \"q\",
		\"sessionIDTable\": \"Base62\", \"sessionIDLength\": \"20-30\", \"uplinkHTTPMethod\": \"PATCH\""
	[turned]="$(at path cookie), \"uplinkDataPlacement\": \"body\", \"uplinkHTTPMethod\": \"OPTIONS\""
	[gets]="\"uplinkHTTPMethod\": \"GET\", $(at query query)"
	[dheader]="\"uplinkDataPlacement\": \"header\", \"uplinkChunkSize\": \"100-900\""
	[dcookie]="\"uplinkDataPlacement\": \"cookie\", $(at cookie cookie), $(odd cookie)"
	[dget]="\"uplinkDataPlacement\": \"header\", \"uplinkDataKey\": \"X-More\", \"uplinkHTTPMethod\": \"GET\", $(at header query)"
)
x() { # LAYOUT MODE PATH
	echo "\"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"$3\", \"mode\": \"$2\", ${HOW[$1]}, $fast }"
}
tags=() doors=() outs=() ins=() streams='' pieces='' port=7000 n=0
declare -A PORTS=() MOST=()
cell() { # TAG MOST TO STREAM
	port=$((port + 1))
	tags+=("$1")
	PORTS[$1]=$port MOST[$1]=$2
	doors+=("$(door $port "$1")")
	outs+=("$(wrap_out "$1" "$3" "{ $4 }")")
}
for l in query header cookie mixed turned gets dheader dcookie dget; do
	n=$((n + 1))
	modes=(stream-one stream-up packet-up) mode=auto most=3000000
	case $l in
	turned) modes=(packet-up) ;;
	gets) modes=(packet-up) mode=packet-up ;;
	d*) modes=(packet-up) mode=packet-up most=150000 ;;
	esac
	ins+=("$(door $((8100 + n)) "direct1$l" "{ $(x $l $mode "/$l") }")"
		"$(door $((8200 + n)) "direct2$l" "{ $(x $l $mode "/$l"), $own }")")
	# its proxy_pass forgets an upload once the answer has begun; grpc_pass does not
	streams+="location /$l { grpc_pass grpc://10.2.0.1:$((8100 + n)); }"
	pieces+="location /$l { proxy_pass http://10.2.0.1:$((8100 + n)); proxy_http_version 1.1; proxy_buffering off; }"
	for m in "${modes[@]}"; do
		cell "$l-$m-h1" $most "10.2.0.1:$((8100 + n))" "$(x $l $m "/$l")"
		cell "$l-$m-h2" $most "[fd02::1]:$((8200 + n))" "$(x $l $m "/$l?a=b"), $tls"
		cell "$l-$m-nginx" $most 10.2.0.3:$([ $m = packet-up ] && echo 9443 || echo 9444) "$(x $l $m "/$l"), $tls"
	done
done
nginx_up <<END
client_max_body_size 0; $pieces
} server {
listen 10.2.0.3:9444 ssl http2; ssl_certificate $TMP/names.crt; ssl_certificate_key $TMP/names.key;
client_max_body_size 0; $streams
END
start_in <<END
{
  "log": { "loglevel": "debug" },
  "policy": { "levels": { "0": { "uplinkOnly": 20, "downlinkOnly": 20 } } },
  "inbounds": [ $(join "${doors[@]}" "${ins[@]}") ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(join "${outs[@]}") ]
}
END
for t in "${tags[@]}"; do transfers "$t" 10.1.0.1 "${PORTS[$t]}" "$C" "${MOST[$t]}"; done
for l in dheader dget; do
	out=$(on "$C" "$NT" tcp-short 10.1.0.1 "${PORTS[$l-packet-up-h2]}" -n 100 -j 20)
	contains "$l: 100 streams, 20 at a time" "$out" "ok=100 failed=0"
done
# what nginx saw: the places are where they should be
contains "query" "$(cat "$TMP/access.txt")" '/query?x_session='
matches "path stays" "$(cat "$TMP/access.txt")" '"POST /cookie HTTP'
matches "number in the path" "$(cat "$TMP/access.txt")" '"PATCH /mixed/0 HTTP'
matches "GET takes data" "$(cat "$TMP/access.txt")" '"GET /dget\?x_seq=0 HTTP'
stop culvert
eq "ends well" "$RC" 0
pass
