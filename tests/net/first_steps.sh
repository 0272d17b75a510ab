#!/bin/bash
# first_steps.sh: what somebody meets in the first minutes: wrong commands and files
# are answered with what to do; an Xray client's file is enough for `up`; a server that
# does not work is said once, with the reason, and that it works again; `culvert status`
# timeout: 120
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/host_lib.sh"
host_net
before=$(host_state)
addr "$S" lo 9.9.9.9/32 # what is not private goes by the server

# says NAME CODE WORDS COMMAND...: exit code, and words of either output
says() {
	local name=$1 code=$2 words=$3 out rc
	shift 3
	out=$(on "$G" "$CULVERT" "$@" 2>&1 </dev/null)
	rc=$?
	eq "$name: exit code" "$rc" "$code"
	contains "$name" "$out" "$words"
}

# --- the command line
says "no command" 2 "culvert up LINK|FILE|URL"
says "an unknown command" 2 'did you mean "status"' statis
says "another program's word" 2 "journalctl -u culvert" logs
says "a link as a command" 2 "culvert up 'vless://" "vless://a@b:1"
says "a file as a command" 2 "culvert up -c x.json" x.json
says "an unknown option" 2 "help: culvert up -h" up --nope
says "route-test of nothing" 2 "wants a connection" route-test -c /dev/null
says "two links" 2 "quotes" up a b
says "more about one" 0 "--revert-after" up -h
says "not up" 1 "culvert is not up here" status
le "an error is short" "$(on "$G" "$CULVERT" statis 2>&1 | wc -l)" 2
for c in $("$CULVERT" help | sed -n 's/^  culvert \([a-z0-9-]*\).*/\1/p' | sort -u); do
	ok "help of $c" "$CULVERT" help "$c"
	ok "$c is completed" grep -qw -e "$c" "$ROOT/scripts/culvert.bash"
	ok "$c is in the man page" grep -qF -e "${c/-/\\-}" "$ROOT/scripts/culvert.1"
done

# --- files of others, and ours in other places
echo '{ "outbounds": [ { "type": "direct", "tag": "d" }, { "type": "shadowsocks", "tag": "s",
  "server": "192.0.2.9", "server_port": 8388, "method": "aes-128-gcm", "password": "x" } ], "route": {} }' >"$TMP/sb.json"
printf 'mixed-port: 7890\nproxies: []\n' >"$TMP/clash.yaml"
printf 'vless://a@b:1#x\n' >"$TMP/links"
echo '{ "outbounds": [ { "protocol": "freedom" } ] } // mine' >"$TMP/ok.json"
for c in run up "run -test" test; do
	# shellcheck disable=SC2086 # words
	says "$c: sing-box" 23 "this is a configuration of sing-box" $c -c "$TMP/sb.json"
	# shellcheck disable=SC2086
	says "$c: mihomo" 23 "this is a configuration of Clash or mihomo" $c -c "$TMP/clash.yaml"
	# shellcheck disable=SC2086
	says "$c: links" 23 "culvert up FILE" $c -c "$TMP/links"
done
says "import of sing-box's" 0 "192.0.2.9" import "$TMP/sb.json"
says "and it runs" 0 "Configuration OK" up "$TMP/sb.json" -test
says "import of Xray's" 23 "culvert up -c FILE" import "$TMP/ok.json"
says "no -c" 0 "Configuration OK" test "$TMP/ok.json"
says "no -c for up" 0 "Configuration OK" up "$TMP/ok.json" -test
says "a link behind -c" 23 "without -c" up -c "vless://a@b:1"
says "a folder behind -c" 23 "-confdir" up -c "$TMP"
says "check of a file, too" 23 "sing-box" check -c "$TMP/sb.json"

# --- lists: what cannot be used is left out by name, the rest stays
cat >"$TMP/list" <<'END'
vless://a@0.0.0.0:1#Expires%203%20May
ss://YWVzLTI1Ni1jZmI6cHc@192.0.2.2:8388#old
vless://b0e80a62-8a51-47f0-91f1-f0f7faf8d9d4@192.0.2.3:443?type=quic#quic
ss://YWVzLTI1Ni1nY206cHc@192.0.2.4:8388#good
END
out=$("$CULVERT" import "$TMP/list" 2>"$TMP/said")
eq "a list with one good server" $? 0
eq "it alone is there" "$(grep -c '192\.0\.2\.' <<<"$out")" 1
for w in "link 1 (Expires 3 May) is left out: 0.0.0.0 is no server" \
	'link 2 (old) is left out: settings.method: unknown method "aes-256-cfb"' \
	'link 3 (quic) is left out: streamSettings.network: must be one of'; do
	contains "said" "$(<"$TMP/said")" "$w"
