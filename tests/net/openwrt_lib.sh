# shellcheck shell=bash
# openwrt_lib.sh: the OpenWrt package's init script, run by tests/openwrt/stub.sh
#
#	ow_up SHELL [RUNNER...]	$STUB with nothing configured; RUNNER starts what runs,
#				really; all of it in the namespace $OW_NS
#	ow_config [LINE...]	/etc/config/culvert; lines of section gateway
#	ow ACTION		the script's action; RC is its exit code
#	ow_json WORDS...	the value at that path of what would run; absent: "-"
#	ow_said, ow_events	what logread has, what procd did; since the last call

OW=$ROOT/scripts/openwrt

ow_up() {
	local culvert=$CULVERT
	[ -n "${JSON_PID:-}" ] || ow_json_up
	OWSH=$1
	shift
	STUB=$TMP/stub
	rm -rf "$STUB"
	mkdir -p "$STUB/config" "$TMP/etc"
	: >"$STUB/events"; : >"$STUB/uci"; : >"$STUB/ppp9"
	: >"$TMP/logread.log"
	ln -sf "$TMP/logread.log" "$STUB/log"
	echo "lan br-lan" >"$STUB/devices"
	export STUB STUB_RUN="$*"
	[ -n "${OW_NS:-}" ] || culvert=$STUB/culvert
	# `down` of a test without namespaces must not meet the machine's own
	cat >"$STUB/culvert" <<-END
		#!/bin/sh
		[ "\$1" != down ] || { echo down >>"$STUB/events"; exit 0; }
		exec "$CULVERT" "\$@"
	END
	chmod +x "$STUB/culvert"
	sed "s#^PROG=.*#PROG=$culvert#; s#^RUN=.*#RUN=$STUB/run#;
		s#/sbin/ujail#$STUB/ujail#" "$OW/files/culvert.init" >"$STUB/init"
	cp "$OW/files/config.json" "$TMP/etc/config.json"
}

# Options of main: OW_MAIN, lines
ow_config() {
	{
		printf '%s\n' "config culvert 'main'" "option schema '1'" \
			"option enabled '${OW_ENABLED:-1}'" \
			"list conffile '$TMP/etc/config.json'" "${OW_MAIN:-}" \
			"config gateway 'gateway'" "$@"
	} >"$STUB/config/culvert"
}

ow() {
	# Where there is a file that "ppp*" matches
	# shellcheck disable=SC2086 # words
	(cd "$STUB" && ${OW_NS:+ip netns exec "$OW_NS"} $OWSH \
		"$ROOT/tests/openwrt/stub.sh" "$STUB/init" "$1") 2>"$TMP/stderr.log"
	RC=$?
	[ ! -s "$TMP/stderr.log" ] || fail "$1: $(<"$TMP/stderr.log")"
}

# One python for all questions: to start one costs more than all else of a case. It
# ends when its input does
ow_json_up() {
	coproc JSON {
		exec python3 -uc '
import json, sys
for line in sys.stdin:
    file, *keys = line.rstrip("\n").split("\t")
    try:
        at = json.load(open(file))
        for key in keys:
            at = at[int(key) if isinstance(at, list) else key]
    except (KeyError, IndexError):
        print("-")
    except Exception as e:
        print(e)
    else:
        print(json.dumps(at))'
	} 2>/dev/null
}

ow_json() {
	local IFS=$'\t' line
	echo "$STUB/run/config.json"${1+$'\t'"$*"} >&"${JSON[1]}"
	read -r line <&"${JSON[0]}"
	echo "$line"
}

# Both are asked hundreds of times: in the shell's own words
ow_said() {
	local text
	IFS= read -rd '' text <"$STUB/log"
	: >"$STUB/log"
	printf %s "$text"
}
ow_events() {
	local lines
	mapfile -t lines <"$STUB/events"
	: >"$STUB/events"
	echo "${lines[*]}"
}
