#!/bin/bash
# Proxy protocols x transports: culvert against v2ray, and ss-redir, as clients of
# the same server in the same run
#
# All are given the client's flows by redirect. The server is culvert's own where
# it is one, else v2ray: it shares the cores, so that Gbit/s are what the whole box
# can do, and CPU per GB is what the gateway costs. "/v2ray" columns: v2ray's CPU
# per GB divided by ours, which is throughput per CPU second.
#
# bare-tls is a relay of our own that does nothing but OpenSSL (tls_relay.c), to a
# dokodemo-door of the same server: the limit of the TLS rows.
PAYLOAD=${PAYLOAD:-lean}
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/transport_lib.sh
. "$(dirname "$0")/../net/transport_lib.sh"
ROUNDS=${ROUNDS:-1} SECS=${SECS:-0.7}
PROTOCOLS=(vless trojan vmess ss-aes ss-chacha)
TRANSPORTS=(raw tls wss grpc)
BARE=8999 IDLE_FLOWS=2000
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
command -v v2ray >/dev/null || skip "no v2ray"

# --- what the programs are told ----------------------------------------------------

stream() { # TRANSPORT TLSSETTINGS
	local tls="\"security\": \"tls\", \"tlsSettings\": $2"
	case $1 in
	raw) echo '{ "network": "tcp" }' ;;
	tls) echo "{ \"network\": \"tcp\", $tls }" ;;
	wss) echo "{ \"network\": \"ws\", \"wsSettings\": { \"path\": \"/w\" }, $tls }" ;;
	grpc) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\" }, $tls }" ;;
	esac
}

cipher() {
	case $1 in
	ss-aes) echo aes-128-gcm ;;
	ss-chacha) echo chacha20-ietf-poly1305 ;;
	esac
}

clients() { # PROTOCOL: settings of an inbound
	case $1 in
	vless) echo "{ \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	vmess) echo "{ \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	trojan) echo '{ "clients": [ { "password": "secret" } ] }' ;;
	ss-*) echo "{ \"method\": \"$(cipher "$1")\", \"password\": \"secret\", \"network\": \"tcp,udp\" }" ;;
	esac
}

server() { # PROTOCOL PORT: settings of an outbound, in the form both know
	local at="\"address\": \"10.2.0.3\", \"port\": $2"
	case $1 in
	vless) echo "{ \"vnext\": [ { $at, \"users\": [ { \"id\": \"$ID\", \"encryption\": \"none\" } ] } ] }" ;;
	vmess) echo "{ \"vnext\": [ { $at, \"users\": [ { \"id\": \"$ID\", \"security\": \"aes-128-gcm\" } ] } ] }" ;;
	trojan) echo "{ \"servers\": [ { $at, \"password\": \"secret\" } ] }" ;;
	ss-*) echo "{ \"servers\": [ { $at, \"method\": \"$(cipher "$1")\", \"password\": \"secret\" } ] }" ;;
	esac
}

name() { [[ $1 == ss-* ]] && echo shadowsocks || echo "$1"; }

own_tls="{ \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
client_tls="{ \"serverName\": \"tls.test\", \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"

serves() { # culvert is a server of this protocol, so ask it
	"$CULVERT" run -test -c <(echo "{ \"inbounds\": [ { \"port\": 1, \"protocol\": \"$(name "$1")\",
		\"settings\": $(clients "$1") } ],
		\"outbounds\": [ { \"protocol\": \"freedom\" } ] }") >/dev/null 2>&1
}

# plan: inbounds of the server, and for each an outbound, a rule and a redirect port
# of the gateways; PLAN: "NAME PORT" of each
plan() {
	local p t i=0 tag
	for p in "${PROTOCOLS[@]}"; do
		for t in "${TRANSPORTS[@]}"; do
			[ "$t" != grpc ] || [ "$SERVER" = culvert ] || continue
			[[ $p != ss-* || $t = raw ]] || continue
			i=$((i + 1)) tag=$p-$t
			PLAN+=("$tag $i")
			INS+=("{ \"listen\": \"10.2.0.3\", \"port\": $((9000 + i)), \"protocol\": \"$(name "$p")\",
				\"settings\": $(clients "$p"), \"streamSettings\": $(stream "$t" "$own_tls") }")
		done
	done
}

