#!/bin/bash
# Peers that no package has, side by side with culvert
#
#	HEV=/path/hev-socks5-tunnel XRAY=/path/xray SINGBOX=/path/sing-box \
#		IPT2SOCKS=/path/ipt2socks make bench T=peers
#
# Only what is given has rows; without any of them there is nothing to measure.
# All are told to do what culvert does: a TUN of MTU 1500 -> SOCKS5 (the same server,
# culvert's), TUN or redirect -> freedom, redirect -> VLESS (the same server) over TLS,
# and with Vision over REALITY; redirect and tproxy -> SOCKS5. sing-box has two rows
# where it has a TUN, one for each of its stacks.
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/transport_lib.sh
. "$(dirname "$0")/../net/transport_lib.sh"
ROUNDS=${ROUNDS:-3} SECS=${SECS:-0.7}
HEV=${HEV:-} XRAY=${XRAY:-} SINGBOX=${SINGBOX:-} IPT2SOCKS=${IPT2SOCKS:-}
[ -n "$HEV$XRAY$SINGBOX$IPT2SOCKS" ] ||
	{ echo "HEV=, XRAY=, SINGBOX=, IPT2SOCKS= name no peer: nothing to measure"; exit 0; }
# shellcheck source=tests/bench/peers_lib.sh
. "$(dirname "$0")/peers_lib.sh"

bench_up
make_ca
start_servers
start_own
start_hev
start_xray
start_box
start_ipt
sleep 0.5
memory rss_start_kib
machine
for ((r = 0; r < ROUNDS; r++)); do
	WHAT=${TESTS:-bulk cps lat}
	row direct "" path_none
	row culvert-socks own-socks path_tun culvert1
	row hev-socks hev path_tun hev0
	row singbox-socks-gvisor box-socks-gvisor path_tun sbs-gvisor
	row singbox-socks-system box-socks-system path_tun sbs-system
	row culvert-tun culvert path_tun culvert0
	row xray-tun xray path_tun xray0
	row singbox-tun-gvisor box-tun-gvisor path_tun sbt-gvisor
	row singbox-tun-system box-tun-system path_tun sbt-system
	row culvert-redirect culvert path_redirect 4101
	row xray-redirect xray path_redirect 4201
	row singbox-redirect box-doors path_redirect 4301
	row culvert-tls culvert path_redirect 4102
	row xray-tls xray path_redirect 4202
	row singbox-tls box-doors path_redirect 4302
	row culvert-vision culvert path_redirect 4103
	row xray-vision xray path_redirect 4203
	row singbox-vision box-doors path_redirect 4303
	row culvert-red-socks own-doors path_redirect 4111
	row ipt2socks-red-socks ipt-red path_redirect 4401
	row culvert-tproxy-socks own-doors path_tproxy 4112
	row ipt2socks-tproxy-socks ipt-tproxy path_tproxy 4402
done
memory rss_end_kib
table "Bulk TCP, Gbit/s" direct up1 down1 up8 down8 up1/ down1/ up8/ down8/
table "Gateway CPU, seconds per GB" direct up1_cpu:3 down1_cpu:3 up8_cpu:3 down8_cpu:3
table "Connections, 64 at a time" direct cps:0 cps_failed:0 cps_cpu_us:0 \
	conn64_p50:0 conn64_p99:0
table "Latency, one at a time, us" direct pingpong_p50:0 pingpong_p99:0 \
	connect_p50:0 connect_p99:0
table "Memory at start and after all of it, KiB" "" rss_start_kib:0 rss_end_kib:0
echo
for pair in socks:hev-socks socks:singbox-socks-gvisor socks:singbox-socks-system \
	tun:xray-tun tun:singbox-tun-gvisor tun:singbox-tun-system \
	redirect:xray-redirect redirect:singbox-redirect tls:xray-tls tls:singbox-tls \
	vision:xray-vision vision:singbox-vision red-socks:ipt2socks-red-socks \
	tproxy-socks:ipt2socks-tproxy-socks; do
	way=${pair%%:*} peer=${pair#*:}
	grep -q "^$peer	up1_cpu	" "$RESULTS" || continue
	for m in up1 down1 up8 down8; do
		limit "culvert-$way" "$m/$peer" ">=" 1
		limit "culvert-$way" "${m}_cpu/$peer" "<=" 1
	done
	limit "culvert-$way" "cps/$peer" ">=" 1
	limit "culvert-$way" "cps_cpu_us/$peer" "<=" 1
	grep -q "^$peer	rss_start_kib	" "$RESULTS" || continue
	limit "culvert-$way" "rss_start_kib/$peer" "<=" 1
	limit "culvert-$way" "rss_end_kib/$peer" "<=" 1
done
keep peers
exit "$BROKEN"
