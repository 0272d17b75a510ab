#!/bin/bash
# transport_proto.sh: vless, vmess and trojan over tls, ws (early data between
# culverts: v2ray 4.34 has another kind) and grpc: culvert as a client of v2ray,
# and both ends culvert
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v v2ray >/dev/null || skip "no v2ray"
net_up
serve echo tcp-serve 5001 echo
make_ca
ID=b831381d-6324-4d53-ad4f-8cda48b30811
pem="\"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ]"
ca="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true, \"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
own="\"security\": \"tls\", \"tlsSettings\": { $pem }"
ws='"network": "ws", "wsSettings": { "path": "/w" }'
wsed='"network": "ws", "wsSettings": { "path": "/w?ed=2048" }'
grpc='"network": "grpc", "grpcSettings": { "serviceName": "s", "multiMode": true }'
# server PROTOCOL PORT STREAM
server() {
	local set
	case $1 in
	vless) set="{ \"clients\": [ { \"id\": \"$ID\" } ], \"decryption\": \"none\" }" ;;
	vmess) set="{ \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	trojan) set='{ "clients": [ { "password": "secret" } ] }' ;;
	esac
	echo "{ \"tag\": \"in$2\", \"port\": $2, \"protocol\": \"$1\", \"settings\": $set, \"streamSettings\": { $3 } }"
}
# client PROTOCOL TAG ADDRESS PORT STREAM
client() {
	local set
	case $1 in
	vless) set="\"id\": \"$ID\", \"encryption\": \"none\"" ;;
	vmess) set="\"id\": \"$ID\", \"security\": \"aes-128-gcm\"" ;;
	trojan) set='"password": "secret"' ;;
	esac
	echo "{ \"tag\": \"$2\", \"protocol\": \"$1\", \"settings\": { \"address\": \"$3\", \"port\": $4, $set }, \"streamSettings\": { $5 } }"
}
port=9001
v2=() mine=() doors=() outs=() tags=()
for proto in vless vmess trojan; do
	for kind in tls wss; do
		s=$own c=$ca
		[ $kind = tls ] || s="$ws, $own" c="$ws, $ca"
		v2+=("$(server $proto $port "$s")")
		outs+=("$(client $proto v2-$proto-$kind 10.2.0.3 $port "$c")")
		doors+=("$(door $((port - 2000)) v2-$proto-$kind)")
		tags+=("v2-$proto-$kind")
		port=$((port + 1))
	done
	for kind in tls wss grpcs; do
		s=$own c=$ca
		[ $kind != wss ] || s="$ws, $own" c="$wsed, $ca"
		[ $kind != grpcs ] || s="$grpc, $own" c="$grpc, $ca"
		mine+=("$(server $proto $port "$s")")
		outs+=("$(client $proto own-$proto-$kind 10.2.0.1 $port "$c")")
		doors+=("$(door $((port - 2000)) own-$proto-$kind)")
		tags+=("own-$proto-$kind")
		port=$((port + 1))
	done
done
echo "{ \"log\": { \"loglevel\": \"info\" }, \"inbounds\": [ $(join "${v2[@]}") ], \"outbounds\": [ { \"protocol\": \"freedom\" } ] }" >"$TMP/v2.json"
bg "$S" v2ray env V2RAY_VMESS_AEAD_FORCED=false v2ray -config "$TMP/v2.json"
wait_port "$S" tcp 9012
start_in <<END
{ "log": { "loglevel": "info" },
  "inbounds": [ $(join "${doors[@]}" "${mine[@]}") ],
  "routing": { "rules": [ $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $ALLOW } }, $(join "${outs[@]}") ] }
END
port=7001
for t in "${tags[@]}"; do
	for n in 1 1400 1000000; do
		out=$(on "$C" "$NT" tcp 10.1.0.1 $port -n $n -t 10)
		contains "$t: echo of $n" "$out" "rx=$(sha $n)"
	done
	[ "${t%%-*}" = v2 ] || contains "$t: half-close" "$out" "end=FIN"
	port=$((port + 1))
done
stop culvert
eq "ends well" "$RC" 0
pass
