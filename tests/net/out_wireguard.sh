#!/bin/bash
# WireGuard outbound against wireguard-go: TCP and UDP, both families inside and
# outside, names, preshared key, ends of streams, a peer that restarts or is silent
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
. "$(dirname "$0")/wg_lib.sh"
peers_up
wg_keys peer self other
peer_up() {
	wg_up "$S" peer <<-END
	[Interface]
	PrivateKey = $KEY_peer
	ListenPort = 51820
	[Peer]
	PublicKey = $PUB_self
	PresharedKey = $PSK
	AllowedIPs = 10.99.0.2/32, fd99::2/128
	END
	wg_addr "$S" peer 10.99.0.1/24 fd99::1/64
}
peer_up
psk=", \"preSharedKey\": \"$PSK\""
client_conf "$(rule 1 v4), $(rule 2 v6), $(rule 3 silent), $(rule 4 nopsk)" \
	"$(wg_ob v4 10.2.0.3:51820 "$KEY_self" "$PUB_peer" "$psk, \"keepAlive\": 5"),
	$(wg_ob v6 '[fd02::3]:51820' "$KEY_self" "$PUB_peer" "$psk"),
	$(wg_ob silent 10.2.0.3:9 "$KEY_other" "$PUB_peer"),
	$(wg_ob nopsk 10.2.0.3:51820 "$KEY_self" "$PUB_peer")"
transfers "v4 in v4" 10.3.0.1
transfers "v6 in v4" fd03::1
datagrams "v4 in v4" 10.3.0.1
datagrams "v6 in v4" fd03::1
pass
