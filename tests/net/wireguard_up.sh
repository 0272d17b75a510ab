#!/bin/bash
# wireguard_up.sh: `culvert up` with a wg-quick file: what this host and the LAN send goes
# through the tunnel, and the tunnel's own datagrams do not
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
. "$(dirname "$0")/wg_lib.sh"
. "$(dirname "$0")/host_lib.sh"
peers_up
wg_keys peer self
# a public address: what is private goes directly
addr "$S" lo 93.184.1.1/32
wg_up "$S" peer <<END
[Interface]
PrivateKey = $KEY_peer
ListenPort = 51820
[Peer]
PublicKey = $PUB_self
PresharedKey = $PSK
AllowedIPs = 10.99.0.2/32, fd99::2/128
END
wg_addr "$S" peer 10.99.0.1/24 fd99::1/64
bg "$S" udp51 "$NT" udp-serve -l 93.184.1.1 5006 echo
cat >"$TMP/provider.conf" <<END
# https://wg.example.org
[Interface]
PrivateKey = $KEY_self
Address = 10.99.0.2/32, fd99::2/128
DNS = 198.51.100.3
[Peer]
PublicKey = $PUB_peer
PresharedKey = $PSK
Endpoint = 198.51.100.2:51820
AllowedIPs = 0.0.0.0/0, ::/0
END
bg "$G" culvert "$CULVERT" up "$TMP/provider.conf"
wait_for 10 up_or_dead
alive culvert || fail "culvert up ended"
for ns in "$G" "$C"; do
	for a in 93.184.1.1 2001:db8:51::1; do
		out=$(on "$ns" "$NT" tcp "$a" 5003 -n 300000 -t 20)
		contains "$ns: $a" "$out" "rx=$(sha 300000) end=FIN"
	done
	contains "$ns: datagrams" "$(on "$ns" "$NT" udp 93.184.1.1 5006 -n 1,1200)" "ok=2 bad=0"
done
lacks "all of it through the tunnel" "$(<"$TMP/echo.log")" "from=10.2.0.1"
contains "from its address" "$(<"$TMP/echo.log")" "from=10.99.0.2"
le "one tunnel, no loop" "$(on "$S" wg show "$(wg_dev peer)" transfer | awk '{ print $2 }')" 3000000
stop culvert
eq "ends in order" "$RC" 0
pass
