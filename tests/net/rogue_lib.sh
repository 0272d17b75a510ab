# shellcheck shell=bash
# rogue_lib.sh: a table of {protocol over transport} x {what goes wrong, after how
# many bytes}: culvert as client -> rogue.py -> culvert as server; after matrix_lib.sh
#
#	rogue_up down|up		# which direction goes wrong
#	run_rogues
#
# Each flow must end by itself before DEADLINE_MS (the longest of the timeouts set
# here is 3 s of idleness); flows beside it live on; both culverts stay as they were.

KINDS=(vless-raw-bare vmess-raw-bare trojan-raw-bare ss-raw-bare ss22a-raw-bare socks-raw-bare
	http-raw-bare vless-tls-bare vless-ws-bare vless-wss-bare vless-hu-bare vless-grpc-bare
	vless-multi-bare vless-xone1-bare vless-xup-bare vless-xpkt-bare vless-xpkt1-bare
	vless-raw-mux vmess-raw-mux vless-reality-bare)
WRONGS=(cut:0 cut:1 cut:10 cut:60 rst:3 garbage:0 garbage:7 flood:0 flood:70 drip:0 silence:0 silence:9)
DEADLINE_MS=9000

# the same for VLESS encryption, at the borders of its handshake's parts
rogue_enc_table() {
	ROGUE_RAW=vlessn0,vlessn1,vlessp0,vlessp1,vlessr0,vlessr1,vlessr0v
	KINDS=(vless{n,p,r}{0,1}-raw-bare vlessr0v-raw-bare vlessr0-raw-mux)
	WRONGS=(cut:0 cut:1 cut:16 cut:47 cut:66 cut:1136 cut:1300 cut:1400 cut:4000 rst:3 rst:1200 rst:9000
		garbage:0 garbage:7 garbage:48 garbage:1168 garbage:1298 garbage:2600 flood:0 flood:70 flood:1300
		flood:5000 drip:0 drip:1200 silence:0 silence:9 silence:66 silence:1136 silence:1298 silence:3000)
}

rogue_up() {
	local k w p t m r=20000
	matrix_up python3
	plan own "${ROGUE_RAW:-vless,vmess,trojan,ss,ss22a,socks,http}" raw bare
	local ins=("${INS[@]}")
	make_www
	site 9443
	plan own vless tls,ws,wss,hu,grpc,multi,reality,xone1,xup,xpkt,xpkt1 bare
	INS+=("${ins[@]}")
	obs=() rules=() tags=()
	for k in "${KINDS[@]}"; do
		IFS=- read -r p t m <<<"$k"
		for w in "${WRONGS[@]}"; do
			r=$((r + 1))
			reach "$k-${w/:/-}"
			add_ob "$k-${w/:/-}" "$p" "$m" "$t" $r 10.2.0.4
			echo "$r ${AT[own-$p-$t]} $1 ${w/:/ }"
		done
	done >"$TMP/table"
	bg "$S" rogue sh -c "exec python3 '$ROOT/tests/net/rogue.py' 10.2.0.4 10.2.0.3 <'$TMP/table'"
	# a way beside it, to the same server
	add_ob beside vless bare tls "${AT[own-vless-tls]}"
	rules+=("{ \"ip\": [ \"10.3.0.1\" ], \"outboundTag\": \"beside\" }")
	POLICY="\"handshake\": 2, \"connIdle\": 3, \"uplinkOnly\": 1, \"downlinkOnly\": 1"
	serve_all own 2 "$CULVERT" run -c
	wait_log rogue ready
	served own
}

# where noise and slowness are data like any other, it is the client who ends them
legit() { [[ $1 == @(vless|trojan)-raw-bare-@(flood|drip)-* || $1 == @(socks|http)-raw-bare-flood-70 ]]; }

# rogues COUNT: a flow to each cell at once, and datagrams after it: I.rogue has how it
# went. One shell for all: starting programs is what these tests cost most by
rogues() {
	local i
	for ((i = 1; i <= $1; i++)); do
		[ "$i" -le 200 ] || wait -n
		{
			"$NT" tcp "10.4.0.$i" 5003 -n 200000 -w 200000 -t "$GIVE_UP_S" >"$TMP/$i.rogue"
			exec "$NT" udp "10.4.0.$i" 5006 -n 10,1000 -t 1 >/dev/null
		} &
	done
	wait
}

