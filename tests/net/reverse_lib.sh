# shellcheck shell=bash
# reverse_lib.sh: VLESS reverse; after lib.sh, in_lib.sh, transport_lib.sh
#
#	reverse_up			# net, certificates, targets behind the client
#	portal NAME COMMAND...		# the public server, in $G
#	bridge NAME COMMAND...		# the client of it, in $S, where the targets are
#	reverse_run NAME [nohalf]	# what comes to the server reaches the targets
#	sever | rejoin		# the network between both takes all, and says nothing
#
# $C dials $G (doors 7001 echo, 7002 source, 7003 TLS 1.3, 7005 echo of datagrams), $G
# has no other way to what is asked for there: 10.9.0.1 is known to $S alone. FLOW, STREAM, CLIENT_STREAM,
# DECRYPTION, ENCRYPTION: of the VLESS between both.

ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e OTHER=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9f

reverse_up() {
	net_up
	make_ca
	on "$S" ip addr add 10.9.0.1/32 dev lo
	serve echo tcp-serve 5001 echo
	serve source tcp-serve 5002 source -n 3000000
	serve uecho udp-serve 5006 echo
	make_www
	site 8444
	STREAM="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
	CLIENT_STREAM="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"pinnedPeerCertSha256\": \"$(pin names)\" }"
}

rdoor() { # PORT TARGETPORT
	echo "{ \"tag\": \"d$1\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.9.0.1\", \"port\": $2, \"network\": \"tcp,udp\" } }"
}

portal() { # NAME COMMAND...
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "debug" }, "policy": { "levels": { "0": { "uplinkOnly": ${LINGER:-20}, "downlinkOnly": ${LINGER:-20} } } }, ${PORTAL_MORE:-}
	  "inbounds": [ $(rdoor 7001 5001), $(rdoor 7002 5002), $(rdoor 7003 8444), $(rdoor 7005 5006),
	    { "tag": "v", "port": 8443, "protocol": "vless", "settings": { "decryption": "${DECRYPTION:-none}", "clients": [
	      { "id": "$ID", "email": "back@x", "flow": "${FLOW:-}", "reverse": { "tag": "back" } },
	      { "id": "$OTHER", "email": "plain@x" } ] }, "streamSettings": { $STREAM } } ],
	  "routing": { "rules": [ { "inboundTag": [ "d7001", "d7002", "d7003", "d7005" ], "outboundTag": "back" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ] }
	END
	bg "$G" "$1" "${@:2}" "$TMP/$1.json"
	wait_port "$G" tcp 8443
}

bridge() { # NAME COMMAND...
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "debug" }, "policy": { "levels": { "0": { "uplinkOnly": ${LINGER:-20}, "downlinkOnly": ${LINGER:-20} } } },
	  "routing": { "rules": [ { "inboundTag": [ "home" ], "outboundTag": "direct" } ] },
	  "outbounds": [ { "tag": "nowhere", "protocol": "blackhole" },
	    { "tag": "direct", "protocol": "freedom", "settings": { ${RULES-$ALLOW} } },
	    { "tag": "up", "protocol": "vless", "settings": { "address": "10.2.0.1", "port": 8443, "id": "${BRIDGE_ID:-$ID}",
	      "encryption": "${ENCRYPTION:-none}", "flow": "${FLOW:-}", "reverse": { "tag": "home", "sniffing": { "enabled": true, "destOverride": [ "tls" ], "routeOnly": true } } },
	      "streamSettings": { $CLIENT_STREAM } } ] }
	END
	bg "$S" "$1" "${@:2}" "$TMP/$1.json"
}

sever() {
	on "$G" nft -f - <<-'END'
		table inet cut {
			chain i { type filter hook input priority 0; tcp dport 8443 drop; }
			chain o { type filter hook output priority 0; tcp sport 8443 drop; }
		}
	END
}
rejoin() { on "$G" nft delete table inet cut; }

# the server can pass something on: retried, since the client calls when it likes
reaches() { [[ $(on "$C" "$NT" tcp 10.1.0.1 7001 -n 10 -w 10 -t 2) == *"rx=$(sha 10) "* ]]; }

reverse_run() { # NAME [nohalf]
	local out n wait end=FIN
	wait_for 20 reaches || fail "$1: no way back: $(tail -n 5 "$TMP"/*.log)"
	[ "${2:-}" != nohalf ] || end='(FIN|ECONNRESET)'
	for n in 1 1400 3000000; do
		wait=0
		[ "${2:-}" != nohalf ] || wait=$n
		out=$(on "$C" "$NT" tcp 10.1.0.1 7001 -n $n -w $wait -t 20)
		matches "$1: echo of $n" "$out" "rx=$(sha $n) end=$end"
	done
	out=$(on "$C" "$NT" tcp 10.1.0.1 7002 -n 1 -w 3000000 -t 20)
	matches "$1: download" "$out" "rx=$(sha 3000000) end=$end"
	for n in 1 2; do fetch "$1, $n" 10.1.0.1 7003; done
	out=$(on "$C" "$NT" udp 10.1.0.1 7005 -n 1,100,1400 -t 5)
	contains "$1: UDP" "$out" "ok=3 bad=0"
}
