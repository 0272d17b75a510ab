#!/bin/bash
# matrix.sh: TUN client -> culvert -> a server -> origin: each protocol over each
# transport, bare and muxed, in one culvert: 1 MiB each way hashed over v4, v6 and
# a name, and datagrams. Servers: v2ray, and culvert (which has gRPC, and passes a
# half-close on).
# timeout: 240
# asan: no (time: its paths run under ASan in other tests)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
# ONLY=regexp: which of the cells; ONLY=. is all of them (some minutes)
ONLY=${ONLY:-own-(vless|trojan)|own-(vmess|shadowsocks)-(raw|tls|grpc)|v2ray-.*-raw-bare}
PROTOCOLS=(vless vmess trojan shadowsocks)
N=$SOURCE_BYTES SHA=$(sha "$SOURCE_BYTES") PARALLEL=${PARALLEL:-8}
peers_up v2ray openssl python3
: "${KEEP:=$TMP}" # where what cells say goes
make_ca
# Cell I is 10.4.0.I, fd04::I and nI.test
CELLS=110
on "$S" ip route add local 10.4.0.0/24 dev lo
on "$S" ip -6 route add local fd04::/64 dev lo
for ((i = 1; i <= CELLS; i++)); do echo "10.4.0.$i n$i.test"; done >>"$etc/hosts"
bg "$S" udp python3 "$ROOT/tests/net/matrix.py" "$CELLS"
wait_log udp ready

# --- what both ends are told -----------------------------------------------------

stream() { # TRANSPORT SECURITY
	local tls="\"security\": \"tls\", \"tlsSettings\": $2"
	case $1 in
	raw) echo '{ "network": "tcp" }' ;;
	tls) echo "{ \"network\": \"tcp\", $tls }" ;;
	ws) echo '{ "network": "ws", "wsSettings": { "path": "/w" } }' ;;
	wss) echo "{ \"network\": \"ws\", \"wsSettings\": { \"path\": \"/w\" }, $tls }" ;;
	wsed) echo "{ \"network\": \"ws\", \"wsSettings\": { \"path\": \"/w?ed=2048\" }, $tls }" ;;
	hu) echo "{ \"network\": \"httpupgrade\", \"httpupgradeSettings\": { \"path\": \"/u\" }, $tls }" ;;
	grpc) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\" }, $tls }" ;;
	multi) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\", \"multiMode\": true }, $tls }" ;;
	esac
}
server_tls="{ \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
client_tls="{ \"serverName\": \"tls.test\", \"disableSystemRoot\": true,
	\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"

clients() { # PROTOCOL: settings of a server
	case $1 in
	vless) echo "{ \"decryption\": \"none\", \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	vmess) echo "{ \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	trojan) echo '{ "clients": [ { "password": "topsecret" } ] }' ;;
	shadowsocks) echo '{ "method": "aes-128-gcm", "password": "topsecret", "network": "tcp,udp" }' ;;
	esac
}

server() { # PROTOCOL PORT: settings of an outbound
	local at="\"address\": \"10.2.0.3\", \"port\": $2"
	case $1 in
	vless) echo "{ $at, \"id\": \"$ID\", \"encryption\": \"none\" }" ;;
	vmess) echo "{ $at, \"id\": \"$ID\", \"security\": \"aes-128-gcm\" }" ;;
	trojan) echo "{ $at, \"password\": \"topsecret\" }" ;;
	shadowsocks) echo "{ $at, \"method\": \"aes-128-gcm\", \"password\": \"topsecret\" }" ;;
	esac
}

# --- the cells -------------------------------------------------------------------

port=9000 obs=() rules=() tags=() waits=()
# plan PEER TRANSPORT...: a server's inbounds in INS, culvert's outbounds and rules
plan() {
	local p t m i
	INS=()
	for p in "${PROTOCOLS[@]}"; do
		for t in "${@:2}"; do
			port=$((port + 1))
			INS+=("{ \"listen\": \"10.2.0.3\", \"port\": $port, \"protocol\": \"$p\",
				\"settings\": $(clients "$p"),
				\"streamSettings\": $(stream "${t/wsed/wss}" "$server_tls") }")
			for m in bare mux; do
				tags+=("$1-$p-$t-$m")
				i=${#tags[@]}
				obs+=("$(ob "${tags[-1]}" "$p" "$(server "$p" $port)" \
					", \"streamSettings\": $(stream "$t" "$client_tls")
					$([ $m = bare ] || echo ', "mux": { "enabled": true }')")")
				rules+=("{ \"ip\": [ \"10.4.0.$i\", \"fd04::$(printf %x "$i")\" ],
					\"outboundTag\": \"${tags[-1]}\" }"
				"{ \"domain\": [ \"full:n$i.test\" ], \"outboundTag\": \"${tags[-1]}\" }")
			done
		done
	done
}

# serve_all NAME COMMAND...: the inbounds of the last plan
serve_all() {
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "warning" },
	  "policy": { "levels": { "0": { "uplinkOnly": $LINGER, "downlinkOnly": $LINGER } } },
	  "inbounds": [ $(join "${INS[@]}") ],
	  "outbounds": [ { "protocol": "freedom", "settings": {} } ] }
	END
	bg "$S" "$1" "${@:2}" "$TMP/$1.json"
	wait_port "$S" tcp $port
}