# TAG, bytes that came back, how it ended, ms
rogue_lines() {
	local i
	for ((i = 1; i <= ${#tags[@]}; i++)); do
		[[ $(<"$TMP/$i.rogue") =~ rx=([0-9]+):.*end=([A-Z-]+)\ ms=([0-9]+) ]] || continue
		echo "${tags[i - 1]} ${BASH_REMATCH[*]:1}"
	done
}

open_sessions() { # NAME
	local n
	n=$(grep -cF "stats: sessions" "$TMP/$1.log")
	kill -USR1 "${PID[$1]}"
	wait_for 3 more_stats "$1" "$n"
	grep -F "stats: sessions" "$TMP/$1.log" | tail -n 1 | sed 's/.* open //'
}
more_stats() { [ "$(grep -cF "stats: sessions" "$TMP/$1.log")" -gt "$2" ]; }
at_most() { [ "$(open_sessions "$1")" -le "$2" ]; }

# what is kept for each kind of level and warm connections (HTTP/2) are part of it
grown_at_most() { [ $(($(rss "$1") - $2)) -le 6144 ]; }

run_rogues() {
	local tag rx end ms p rss_c rss_s
	client_conf "$(join "${rules[@]}")" "$(join "${obs[@]}")"
	for p in 1 2 3; do # warm: what a path needs once
		on "$C" "$NT" tcp-short 10.3.0.1 5003 -n 200 -j 10 >/dev/null
	done
	for p in 1 2 3; do # slow ones beside them, for longer than all of it takes
		bg "$C" "beside$p" "$NT" tcp 10.3.0.1 5002 -n 1000 -O -r 95000 -t 60
	done
	rss_c=$(rss culvert) rss_s=$(rss own)
	GIVE_UP_S=$((SLOW == 1 ? 10 : 20))
	export NT TMP GIVE_UP_S
	export -f rogues
	on "$C" bash -c 'rogues "$0"' ${#tags[@]}
	rogue_lines >"$TMP/rogues.txt"
	[ -z "${KEPT:-}" ] || cp "$TMP"/rogues.txt "$TMP"/*.log "$KEPT"/
	while read -r tag rx end ms; do
		legit "$tag" && continue
		[ "$end" != TIMEOUT ] || echo "$tag: does not end ($rx bytes came)"
		[ "${ms:-99999}" -le $((DEADLINE_MS * SLOW)) ] || echo "$tag: $ms ms"
		[ "${rx:-0}" -lt 200000 ] || [[ $tag == *-@(drip|silence|cut|rst)-* ]] || echo "$tag: all came"
	done <"$TMP/rogues.txt" >"$TMP/bad.txt"
	eq "flows" "$(wc -l <"$TMP/rogues.txt")" "${#tags[@]}"
	eq "flows that end wrongly" "$(cat "$TMP/bad.txt")" ""
	alive culvert || fail "the client died"
	alive own || fail "the server died"
	for p in 1 2 3; do
		wait_log "beside$p" "rx=$(sha $SOURCE_BYTES) end=FIN"
		ASSERTS=$((ASSERTS + 1))
	done
	wait_for 8 at_most culvert 0 || fail "sessions of the client stay: $(open_sessions culvert)"
	wait_for 8 at_most own "${STRANGERS:-0}" || fail "sessions of the server stay: $(open_sessions own)"
	stop rogue
	wait_for 8 at_most own 0 || fail "sessions of strangers stay: $(open_sessions own)"
	# memory goes back to the system when things have calmed down
	if [ "$SLOW" = 1 ]; then
		wait_for 12 grown_at_most culvert "$rss_c" || fail "the client grew: $rss_c KiB -> $(rss culvert)"
		wait_for 12 grown_at_most own "$rss_s" || fail "the server grew: $rss_s KiB -> $(rss own)"
		ASSERTS=$((ASSERTS + 2))
	fi
	echo "KiB: client $rss_c -> $(rss culvert), server $rss_s -> $(rss own)"
	stop culvert
	eq "the client ends well" "$RC" 0
	stop own
	eq "the server ends well" "$RC" 0
}