done
says "a list from a pipe, which is read once" 0 "Configuration OK" \
	up <(cat "$TMP/list") -test
printf '%s' "$out" >"$TMP/import.json"
ok "what is left is right" "$CULVERT" run -test -c "$TMP/import.json"
says "a cut link" 23 "put it into quotes" import "vless://b0e80a62-8a51-47f0-91f1-f0f7faf8d9d4@192.0.2.3:443?type=quic"

# --- an Xray client's file
cat >"$TMP/server.json" <<'END'
{ "inbounds": [
    { "listen": "10.2.0.2", "port": 1080, "protocol": "socks", "settings": { "udp": true } },
    { "listen": "10.2.0.2", "port": 4443, "protocol": "vless", "settings": { "decryption": "none",
      "clients": [ { "id": "b0e80a62-8a51-47f0-91f1-f0f7faf8d9d4" } ] } } ],
  "policy": { "levels": { "0": { "handshake": 1 } } },
  "outbounds": [ { "protocol": "freedom", "settings": { "finalRules": [ { "action": "allow" } ] } } ] }
END
server() {
	bg "$S" server "$CULVERT" run -c "$TMP/server.json"
	wait_port "$S" tcp 4443
}
resolver "$S" 198.51.100.3
server
cat >"$TMP/client.json" <<'END'
{ "inbounds": [ { "listen": "127.0.0.1", "port": 10808, "protocol": "socks" } ],
  "outbounds": [ { "tag": "proxy", "protocol": "socks", "settings": { "address": "10.2.0.2", "port": 1080 } } ] }
END
host_up "$TMP/client.json"
for ns in "$C" "$G"; do
	matches "names of $ns" "$(ask "$ns" 198.51.100.3 A www.example.com)" '^198\.1[89]\.'
	contains "$ns by address" "$(on "$ns" "$NT" tcp 198.51.100.1 5003 -n 2000)" "rx=$(sha 2000) end=FIN"
	contains "$ns: through the server" "$(grep -a from= "$TMP/echo.log" | tail -n 1)" "from=198.51.100.1,"
done
says "status" 0 "culvert is up: pid ${PID[culvert]}" status
says "status: how" 0 "up -c $TMP/client.json" status
says "status: rules" 0 "nftables table: inet culvert" status
says "a second one" 1 "culvert is up already (pid ${PID[culvert]})" up
kill -KILL "${PID[culvert]}"
wait "${PID[culvert]}" 2>/dev/null
unset "PID[culvert]"
wait_for 3 eval '! on "$G" nft list table inet culvert' || fail "the table stays"
says "status of what was killed" 1 "\`culvert down\` removes them" status
ok "down" on "$G" "$CULVERT" down
eq "nothing is left" "$(host_state)" "$before"

# --- a server that is not there, then is; said once
bg "$G" culvert "$CULVERT" up "socks://10.2.0.2:1080#my server"
wait_log culvert started
stop server
lacks "status shows no link" "$(on "$G" "$CULVERT" status)" "10.2.0.2"
for i in 1 2 3 4 5 6 7 8; do
	on "$G" "$NT" tcp 9.9.9.9 $((6000 + i)) -n 9 -t 2 >/dev/null
done
wait_log culvert "outbound [my server]: 10.2.0.2:1080 does not work: Connection refused (nothing listens there"
eq "once" "$(grep -c "does not work" "$TMP/culvert.log")" 1
server
on "$G" "$NT" tcp 9.9.9.9 5003 -n 9 >/dev/null
wait_log culvert "outbound [my server]: works again"
stop culvert

# --- a wrong id: the server ends what it takes
bg "$G" culvert "$CULVERT" up "vless://00000000-8a51-47f0-91f1-f0f7faf8d9d4@10.2.0.2:4443?encryption=none#wrong"
wait_log culvert started
for i in 1 2 3 4 5 6 7 8; do
	on "$G" "$NT" tcp 9.9.9.9 $((5020 + i)) -n 900 -t 5 >"$TMP/nt.$i" &
done
wait_log culvert "outbound [wrong]: 10.2.0.2:4443 does not work: "
contains "and what to look at" "$(<"$TMP/culvert.log")" "(id, password, path, serverName or clock differ"
eq "once, too" "$(grep -c "does not work" "$TMP/culvert.log")" 1
wait $!
stop culvert
eq "nothing is left at the end" "$(host_state)" "$before"
pass
