#!/bin/bash
# timeout: 300
# WireGuard outbound against wireguard-go: TCP and UDP, both families inside and
# outside, names, preshared key, ends of streams, a peer that restarts, moves, or is
# silent
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
. "$(dirname "$0")/wg_lib.sh"
peers_up
wg_keys peer self six lone other
serve rst tcp-serve 5004 rst -n 1000

peer_up() {
	wg_up "$S" peer <<-END
	[Interface]
	PrivateKey = $KEY_peer
	ListenPort = 51820
	[Peer]
	PublicKey = $PUB_self
	PresharedKey = $PSK
	AllowedIPs = 10.99.0.2/32, fd99::2/128
	[Peer]
	PublicKey = $PUB_six
	AllowedIPs = 10.99.0.6/32, fd99::6/128
	[Peer]
	PublicKey = $PUB_lone
	PresharedKey = $PSK
	AllowedIPs = 10.99.0.7/32
	END
	wg_addr "$S" peer 10.99.0.1/24 fd99::1/64
}
rx_of() { on "$S" wg show "$(wg_dev peer)" transfer | awk -v k="$1" '$1 == k { print $2 }'; }
grown() { [ "$(rx_of "$1")" -ge "$2" ]; }
peer_up
psk=", \"preSharedKey\": \"$PSK\""
six=$(WG_N=6 wg_ob six '[fd02::3]:51820' "$KEY_six" "$PUB_peer" "" ', "domainStrategy": "ForceIPv6"')
start_culvert <<END
{
  "log": { "loglevel": "debug" }, $WORKERS
  "dns": { "hosts": { "dom.test": [ "10.3.0.1", "fd03::1" ], "peer.test": "10.2.0.3",
    "six.test": [ "10.3.0.9", "fd03::1" ] }, "servers": [ "10.2.0.9" ] },
  "inbounds": [ {
    "tag": "lan", "protocol": "tun",
    "settings": { "name": "culvert0", "mtu": 1500, "gateway": [ "172.30.255.1/30", "fd6c:7663::1/126" ] },
    "sniffing": { "enabled": true, "destOverride": [ "http" ] } },
    { "tag": "door4", "listen": "10.1.0.1", "port": 6006, "protocol": "dokodemo-door",
      "settings": { "address": "dom.test", "port": 5006, "network": "udp" } },
    { "tag": "door6", "listen": "10.1.0.1", "port": 6007, "protocol": "dokodemo-door",
      "settings": { "address": "six.test", "port": 5006, "network": "udp" } } ],
  "policy": { "levels": { "0": { "handshake": 3, "downlinkOnly": 40, "uplinkOnly": 40 } } },
  "routing": { "rules": [ $(rule 1 self), $(rule 2 six), $(rule 3 silent), $(rule 4 wrong), $(rule 5 lone), $(rule 6 chain),
    { "domain": [ "full:dom.test" ], "outboundTag": "self" }, { "inboundTag": [ "door4" ], "outboundTag": "self" },
    { "domain": [ "full:six.test" ], "outboundTag": "six" }, { "inboundTag": [ "door6" ], "outboundTag": "six" } ] },
  "outbounds": [ { "tag": "nowhere", "protocol": "blackhole" },
    $(wg_ob self peer.test:51820 "$KEY_self" "$PUB_peer" "$psk, \"keepAlive\": 2"),
    $six,
    { "tag": "chain", "protocol": "freedom", "streamSettings": { "sockopt": { "dialerProxy": "self" } } },
    $(wg_ob silent 10.2.0.3:9 "$KEY_other" "$PUB_peer"),
    $(wg_ob wrong 10.2.0.3:51820 "$KEY_lone" "$PUB_peer"),
    $(WG_N=7 wg_ob lone 10.2.0.3:51820 "$KEY_lone" "$PUB_peer" "$psk" | sed 's/, "fd99::7.128"//') ]
}
END
to_tun culvert0
for a in 10.3.0.1 fd03::1; do
	transfers "$a" "$a"
	datagrams "$a" "$a" 1,1200,1380,1472,1900,4000
