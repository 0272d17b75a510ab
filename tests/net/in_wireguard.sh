#!/bin/bash
# timeout: 240
# WireGuard inbound: clients are wireguard-go and culvert's own outbound; TCP and UDP,
# both families inside, original destinations, what is private, a reload, strangers
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
. "$(dirname "$0")/wg_lib.sh"
peers_up
wg_keys server go own lone
psk=", \"preSharedKey\": \"$PSK\""
mkdir -p "/etc/netns/$G"
cp "$etc/hosts" "/etc/netns/$G/hosts"
server_conf() {
	cat >"$TMP/server.json" <<-END
	{
	  "log": { "loglevel": "debug" }, $WORKERS
	  "policy": { "levels": { "0": { "handshake": 2, "downlinkOnly": 20, "uplinkOnly": 20 } } },
	  "inbounds": [ { "tag": "wg", "listen": "0.0.0.0", "port": 51820, "protocol": "wireguard", "settings": {
	    "secretKey": "$KEY_server", "address": [ "10.99.0.1", "fd99::1" ], "peers": [
	      { "publicKey": "$PUB_go", "allowedIPs": [ "10.99.0.2/32", "fd99::2/128" ], "email": "go@test" $psk },
	      { "publicKey": "$PUB_own", "allowedIPs": [ "10.99.0.3/32", "fd99::3/128" ] } ] } } ],
	  "routing": { "rules": [ { "ip": [ "10.3.0.9" ], "user": [ "go@test" ], "outboundTag": "block" } ] },
	  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $1 } },
	    { "tag": "block", "protocol": "blackhole" } ]
	}
	END
}
server_conf "$ALLOW"
bg "$G" server "$CULVERT" run -c "$TMP/server.json"
wait_port "$G" udp 51820

# a client of the tunnel in $C: $1 name, $2 key, $3 last byte of its addresses, MORE
client() {
	wg_up "$C" "$1" <<-END
	[Interface]
	PrivateKey = $2
	[Peer]
	PublicKey = $PUB_server
	${4:-}
	Endpoint = 10.1.0.1:51820
	AllowedIPs = 10.3.0.0/24, fd03::/64, 10.99.0.0/24, fd99::/64
	END
	wg_addr "$C" "$1" "10.99.0.$3/24" "fd99::$3/64"
}
client go "$KEY_go" 2 "PresharedKey = $PSK"
for a in 10.3.0.0/24 fd03::/64; do ip -n "$C" route add "$a" dev "$(wg_dev go)"; done
for a in 10.3.0.1 fd03::1; do
	transfers "wireguard-go, $a" "$a"
	datagrams "wireguard-go, $a" "$a" 1,1200,1380,1472,1900,4000
done
contains "the original destination" "$(<"$TMP/server.log")" "from 10.99.0.2"
ok "an echo is answered" on "$C" ping -c 1 -W 3 10.3.0.77
out=$(on "$C" "$NT" tcp 10.3.0.9 5003 -n 10 -t 10)
matches "a user is blocked" "$out" "end=ECONN(RESET|REFUSED)"
contains "and named" "$(<"$TMP/server.log")" "email: go@test"
contains "a user of datagrams, too" "$(grep 'udp:10.3.0.1' "$TMP/server.log")" "email: go@test"
out=$(on "$C" "$NT" tcp 10.3.0.1 5999 -n 10 -t 10)
matches "a refused port" "$out" "end=ECONN(RESET|REFUSED)"
on "$C" "$NT" tcp 10.3.0.1 5003 -n 2000000 -R -t 9 >/dev/null
wait_log echo "end=ECONNRESET"

# a source that is not the peer's is dropped
addr "$C" "$(wg_dev go)" 10.99.0.9/24
out=$(on "$C" "$NT" tcp 10.3.0.1 5003 -b 10.99.0.9 -n 10 -t 3)
contains "a foreign source" "$out" "rx=0:"
ip -n "$C" addr del 10.99.0.9/24 dev "$(wg_dev go)"

# the same settings again; what runs goes on
bg "$C" long "$NT" tcp 10.3.0.1 5003 -n 3000000 -r 600000 -t 60
sleep 1
kill -HUP "${PID[server]}"
wait_log server "is in force"
# the client comes from another port
on "$C" wg set "$(wg_dev go)" listen-port 50001
wait "${PID[long]}"
unset "PID[long]"
contains "a stream outlives it" "$(<"$TMP/long.log")" "rx=$(sha 3000000) end=FIN"
transfers "after that" 10.3.0.1
for a in 10.3.0.0/24 fd03::/64; do ip -n "$C" route del "$a" dev "$(wg_dev go)"; done
stop go TERM quiet

# culvert's own outbound, in $S's place of a client: in $C
cat >"$TMP/own.json" <<END
{ "log": { "loglevel": "debug" }, $WORKERS
  "policy": { "levels": { "0": { "uplinkOnly": 5, "downlinkOnly": 5 } } },
  "dns": { "hosts": { "dom.test": "10.3.0.1" } },
  "inbounds": [ $(door 7001 10.3.0.1 5001 tcp), $(door 7002 10.3.0.1 5002 tcp),
    $(door 7003 fd03::1 5003 tcp), $(door 7004 dom.test 5003 tcp),
    $(door 7006 10.3.0.1 5006 udp), $(door 7007 fd03::1 5006 udp) ],
  "outbounds": [ $(WG_N=3 wg_ob own 10.1.0.1:51820 "$KEY_own" "$PUB_server") ] }
END
bg "$C" own "$CULVERT" run -c "$TMP/own.json"
wait_port "$C" tcp 7004
wait_port "$C" udp 7007
through "culvert's outbound" 7000

# what is private is not a stranger's, as for all servers
server_conf ""
kill -HUP "${PID[server]}"
wait_for 10 eval "[ \$(grep -c 'is in force' '$TMP/server.log') = 2 ]"
out=$(on "$C" "$NT" tcp 127.0.0.1 7002 -n 10 -t 2)
contains "private, from outside" "$out" "rx=0:"
wait_log server "private, from outside"

# somebody without a key
client lone "$KEY_lone" 4
out=$(on "$C" "$NT" tcp 10.99.0.1 5003 -n 10 -t 3)
contains "a stranger" "$out" "rx=0:"
wait_log server "a handshake of an unknown peer"
for k in "$KEY_server" "$PSK"; do lacks "no secret is logged" "$(<"$TMP/server.log")" "$k"; done
stop own
eq "the client ends well" "$RC" 0
stop server
eq "the server ends well" "$RC" 0
pass
