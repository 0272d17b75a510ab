# shellcheck shell=bash
# vision_enc_lib.sh: Vision over VLESS encryption; after matrix_lib.sh, in_lib.sh
#
#	vision_up [PROGRAM...]		# net, targets, the web sites
#	ways PEER PROTOCOL,... TRANSPORT,...	# to the server PEER, after plan PEER ...
#	vision_client NAME COMMAND...	# one client in $G with doors for all of them
#	vision_run NAME [nohalf]	# plain, TLS 1.3 and 1.2 inside, UDP, by each
#
# A way has four doors on 10.1.0.1, from BASE[way] on: echo, TLS 1.3, TLS 1.2, UDP.
# Their tags are PROTOCOL-TRANSPORT-DOOR.

vision_up() {
	matrix_up "$@"
	make_www
	site 9443
	site 8444
	site 8445 -tls1_2
	declare -gA BASE=()
	VWAYS=() DOORS=() VOBS=() VRULES=()
	at=7000
}

ways() { # PEER PROTOCOL,... TRANSPORT,...
	local p t w k to
	for p in ${2//,/ }; do
		for t in ${3//,/ }; do
			w=$p-$t
			VWAYS+=("$w")
			BASE[$w]=$((at + 1))
			for to in 5003 8444 8445 5006; do
				at=$((at + 1))
				DOORS+=("{ \"tag\": \"$w-$to\", \"listen\": \"10.1.0.1\", \"port\": $at, \"protocol\": \"dokodemo-door\",
					\"settings\": { \"address\": \"10.3.0.1\", \"port\": $to, \"network\": \"tcp,udp\" } }")
			done
			k=\"$w-5003\",\"$w-8444\",\"$w-8445\",\"$w-5006\"
			VRULES+=("{ \"type\": \"field\", \"inboundTag\": [ $k ], \"outboundTag\": \"$w\" }")
			VOBS+=("$(ob "$w" vless "$(server "$p" "${AT[$1-$p-$t]}")" \
				", \"streamSettings\": $(stream "$t" "$client_tls")")")
		done
	done
}

vision_client() { # NAME COMMAND...
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "${LEVEL:-info}" }, $(policy "${LINGER:-5}"), "inbounds": [ $(join "${DOORS[@]}") ],
	  "routing": { "rules": [ $(join "${VRULES[@]}") ] },
	  "outbounds": [ { "protocol": "blackhole" }, $(join "${VOBS[@]}") ] }
	END
	bg "$G" "$1" "${@:2}" "$TMP/$1.json"
	wait_port "$G" tcp $at
}

vision_run() { # NAME [nohalf]
	local w b i n out wait end
	for w in "${VWAYS[@]}"; do
		b=${BASE[$w]}
		for n in 1 3000000; do
			wait=0 end=FIN
			[ "${2:-}" != nohalf ] || wait=$n
			# Xray knows no half-close of WebSocket
			[[ ${2:-} != nohalf || $w != *-wss ]] || end='(FIN|ECONNRESET)'
			out=$(on "$C" "$NT" tcp 10.1.0.1 "$b" -n $n -w $wait -t 20)
			matches "$1, $w: echo of $n" "$out" "rx=$(sha $n) end=$end"
		done
		for i in 1 2; do fetch "$1, $w: TLS 1.3, $i" 10.1.0.1 $((b + 1)); done
		fetch "$1, $w: TLS 1.2" 10.1.0.1 $((b + 2))
		out=$(on "$C" "$NT" udp 10.1.0.1 $((b + 3)) -n 1,100,1400 -t 4)
		contains "$1, $w: UDP" "$out" "ok=3 bad=0"
	done
}

# ended_as NAME LOG REGEXP NUMBER: so many of its flows to TLS 1.3 ended like that
ended_as() {
	wait_for 5 at_least "$2" "$3" "$4" ||
		fail "$1: $(grep -c "end: .*:8444 .*" "$TMP/$2.log") ended: $(grep 'end: .*:8444' "$TMP/$2.log" | tail -n 20)"
	ASSERTS=$((ASSERTS + 1))
}
at_least() { [ "$(grep -cE "end: .*:8444 $2" "$TMP/$1.log")" -ge "$3" ]; }
