#!/bin/bash
# transport_ws.sh: WebSocket, HTTPUpgrade and raw with HTTP heads, client and server, bare and in
# TLS: culvert with culvert (early data too), v2ray, nginx between
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
for p in v2ray nginx openssl; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
serve echo tcp-serve 5001 echo
make_ca

# --- peers in S ---
v2_in() {
	echo "{ \"listen\": \"0.0.0.0\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"127.0.0.1\", \"port\": 5001, \"network\": \"tcp\" },
		\"streamSettings\": $2 }"
}
v2_client() { # PORT TAG
	echo "{ \"tag\": \"$2\", \"listen\": \"127.0.0.1\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"127.0.0.1\", \"port\": 1, \"network\": \"tcp\" } }"
}
v2_tls="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
cat >"$TMP/v2.json" <<END
{ "log": { "loglevel": "info" },
  "inbounds": [ $(join \
	"$(v2_in 9001 '{ "network": "ws", "wsSettings": { "path": "/w" } }')" \
	"$(v2_in 9002 "{ \"network\": \"ws\", \"wsSettings\": { \"path\": \"/w\" }, $v2_tls }")" \
	"$(v2_in 9003 '{ "network": "tcp", "tcpSettings": { "header": { "type": "http", "request": { "path": ["/y", "/x"] } } } }')" \
	"$(v2_in 9004 "{ \"network\": \"tcp\", \"tcpSettings\": { \"header\": { \"type\": \"http\", \"request\": { \"path\": [\"/x\"] } } }, $v2_tls }")" \
	"$(v2_client 9104 hhs)" "$(v2_client 9103 hh)" "$(v2_client 9101 ws)" "$(v2_client 9102 wss)") ],
  "outbounds": [ { "protocol": "freedom" }, $(join \
	"$(wrap_out hh 10.2.0.1:8006 '{ "network": "tcp", "tcpSettings": { "header": { "type": "http", "request": { "path": ["/x", "/y"], "headers": { "Host": ["one.test", "two.test"] } } } } }')" \
	"$(wrap_out hhs 10.2.0.1:8007 '{ "network": "tcp", "tcpSettings": { "header": { "type": "http", "request": { "path": ["/x"] } } }, "security": "tls", "tlsSettings": { "allowInsecure": true } }')" \
	"$(wrap_out ws 10.2.0.1:8001 '{ "network": "ws", "wsSettings": { "path": "/w" } }')" \
	"$(wrap_out wss 10.2.0.1:8002 '{ "network": "ws", "wsSettings": { "path": "/w" }, "security": "tls", "tlsSettings": { "allowInsecure": true } }')" ) ],
  "routing": { "rules": [ { "type": "field", "inboundTag": ["ws"], "outboundTag": "ws" },
	{ "type": "field", "inboundTag": ["hh"], "outboundTag": "hh" },
	{ "type": "field", "inboundTag": ["hhs"], "outboundTag": "hhs" },
	{ "type": "field", "inboundTag": ["wss"], "outboundTag": "wss" } ] }
}
END
bg "$S" v2ray v2ray -config "$TMP/v2.json"
wait_port "$S" tcp 9102

nginx_up <<END
		server_name tls.test;
		location / {
			proxy_pass http://10.2.0.1:8001;
			proxy_http_version 1.1;
			proxy_set_header Host \$host;
			proxy_set_header Upgrade \$http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_read_timeout 20s;
		}
		location /up { proxy_pass http://10.2.0.1:8003; proxy_http_version 1.1;
			proxy_set_header Upgrade \$http_upgrade;
			proxy_set_header Connection "upgrade"; }
		location /nothing { return 403; }
END

# --- culvert in G: ways in 70xx to its own servers 80xx and to the peers ---
ca="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"disableSystemRoot\": true, \"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
ws() { echo "\"network\": \"ws\", \"wsSettings\": { \"path\": \"$1\" ${2:-} }"; }
hh='"network": "raw", "rawSettings": { "header": { "type": "http", "request": { "path": ["/x", "/y"], "headers": { "Host": ["a.test", "b.test"], "User-Agent": "none" } } } }'
left='"tcpSettings": { "header": { "type": "http" } }' # of a network that is no more
hu() { echo "\"network\": \"httpupgrade\", \"httpupgradeSettings\": { \"path\": \"$1\" ${2:-} }"; }
start_in <<END
{
  "log": { "loglevel": "debug" },
  "inbounds": [ $(join "$(door 7001 own)" "$(door 7002 owns)" "$(door 7003 owned)" \
	"$(door 7004 hu)" "$(door 7005 hus)" "$(door 7006 hued)" \
	"$(door 7011 v2)" "$(door 7012 v2s)" \
	"$(door 7021 ngx)" "$(door 7022 ngxup)" "$(door 7023 ngxno)" "$(door 7024 badpath)" \
	"$(door 7025 badhost)" "$(door 7026 silent)" "$(door 7027 hubad)" \
	"$(door 7031 hh)" "$(door 7032 v2hh)" "$(door 8006 direct6 "{ $hh }")" \
	"$(door 7033 hhs)" "$(door 7034 v2hhs)" "$(door 7035 left)" "$(door 8007 direct7 "{ $hh, $own }")" \
	"$(door 8001 direct "{ $(ws /w) }")" "$(door 8002 direct2 "{ $(ws /w), $own }")" \
	"$(door 8003 direct3 "{ $(hu /up) }")" "$(door 8004 direct4 "{ $(hu /up), $own }")" \
	"$(door 8005 direct5 "{ $(ws /w ', "host": "right.test", "heartbeatPeriod": 1') }")") ],
  "routing": { "rules": [ $(to own owns owned hu hus hued v2 v2s ngx ngxup ngxno badpath badhost silent hubad hh v2hh hhs v2hhs left) ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom" }, $(join \
	"$(wrap_out own 10.2.0.1:8001 "{ $(ws /w) }")" \
	"$(wrap_out owns 10.2.0.1:8002 "{ $(ws w), $ca }")" \
	"$(wrap_out owned 10.2.0.1:8005 "{ $(ws "/w?ed=2048" ', "host": "right.test", "headers": { "X-A": "b" }, "heartbeatPeriod": 1') }")" \
	"$(wrap_out hu 10.2.0.1:8003 "{ $(hu /up) }")" \
	"$(wrap_out hus 10.2.0.1:8004 "{ $(hu /up), $ca }")" \
	"$(wrap_out hued 10.2.0.1:8003 "{ $(hu "/up?ed=2048") }")" \
	"$(wrap_out hh 10.2.0.1:8006 "{ $hh }")" \
	"$(wrap_out v2hh 10.2.0.3:9003 "{ $hh }")" \
	"$(wrap_out hhs 10.2.0.1:8007 "{ $hh, $ca }")" \
	"$(wrap_out v2hhs 10.2.0.3:9004 "{ ${hh/, \"\/y\"/}, $ca }")" \
	"$(wrap_out left 10.2.0.3:9001 "{ $(ws /w), $left }")" \
	"$(wrap_out v2 10.2.0.3:9001 "{ $(ws /w) }")" \
	"$(wrap_out v2s 10.2.0.3:9002 "{ $(ws /w), $ca }")" \
	"$(wrap_out ngx 10.2.0.3:9443 "{ $(ws /w), $ca }")" \
	"$(wrap_out ngxup 10.2.0.3:9443 "{ $(hu /up), $ca }")" \
	"$(wrap_out ngxno 10.2.0.3:9443 "{ $(ws /nothing), $ca }")" \
	"$(wrap_out badpath 10.2.0.1:8001 "{ $(ws /x) }")" \
	"$(wrap_out badhost 10.2.0.1:8005 "{ $(ws /w) }")" \
	"$(wrap_out silent 10.2.0.3:5001 "{ $(ws /w) }")" \
	"$(wrap_out hubad 10.2.0.1:8001 "{ $(hu /w) }")") ]
}
END
A=10.1.0.1
transfers "ws" $A 7001
transfers "ws in TLS" $A 7002
transfers "ws with early data, host, headers, heartbeat" $A 7003
transfers "httpupgrade" $A 7004
transfers "httpupgrade in TLS" $A 7005
transfers "httpupgrade without waiting" $A 7006

sleep 1.1 # the log has a rate limit
transfers "raw with http heads in TLS" $A 7033
transfers "raw with http heads" $A 7031
wait_for 5 grep -q "hh -> hh.*up 3000000" "$TMP/culvert.log"
out=$(grep "hh -> hh" "$TMP/culvert.log" | grep "up 3000000")
contains "the heads are shed" "$out" "up 3000000 (splice)"

# v2ray and nginx know no half close of ws: the bytes count
echoes() {
	local out n ns=${4:-$C}
	for n in 1 1400 3000000; do
		out=$(on "$ns" "$NT" tcp "$2" "$3" -n $n -t 20)
		contains "$1: echo of $n" "$out" "rx=$(sha $n)"
	done
}
echoes "v2ray serves raw with http heads" $A 7032
echoes "v2ray calls with http heads" 127.0.0.1 9103 "$S"
echoes "v2ray serves raw with http heads in TLS" $A 7034
echoes "v2ray calls with http heads in TLS" 127.0.0.1 9104 "$S"
echoes "settings of raw do nothing to ws" $A 7035
echoes "v2ray serves ws" $A 7011
echoes "v2ray serves ws in TLS" $A 7012
echoes "nginx before ws" $A 7021
# nginx ends both ways at a half close of an upgraded connection
for n in 1 1400 1000000; do
	out=$(on "$C" "$NT" tcp $A 7022 -n $n -O -t 2)
	contains "nginx before httpupgrade: echo of $n" "$out" "rx=$(sha $n)"
done
echoes "v2ray calls ws" 127.0.0.1 9101 "$S"
echoes "v2ray calls ws in TLS" 127.0.0.1 9102 "$S"

refused "nginx says 403" $A 7023
wait_log culvert "ws: server answers 403"
refused "wrong path" $A 7024
wait_log culvert "ws: server answers 404"
wait_log culvert "ws: refused: not our path or host"
refused "wrong host" $A 7025
refused "an echo is no server" $A 7026
refused "httpupgrade at a ws server" $A 7027
out=$(on "$C" "$NT" tcp $A 7003 -m hello -d 3000 -t 10 -P 2>/dev/null)
contains "heartbeats both ways do no harm" "$out" "hello"
stop culvert
eq "ends well" "$RC" 0
pass
