#!/bin/bash
# xray_reverse.sh: VLESS reverse against Xray: culvert as the server that an Xray dials,
# and as the client that dials an Xray. XRAY=/path/to/xray says where it is.
# needs: XRAY
# timeout: 240
# asan: no (time: its paths run under ASan in reverse)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/reverse_lib.sh"
X=${XRAY:?}
LINGER=2
reverse_up
both() { # NAME
	portal server "$CULVERT" run -c
	bridge client "$X" run -c
	reverse_run "Xray dials culvert, $1" nohalf
	stop client
	stop server
	eq "the server ends well, $1" "$RC" 0
	portal server "$X" run -c
	bridge client "$CULVERT" run -c
	reverse_run "culvert dials Xray, $1" nohalf
	# 300 sessions: what carries them is exchanged for another one
	for ((i = 0; i < ${2:-0}; i++)); do
		out=$(on "$C" "$NT" tcp 10.1.0.1 7001 -n 100 -w 100 -t 5)
		[[ $out == *"rx=$(sha 100) "* ]] || fail "session $i: $out"
	done
	calls() { [ "$(grep -c "calls its server" "$TMP/client.log")" -ge 2 ]; }
	[ -z "${2:-}" ] || wait_for 15 calls || fail "what is used up was not exchanged"
	matches "the source is known, $1" "$(<"$TMP/client.log")" \
		"from 10\.1\.0\.2:[0-9]+ accepted tcp:10\.9\.0\.1:5001 \[home -> direct\]"
	stop client
	eq "the client ends well, $1" "$RC" 0
	stop server
}
both "TLS" 300
FLOW=xtls-rprx-vision
both "Vision"
KEY=GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00
PUBLIC=$("$CULVERT" x25519 -i $KEY | sed -n 's/^Pass.*: //p')
STREAM='"network": "tcp"' CLIENT_STREAM=$STREAM
DECRYPTION=mlkem768x25519plus.random.600s.$KEY ENCRYPTION=mlkem768x25519plus.random.0rtt.$PUBLIC
both "Vision over encryption"
pass
