# shellcheck shell=bash
# api_lib.sh: a culvert with users and an API in $G, its clients in $C; after
# peer_lib.sh
#
#	api_up			# serves; ports 6001.. of 127.0.0.1 in $C go to the sink
#	upload NAME PORT N	# N bytes, hashed at the sink
#	counter NAME		# of the API, by v2ctl; "" none
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e

api_conf() {
	cat <<-END
	{
	  "log": { "loglevel": "${LEVEL:-debug}" },
	  "culvert": { "workers": ${WORKERS:-2} },
	  "api": { "tag": "api", "services": [ "HandlerService", "LoggerService", "StatsService" ] },
	  "metrics": { "tag": "metrics_out", "listen": "127.0.0.1:62790" },
	  "stats": {},
	  "policy": {
	    "levels": { "0": { "statsUserUplink": true, "statsUserDownlink": true, "statsUserOnline": true,
	      "handshake": 4, "uplinkOnly": 2, "downlinkOnly": 5 } },
	    "system": { "statsInboundUplink": true, "statsInboundDownlink": true,
	      "statsOutboundUplink": true, "statsOutboundDownlink": true } },
	  "inbounds": [
	    { "tag": "api", "listen": "127.0.0.1", "port": 62789, "protocol": "dokodemo-door", "settings": { "address": "127.0.0.1" } },
	    { "tag": "metrics_in", "listen": "127.0.0.1", "port": 62791, "protocol": "dokodemo-door", "settings": { "address": "127.0.0.1" } },
	    $(ib vl-in vless 1001 "{ \"clients\": [ { \"id\": \"$ID\", \"email\": \"ann@x\" } ], \"decryption\": \"none\", \"fallbacks\": [] }"),
	    $(ib tr-in trojan 1002 '{ "clients": [ { "password": "bob-secret", "email": "bob@x" } ] }'),
	    $(ib vm-in vmess 1003 "{ \"clients\": [ { \"id\": \"$ID\", \"email\": \"cid@x\" } ] }"),
	    $(ib ss-in shadowsocks 1004 '{ "clients": [ { "method": "aes-128-gcm", "password": "dan-secret", "email": "dan@x" } ], "network": "tcp,udp" }'),
	    $(ib mx-in vless 1005 "{ \"clients\": [ { \"id\": \"$ID\", \"email\": \"eve@x\" } ], \"decryption\": \"none\" }"),
	    $(ib s2-in shadowsocks 1006 '{ "method": "2022-blake3-aes-128-gcm", "password": "AAAAAAAAAAAAAAAAAAAAAA==", "clients": [ { "password": "AAAAAAAAAAAAAAAAAAAAAQ==", "email": "fay@x" } ], "network": "tcp,udp" }')
	  ],
	  "routing": { "rules": [
	    { "type": "field", "inboundTag": [ "api" ], "outboundTag": "api" },
	    { "type": "field", "inboundTag": [ "metrics_in" ], "outboundTag": "metrics_out" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $ALLOW } },
	    { "tag": "blocked", "protocol": "blackhole", "settings": {} } ]
	}
	END
}

api_client() { # TAG PROTOCOL SETTINGS
	echo "{ \"tag\": \"$1\", \"protocol\": \"$2\", \"settings\": $3 ${4:-} }"
}
vnext() { echo "{ \"vnext\": [ { \"address\": \"10.1.0.1\", \"port\": $1, \"users\": [ { \"id\": \"${2:-$ID}\", \"encryption\": \"none\", \"security\": \"auto\" } ] } ] }"; }
server() { echo "{ \"servers\": [ { \"address\": \"10.1.0.1\", \"port\": $1, \"password\": \"$2\" ${3:-} } ] }"; }

# knock PORT FROM TAG OUTBOUND: of a client, to the sink
clients_up() {
	cat >"$TMP/clients.json" <<-END
	{ "log": { "loglevel": "warning" },
	  "policy": { "levels": { "0": { "uplinkOnly": 5, "downlinkOnly": 5 } } },
	  "inbounds": [
	    $(for i in 1 2 3 4 5 6 7 8 9; do echo "$(tagged u$i 600$i 5001 tcp),"; done)
	    $(tagged d1 6011 5002 tcp), $(tagged h1 6031 5003 tcp), $(tagged uh2 6032 5003 tcp), $(tagged g1 6021 5006 udp) ],
	  "routing": { "rules": [ { "inboundTag": [ "u1", "d1", "g1", "h1" ], "outboundTag": "vl" },
	    $(for i in 2:tr 3:vm 4:ss 5:mx 6:s2 7:newvl h2:newvl 8:newvm 9:newtr; do
		echo "${c:-}{ \"inboundTag\": [ \"u${i%:*}\" ], \"outboundTag\": \"${i#*:}\" }"; c=,; done) ] },
	  "outbounds": [ $(api_client vl vless "$(vnext 1001)"), $(api_client tr trojan "$(server 1002 bob-secret)"),
	    $(api_client vm vmess "$(vnext 1003)"), $(api_client ss shadowsocks "$(server 1004 dan-secret ', "method": "aes-128-gcm"')"),
	    $(api_client mx vless "$(vnext 1005)" ', "mux": { "enabled": true }'),
	    $(api_client s2 shadowsocks "$(server 1006 AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAQ== ', "method": "2022-blake3-aes-128-gcm"')"),
	    $(api_client newvl vless "$(vnext 1001 "$NEWID")"), $(api_client newvm vmess "$(vnext 1003 "$NEWID")"),
	    $(api_client newtr trojan "$(server 1002 new-secret)") ] }
	END
	bg "$C" clients "$CULVERT" run -c "$TMP/clients.json"
	wait_port "$C" tcp 6031
	wait_port "$C" udp 6021
}
NEWID=11111111-2222-3333-4444-555555555555

tagged() { # TAG PORT TARGET-PORT NETWORK
	echo "{ \"tag\": \"$1\", \"listen\": \"127.0.0.1\", \"port\": $2, \"protocol\": \"dokodemo-door\",
	  \"settings\": { \"address\": \"10.3.0.1\", \"port\": $3, \"network\": \"$4\" } }"
}

api_up() {
	api_conf >"$TMP/server.json"
	bg "$G" server "$CULVERT" run -c "$TMP/server.json"
	wait_port "$G" tcp 62789
	wait_port "$G" tcp 1006
	clients_up
}

sunk_n() { [ "$(grep -c "rx=$(sha "$1")" "$TMP/sink.log")" -ge "$2" ]; }

upload() { # NAME PORT N
	local before
	before=$(grep -c "rx=$(sha "$3")" "$TMP/sink.log")
	on "$C" "$NT" tcp 127.0.0.1 "$2" -n "$3" -t 10 >/dev/null
	wait_for 8 sunk_n "$3" $((before + 1)) || fail "$1: $3 bytes do not come: $(tail -n1 "$TMP/sink.log")"
	ASSERTS=$((ASSERTS + 1))
}

counter() {
	on "$G" v2ctl api --server=127.0.0.1:62789 StatsService.GetStats "name: \"$1\"" 2>&1 |
		awk '/NotFound/ { exit } /^ *name: "/ { there = 1 } /value:/ { v = $2 } END { if (there) print v + 0 }'
}
counted() { [ "$(counter "$1")" = "$2" ]; }