# where the bare relay goes
plan_bare() {
	INS+=("{ \"listen\": \"10.2.0.3\", \"port\": $BARE, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"$T\", \"port\": $PORT, \"network\": \"tcp\" },
		\"streamSettings\": $(stream tls "$own_tls") }")
}

# gateway PROGRAM BASE: the configuration of a client, redirect ports from BASE on
gateway() {
	local entry tag i p t ins=() obs=() rules=()
	for entry in "${PLAN[@]}"; do
		read -r tag i <<<"$entry"
		p=${tag%-*} t=${tag##*-}
		[ "$1" = culvert ] || [ "$t" != grpc ] || continue
		ins+=("{ \"tag\": \"in$i\", \"port\": $(($2 + i)), \"protocol\": \"dokodemo-door\",
			\"settings\": { \"network\": \"tcp\", \"followRedirect\": true } }")
		obs+=("{ \"tag\": \"out$i\", \"protocol\": \"$(name "$p")\", \"settings\": $(server "$p" $((9000 + i))),
			\"streamSettings\": $(stream "$t" "$client_tls") }")
		rules+=("{ \"type\": \"field\", \"inboundTag\": [ \"in$i\" ], \"outboundTag\": \"out$i\" }")
		LAST=$(($2 + i))
	done
	cat >"$TMP/$1.json" <<-CONF
	{ "log": { $LOG }, "inbounds": [ $(join "${ins[@]}") ],
	  "outbounds": [ $(join "${obs[@]}") ], "routing": { "rules": [ $(join "${rules[@]}") ] } }
	CONF
}

start_all() {
	local log='"loglevel": "warning", "access": "none"'
	cat >"$TMP/server.json" <<-CONF
	{ "log": { $log }, "inbounds": [ $(join "${INS[@]}") ],
	  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
	CONF
	if [ "$SERVER" = culvert ]; then
		bg "$S" server "$CULVERT" run -c "$TMP/server.json"
	else
		bg "$S" server v2ray -config "$TMP/server.json"
	fi
	wait_port "$S" tcp 9001
	LOG=$log gateway culvert 4000
	bg "$G" culvert "$CULVERT" run -c "$TMP/culvert.json"
	wait_port "$G" tcp "$LAST"
	LOG='"loglevel": "none"' gateway v2ray 5000
	bg "$G" v2ray v2ray -config "$TMP/v2ray.json"
	wait_port "$G" tcp "$LAST"
}

start_bare() {
	bg "$G" bare "$ROOT/build/bench/tls_relay" 6999 "$TMP/ca.pem" 10.2.0.3 "$BARE"
	wait_port "$G" tcp 6999
}

# ss-redir of the same ciphers; it is a client of the same server
start_ss_redir() {
	local entry tag i
	command -v ss-redir >/dev/null || return
	for entry in "${PLAN[@]}"; do
		read -r tag i <<<"$entry"
		[[ $tag == ss-*-raw ]] || continue
		bg "$G" "ss$i" ss-redir -s 10.2.0.3 -p $((9000 + i)) -b 0.0.0.0 \
			-l $((6000 + i)) -k secret -m "$(cipher "${tag%-raw}")" -t 60
		wait_port "$G" tcp $((6000 + i))
	done
}

# --- measuring ---------------------------------------------------------------------

# measure TAG PROGRAM PORT
measure() {
	local row="$1 ${2%%[0-9]*}" dir
	[[ $2 == ss* ]] && row="$1 ss-redir"
	[ "$2" = v2ray ] && row="$1 v2ray"
	alive "$2" || return 0
	path_redirect "$3"
	for dir in up down; do
		load "$2" bulk "$T" "$PORT" $dir 1 "$SECS" "$PAYLOAD"
		[ -n "$OUT" ] || continue
		put "$row" $dir "$(value "$OUT" gbps)"
		put "$row" ${dir}_cpu "$(calc "$SPENT / $(value "$OUT" bytes)" 3)"
	done
	cps "$row" "$2" "$SECS"
	lat "$row" "$2" "$SECS"
}

# against ROW PEERROW NAME: throughput per CPU second by that of the peer, of
# medians, as METRIC_gain_NAME
against() {
	python3 - "$RESULTS" "$@" <<-'PY' >>"$RESULTS"
	import statistics, sys
	v = {}
	for line in open(sys.argv[1]):
	    row, metric, value = line.rstrip("\n").split("\t")
	    if value:
	        v.setdefault((row, metric), []).append(float(value))
	own, peer, name = sys.argv[2:]
	for m in ("up_cpu", "down_cpu", "cps_cpu_us"):
	    a, b = v.get((own, m)), v.get((peer, m))
	    if a and b and statistics.median(a):
	        print(f"{own}\t{m}_gain_{name}\t"
	              f"{statistics.median(b) / statistics.median(a):.2f}")
	PY
}

# ONLY=regexp: some of the rows
SERVER=v2ray
serves vless && serves vmess && serves trojan && serves ss-aes && SERVER=culvert
SERVER=${BENCH_SERVER:-$SERVER}
PLAN=() INS=()
plan
plan_bare
bench_up
make_ca
start_all
start_bare
start_ss_redir
machine
echo "Server of all rows: $SERVER."
for entry in "${PLAN[@]}"; do # before anything else has made it grow
	read -r tag i <<<"$entry"
	[[ $tag = vless-tls && $tag =~ ${ONLY:-.} ]] || continue
	path_redirect $((4000 + i))
	idle "$tag culvert" culvert "$IDLE_FLOWS"
done
for ((r = 0; r < ROUNDS; r++)); do
	measure bare-tls bare 6999
	for entry in "${PLAN[@]}"; do
		read -r tag i <<<"$entry"
		[[ $tag =~ ${ONLY:-.} ]] || continue
		measure "$tag" culvert $((4000 + i))
		[[ $tag == *-grpc ]] || measure "$tag" v2ray $((5000 + i))
		[ -z "${PID[ss$i]:-}" ] || measure "$tag" "ss$i" $((6000 + i))
	done
done
for entry in "${PLAN[@]}"; do
	against "${entry% *} culvert" "${entry% *} v2ray" v2ray
	against "${entry% *} culvert" "${entry% *} ss-redir" ss-redir
	[[ $entry != *-tls\ * ]] || against "${entry% *} culvert" "bare-tls bare" bare
done

table "Bulk TCP, one flow: Gbit/s, gateway CPU s/GB" "" up down up_cpu:3 down_cpu:3
table "By the peer: throughput per CPU second; CPU of a connection" "" \
	up_cpu_gain_v2ray down_cpu_gain_v2ray cps_cpu_us_gain_v2ray \
	up_cpu_gain_ss-redir down_cpu_gain_ss-redir cps_cpu_us_gain_ss-redir
table "By a bare relay with OpenSSL: throughput per CPU second; CPU of a connection" "" \
	up_cpu_gain_bare down_cpu_gain_bare cps_cpu_us_gain_bare
table "Memory of an idle flow, KiB" "" "idle_kib_$IDLE_FLOWS"
table "Connections, 64 at a time; CPU us of each" "" cps:0 cps_failed:0 cps_cpu_us:0 \
	conn64_p50:0 conn64_p99:0
table "Latency, one at a time, us: ping-pong; first byte of a new connection" "" \
	pingpong_p50:0 pingpong_p99:0 connect_p50:0 connect_p99:0
echo
for entry in "${PLAN[@]}"; do
	tag=${entry% *}
	[[ $tag =~ ${ONLY:-.} ]] || continue
	for d in up down; do
		case $tag in
		ss-*) limit "$tag culvert" ${d}_cpu "<=" 0.6 ;;
		*-tls | *-wss | *-grpc) limit "$tag culvert" ${d}_cpu "<=" 0.8 ;;
		esac
		[[ $tag == *-grpc ]] || limit "$tag culvert" ${d}_cpu_gain_v2ray ">=" 2
		[[ $tag != vless-tls && $tag != trojan-tls ]] ||
			limit "$tag culvert" ${d}_cpu_gain_bare ">=" 0.8
		[[ $tag != ss-* ]] || [ -z "$(command -v ss-redir)" ] ||
			limit "$tag culvert" ${d}_cpu_gain_ss-redir ">=" 1
	done
done
[[ ! vless-tls =~ ${ONLY:-.} ]] || limit "vless-tls culvert" "idle_kib_$IDLE_FLOWS" "<=" 25
keep proto
exit "$BROKEN"
