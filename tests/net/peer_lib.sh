# shellcheck shell=bash
# peer_lib.sh: what the tests of proxy protocols have in common; after lib.sh
#
#	peers_up v2ray			# net_up, targets, what must be installed
#	v2ray_in vless '{...settings}'	# v2ray serves on 10.2.0.3:1080
#	client_conf 'OUTBOUND'		# culvert's config: TUN, one outbound "peer"
#	transfers ...; datagrams ...; names
#
# Targets in $S: 5001 sink, 5002 source, 5003 echo, 5006 echo of datagrams

SOURCE_BYTES=1048576

peers_up() {
	local p a
	for p in "$@"; do
		command -v "$p" >/dev/null || skip "no $p"
	done
	net_up
	etc=/etc/netns/$S
	mkdir -p "$etc"
	printf '10.3.0.1 dom.test\n10.3.0.1 udp.test\n' >"$etc/hosts"
	# far addresses only: the peer's own listen on 10.2.0.x
	serve sink tcp-serve 5001 sink
	serve source tcp-serve 5002 source -n $SOURCE_BYTES
	serve echo tcp-serve 5003 echo
	for a in 10.3.0.1 fd03::1 10.3.0.2; do
		bg "$S" "udp$a" "$NT" udp-serve -l "$a" 5006 echo
	done
	serve hold tcp-serve 1090 hold
}

# v2ray_in NAME PROTOCOL PORT SETTINGS: a server of v2ray
v2ray_in() {
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "debug" },
	  "policy": { "levels": { "0": { "uplinkOnly": 1, "downlinkOnly": 1 } } },
	  "inbounds": [ { "listen": "10.2.0.3", "port": $3, "protocol": "$2", "settings": $4 } ],
	  "outbounds": [ { "protocol": "freedom", "settings": {} } ] }
	END
	bg "$S" "$1" v2ray -config "$TMP/$1.json"
	wait_port "$S" tcp "$3"
}

# ob TAG PROTOCOL SETTINGS [MORE]
ob() { echo "{ \"tag\": \"$1\", \"protocol\": \"$2\", \"settings\": $3 ${4:-} }"; }
# rule N TAG: what goes to 10.3.0.N and fd03::N
rule() { echo "{ \"ip\": [ \"10.3.0.$1\", \"fd03::$1\" ], \"outboundTag\": \"$2\" }"; }

# client_conf RULES OUTBOUNDS: culvert behind its TUN. LINGER: seconds that a flow
# lives after one side ended; POLICY: all of the policy; DNS: an object, else none
client_conf() {
	local l=${LINGER:-5} policy
	policy=${POLICY:-"\"handshake\": 3, \"downlinkOnly\": $l, \"uplinkOnly\": $l"}
	start_culvert <<-END
	{
	  "log": { "loglevel": "debug" },
	  "inbounds": [ {
	    "tag": "lan", "protocol": "tun",
	    "settings": { "name": "culvert0", "mtu": 1500, "gateway": [ "172.30.255.1/30", "fd6c:7663::1/126" ] },
	    "sniffing": { "enabled": true, "destOverride": [ "http" ] }
	  } ],
	  "policy": { "levels": { "0": { $policy } } }, ${DNS:+"\"dns\": $DNS,"}
	  "routing": { "rules": [ $1 ] },
	  "outbounds": [ { "tag": "nowhere", "protocol": "blackhole" }, $2 ]
	}
	END
	to_tun culvert0
}

# transfers NAME ADDRESS [nohalf]: 1 MiB each way, hashed. nohalf: the peer ends
# both ways when one ends
transfers() {
	local out n=$SOURCE_BYTES wait=0 before all
	all=$(sha $n)
	[ "${3:-}" = nohalf ] && wait=$n
	out=$(on "$C" "$NT" tcp "$2" 5002 -n 1000 -O)
	contains "$1 download" "$out" "rx=$all end=FIN"
	out=$(on "$C" "$NT" tcp "$2" 5003 -n $n -w $wait)
	contains "$1 echo" "$out" "rx=$all end=FIN"
	count_lines sink "rx=$all end=FIN"
	before=$COUNT
	out=$(on "$C" "$NT" tcp "$2" 5001 -n $n -P 2>/dev/null)
	[ $wait = 0 ] && eq "$1 upload, answered after the half-close" "$out" "$all"
	wait_for 5 sunk "$all" $((before + 1)) || fail "$1 upload: $(tail -n1 "$TMP/sink.log")"
	ASSERTS=$((ASSERTS + 1))
}
sunk() { count_lines sink "rx=$1 end=FIN"; [ "$COUNT" -ge "$2" ]; }

