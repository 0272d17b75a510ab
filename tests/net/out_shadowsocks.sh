#!/bin/bash
# Shadowsocks outbound against shadowsocks-libev, each cipher, and v2ray: TCP and
# UDP, v4, v6 and names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peer_lib.sh"
peers_up ss-server v2ray
CIPHERS=(aes-128-gcm aes-256-gcm chacha20-ietf-poly1305 xchacha20-ietf-poly1305)
# Address N+1 goes by cipher N: the targets listen on all of them
for i in 1 2 3 4 5 6 9; do
	[ -n "${PID[udp10.3.0.$i]:-}" ] || bg "$S" "udp10.3.0.$i" "$NT" udp-serve -l 10.3.0.$i 5006 echo
	[ -n "${PID[udpfd03::$i]:-}" ] || bg "$S" "udpfd03::$i" "$NT" udp-serve -l fd03::$i 5006 echo
done
obs='' rules='{ "domain": [ "full:dom.test" ], "outboundTag": "vss" }'
add() { # TAG N METHOD PORT ADDRESS
	obs="$obs, $(ob "$1" shadowsocks "{ \"address\": \"$5\", \"port\": $4, \"method\": \"$3\", \"password\": \"topsecret\" }")"
	rules="$rules, $(rule "$2" "$1")"
}
for i in 0 1 2 3; do
	m=${CIPHERS[i]}
	bg "$S" "ss$i" ss-server -s 10.2.0.3 -s fd02::3 -p $((8380 + i)) -k topsecret -m "$m" -u -t 60
	wait_port "$S" tcp $((8380 + i))
	add "ss$i" $((i + 1)) "$m" $((8380 + i)) "$([ $i = 1 ] && echo fd02::3 || echo 10.2.0.3)"
done
v2ray_in vss shadowsocks 8390 '{ "method": "chacha20-ietf-poly1305", "password": "topsecret", "network": "tcp,udp" }'
v2ray_in vnone shadowsocks 8391 '{ "method": "none", "password": "topsecret", "network": "tcp,udp" }'
add vss 5 chacha20-poly1305 8390 10.2.0.3
add vnone 6 none 8391 10.2.0.3
add wrong 7 aes-128-gcm 8391 10.2.0.2
obs="$obs, $(ob wrongpw shadowsocks '{ "address": "10.2.0.3", "port": 8380, "method": "aes-128-gcm", "password": "wrong" }')"
# The server's name is looked for as for TCP: by the system, not by servers that may be
# behind it; of the families that its strategy says; where there is a way to it
mkdir -p "/etc/netns/$G"
printf '10.2.0.3 ss.test\nfd02::3 ss.test\n' >"/etc/netns/$G/hosts"
DNS='{ "servers": [ "192.0.2.53" ], "hosts": { "ss6.test": [ "10.2.0.9", "fd02::3" ] } }'
rules="$rules, { \"ip\": [ \"fd03::9\" ], \"outboundTag\": \"named6\" }"
add named 9 aes-128-gcm 8380 ss.test
add named6 9 aes-128-gcm 8380 ss6.test
obs="${obs%\}} , \"streamSettings\": { \"sockopt\": { \"domainStrategy\": \"ForceIPv6\" } } }"
client_conf "$rules, $(rule 8 wrongpw)" "${obs#,}"
# both peers end both ways when one ends
for i in 1 2 3 4 5 6; do
	transfers "${CIPHERS[i-1]:-v2ray}" 10.3.0.$i nohalf
	datagrams "$i v4" 10.3.0.$i 1,512,1400 # more does not fit ss-server's buffers
	datagrams "$i v6" fd03::$i 1,512,1400
done
for a in 10.3.0.9 fd03::9; do
	transfers "by name, $a" $a nohalf
	datagrams "by name, $a" $a 1,512,1400
done
transfers "v6" fd03::1 nohalf
transfers "v6" fd03::2 nohalf
named "shadowsocks" # ss-server asks DNS servers only
ended "wrong password" 10.3.0.8 4500
ended "no server" 10.3.0.7 1500
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "topsecret"
pass
