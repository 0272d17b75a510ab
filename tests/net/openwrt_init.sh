#!/bin/bash
# The init script of the OpenWrt package under dash and busybox ash: UCI becomes JSON
# that culvert accepts; a bad configuration never replaces a good one
# asan: no (it is a test of shell scripts: some 300 starts of culvert)
# timeout: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/openwrt_lib.sh"
command -v busybox >/dev/null && command -v dash >/dev/null ||
	skip "needs busybox and dash"

# --- life: disabled, start, reload good and bad, restart, stop -------------------

life() {
	local first
	ow_up "$1"
	OW_ENABLED=0 ow_config
	ow start
	eq "$1: not enabled: nothing runs" "$(ow_events)" "trigger culvert"
	contains "$1: and says how" "$(ow_said)" "culvert.main.enabled=1"

	ow_config
	ow boot
	eq "$1: start" "$(ow_events)" "trigger culvert start firewall"
	eq "$1: nothing to say" "$(ow_said)" ""
	contains "$1: the instance" "$(<"$STUB/instance")" \
		"command $STUB/culvert up -c $STUB/run/config.json"
	for word in "reload_signal HUP" "respawn 3600 5 0" "stdout 1" "stderr 1" \
			"limits nofile=65536 65536 core=0 0" \
			"file $STUB/run/config.json" \
			"env XRAY_LOCATION_ASSET=/usr/share/xray"; do
		contains "$1: the instance" "$(<"$STUB/instance")" "$word"
	done
	eq "$1: secrets are root's" "$(stat -c %a "$STUB/run" \
		"$STUB/run/config.json" | tr '\n' ' ')" "700 600 "
	ok "$1: what runs is accepted" "$CULVERT" run -test \
		-c "$STUB/run/config.json"

	ow reload
	eq "$1: reload of the same: files it names may be new" "$(ow_events)" \
		"trigger culvert HUP"
	sed -i 's/"warning"/"info"/' "$TMP/etc/config.json"
	ow reload
	eq "$1: reload of something new" "$(ow_events)" "trigger culvert HUP"
	eq "$1: it is there" "$(ow_json log loglevel)" '"info"'

	bad_ones "$1"

	ow_config "option workers '2'"
	ow reload
	eq "$1: what needs a restart gets one" "$(ow_events)" \
		"down stop firewall trigger culvert start firewall"
	contains "$1: and says so" "$(ow_said)" "needs a restart"
	ow restart
	eq "$1: restart" "$(ow_events)" \
		"down stop firewall trigger culvert start firewall"
	OW_ENABLED=0 ow_config
	ow reload
	eq "$1: disabled and reloaded: stopped" "$(ow_events)" "down stop firewall"
	bad "$1: nothing is left" test -e "$STUB/run"
	ow stop
	eq "$1: stop when nothing runs" "$(ow_events)" "down"
}

# Each way in keeps what runs
bad_ones() {
	local before how
	before=$(md5sum <"$STUB/run/config.json")
	cp "$TMP/etc/config.json" "$TMP/good.json"
	echo '{ "outbounds": [ { "protocol": "fredom" } ] }' >"$TMP/etc/config.json"
	for how in reload restart; do
		ow $how
		eq "$1: $how, bad JSON: untouched" "$(ow_events)" ""
		eq "$1: $how, bad JSON: fails" "$RC" 1
		contains "$1: $how: the place is told" "$(ow_said)" \
			"$TMP/etc/config.json:1:"
	done
	ow start
	eq "$1: start beside a running one" "$(ow_events)" "trigger culvert"
	contains "$1: says so" "$(ow_said)" "the running one stays"
	cp "$TMP/good.json" "$TMP/etc/config.json"
	ow_config "option capture 'tunn'"
	ow reload
	eq "$1: bad UCI: untouched" "$(ow_events)" ""
	ow start
	eq "$1: start with bad UCI" "$(ow_events)" "trigger culvert"
	eq "$1: what would be respawned" "$(md5sum <"$STUB/run/config.json")" \
		"$before"
	ow_said >/dev/null
	ow_config
	ow reload
	eq "$1: good again" "$(ow_events)" "trigger culvert HUP"
}

# --- each option --------------------------------------------------------------------

# gives JSON LINE... -- PATH...: in what would run
gives() {
	local want=$1 lines=()
	shift
	while [ "$1" != -- ]; do lines+=("$1"); shift; done
	shift
	ow_config "${lines[@]}"
	ow start
	eq "$OWSH: ${lines[*]}" "$(ow_said)" ""
	eq "$OWSH: ${lines[*]} -> $*" "$(ow_json "$@")" "$want"
	ok "$OWSH: ${lines[*]}" "$CULVERT" run -test -c "$STUB/run/config.json"
}

