#!/bin/bash
# The systemd unit: its commands run with its capabilities, on its example; a reload
# with a bad file fails before the signal; ExecStopPost leaves nothing
# asan: no (what culvert does here, it does under ASan in host_*.sh)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host_lib.sh"

make -s --no-print-directory -C "$ROOT" install DESTDIR="$TMP/root" PREFIX=/usr \
	SYSTEMD=/usr/lib/systemd/system >/dev/null || fail "make install"
UNIT=$TMP/root/usr/lib/systemd/system/culvert.service
CONF=$TMP/config.json
cp "$TMP/root/usr/share/doc/culvert/config.json" "$CONF"
chmod 600 "$CONF"
sed -i "s#/usr/bin/culvert#$CULVERT#; s#/etc/culvert/config.json#$CONF#" "$UNIT"
lacks "all is put in" "$(<"$UNIT")" @PREFIX@

if command -v systemd-analyze >/dev/null; then
	ok "systemd understands it" systemd-analyze verify "$UNIT"
	ok "exposure 2.8" systemd-analyze security --offline=true --threshold=28 \
		"$UNIT"
fi

# Each a command of the unit as root with its bounding set
caps=-all
for c in $(sed -n 's/^CapabilityBoundingSet=//p' "$UNIT"); do
	c=${c#CAP_}
	caps+=,+${c,,}
done
held=(setpriv --bounding-set "$caps" --inh-caps -all --no-new-privs)
commands() { sed -n "s/^$1=//p" "$UNIT"; }

# reload: ExecReload, one after the other until one fails
reload() {
	local line
	while read -r line; do
		line=${line//\$MAINPID/${PID[culvert]}}
		# shellcheck disable=SC2086 # words
		on "$G" "${held[@]}" $line || return 1
	done < <(commands ExecReload)
}

# ended RESULT: ExecStopPost, as systemd runs it: $$ is $
ended() {
	local line
	line=$(commands ExecStopPost)
	ok "ExecStopPost, $1" on "$G" env SERVICE_RESULT="$1" "${held[@]}" \
		bash -c "${line//\$\$/\$}"
}

start() {
	# shellcheck disable=SC2046 # words
	ok "ExecStartPre" on "$G" "${held[@]}" $(commands ExecStartPre)
	# shellcheck disable=SC2046 # words
	bg "$G" culvert "${held[@]}" $(commands ExecStart)
	wait_for 10 up_or_dead
	log_has culvert started || fail "does not start"
}

# works WHAT [closed]: then the resolver's own questions are caught, too, and come back
works() {
	local a ns out
	tun_bytes >"$TMP/tun"
	for a in 198.51.100.1 2001:db8:51::1; do
		for ns in "$C" "$G"; do
			out=$(on "$ns" "$NT" tcp "$a" 5003 -n 100000 -t 10)
			contains "$1: $ns to $a" "$out" "rx=$(sha 100000) end=FIN"
		done
	done
	[ -n "${2:-}" ] || eq "$1: DNS" "$(ask "$C" 10.1.0.1 A www.example.com)" 198.51.100.1
	le "$1: by the TUN" "$(($(<"$TMP/tun") + 400000))" "$(tun_bytes)"
}

host_net
# A resolver that has dropped root: SYS_PTRACE finds it
resolver "$G" 127.0.0.1
bg "$G" dnsmasq dnsmasq -k --user=nobody --pid-file= --no-hosts --no-resolv \
	--server=198.51.100.3 --bind-dynamic
wait_port "$G" udp 53
before=$(host_state)
start
works "started"
sed -i 's/"warning"/"info"/' "$CONF"
ok "reload" reload
wait_log culvert "generation 2"
cp "$CONF" "$TMP/good.json"
echo '{ "outbounds": 1 }' >"$CONF"
bad "reload of a bad file" reload
works "after a bad one"
lacks "no signal was sent" "$(<"$TMP/culvert.log")" "nothing is changed"
cp "$TMP/good.json" "$CONF"
stop culvert
eq "stop leaves nothing" "$(host_state)" "$before"
killed() {
	kill -KILL "${PID[culvert]}"
	wait "${PID[culvert]}" 2>/dev/null
	unset "PID[culvert]"
}
start
killed
ended timeout
eq "what had to be killed leaves nothing" "$(host_state)" "$before"

# One that dies is started again: what shall be shut is shut until then
sed -i 's/^{/{ "culvert": { "fail": "closed" },/' "$CONF"
start
works "closed" closed
killed
ended signal
far_packets >/dev/null
on "$C" "$NT" tcp 198.51.100.1 5003 -n 10 -t 1 >/dev/null
on "$G" "$NT" tcp 2001:db8:51::1 5003 -n 10 -t 1 >/dev/null
eq "dead and closed: frames at the far side" "$(far_packets)" 0
start
works "closed, started again" closed
stop culvert
ended success
eq "closed: stop leaves nothing" "$(host_state)" "$before"
echo '{ "outbounds": 1 }' >"$CONF"
# shellcheck disable=SC2046 # words
on "$G" "${held[@]}" $(commands ExecStart) >/dev/null 2>&1
eq "a bad configuration's exit code is not tried again" $? 23
contains "and the unit knows it" "$(commands RestartPreventExitStatus)" 23
pass
