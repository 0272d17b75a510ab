#!/bin/bash
# Our table goes while nft(8) cannot load it again (it is being upgraded, memory is
# short): it comes back once that is over, without any news, and a reload meanwhile
# does no harm. What a reload that failed half-way has set up is taken down; `down`
# finds a table of direct ranges alone. Two at once, where pids are not seen
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/host_lib.sh
. "$(dirname "$0")/host_lib.sh"
# shellcheck source=tests/net/cap_lib.sh
. "$(dirname "$0")/cap_lib.sh"
host_net
before=$(host_state)
mkdir -p "$TMP/bin"
cat >"$TMP/bin/nft" <<END
#!/bin/sh
[ ! -e "$TMP/broken" ] || exit 1
exec $(command -v nft) "\$@"
END
chmod +x "$TMP/bin/nft"
table() { on "$G" nft list table inet culvert >/dev/null 2>&1; }
no_table() { ! table; }
# started CAPTURE [MORE]: in a session of its own, lest a signal to all hits the test
started() {
	cap_config "$@"
	bg "$G" culvert env PATH="$TMP/bin:$PATH" setsid "$CULVERT" up \
		-c "$TMP/up.json"
	wait_log culvert "0.1.0 started"
}

echo "-- both children end, and no other one starts"
started redirect
caught "at first"
: >"$TMP/broken"
# shellcheck disable=SC2046
kill -KILL $(pgrep -P "${PID[culvert]}" -x nft)
wait_log culvert "cannot be loaded"
ok "there is no table" no_table
eq "told once" "$(sleep 2.2 && grep -c 'cannot be loaded' "$TMP/culvert.log")" 1
rm "$TMP/broken"
wait_for 5 table || fail "the table does not come back"
wait_log culvert "loaded again"
caught "once more"

echo "-- a reload from open to closed, which nft refuses"
: >"$TMP/broken"
cap_config redirect '"fail": "closed"'
kill -HUP "${PID[culvert]}"
wait_log culvert "generation 2 is in force"
sleep 0.5
ok "culvert lives" alive culvert
rm "$TMP/broken"
wait_for 5 table || fail "the closed table does not come"
caught "closed"
stop culvert
eq "nothing left" "$(host_state)" "$before"

echo "-- a reload to a capture that needs nft, without nft"
: >"$TMP/broken"
TUN='{ "tag": "tun-in", "protocol": "tun", "settings": { "name": "culvert0" } }'
started tun "" "$TUN"
contains "rules of the TUN" "$(ip -n "$G" rule)" "proto 199"
cap_config redirect
kill -HUP "${PID[culvert]}"
wait_log culvert "the new configuration is not set up"
stop culvert
eq "the TUN's rules went, too" "$(host_state)" "$before"

echo "-- a second one, which does not see the pid of the first"
rm "$TMP/broken"
started redirect
want=$(host_state)
for cmd in "up -c $TMP/up.json" down; do
	# shellcheck disable=SC2086
	bad "$cmd in a container" on "$G" timeout 5 unshare --pid --fork \
		--kill-child "$CULVERT" $cmd
	contains "$cmd in a container" "$(cat "$TMP/bad.log")" "in a container"
done
eq "the first one's set-up is as it was" "$(host_state)" "$want"
stop culvert
eq "the first one has ended: nothing left" "$(host_state)" "$before"

on "$G" nft add table inet culvert_direct
contains "down" "$(on "$G" "$CULVERT" down)" "removed: table inet culvert"
eq "a table of direct ranges alone" "$(host_state)" "$before"
pass