options() {
	local how
	ow_up "$1"
	for how in tun redirect tproxy mixed none; do
		gives "\"$how\"" "option capture '$how'" -- culvert capture
	done
	gives '"tun"' "" -- culvert capture
	gives - "option capture 'config'" "option tun_inbound 0" -- culvert
	gives '"culvert0"' "" -- inbounds 0 settings name
	gives '"t1"' "option tun_name 't1'" -- inbounds 0 settings name
	gives 9000 "option tun_mtu '9000'" -- inbounds 0 settings mtu
	gives '[]' "option capture 'redirect'" -- inbounds
	gives '"tun"' "option capture 'mixed'" -- inbounds 0 protocol
	gives '[]' "option capture 'mixed'" "option tun_inbound '0'" -- inbounds
	gives '["br-lan"]' "list lan_interface 'lan'" -- culvert include interface
	gives '["ppp*", "eth1.5"]' "list lan_device 'ppp*'" \
		"list lan_device 'eth1.5'" -- culvert include interface
	echo "network.guest.device=br-guest" >"$STUB/uci"
	gives '["br-guest"]' "list lan_interface 'guest'" -- \
		culvert include interface
	lan_later
	gives '{"mac": ["00:11:22:33:44:55"], "source": ["192.168.1.0/28", "fd00::5"]}' \
		"list lan_mac '00:11:22:33:44:55'" "list lan_ip '192.168.1.0/28'" \
		"list lan_ip 'fd00::5'" -- culvert exclude
	gives '{"mac": ["00:11:22:33:44:55"]}' "option lan_mode 'listed_only'" \
		"list lan_mac '00:11:22:33:44:55'" -- culvert include
	gives '{"interface": ["br-lan"], "source": ["10.0.0.1"]}' \
		"option lan_mode 'listed_only'" "list lan_ip '10.0.0.1'" \
		"list lan_interface 'lan'" -- culvert include
	gives '["lo"]' "option lan_mode 'disabled'" -- culvert include interface
	gives '["0-4294967294"]' "option router_proxy '0'" -- culvert exclude uid
	gives '["::/0"]' "option ipv6 'off'" -- culvert exclude destination
	gives '{"mac": ["00:11:22:33:44:55"], "port": "22,5060-5080"}' \
		"list bypass_mac '00:11:22:33:44:55'" "list bypass_port '22'" \
		"list bypass_port '5060-5080'" -- culvert exclude
	gives '"80,443"' "list proxy_port '80'" "list proxy_port '443'" -- \
		culvert include port
	numbers
}

# An interface whose device comes when it is up, with its protocol's name
lan_later() {
	echo "network.vpn=interface" >>"$STUB/uci"
	ow_events >/dev/null
	ow_config "list lan_interface 'vpn'" "list lan_interface 'lan'"
	ow start
	eq "$OWSH: a LAN that is not up yet" "$(ow_said)" \
		"notice lan_interface vpn is not up yet"
	eq "$OWSH: it is not everything" "$(ow_json culvert include interface)" \
		'["vpn", "br-lan"]'
	contains "$OWSH: its coming is waited for" "$(ow_events)" \
		"trigger vpn: interface.*.up /etc/init.d/culvert reload"
	echo "vpn ppp-vpn" >>"$STUB/devices"
	ow reload
	eq "$OWSH: it has come" "$(ow_json culvert include interface)" \
		'["ppp-vpn", "br-lan"]'
	contains "$OWSH: and is caught" "$(ow_events)" HUP
	echo "lan br-lan" >"$STUB/devices"
	ow stop
	ow_said >/dev/null
	ow_events >/dev/null
}

numbers() {
	gives false "option dns_hijack '0'" -- culvert hijackDns
	gives false "option dns_hijack_local 'no'" -- culvert hijackLocalDns
	gives true "option reject_quic 'true'" -- culvert rejectQuic
	gives '"closed"' "option fail 'closed'" -- culvert fail
	gives '["203.0.113.0/24", "2001:db8::/32"]' "list bypass '203.0.113.0/24'" \
		"list bypass '2001:db8::/32'" -- culvert bypass
	echo 198.51.100.0/24 >"$TMP/direct.txt"
	gives "[\"$TMP/direct.txt\", \"192.0.2.0/24\"]" \
		"list direct '$TMP/direct.txt'" "list direct '192.0.2.0/24'" -- \
		culvert directCidr
	gives 1070 "option port '1070'" -- culvert port
	gives 1053 "option dns_port '1053'" -- culvert dnsPort
	gives 1048576 "option mark '0x100000'" -- culvert mark
	gives 1048576 "option mark '0x100000'" -- culvert markMask
	gives 100 "option table '100'" -- culvert table
	gives 1024 "option rule_priority '1024'" -- culvert rulePriority
	gives 3 "option workers '3'" -- culvert workers
	gives 500 "option max_sessions '500'" -- culvert maxSessions
	le "sessions by memory" "$(gives_sessions)" \
		$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 16))
}

