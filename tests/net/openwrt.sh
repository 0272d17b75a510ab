#!/bin/bash
# The OpenWrt package in a router made of namespaces: its init script starts culvert
# for real, behind a firewall like fw4's that lets in only what the script asks for
# asan: no (what culvert does here, it does under ASan in cap_*.sh)
# timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"
. "$(dirname "$0")/cap_lib.sh"
. "$(dirname "$0")/openwrt_lib.sh"
command -v busybox >/dev/null || skip "needs busybox"

# fw4: a LAN (g0) that may go to the WAN (g1) and, like a guests', not to the router;
# and the rules of the service, as fw4 reads them from procd
fw4_load() {
	local rule part k v chain match
	{
		echo "table inet fw4"
		echo "delete table inet fw4"
		echo 'table inet fw4 {
		chain input {
			type filter hook input priority filter; policy drop
			iif lo accept
			ct state established,related accept
			meta l4proto { icmp, icmpv6 } accept
			iifname "g0" meta l4proto { tcp, udp } th dport 53 accept
		}
		chain forward {
			type filter hook forward priority filter; policy drop
			ct state established,related accept
			iifname "g0" oifname "g1" accept
		}
		}'
		[ ! -e "$STUB/firewall" ] || while read -r rule; do
			chain=input match=
			IFS=';' read -ra part <<<"$rule"
			v=iifname
			[[ $rule != *direction=out* ]] || v=oifname
			for k in "${part[@]}"; do
				case $k in
				dest=*) chain=forward ;;
				device=*) match+=" $v \"${k#*=}\"" ;;
				proto=all) ;;
				proto=*) match+=" meta l4proto { $(sed 's/ /, /' \
					<<<"${k#*=}") }" ;;
				dest_port=*) match+=" th dport ${k#*=}" ;;
				mark=*) k=${k#*=}
					match+=" meta mark & ${k#*/} == ${k%/*}" ;;
				type=rule | target=ACCEPT | src=\* | direction=*) ;;
				*) echo "not understood: $k" ;;
				esac
			done
			echo "add rule inet fw4 $chain $match accept"
		done <"$STUB/firewall"
	} | on "$G" nft -f - || fail "fw4 rules: $(<"$STUB/firewall")"
}

ow_log() { cat "$STUB/daemon.log" 2>/dev/null; }
ow_started() { ow_log | grep -q ' started'; }

ow_start() {
	: >"$STUB/daemon.log"
	ow start
	wait_for 10 ow_started || fail "$how: does not start: $(ow_log; ow_said)"
	fw4_load
}

ow_kill() {
	kill -KILL "$(<"$STUB/pid")"
	wait_for 5 ow_dead || fail "kill -9"
}
ow_dead() { ! kill -0 "$(<"$STUB/pid")" 2>/dev/null; }

# flows WHAT OF-ITSELF: TCP, UDP and DNS of a LAN client; OF-ITSELF: datagrams that
# are not caught
flows() {
	local a out
	who lan_tcp >/dev/null
	who lan_udp >/dev/null
	for a in $FAR; do
		out=$(on "$C" "$NT" tcp "$a" 5003 -n 300000 -t 10)
		contains "$how, $1: TCP $a" "$out" "rx=$(sha 300000) end=FIN"
		out=$(on "$C" "$NT" udp "$a" 5025 -n 1200 -t 5)
		contains "$how, $1: UDP $a" "$out" "ok=1 bad=0"
	done
	eq "$how, $1: DNS anywhere" "$(ask "$C" 198.51.100.3 A www.example.com)" \
		198.51.100.1
}

caught() {
	flows "caught"
	eq "$how: no TCP of the LAN passes by" "$(who lan_tcp)" 0
	[ "$how" = redirect ] ||
		eq "$how: no datagram of the LAN passes by" "$(who lan_udp)" 0
	eq "$how: DNS of the router" "$(ask "$C" 10.1.0.1 A www.example.com)" \
		198.51.100.1
}

passes() {
	flows "$1"
	le "$how, $1: as if it were not there" 2 "$(who lan_tcp)"
}

# --- each capture: start, traffic, stop; kill -9, stop ----------------------------

capture() {
	how=$1
	ow_config "option capture '$how'" "option fail 'closed'"
	ow_start
	caught
	ow stop
	fw4_load
	eq "$how: stop leaves nothing" "$(host_state)" "$before"
	passes "stopped"
	ow_start
	ow_kill
	bad "$how: closed after kill -9" on "$C" "$NT" tcp 198.51.100.1 5003 -n 10 -t 1
	ow stop
	fw4_load
	contains "$how: what was left is told" "$(ow_said)" removed
	eq "$how: kill -9, stop leaves nothing" "$(host_state)" "$before"
	passes "killed and stopped"
}

# --- reload ----------------------------------------------------------------------