# cell I TAG: prints what is wrong. v2ray ends both ways a second after one has
# ended: a muxed session then with an error, which is a reset here
cell() {
	local out a f=$TMP/get.$1 wait=0 end='end=FIN'
	[[ $2 == v2ray-* ]] && wait=$N
	[[ $2 == v2ray-*-mux ]] && end='end=(FIN|ECONNRESET)'
	# it knows no half-close of ws: culvert ends the flow
	[[ $2 == v2ray-*-ws* ]] && end='end=(FIN|ECONNRESET)'
	for a in "10.4.0.$1" "fd04::$(printf %x "$1")"; do
		out=$(on "$C" "$NT" tcp "$a" 5003 -n $N -w $wait -t ${LIMIT_S:-15})
		[[ $out =~ rx=$SHA\ $end ]] || echo "TCP $a: $out"
		out=$(on "$C" "$NT" udp "$a" 5006 -n 1,512,1400 -t 8)
		[[ $out == *"ok=3 bad=0"* ]] || echo "UDP $a: $out"
		[ $wait = 0 ] || continue
		out=$(on "$C" "$NT" tcp "$a" 5001 -n $N -P -t ${LIMIT_S:-15} 2>/dev/null)
		[ "$out" = "$SHA" ] || echo "answer after the half-close, $a: $out"
	done
	{ printf 'GET / HTTP/1.1\r\nHost: n%s.test\r\n\r\n' "$1"; head -c $N /dev/zero; } |
		head -c $N >"$f"
	out=$(on "$C" "$NT" tcp 192.0.2.9 5003 -f "$f" -w $wait -t ${LIMIT_S:-15})
	a=$(sed -n 's/.* tx=\([^ ]*\) .*/\1/p' <<<"$out")
	[[ $out =~ rx=$a\ $end && $a == "$N":* ]] || echo "by name: $out"
	rm -f "$f"
}

LINGER=1 # v2ray passes no end on: it closes a second after one side has ended
plan v2ray raw tls ws wss wsed
serve_all v2ray v2ray -config
# culvert as the server, when it is one
if "$CULVERT" run -test -c <(echo "{ \"inbounds\": [ { \"port\": 1, \"protocol\": \"vless\",
		\"settings\": $(clients vless) } ],
		\"outbounds\": [ { \"protocol\": \"freedom\" } ] }") >"$TMP/test.log" 2>&1; then
	LINGER=10
	plan own raw tls ws wss wsed hu grpc multi
	serve_all own "$CULVERT" run -c
else
	echo "culvert serves no vless yet: v2ray only"
fi
eval "$(declare -f start_culvert | sed '1s/start_culvert/start_as_told/')"
start_culvert() { start_as_told < <(sed 's/"uplinkOnly": 5/"uplinkOnly": 10/; s/"downlinkOnly": 5/"downlinkOnly": 10/'); }
client_conf "$(join "${rules[@]}")" "$(join "${obs[@]}")"
for ((i = 1; i <= ${#tags[@]}; i++)); do
	[[ ${tags[i - 1]} =~ ${ONLY:-.} ]] || continue
	cell $i "${tags[i - 1]}" >"$KEEP/cell.$i" 2>&1 &
	waits+=($!)
	[ ${#waits[@]} -lt "$PARALLEL" ] || { wait "${waits[0]}"; waits=("${waits[@]:1}"); }
done
wait "${waits[@]}"
bad=0
for ((i = 1; i <= ${#tags[@]}; i++)); do
	[[ ${tags[i - 1]} =~ ${ONLY:-.} ]] || continue
	if [ -s "$KEEP/cell.$i" ]; then
		bad=$((bad + 1))
		sed "s/^/${tags[i - 1]}: /" "$KEEP/cell.$i"
	fi
	le "${tags[i - 1]}: TCP by its own outbound" 3 \
		"$(grep -c "tcp:.*\[lan -> ${tags[i - 1]}\]" "$TMP/culvert.log")"
	le "${tags[i - 1]}: UDP by its own outbound" 2 \
		"$(grep -c "udp:.*\[lan -> ${tags[i - 1]}\]" "$TMP/culvert.log")"
done
[ "$KEEP" = "$TMP" ] || cp "$TMP"/*.log "$TMP"/*.json "$KEEP"/
eq "cells that fail" "$bad" 0
lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "topsecret"
stop culvert
eq "culvert ends well" "$RC" 0
pass