done
# the tunnel whose outside is IPv6; 10.3.0.2 inside
transfers "outside v6" 10.3.0.2
datagrams "outside v6" 10.3.0.2
eq "sessions of both are alive" "$(grep -c 'session with' "$TMP/culvert.log")" 2

# names: TCP to both strategies, UDP the same
out=$(on "$C" "$NT" tcp 192.0.2.9 5003 -P -t 5 -w 34 -m $'GET / HTTP/1.1\r\nHost: dom.test\r\n\r\n' 2>/dev/null)
contains "a name is looked up" "$out" "Host: dom.test"
out=$(on "$C" "$NT" tcp 192.0.2.9 5003 -P -t 5 -w 34 -m $'GET / HTTP/1.1\r\nHost: six.test\r\n\r\n' 2>/dev/null)
contains "ForceIPv6: its other address" "$out" "Host: six.test"
contains "datagrams to a name" "$(on "$C" "$NT" udp 10.1.0.1 6006 -n 1,1200)" "ok=2 bad=0"
contains "datagrams to a name, ForceIPv6" "$(on "$C" "$NT" udp 10.1.0.1 6007 -n 1,1200)" "ok=2 bad=0"
out=$(on "$C" "$NT" tcp 192.0.2.9 5003 -t 9 -w 1 -m $'GET / HTTP/1.1\r\nHost: no.such.test\r\n\r\n')
lacks "a name without an address" "$out" "end=FIN"

# ends
out=$(on "$C" "$NT" tcp 10.3.0.1 5004 -n 10 -t 10)
contains "the server's reset" "$out" "end=ECONNRESET"
out=$(on "$C" "$NT" tcp 10.3.0.1 5999 -n 10 -t 10)
matches "a refused port" "$out" "end=ECONN(RESET|REFUSED)"
on "$C" "$NT" tcp 10.3.0.1 5003 -n 2000000 -R -t 9 >/dev/null
wait_log echo "end=ECONNRESET"
ASSERTS=$((ASSERTS + 1))
t0=${EPOCHREALTIME/./}
out=$(on "$C" "$NT" tcp fd03::5 5003 -n 10 -t 10)
lacks "no address of that family inside" "$out" "end=FIN"
le "and told at once" $((${EPOCHREALTIME/./} - t0)) $((1500000 * SLOW))

# nobody answers; another preshared key
ended "a silent peer" 10.3.0.3 3700
wait_log culvert "10.2.0.3:9 does not answer the handshake"
ended "another preshared key" 10.3.0.4 3700
transfers "the right one, after that" 10.3.0.5

# another outbound that dials through it
bg "$S" udp10.3.0.6 "$NT" udp-serve -l 10.3.0.6 5006 echo
transfers "through it" 10.3.0.6
datagrams "through it" 10.3.0.6

# keepAlive: the peer hears of us without traffic
n=$(rx_of "$PUB_self")
wait_for 6 grown "$PUB_self" $((n + 32)) || fail "no keepalive"

# the same settings again: the tunnel stays, and what runs in it
bg "$C" long "$NT" tcp 10.3.0.1 5003 -n 5000000 -r 400000 -t 60
wait_for 5 grown "$PUB_self" $((n + 200000)) || fail "nothing moves"
kill -HUP "${PID[culvert]}"
wait_log culvert "is in force"
# the peer moves: what it sends tells from where
on "$S" wg set "$(wg_dev peer)" listen-port 51999
# and is away for a while
sleep 2
stop peer TERM quiet
peer_up
wait "${PID[long]}"
unset "PID[long]"
contains "a stream outlives it all" "$(<"$TMP/long.log")" "rx=$(sha 5000000) end=FIN"
transfers "after that" 10.3.0.1
for k in "$KEY_self" "$PSK" "$KEY_six"; do
	lacks "no secret is logged" "$(<"$TMP/culvert.log")" "$k"
done
stop culvert
eq "culvert ends well" "$RC" 0
pass
