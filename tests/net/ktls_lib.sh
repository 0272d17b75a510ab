# shellcheck shell=bash
# ktls_lib.sh: culvert with kernelTls at one end or at both; after transport_lib.sh
#
#	ktls_up			targets, a server in $S (server.log), a client in $G
#				(culvert.log); "kernelTls" of each: see CELLS
#	ktls_cells		every cell: echo of some sizes, half-close, 1 MiB
#	way NAME UP DOWN WAY [DOWNWAY]	the access line of NAME.log with these bytes
#				says so (patterns)
#	ktls_stat NS COUNTER	of /proc/net/tls_stat; 0 where there is none
#
# In $S: 10.2.0.3 fd02::3: 9001 vless 9002 trojan 9003 plain TLS before the echo,
# 9004 plain TLS before a sink, 9005 vless with Vision, with kernelTls; 9011 to 9014
# the same without it. Targets: 5001 echo, 5002 source of $BULK bytes, 5003 sink.

# shellcheck disable=SC2034
G4=10.1.0.1
BULK=${BULK:-$([ -n "${CULVERT_VM:-}" ] && echo 2097152 || echo 8388608)}
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e

# DOOR TAG PROTOCOL ADDRESS PORT KERNELTLS MORE-TLSSETTINGS
CELLS="
7001 vless-both vless 10.2.0.3 9001 true
7002 vless-client vless 10.2.0.3 9011 true
7003 vless-server vless 10.2.0.3 9001 false
7004 trojan-both trojan 10.2.0.3 9002 true
7005 trojan-client trojan 10.2.0.3 9012 true
7006 trojan-server trojan 10.2.0.3 9002 false
7007 vless-six vless fd02::3 9001 true
7008 trojan-six trojan fd02::3 9002 true
7009 vless-aes256 vless 10.2.0.3 9001 true ,\"cipherSuites\":\"TLS_AES_256_GCM_SHA384\"
7010 trojan-aes256 trojan 10.2.0.3 9012 true ,\"cipherSuites\":\"TLS_AES_256_GCM_SHA384\"
7011 vless-chacha vless 10.2.0.3 9001 true ,\"cipherSuites\":\"TLS_CHACHA20_POLY1305_SHA256\"
7012 trojan-chacha trojan 10.2.0.3 9002 false ,\"cipherSuites\":\"TLS_CHACHA20_POLY1305_SHA256\"
7014 vision vision 10.2.0.3 9005 true
7013 vless-aes128 vless 10.2.0.3 9001 true ,\"cipherSuites\":\"TLS_AES_128_GCM_SHA256\"
"

tls_server() { # KERNELTLS
	echo "{ \"security\": \"tls\", \"tlsSettings\": { \"kernelTls\": $1, \"certificates\": [
		{ \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] } }"
}
tls_client() { # KERNELTLS MORE
	echo "{ \"security\": \"tls\", \"tlsSettings\": { \"kernelTls\": $1, \"serverName\": \"tls.test\",
		\"disableSystemRoot\": true, \"certificates\": [
		{ \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] ${2:-} } }"
}
# client_of TAG PROTOCOL ADDRESS PORT KERNELTLS MORE
client_of() {
	local user="\"id\": \"$ID\", \"encryption\": \"none\"" protocol=$2
	case $protocol in
	trojan)	user="\"password\": \"secret\"" ;;
	vision)	protocol=vless user+=", \"flow\": \"xtls-rprx-vision\"" ;;
	esac
	echo "{ \"tag\": \"$1\", \"protocol\": \"$protocol\", \"settings\": { \"address\": \"$3\", \"port\": $4, $user },
		\"streamSettings\": $(tls_client "$5" "${6:-}") }"
}
# inbound PORT PROTOCOL SETTINGS KERNELTLS
inbound() {
	echo "{ \"listen\": \"::\", \"port\": $1, \"protocol\": \"$2\", \"settings\": $3, \"streamSettings\": $(tls_server "$4") }"
}
fixed() { echo "{ \"address\": \"10.3.0.1\", \"port\": $1, \"network\": \"tcp\" }"; }

ktls_server() {
	local ten sep='' k
	inbound 9005 vless "{ \"clients\": [ { \"id\": \"$ID\", \"flow\": \"xtls-rprx-vision\" } ], \"decryption\": \"none\" }" true
	sep=,
	for ten in 0 1; do
		k=$([ $ten = 0 ] && echo true || echo false)
		echo "$sep $(join \
			"$(inbound 90${ten}1 vless "{ \"clients\": [ { \"id\": \"$ID\" } ], \"decryption\": \"none\" }" "$k")" \
			"$(inbound 90${ten}2 trojan '{ "clients": [ { "password": "secret" } ] }' "$k")" \
			"$(inbound 90${ten}3 dokodemo-door "$(fixed 5001)" "$k")" \
			"$(inbound 90${ten}4 dokodemo-door "$(fixed 5003)" "$k")")"
		sep=,
	done
}

# The client's config: doors of the cells and of DOORS, outbounds of the cells and OUTS
ktls_client() {
	local port tag proto addr to k more doors='' outs='' rules='' sep=''
	while read -r port tag proto addr to k more; do
		[ -n "$port" ] || continue
		doors+="$sep$(door "$port" "$tag")"
		outs+="$sep$(client_of "$tag" "$proto" "$addr" "$to" "$k" "$more")"
		rules+="$sep$(to "$tag")"
		sep=,
	done <<<"$CELLS"
	echo "{ \"log\": { \"loglevel\": \"debug\" },
		\"policy\": { \"levels\": { \"0\": { \"uplinkOnly\": 20, \"downlinkOnly\": 20 } } },
		\"inbounds\": [ $doors ${DOORS:+, $DOORS} ],
		\"routing\": { \"rules\": [ $rules ${RULES:+, $RULES} ] },
		\"outbounds\": [ $outs ${OUTS:+, $OUTS} ] }"
}

server_says() { log_has server " started"; }

ktls_up() {
	net_up
	make_ca
	serve echo tcp-serve 5001 echo
	serve source tcp-serve 5002 source -n "$BULK"
	serve sink tcp-serve 5003 sink
	echo "{ \"log\": { \"loglevel\": \"debug\" },
		\"policy\": { \"levels\": { \"0\": { \"uplinkOnly\": 20, \"downlinkOnly\": 20 } } },
		\"inbounds\": [ $(ktls_server) ],
		\"outbounds\": [ { \"protocol\": \"freedom\", \"settings\": { \"finalRules\": [ { \"action\": \"allow\" } ] } } ] }" >"$TMP/server.json"
	bg "$S" server "$CULVERT" run -c "$TMP/server.json"
	wait_for 10 server_says || fail "the server does not start"
	start_in < <(ktls_client)
}

ktls_cells() {
	local port tag rest
	while read -r port tag rest; do
		[ -z "$port" ] || transfers "$tag" $G4 "$port" "$C" 1048576
	done <<<"$CELLS"
	transfers "IPv6 to the door" fd01::1 7001 "$C" 1048576
}

has_way() { grep -qE "up $2 [(]$4[)] down $3 [(]${5:-$4}[)]" "$TMP/$1.log"; }
way() {
	ASSERTS=$((ASSERTS + 1))
	wait_for 5 has_way "$@" || fail "$1: no flow of $2 up, $3 down by $4: $(grep ' up ' "$TMP/$1.log" | tail -n 3)"
}

ktls_stat() {
	on "$1" awk -v n="$2" '$1 == n { v = $2 } END { print v + 0 }' /proc/net/tls_stat 2>/dev/null || echo 0
}