gives_sessions() { ow_config; ow start; ow_json culvert maxSessions; }

# --- what is wrong is said, and nothing starts ------------------------------------------

# refuses TEXT LINE...
refuses() {
	local text=$1 events
	shift
	ow_config "$@"
	ow start
	contains "$OWSH: $*" "$(ow_said)" "$text"
	events=$(ow_events)
	eq "$OWSH: $*: not started" "${events%% trigger [a-z]*: *}" "trigger culvert"
	eq "$OWSH: $*: no instance" "$(compgen -G "$STUB/instance"; compgen -G "$STUB/pid")" ""
}

wrong() {
	ow_up "$1"
	refuses "option capture: 'tap' is none of: tun" "option capture 'tap'"
	refuses "option ipv6: 'maybe' is neither" "option ipv6 'maybe'"
	refuses "option fail: 'ajar'" "option fail 'ajar'"
	refuses "tun_mtu: 100 is not within 1280" "option tun_mtu '100'"
	refuses "tun_mtu: '15x' is no number" "option tun_mtu '15x'"
	refuses "tun_mtu: '0800' is no number" "option tun_mtu '0800'"
	refuses "mark: '0xg' is no number" "option mark '0xg'"
	refuses "mark: '0x123456789' is no number" "option mark '0x123456789'"
	refuses "port: 99999999999999999999 is not within" \
		"option port '99999999999999999999'"
	refuses "port: 65536 is not within 1 to 65535" "option port '65536'"
	refuses "port: '-1' is no number" "option port '-1'"
	refuses "tun_name: 'a/b' is no name" "option tun_name 'a/b'"
	refuses "tun_name: '0123456789abcdef' is no name" \
		"option tun_name '0123456789abcdef'"
	refuses "lan_device: 'eth0\"' is no device" "list lan_device 'eth0\"'"
	refuses "there is no interface 'dmz'" "list lan_interface 'dmz'"
	echo "network.odd.device=x'; reboot #" >>"$STUB/uci"
	refuses "of odd is no device" "list lan_interface 'odd'"
	refuses "lan_mac: '00:11:22:33:44:5g' is no MAC" \
		"list lan_mac '00:11:22:33:44:5g'"
	refuses '"00:11" is no mac' "list lan_mac '00:11'"
	refuses '"300.0.0.1" is no subnet' "list bypass '300.0.0.1'"
	refuses "bypass: 'lan' is no prefix" "list bypass 'lan'"
	refuses "geoip" "list direct 'geoip:nowhere'"
	refuses "/nonexistent" "list direct '/nonexistent'"
	refuses "listed_only needs" "option lan_mode 'listed_only'"
	refuses "not both" "option lan_mode 'listed_only'" \
		"list lan_mac '00:11:22:33:44:55'" "list lan_ip '10.0.0.1'"
	refuses "disabled, but" "option lan_mode 'disabled'" \
		"list lan_device 'br-lan'"
	refuses "dns_port: is port, too" "option dns_port '7663'"
	refuses "no tun inbound" "option tun_inbound '0'"
	OW_MAIN="option schema '2'" refuses "another version of culvert"
	OW_MAIN="list conffile '/nonexistent.json'" refuses \
		"conffile: cannot read /nonexistent.json"
	OW_MAIN="option confdir '/nonexistent'" refuses "is no folder"
	OW_MAIN="option sandbox '1'" refuses "install procd-ujail"
	# Only a word of warning
	ow_config "option captur 'tun'"
	ow start
	contains "$1: a misspelt option" "$(ow_said)" "warn /etc/config/culvert: \
option captur is unknown"
	eq "$1: starts all the same" "$(ow_events)" "trigger culvert start firewall"
}

# --- several files, firewall rules, sandbox, uci-defaults ---------------------------

