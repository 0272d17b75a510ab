#!/bin/bash
# transport_forwarded.sh: trustedXForwardedFor of listeners: where a client is says an
# HTTP proxy, here nginx, to ws, httpupgrade, grpc and xhttp; not to one that trusts
# nobody, and not without the proof
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
command -v nginx >/dev/null || skip "no nginx"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
net_up
serve echo tcp-serve 5001 echo
make_ca
tls="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
declare -A KIND=(
	[ws]='"network": "ws", "wsSettings": { "path": "/ws" }'
	[wse]='"network": "ws", "wsSettings": { "path": "/wse?ed=2048" }'
	[hu]='"network": "httpupgrade", "httpupgradeSettings": { "path": "/hu" }'
	[grpc]='"network": "grpc", "grpcSettings": { "serviceName": "grpc" }'
	[one]='"network": "xhttp", "xhttpSettings": { "path": "/one", "mode": "stream-one" }'
	[pkt]='"network": "xhttp", "xhttpSettings": { "path": "/pkt", "mode": "packet-up" }'
)
ins=() outs=() doors=() tags=() nginx='' n=0
way() { # KIND TAG TRUSTED
	n=$((n + 1))
	ins+=("{ \"tag\": \"in-$2\", \"port\": $((8100 + n)), \"protocol\": \"vless\",
		\"settings\": { \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\" } ] },
		\"streamSettings\": { ${KIND[$1]}, \"sockopt\": { \"trustedXForwardedFor\": [ $3 ] } } }")
	tags+=("$2")
	doors+=("$(door $((7100 + n)) "$2")")
}
through() { # KIND TAG: by nginx
	outs+=("{ \"tag\": \"$2\", \"protocol\": \"vless\", \"settings\": { \"address\": \"10.2.0.3\", \"port\": 9443, \"id\": \"$ID\",
		\"encryption\": \"none\" }, \"streamSettings\": { ${KIND[$1]}, $tls } }")
	local more="proxy_http_version 1.1; proxy_set_header Host \$host; proxy_buffering off"
	case $1 in
	grpc | one) nginx+="location /$1 { grpc_pass grpc://10.2.0.1:$((8100 + n)); grpc_set_header X-Forwarded-For \"203.0.113.$n, 10.9.9.9\"; }" ;;
	*) nginx+="location /$1 { proxy_pass http://10.2.0.1:$((8100 + n)); $more;
		proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$up;
		proxy_set_header X-Forwarded-For \"203.0.113.$n, 10.9.9.9\"; }" ;;
	esac
}
for k in ws wse hu grpc one pkt; do
	way $k $k '"X-Forwarded-For"'
	through $k $k
done
# by hand, as a client that lies: ws with headers of its own
lie() { # TAG TRUSTED
	way ws "$1" "$2"
	outs+=("{ \"tag\": \"$1\", \"protocol\": \"vless\", \"settings\": { \"address\": \"10.2.0.1\", \"port\": $((8100 + n)), \"id\": \"$ID\",
		\"encryption\": \"none\" }, \"streamSettings\": { \"network\": \"ws\", \"wsSettings\": { \"path\": \"/ws\",
		\"headers\": { \"X-Forwarded-For\": \"203.0.113.$n\", \"X-Other\": \"a\" } } } }")
}
lie nobody ''
lie unproven '"X-Proof"'
lie proven '"X-Proof", "x-other"'
nginx_up <<<"set \$up upgrade; if (\$http_upgrade = '') { set \$up ''; } client_max_body_size 0; $nginx"
rules=()
for ((i = 1; i <= n; i++)); do
	rules+=("{ \"inboundTag\": [ \"in-${tags[i - 1]}\" ], \"source\": [ \"203.0.113.$i\" ], \"outboundTag\": \"far\" }")
done
start_in <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ $(join "${doors[@]}" "${ins[@]}") ],
  "routing": { "rules": [ $(join "${rules[@]}"), $(to "${tags[@]}") ] },
  "outbounds": [ { "tag": "near", "protocol": "freedom", "settings": { "finalRules": [ { "action": "allow" } ] } },
    { "tag": "far", "protocol": "freedom", "settings": { "finalRules": [ { "action": "allow" } ] } }, $(join "${outs[@]}") ]
}
END
for ((i = 1; i <= n; i++)); do
	t=${tags[i - 1]}
	# nginx ends both ways of an upgrade when one ends
	out=$(on "$C" "$NT" tcp 10.1.0.1 $((7100 + i)) -n 300000 -w 300000 -t 20)
	contains "$t: echo" "$out" "rx=$(sha 300000)"
	case $t in
	nobody | unproven)
		matches "$t: its address is the connection's" "$(cat "$TMP/culvert.log")" "from 10\.2\.0\.[0-9]+:[0-9]+ accepted tcp:10.3.0.1:5001 \[in-$t"
		lacks "$t: no other" "$(cat "$TMP/culvert.log")" "from 203.0.113.$i:" ;;
	*) matches "$t: its address is the client's" "$(cat "$TMP/culvert.log")" \
		"from 203\.0\.113\.$i:[1-9][0-9]* accepted tcp:10.3.0.1:5001 \[in-$t -> far\]" ;;
	esac
done
stop culvert
eq "ends well" "$RC" 0
pass
