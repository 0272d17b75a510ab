# shellcheck shell=dash disable=SC2034,SC1090,SC2154 # read by the init script
# stub.sh: what an init script finds on OpenWrt, as far as culvert's needs it
#
#	STUB=FOLDER dash|busybox ash stub.sh SCRIPT ACTION
#
# rc.common's actions, /lib/functions.sh's config_*, procd.sh, jshn, uci, netifd's
# network_get_device and logger. procd and ubus cannot be had on Debian; what procd
# does with an instance (service/instance.c) is done here in a few lines:
#
#	$STUB/config/NAME	UCI; it is shell: config, option, list
#	$STUB/devices		"INTERFACE DEVICE" a line: networks that are up
#	$STUB/uci		"KEY=VALUE" a line, for `uci`
#	$STUB/log		what logger was told
#	$STUB/instance		parameters, one a line: "command /usr/bin/culvert up"
#	$STUB/firewall		rules of the instance's data: "target=ACCEPT src=* ..."
#	$STUB/events		start, stop, HUP, firewall (= config.change), trigger NAME
#	$STUB/pid		of what runs. STUB_RUN: the command that runs it (a net
#				test); without it nothing is run, and the pid is 0

# --- /lib/functions.sh ---------------------------------------------------------

reset_cb() {
	config_cb() { return 0; }
	option_cb() { return 0; }
	list_cb() { return 0; }
}

config() { STUB_SECTION=$2; eval "C_$2_TYPE=\$1"; config_cb "$1" "$2"; }
option() { eval "C_${STUB_SECTION}_$1=\$2"; option_cb "$1" "$2"; }
list() {
	eval "C_${STUB_SECTION}_$1=\"\${C_${STUB_SECTION}_$1:+\$C_${STUB_SECTION}_$1 }\$2\""
	list_cb "$1" "$2"
}
config_load() { . "$STUB/config/$1"; config_cb; }
config_get() { eval "$1=\${C_$2_$3:-\$4}"; }

network_flush_cache() { :; }
network_get_device() {
	local name dev
	while read -r name dev; do
		[ "$name" != "$2" ] || { eval "$1=\$dev"; return 0; }
	done <"$STUB/devices"
	return 1
}

logger() {
	while [ $# -gt 1 ]; do
		case $1 in -p) STUB_LEVEL=${2#daemon.}; shift ;; -t) shift ;; esac
		shift
	done
	echo "$STUB_LEVEL $1" >>"$STUB/log"
}

uci() {
	[ "$1" != -q ] || shift
	case $1 in
	get)	grep "^$2=" "$STUB/uci" | tail -n 1 | sed 's/^[^=]*=//' | grep . ;;
	set | add_list)
		grep -v "^${2%%=*}=" "$STUB/uci" >"$STUB/uci.new"
		echo "$2" >>"$STUB/uci.new"
		mv "$STUB/uci.new" "$STUB/uci" ;;
	changes) cmp -s "$STUB/uci" "$STUB/uci.committed" || echo changed ;;
	commit)	cp "$STUB/uci" "$STUB/uci.committed"; event commit ;;
	esac
}

# --- jshn: only firewall rules are made -----------------------------------------

json_add_array() { :; }
json_close_array() { :; }
json_add_object() { STUB_RULE=; }
json_add_string() { STUB_RULE="$STUB_RULE$1=$2;"; }
json_close_object() { echo "$STUB_RULE" >>"$STUB/new.firewall"; }

# --- procd.sh and procd ---------------------------------------------------------

event() { echo "$*" >>"$STUB/events"; }
param() { echo "$*" >>"$STUB/new.instance"; }

procd_open_instance() { param "instance $1"; }
procd_close_instance() { :; }
procd_open_data() { :; }
procd_close_data() { :; }
procd_set_param() {
	local kind=$1
	param "$*"
	shift
	[ "$kind" != file ] || param "md5 $(md5sum <"$1")"
}
procd_add_jail() { param "jail $*"; }
procd_add_jail_mount() { param "mount $*"; }
procd_add_jail_mount_rw() { param "mount_rw $*"; }
procd_add_reload_trigger() { event "trigger $1"; }
procd_add_interface_trigger() { event "trigger $2: $1 $3 $4"; }
procd_set_config_changed() { event "$1"; }

# A pid of 0 runs, without a process
alive() {
	[ -s "$STUB/pid" ] && read -r STUB_PID <"$STUB/pid" &&
		kill -0 "$STUB_PID" 2>/dev/null
}
procd_running() { alive; }
procd_send_signal() {
	alive && event "$3"
	[ "$STUB_PID" = 0 ] || kill -s "$3" "$STUB_PID"
}

stub_value() { sed -n "s/^$1 //p" "$STUB/instance"; }

procd_run() {
	event start
	[ -n "${STUB_RUN:-}" ] || { echo 0 >"$STUB/pid"; return; }
	# shellcheck disable=SC2086,SC2046 # words
	env $(stub_value env) $STUB_RUN $(stub_value command) \
		>>"$STUB/daemon.log" 2>&1 </dev/null &
	echo $! >"$STUB/pid"
}

procd_end() {
	local i=0
	[ -s "$STUB/pid" ] || return 0
	event stop
	read -r STUB_PID <"$STUB/pid"
	[ "$STUB_PID" = 0 ] || {
		kill "$STUB_PID" 2>/dev/null
		while alive && [ $i -lt 200 ]; do sleep 0.1; i=$((i + 1)); done
	}
	rm -f "$STUB/pid" "$STUB/instance" "$STUB/firewall"
}

# `ubus call service set`: instances that are not told of end; one that is the same
# goes on, one that changed is signalled
procd_set() {
	local same=
	[ -s "$STUB/new.instance" ] || { procd_end; return; }
	! cmp -s "$STUB/new.instance" "$STUB/instance" || same=1
	mv "$STUB/new.instance" "$STUB/instance"
	mv "$STUB/new.firewall" "$STUB/firewall" 2>/dev/null || rm -f "$STUB/firewall"
	if ! alive; then
		procd_run
	elif [ -z "$same" ]; then
		procd_send_signal culvert main "$(stub_value reload_signal)"
	fi
}

# --- rc.common --------------------------------------------------------------------

service_started() { :; }
service_stopped() { :; }
stop_service() { :; }
restart() { stop; start; }
reset_cb
STUB_ACTION=$2
case $1 in */*) . "$1" ;; *) . "./$1" ;; esac

start() {
	rm -f "$STUB/new.instance" "$STUB/new.firewall"
	start_service
	service_triggers
	procd_set
	service_started
}
boot() { start; }
stop() {
	stop_service
	procd_end
	service_stopped
}
reload() { reload_service; }

[ -z "$STUB_ACTION" ] || "$STUB_ACTION"