# Connections live on; a bad file changes nothing, also for a respawn
reloads() {
	how=reload
	# The slow server reads on after the client has sent all
	echo '{ "policy": { "levels": { "0": { "downlinkOnly": 60 } } } }' \
		>"$TMP/etc/policy.json"
	OW_MAIN="list conffile '$TMP/etc/policy.json'" ow_config
	ow_start
	serve slow tcp-serve 5015 sink -r 3000000
	bg "$C" long "$NT" tcp 198.51.100.1 5015 -n 12000000 -P -t 60
	bg "$C" kept "$NT" tcp-hold 198.51.100.1 5003 -n 20 -d 3000
	wait_log kept "open=20"
	ow_events >/dev/null
	sed -i 's/"warning"/"info"/' "$TMP/etc/config.json"
	ow reload
	eq "reload is a signal" "$(ow_events)" "trigger culvert HUP"
	wait_for 5 grep -q "generation 2" "$STUB/daemon.log" || fail "no reload"
	caught
	cp "$TMP/etc/config.json" "$TMP/good.json"
	echo '{ "outbounds": 1 }' >"$TMP/etc/config.json"
	ow reload
	eq "a bad one is none" "$(ow_events)" ""
	all_said long "$(sha 12000000)" "end=FIN"
	all_said kept "alive=20"
	stop slow
	ow_kill
	: >"$STUB/daemon.log"
	ow procd_run
	wait_for 10 ow_started || fail "respawn does not start: $(ow_log)"
	how=respawn caught
	cp "$TMP/good.json" "$TMP/etc/config.json"
	switches
}

# Another capture by SIGHUP
switches() {
	local to
	for to in redirect mixed tproxy tun; do
		how="switched to $to"
		ow_config "option capture '$to'"
		ow reload
		wait_for 5 ow_switched "$to" || fail "$how: $(ow_log)"
		fw4_load
		how=$to caught
	done
	ow stop
	fw4_load
	eq "switched: stop leaves nothing" "$(host_state)" "$before"
}
# (no grep -q behind a pipe: what it does not read any more would be a failure)
ow_switched() {
	local table rules
	table=$(on "$G" nft list table inet culvert)
	rules=$(ip -n "$G" -4 rule)
	case $1 in
	redirect | mixed) [[ $table == *redirect* ]] ;;
	tproxy) [[ $table == *tproxy* ]] && ! dev_up "$G" culvert0 ;;
	# TProxy has a rule with that table, too
	tun) [[ $rules == *'from all lookup 7663'* ]] && dev_up "$G" culvert0 ;;
	esac
}

# --- dnsmasq, as OpenWrt has it: its own user, and the router asks it ---------------

resolves() {
	how=dnsmasq
	resolver "$G" 127.0.0.1
	bg "$G" dnsmasq dnsmasq -k --user=nobody --pid-file= --no-hosts --no-resolv \
		--server=198.51.100.3 --bind-dynamic \
		--address=/nas.lan/10.1.0.77
	wait_port "$G" udp 53
	ow_config
	ow_start
	for at in 10.1.0.1 198.51.100.3 fd01::1; do
		eq "dnsmasq: a name of the LAN by $at" "$(ask "$C" "$at" A nas.lan)" \
			10.1.0.77
		eq "dnsmasq: a public one by $at" \
			"$(ask "$C" "$at" A www.example.com)" 198.51.100.1
	done
	eq "dnsmasq: the router itself" "$(ask "$G" 127.0.0.1 A www.example.com)" \
		198.51.100.1
	caught
	# Without the hijack dnsmasq answers as before
	ow_config "option dns_hijack '0'"
	ow reload
	wait_for 5 grep -q "generation 2" "$STUB/daemon.log" || fail "no reload"
	eq "dnsmasq: not hijacked" "$(ask "$C" 10.1.0.1 A nas.lan)" 10.1.0.77
	ow stop
	fw4_load
	stop dnsmasq
	resolver "$G" 198.51.100.3
}

# --- not root: what the sandbox gives ------------------------------------------------

sandboxed() {
	how=sandbox
	local tun caps=-all,+net_admin,+net_bind_service
	ow_up "busybox ash" "$(command -v setpriv)" --reuid nobody --regid nogroup --clear-groups \
		--inh-caps "$caps" --ambient-caps "$caps" --bounding-set "$caps" \
		--no-new-privs
	sed -i 's/chgrp culvert/chgrp nogroup/' "$STUB/init"
	tun=$(stat -c '%a %g' /dev/net/tun)
	chmod 600 /dev/net/tun
	: >"$STUB/ujail"
	chmod +x "$STUB/ujail"
	chmod 711 "$TMP" "$STUB"
	for capture in tun tproxy; do
		how=$capture
		OW_MAIN="option sandbox '1'" ow_config "option capture '$capture'"
		ow_start
		eq "sandbox: not root" "$(stat -c %U "/proc/$(<"$STUB/pid")")" nobody
		caught
		ow stop
		fw4_load
		eq "sandbox: stop leaves nothing" "$(host_state)" "$before"
		ow_start
		bad "sandbox: root's up beside it" on "$G" "$CULVERT" up
		contains "sandbox: root sees it" "$(<"$TMP/bad.log")" \
			"is up already (pid $(<"$STUB/pid"))"
		ok "sandbox: root's down" on "$G" "$CULVERT" down
		wait_for 5 ow_dead || fail "sandbox: down does not end it"
		eq "sandbox: down leaves nothing" "$(host_state | grep -v fw4)" \
			"$(grep -v fw4 <<<"$before")"
		ow stop
		fw4_load
	done
	chmod "${tun% *}" /dev/net/tun
	chgrp "${tun#* }" /dev/net/tun
}

cap_net
OW_NS=$G
ow_up dash env
fw4_load
before=$(host_state)
for c in tun redirect tproxy mixed; do capture "$c"; done
how=none
ow_config "option capture 'none'"
ow_start
passes "capture none"
ow stop
eq "none: stop leaves nothing" "$(host_state)" "$before"
reloads
resolves
sandboxed
pass