files() {
	ow_up "$1"
	mkdir -p "$TMP/etc/conf.d"
	echo '{ "log": { "loglevel": "error" } }' >"$TMP/etc/conf.d/10-log.json"
	echo '{ "outbounds": [ { "protocol": "blackhole", "tag": "b" } ] }' \
		>"$TMP/etc/more.json"
	OW_MAIN="list conffile '$TMP/etc/more.json'
		option confdir '$TMP/etc/conf.d'" ow_config
	ow start
	eq "$1: later files go before" "$(ow_json outbounds 0 tag)" '"b"'
	eq "$1: confdir" "$(ow_json log loglevel)" '"error"'
	# UCI's comes behind all of them
	echo '{ "culvert": { "capture": "none", "mark": 5 } }' \
		>"$TMP/etc/conf.d/90 host.json"
	ow start
	eq "$1: UCI comes last" "$(ow_json culvert capture)" '"tun"'
	ow_said >/dev/null
	rm "$TMP/etc/conf.d/90 host.json"

	# The example of the package is what the built-in one is without FakeDNS
	eq "$1: the example: all direct" "$(ow_json outbounds 1 protocol)" '"freedom"'
	eq "$1: the example: no FakeDNS" "$(ow_json fakedns)" "-"
}

walls() {
	ow_up "$1"
	ow_config "option tun_name 't9'"
	ow start
	eq "$1: a TUN needs three rules" "$(<"$STUB/firewall")" "type=rule;\
target=ACCEPT;src=*;dest=*;proto=all;device=t9;direction=out;
type=rule;target=ACCEPT;src=*;dest=*;proto=all;device=t9;direction=in;
type=rule;target=ACCEPT;src=*;proto=all;device=t9;direction=in;"
	ow_events >/dev/null
	ow_config "option tun_name 't9'" "option reject_quic '1'"
	ow reload
	eq "$1: fw4 is left alone when its rules are the same" "$(ow_events)" \
		"trigger culvert HUP"
	ow_config "option capture 'redirect'" "list lan_device 'br-guest'"
	ow reload
	contains "$1: redirect" "$(<"$STUB/firewall")" \
		"src=*;proto=tcp;dest_port=7663;device=br-guest;direction=in;"
	contains "$1: DNS" "$(<"$STUB/firewall")" "proto=tcp udp;dest_port=7653;"
	eq "$1: fw4 is told" "$(ow_events)" "trigger culvert HUP firewall"
	ow_config "option capture 'tproxy'"
	ow reload
	contains "$1: tproxy" "$(<"$STUB/firewall")" \
		"proto=tcp udp;mark=268435456/268435456;"
	ow_config "option firewall '0'"
	ow reload
	bad "$1: none wanted" test -e "$STUB/firewall"
	ow_events >/dev/null
	ow stop
	eq "$1: and fw4 is not told" "$(ow_events)" "down stop"
}

sandbox() {
	ow_up "$1"
	: >"$STUB/ujail"
	chmod +x "$STUB/ujail"
	sed -i 's/chgrp culvert/chgrp nogroup/; s/^lend_tun() {/&\n\treturn/' "$STUB/init"
	OW_MAIN="option sandbox '1'" ow_config
	ow start
	# What root runs, or writes to, is not in the sandbox's hands
	eq "$1: its user may read one file" \
		"$(stat -c '%U:%G %a' "$STUB/run" "$STUB/run/config.json" \
			"$STUB/run/state" | tr '\n' ' ')" \
		"root:nogroup 750 root:nogroup 640 root:root 600 "
	for word in "user culvert" "no_new_privs 1" "jail culvert log procfs" \
			"mount_rw /dev/net/tun" "mount $STUB/run" \
			"capabilities /etc/capabilities/culvert.json"; do
		contains "$1: sandbox" "$(<"$STUB/instance")" "$word"
	done
	ok "capabilities are JSON" python3 -m json.tool "$OW/files/culvert.json"
}

defaults() {
	ow_up "$1"
	# It ends by `exit 0`, as uci-defaults must: in a shell of its own
	echo 'culvert.main=culvert
culvert.main.enabled=1
culvert.gateway=gateway' >"$STUB/uci"
	for _ in 1 2; do
		$1 "$ROOT/tests/openwrt/stub.sh" "$OW/files/culvert.defaults" ""
		eq "$1: uci-defaults succeeds" $? 0
	done
	contains "$1: the schema is noted" "$(<"$STUB/uci")" "culvert.main.schema=1"
	contains "$1: what is set stays" "$(<"$STUB/uci")" "culvert.main.enabled=1"
	eq "$1: twice is once" "$(ow_events)" "commit"
}

for sh in dash "busybox ash"; do
	cp "$OW/files/config.json" "$TMP/example.json"
	life "$sh"
	options "$sh"
	wrong "$sh"
	files "$sh"
	walls "$sh"
	sandbox "$sh"
	defaults "$sh"
done
pass
