#!/bin/bash
# transport_refused.sh: HTTP/2 servers that do not look at the first request of their
# first connection (REFUSED_STREAM, GOAWAY): gRPC and XHTTP ask once more, and nothing
# of what was said is lost
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
net_up
make_ca
serve echo tcp-serve 5001 echo
g='{ "network": "grpc", "grpcSettings": { "serviceName": "g" } }'
x() { echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\", \"mode\": \"$1\" },
	\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"alpn\": [ \"h2\" ],
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] } }"; }
behind() { # PORT STREAMSETTINGS
	echo "{ \"listen\": \"10.2.0.3\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": 5001 }, \"streamSettings\": $2 }"
}
cat >"$TMP/server.json" <<END
{ "log": { "loglevel": "info" },
  "inbounds": [ $(join "$(behind 8001 "$g")" \
	"$(behind 8002 '{ "network": "xhttp", "xhttpSettings": { "path": "/x" } }')") ],
  "outbounds": [ { "protocol": "freedom" } ] }
END
bg "$S" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$S" tcp 8002
kinds=(grpc stream-one stream-up packet-up)
n=0 doors=() outs=() tags=() fronts=()
for k in "${kinds[@]}"; do
	for how in reset goaway; do
		s=$(x "$k") spec=8002:$how:$TMP/names.pem
		[ "$k" != grpc ] || s=$g spec=8001:$how
		fronts+=("$spec")
		doors+=("$(door $((7000 + n)) "$k-$how")")
		outs+=("$(wrap_out "$k-$how" "10.2.0.3:$((9000 + n))" "$s")")
		tags+=("$k-$how")
		n=$((n + 1))
	done
done
bg "$S" fronts python3 "$ROOT/tests/net/h2_refuse.py" 10.2.0.3 9000 "${fronts[@]}"
for ((i = n - 1; i >= 0; i--)); do wait_port "$S" tcp $((9000 + i)); done
start_in <<END
{
  "log": { "loglevel": "info" },
  "inbounds": [ $(join "${doors[@]}") ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ $(join "${outs[@]}") ],
  "culvert": { "workers": 1 }
}
END
for ((i = 0; i < n; i++)); do
	out=$(on "$C" "$NT" tcp 10.1.0.1 $((7000 + i)) -n 3000 -t 10)
	contains "${tags[i]}: the first flow" "$out" "rx=$(sha 3000) end=FIN"
	contains "${tags[i]}: it was refused" "$(cat "$TMP/fronts.log")" "refused $((9000 + i))"
	transfers "${tags[i]}" 10.1.0.1 $((7000 + i)) "$C" 100000
done
stop culvert
eq "ends well" "$RC" 0
pass