# datagrams NAME ADDRESS [SIZES]
datagrams() {
	local sizes=${3:-1,1200,1472,1900} out all # v2ray cuts longer ones
	out=$(on "$C" "$NT" udp "$2" 5006 -n "$sizes")
	all=${sizes//[^,]/}
	contains "$1 datagrams" "$out" "ok=$((${#all} + 1)) bad=0"
}

# named NAME: only the peer knows the name; nobody is at 192.0.2.9
named() {
	local out
	out=$(on "$C" "$NT" tcp 192.0.2.9 5003 -P -t 5 -w 34 \
		-m $'GET / HTTP/1.1\r\nHost: dom.test\r\n\r\n' 2>/dev/null)
	contains "$1: a name is asked for as a name" "$out" "Host: dom.test"
}

# ended NAME ADDRESS MAX_MS [PORT]: the client sees the end, in time
ended() {
	local out t0=${EPOCHREALTIME/./}
	out=$(on "$C" "$NT" tcp "$2" "${4:-5003}" -n 10 -t 20)
	matches "$1: the client sees the end" "$out" "end=(ECONN(RESET|REFUSED)|FIN)"
	le "$1: in time" $((${EPOCHREALTIME/./} - t0)) $(($3 * 1000 * SLOW))
}

# --- the other way round: culvert is the server, in $G --------------------------

# serve_culvert INBOUNDS [PORT...]: culvert in $G, freedom behind it; RULES: of it
serve_culvert() {
	local p
	mkdir -p "/etc/netns/$G"
	cp "$etc/hosts" "/etc/netns/$G/hosts"
	cat >"$TMP/server.json" <<-END
	{
	  "log": { "loglevel": "debug" },
	  "policy": { "levels": { "0": { "handshake": 2, "downlinkOnly": 5, "uplinkOnly": 5 } } },
	  "inbounds": [ $1 ],
	  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { "domainStrategy": "UseIP", ${RULES-$ALLOW} } } ]
	}
	END
	bg "$G" server "$CULVERT" run -c "$TMP/server.json"
	shift
	for p in "$@"; do wait_port "$G" tcp "$p"; done
}

# ib TAG PROTOCOL PORT SETTINGS: on 10.1.0.1
ib() { echo "{ \"tag\": \"$1\", \"listen\": \"10.1.0.1\", \"port\": $3, \"protocol\": \"$2\", \"settings\": $4 }"; }

door() { # PORT ADDRESS PORT NETWORK
	echo "{ \"listen\": \"127.0.0.1\", \"port\": $1, \"protocol\": \"dokodemo-door\",
	  \"settings\": { \"address\": \"$2\", \"port\": $3, \"network\": \"$4\" } }"
}

# doors v2ray|culvert NAME BASE OUTBOUND: a client in $C; its doors are BASE+1 ...
doors() {
	local b=$3
	cat >"$TMP/$2.json" <<-END
	{ "log": { "loglevel": "debug" },
	  "policy": { "levels": { "0": { "uplinkOnly": 5, "downlinkOnly": 5 } } },
	  "inbounds": [ $(door $((b + 1)) 10.3.0.1 5001 tcp), $(door $((b + 2)) 10.3.0.1 5002 tcp),
	    $(door $((b + 3)) fd03::1 5003 tcp), $(door $((b + 4)) dom.test 5003 tcp),
	    $(door $((b + 6)) 10.3.0.1 5006 udp), $(door $((b + 7)) fd03::1 5006 udp) ],
	  "outbounds": [ $4 ] }
	END
	if [ "$1" = v2ray ]; then
		bg "$C" "$2" v2ray -config "$TMP/$2.json"
	else
		bg "$C" "$2" "$CULVERT" run -c "$TMP/$2.json"
	fi
	wait_port "$C" tcp $((b + 4))
	wait_port "$C" udp $((b + 7))
}

# through NAME BASE [nohalf|noend] [SIZES]: all doors. noend: the client does not
# pass an end on
through() {
	local n=$SOURCE_BYTES wait=0 out before all b=$2 end=' end=FIN' t=20
	all=$(sha $n)
	[[ ${3:-} == no* ]] && wait=$n
	[[ ${3:-} == noend ]] && { end='' t=2; }
	out=$(on "$C" "$NT" tcp 127.0.0.1 $((b + 2)) -n 1000 -w $wait)
	contains "$1 download" "$out" "rx=$all end=FIN"
	out=$(on "$C" "$NT" tcp 127.0.0.1 $((b + 3)) -n $n -w $wait -t $t)
	contains "$1 echo, v6" "$out" "rx=$all$end"
	out=$(on "$C" "$NT" tcp 127.0.0.1 $((b + 4)) -n 50000 -w $((wait ? 50000 : 0)) -t $t)
	contains "$1 echo, by name" "$out" "rx=$(sha 50000)$end"
	if [ -n "$end" ]; then
		count_lines sink "rx=$all end=FIN"
		before=$COUNT
		out=$(on "$C" "$NT" tcp 127.0.0.1 $((b + 1)) -n $n -P 2>/dev/null)
		[ $wait = 0 ] && eq "$1 upload, answered after the half-close" "$out" "$all"
		wait_for 8 sunk "$all" $((before + 1)) || fail "$1 upload: $(tail -n1 "$TMP/sink.log")"
	fi
	for p in 6 7; do
		out=$(on "$C" "$NT" udp 127.0.0.1 $((b + p)) -n "${4:-1,1200,1400,1900}")
		contains "$1 datagrams" "$out" "bad=0"
	done
}

# silence NAME PORT: a wrong client sees the same as one who says nothing. All
# at a time: each waits for the deadline
silence() {
	local out how i n=0 ms
	for i in "" $'GET / HTTP/1.1\r\n\r\n' "$(head -c 300 /dev/zero | tr '\0' x)" \
		"$(head -c 600 /dev/urandom | base64 -w0)"; do
		n=$((n + 1))
		bg "$C" "mute$n" "$NT" tcp 10.1.0.1 "$2" ${i:+-m "$i"} -O -t 10
	done
	for ((i = 1; i <= n; i++)); do
		wait_log "mute$i" "end="
		out=$(<"$TMP/mute$i.log")
		ms=${out##*ms=}
		[ -n "${how:-}" ] || how=${out##*end=}
		contains "$1: nothing is said" "$out" "rx=0:"
		eq "$1: all end alike" "$(sed 's/ms=.*//' <<<"${out##*end=}")" "$(sed 's/ms=.*//' <<<"$how")"
		le "$1: at the deadline, not before" 1900 "$ms"
		le "$1: at the deadline, not later" "$ms" $((2800 * SLOW))
	done
}
