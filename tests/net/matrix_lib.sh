# shellcheck shell=bash
# matrix_lib.sh: cells of a matrix: TUN client -> culvert -> peer -> origin, and
# TUN client -> culvert -> socks -> peer as a client -> culvert as a server -> origin
#
#	matrix_up v2ray ...		# net, targets, certificates
#	plan own vless,vmess raw,tls	# a server's inbounds, culvert's outbounds to them
#	serve_all own COMMAND...
#	plan_from v2ray vless raw	# a client's outbounds to the inbounds of own
#	call_all v2ray COMMAND...
#	run_cells REGEXP		# those whose tag PEER-PROTOCOL-TRANSPORT-MUX fits
#
# Cell I is 10.4.0.I, fd04::I and nI.test. KEEP: a folder for what cells say.
# PARALLEL: cells at once. LEVEL: of the peers' logs. LINGER: of culvert as the client, seconds.

ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e
K16=MTIzNDU2Nzg5MDEyMzQ1Ng== K32=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=
USER16=MTIzNDU2Nzg5MDEyMzQ1Nw== OTHER16=MTIzNDU2Nzg5MDEyMzQ1OA==
REALITY_KEY=GBiPjPVzHcULQDz2xrvzT4XKwWv0rlVFtPvVzYFlo00
CELLS=250
LINGER=4 N=$SOURCE_BYTES PARALLEL=${PARALLEL:-16} LIMIT_S=${LIMIT_S:-20}

matrix_up() {
	local i
	peers_up "$@" openssl python3
	REALITY_PUBLIC=$("$CULVERT" x25519 -i $REALITY_KEY | sed -n 's/^Pass.*: //p')
	ENC_CLIENT=$("$CULVERT" mlkem768 -i $ENC_SEED | sed -n 's/^Client: //p')
	SHA=$(sha "$N")
	: "${KEEP:=$TMP}"
	make_ca
	on "$S" ip route add local 10.4.0.0/24 dev lo
	on "$S" ip -6 route add local fd04::/64 dev lo
	for ((i = 1; i <= CELLS; i++)); do echo "10.4.0.$i n$i.test"; done >>"$etc/hosts"
	bg "$S" udp python3 "$ROOT/tests/net/matrix.py" "$CELLS"
	server_tls="{ \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
	client_tls="{ \"serverName\": \"tls.test\", \"disableSystemRoot\": true,
		\"certificates\": [ { \"usage\": \"verify\", \"certificateFile\": \"$TMP/ca.pem\" } ] }"
	declare -gA AT=() # PEER-PROTOCOL-TRANSPORT: its port
	port=9000 obs=() rules=() tags=()
	wait_log udp ready
}

# --- what both ends are told -----------------------------------------------------

stream() { # TRANSPORT TLSSETTINGS [PORT]
	local tls="\"security\": \"tls\", \"tlsSettings\": $2"
	case $1 in
	raw) echo '{ "network": "tcp" }' ;;
	tls) echo "{ \"network\": \"tcp\", $tls }" ;;
	ws) echo '{ "network": "ws", "wsSettings": { "path": "/w" } }' ;;
	wss) echo "{ \"network\": \"ws\", \"wsSettings\": { \"path\": \"/w\" }, $tls }" ;;
	wsed) echo "{ \"network\": \"ws\", \"wsSettings\": { \"path\": \"/w?ed=2048\" }, $tls }" ;;
	hu) echo "{ \"network\": \"httpupgrade\", \"httpupgradeSettings\": { \"path\": \"/u\" }, $tls }" ;;
	grpc) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\" }, $tls }" ;;
	xpd) # its way down over HTTP/1.1, by a connection of another stack
		echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\" $([ "$2" = "$server_tls" ] || apart "$2" "$3") }, $tls }" ;;
	xp[a-z] | xp[a-z]1) # XHTTP with all in other places: xpq xph xpc xpg xpr, and over HTTP/1.1
		[[ $1 != *1 ]] || tls='"security": "none"'
		echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\", $(places "${1%1}") }, $tls }" ;;
	x*) # XHTTP: xone, xup, xpkt over HTTP/2 in TLS; xone1 ... over HTTP/1.1 in clear
		local mode=${1/xone/stream-one}
		mode=${mode/xup/stream-up}; mode=${mode/xpkt/packet-up}
		[[ $1 != *1 ]] || tls='"security": "none"'
		echo "{ \"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/x\", \"mode\": \"${mode%1}\" }, $tls }" ;;
	reality) # its target: whoever calls it has started that
		if [ "$2" = "$server_tls" ]; then
			echo "{ \"security\": \"reality\", \"realitySettings\": { \"target\": \"10.2.0.3:9443\",
				\"serverNames\": [ \"tls.test\" ], \"shortIds\": [ \"\" ], \"privateKey\": \"$REALITY_KEY\" } }"
		else
			echo "{ \"security\": \"reality\", \"realitySettings\": { \"serverName\": \"tls.test\",
				\"publicKey\": \"$REALITY_PUBLIC\" } }"
		fi ;;
	kx*) # mKCP as Xray 26 has it: kxbare, kxplain, kxseed, kxsrtp ... (masks: the innermost first)
		local mask=
		[ "$1" = kxbare ] || mask='{ "type": "mkcp-legacy", "settings": { "value": "topsecret" } }'
		[ "$1" != kxplain ] || mask='{ "type": "mkcp-legacy", "settings": {} }'
		[[ $1 == kx@(bare|plain|seed) ]] ||
			mask+=", { \"type\": \"mkcp-legacy\", \"settings\": { \"header\": \"${1#kx}\" } }"
		echo "{ \"network\": \"mkcp\", \"kcpSettings\": { \"tti\": 20 }, \"finalmask\": { \"udp\": [ $mask ] } }" ;;
	k*) # mKCP: kplain, ktls, kseed (and a header), ksrtp ...
		local kcp="\"header\": { \"type\": \"${1#k}\" }, \"seed\": \"topsecret\""
		case $1 in kplain | ktls) kcp='"tti": 20' ;; kseed) kcp='"seed": "topsecret"' ;; esac
		[ "$1" = ktls ] || tls='"security": "none"'
		echo "{ \"network\": \"kcp\", \"kcpSettings\": { $kcp }, $tls }" ;;
	multi) echo "{ \"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"g\", \"multiMode\": true }, $tls }" ;;
	esac
}

apart() { # TLSSETTINGS PORT
	echo ", \"mode\": \"packet-up\", \"downloadSettings\": { \"address\": \"10.2.0.3\", \"port\": $2, \"network\": \"xhttp\",
		\"xhttpSettings\": { \"path\": \"/x\" }, \"security\": \"tls\", \"tlsSettings\": ${1/\{/\{ \"alpn\": [ \"http/1.1\" ],} }"
}
places() {
	local odd='"xPaddingObfsMode": true, "xPaddingPlacement"'
	local small='"scMaxEachPostBytes": 3000, "scMinPostsIntervalMs": 5, "mode": "packet-up"'
	case $1 in
	xpq) echo "\"mode\": \"stream-up\", \"sessionIDPlacement\": \"query\", $odd: \"query\"" ;;
	xph) echo "\"mode\": \"packet-up\", \"sessionIDPlacement\": \"header\", \"seqPlacement\": \"header\",
		$odd: \"header\", \"xPaddingMethod\": \"tokenish\", \"uplinkHTTPMethod\": \"PUT\"" ;;
	xpc) echo "$small, \"sessionIDPlacement\": \"cookie\", \"seqPlacement\": \"cookie\", $odd: \"cookie\",
		\"xPaddingMethod\": \"tokenish\", \"uplinkDataPlacement\": \"cookie\", \"uplinkChunkSize\": \"100-900\"" ;;
	xpg) echo "$small, \"sessionIDPlacement\": \"query\", \"sessionIDKey\": \"id\", \"uplinkHTTPMethod\": \"GET\",
		\"uplinkDataPlacement\": \"header\", \"uplinkDataKey\": \"X-More\"" ;;
	xpr) echo "\"mode\": \"stream-one\", $odd: \"queryInHeader\", \"xPaddingKey\": \"q\", \"xPaddingHeader\": \"Origin-Url\"" ;;
	esac
}

secret() { case $1 in ss22[am]) echo "$K16" ;; ss22*) echo "$K32" ;; *) echo topsecret ;; esac; }
# VLESS with an encryption: vless[npr][01][v], mode native, xorpub or random, 0-RTT or 1-RTT,
# v: with Vision. Of each mode another chain of keys: X25519, ML-KEM-768, both
ENC_SEED=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw
mode() { case $1 in vlessn*) echo native ;; vlessp*) echo xorpub ;; vlessr*) echo random ;; esac; }
rtt() { case $1 in vless?0*) echo 0rtt ;; *) echo 1rtt ;; esac; }
flow() { case $1 in vless??v) echo ', "flow": "xtls-rprx-vision"' ;; esac; }
chain() { # PROTOCOL X25519 MLKEM
	case $1 in vlessn*) echo "$2" ;; vlessp*) echo "$3" ;; vlessr*) echo "$2.$3" ;; esac
}
decryption() {
	case $1 in
	vless) echo none ;;
	*) echo "mlkem768x25519plus.$(mode "$1").600s.$(chain "$1" "$REALITY_KEY" "$ENC_SEED")" ;;
	esac
}
encryption() {
	case $1 in
	vless) echo none ;;
	*) echo "mlkem768x25519plus.$(mode "$1").$(rtt "$1").100-40-900.75-0-50.50-0-2000.$(
		chain "$1" "$REALITY_PUBLIC" "$ENC_CLIENT")" ;;
	esac
}

protocol() { case $1 in vless*) echo vless ;; ss*) echo shadowsocks ;; vmess*) echo vmess ;; *) echo "$1" ;; esac; }
method() {
	case $1 in
	ss) echo aes-128-gcm ;;
	ssb) echo aes-256-gcm ;;
	ssc) echo chacha20-ietf-poly1305 ;;
	ssx) echo xchacha20-ietf-poly1305 ;;
	ss22[am]) echo 2022-blake3-aes-128-gcm ;; # m: several users
	ss22b) echo 2022-blake3-aes-256-gcm ;;
	ss22c) echo 2022-blake3-chacha20-poly1305 ;;
	esac
}

security() {
	case $1 in
	vmess) echo aes-128-gcm ;;
	vmessc) echo chacha20-poly1305 ;;
	vmessn) echo none ;;
	esac
}

clients() { # PROTOCOL: settings of a server
	case $1 in
	vless*) echo "{ \"decryption\": \"$(decryption "$1")\", \"clients\": [ { \"id\": \"$ID\" $(flow "$1") } ] }" ;;
	vmess*) echo "{ \"clients\": [ { \"id\": \"$ID\" } ] }" ;;
	trojan) echo '{ "clients": [ { "password": "topsecret" } ] }' ;;
	ss22m) echo "{ \"method\": \"$(method "$1")\", \"password\": \"$K16\", \"network\": \"tcp,udp\",
		\"clients\": [ { \"password\": \"$OTHER16\", \"email\": \"o@s\" }, { \"password\": \"$USER16\", \"email\": \"u@s\" } ] }" ;;
	ss*) echo "{ \"method\": \"$(method "$1")\", \"password\": \"$(secret "$1")\", \"network\": \"tcp,udp\" }" ;;
	socks) echo '{ "auth": "password", "accounts": [ { "user": "me", "pass": "topsecret" } ], "udp": true, "ip": "10.2.0.3" }' ;;
	http) echo '{ "accounts": [ { "user": "me", "pass": "topsecret" } ] }' ;;
	esac
}

server() { # PROTOCOL PORT: settings of an outbound, in the form that all know
	local at="\"address\": \"10.2.0.3\", \"port\": $2"
	case $1 in
	vless*) echo "{ \"vnext\": [ { $at, \"users\": [ { \"id\": \"$ID\", \"encryption\": \"$(encryption "$1")\" $(flow "$1") } ] } ] }" ;;
	vmess*) echo "{ \"vnext\": [ { $at, \"users\": [ { \"id\": \"$ID\", \"security\": \"$(security "$1")\" } ] } ] }" ;;
	trojan) echo "{ \"servers\": [ { $at, \"password\": \"topsecret\" } ] }" ;;
	ss22m) echo "{ \"servers\": [ { $at, \"method\": \"$(method "$1")\", \"password\": \"$K16:$USER16\" } ] }" ;;
	ss*) echo "{ \"servers\": [ { $at, \"method\": \"$(method "$1")\", \"password\": \"$(secret "$1")\" } ] }" ;;
	socks | http) echo "{ \"servers\": [ { $at, \"users\": [ { \"user\": \"me\", \"pass\": \"topsecret\" } ] } ] }" ;;
	esac
}

# got COMMAND...: what it prints is in GOT, and it runs once: hundreds of cells ask for
# the same few settings, a shell for each costs more than what is tested. PORT: filled in later
declare -A KNOWN=()
got() {
	[ -n "${KNOWN[$*]+x}" ] || KNOWN[$*]=$("$@")
	GOT=${KNOWN[$*]}
}

# add_ob TAG PROTOCOL MUX TRANSPORT PORT [ADDRESS]: to obs, an outbound to a server's inbound
add_ob() {
	local p s
	got protocol "$2"; p=$GOT
	got server "$2" PORT; s=${GOT/PORT/$5}
	got stream "$4" "$client_tls" PORT
	s="${s/10.2.0.3/${6:-10.2.0.3}}, \"streamSettings\": ${GOT/PORT/$5}"
	got muxed "$3"
	obs+=("{ \"tag\": \"$1\", \"protocol\": \"$p\", \"settings\": $s $GOT }")
}

# reach TAG: what goes to the next cell leaves by this outbound
reach() {
	local i x
	tags+=("$1")
	i=${#tags[@]}
	[ "$i" -le "$CELLS" ] || fail "more than $CELLS cells"
	printf -v x %x "$i"
	rules+=("{ \"ip\": [ \"10.4.0.$i\", \"fd04::$x\" ], \"outboundTag\": \"$1\" }"
		"{ \"domain\": [ \"full:n$i.test\" ], \"outboundTag\": \"$1\" }")
}

muxed() { [ "$1" = bare ] || echo ', "mux": { "enabled": true }'; }

# plan PEER PROTOCOL,... TRANSPORT,... [MUX,...]
plan() {
	local p t m in mux=${4:-bare,mux}
	INS=()
	for p in ${2//,/ }; do
		for t in ${3//,/ }; do
			port=$((port + 1))
			AT[$1-$p-$t]=$port
			got protocol "$p"; in=$GOT
			got clients "$p"; in="\"protocol\": \"$in\", \"settings\": $GOT"
			got stream "${t/wsed/wss}" "$server_tls"
			INS+=("{ \"listen\": \"10.2.0.3\", \"port\": $port, $in, \"streamSettings\": $GOT }")
			for m in ${mux//,/ }; do
				reach "$1-$p-$t-$m"
				add_ob "$1-$p-$t-$m" "$p" "$m" "$t" "$port"
			done
		done
	done
}

# plan_from PEER PROTOCOL,... TRANSPORT,... [MUX,...]: cells from-PEER-...
plan_from() {
	local p t m tag mux=${4:-bare,mux} obs_c=("${obs[@]}")
	INS=() OUTS=() WAYS=() obs=()
	for p in ${2//,/ }; do
		for t in ${3//,/ }; do
			for m in ${mux//,/ }; do
				tag=from-$1-$p-$t-$m
				port=$((port + 1))
				reach "$tag"
				INS+=("{ \"tag\": \"$tag\", \"listen\": \"10.2.0.4\", \"port\": $port, \"protocol\": \"socks\",
					\"settings\": { \"udp\": true, \"ip\": \"10.2.0.4\" } }")
				add_ob "$tag" "$p" "$m" "$t" "${AT[own-$p-$t]}"
				WAYS+=("{ \"type\": \"field\", \"inboundTag\": [ \"$tag\" ], \"outboundTag\": \"$tag\" }")
				obs_c+=("{ \"tag\": \"$tag\", \"protocol\": \"socks\",
					\"settings\": { \"servers\": [ { \"address\": \"10.2.0.4\", \"port\": $port } ] } }")
			done
		done
	done
	OUTS=("${obs[@]}") obs=("${obs_c[@]}")
}

# a peer that passes no end on closes LINGER seconds after one side has ended
policy() { echo "\"policy\": { \"levels\": { \"0\": { ${POLICY:-\"uplinkOnly\": $1, \"downlinkOnly\": $1} } } }"; }

# serve_all NAME LINGER COMMAND...: the inbounds of the last plan; the caller waits
# with served NAME, so that programs start side by side
serve_all() {
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "${LEVEL:-warning}" }, $(policy "$2"), "inbounds": [ $(join "${INS[@]}") ],
	  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
	END
	LAST[$1]=$port
	bg "$S" "$1" "${@:3}" "$TMP/$1.json"
}

call_all() {
	cat >"$TMP/$1.json" <<-END
	{ "log": { "loglevel": "${LEVEL:-warning}" }, $(policy "$2"), "inbounds": [ $(join "${INS[@]}") ],
	  "routing": { "rules": [ $(join "${WAYS[@]}") ] },
	  "outbounds": [ { "protocol": "blackhole" }, $(join "${OUTS[@]}") ] }
	END
	LAST[$1]=$port
	bg "$S" "$1" "${@:3}" "$TMP/$1.json"
}
declare -A LAST=()
served() { wait_port "$S" tcp "${LAST[$1]}"; }

# --- the cells -------------------------------------------------------------------

# cell I TAG: prints what is wrong, then "done"; runs in $C. v2ray and Xray end both
# ways a second after one has ended: a muxed session then with an error, which is a
# reset here. They know no half-close of ws and mKCP, and Xray none of packet-up and of shadowsocks 2022:
# there culvert ends the flow. Xray's trojan client fails when what it sends first is
# longer than its buffer (8 KiB): it gets 100 bytes first.
cell() {
	local out a v6 wait=0 end='end=FIN' send="-n $N" sha=$SHA how="-t $LIMIT_S"
	[[ $2 == own-* ]] || wait=$N
	[[ $2 == own-* || $2 != *-@(ws|wss|wsed|hu|xpkt|xpkt1|xp[hcgd]|xp[hcg]1|k*)-bare && $2 != *-mux && $2 != @(xray-ss22|front-)* ]] || end='end=(FIN|ECONNRESET)'
	[[ $2 != from-xray-trojan-* ]] || { how+=" -C 100 -d 200" send="-f $TMP/bytes" sha=$RSHA; }
	printf -v v6 fd04::%x "$1"
	for a in "10.4.0.$1" "$v6"; do
		out=$("$NT" tcp "$a" 5003 $send -w "$wait" $how)
		# v2ray's input by mKCP is sometimes dead from the first datagram, on a busy
		# machine: 20 times a second it was told that all 833 segments had come (the
		# datagrams were captured and open with the seed), and sent all again for 20 s.
		# Or it closes by itself ("entering state 1") in the middle: its flush takes the
		# time, a datagram that comes then is newer, and the unsigned difference is
		# more than 30 s of silence
		[[ $2 != *v2ray-*-k* || $out =~ rx=$sha\ $end ]] ||
			out=$("$NT" tcp "$a" 5003 $send -w "$wait" $how)
		[[ $out =~ rx=$sha\ $end ]] || echo "TCP $a: $out"
		[[ $out != *" rx=0:"* ]] || return # nothing goes: once is enough
		# a bare http proxy carries none
		if [[ $2 != *-http-*-bare ]]; then
			out=$("$NT" udp "$a" 5006 -n 1,512,1400 -t 4)
			# one association in 200 of Xray's socks server hears nothing. A v2ray that
			# has read a request by mKCP sometimes does nothing more on a busy machine:
			# its log has the request, it acknowledges all that comes (ours has nothing
			# left to send), its pings come, and for 12 s no byte of an answer
			[[ $2 != from-xray-* && $2 != v2ray-*-k* || $out == *"bad=0"* ]] ||
				out=$("$NT" udp "$a" 5006 -n 1,512,1400 -t 4)
			[[ $out == *"ok=3 bad=0"* ]] || echo "UDP $a:" $out
		fi
		[ "$wait" = 0 ] || continue
		out=$("$NT" tcp "$a" 5001 -n "$N" -P $how 2>/dev/null)
		[ "$out" = "$SHA" ] || echo "answer after the half-close, $a: $out"
	done
	# on a busy machine the client may be late for the sniffer (200 ms): nothing
	# comes back then, as nobody has the address. So do some of v2ray's mKCP
	for a in 1 2 3 4 5 6 7 8; do
		out=$("$NT" tcp 192.0.2.9 5003 -m $'GET / HTTP/1.1\r\nHost: n'"$1"$'.test\r\n\r\n' -n "$N" -w "$wait" $how)
		[[ $out == *" rx=0:"*ECONNRESET* || $out == *tx=0:* ||
			( $2 == *v2ray-*-k* && $out == *" rx=0:"* ) ]] || break
	done
	a=${out#* tx=} a=${a%% *}
	[[ $out =~ rx=$a\ $end && $a == "$N":* ]] || echo "by name: $out"
	echo done
}

# cells: those of the table on standard input, PARALLEL at once; one shell for all of them
cells() {
	local i tag n=0
	while read -r i tag; do
		[ $((n += 1)) -le "$PARALLEL" ] || wait -n
		cell "$i" "$tag" </dev/null >"$KEEP/cell.$i" 2>&1 &
	done
	wait
}

# run_cells REGEXP: culvert, then all cells
run_cells() {
	local i f text bad=0 tcp udp at run=0
	declare -A way=()
	client_conf "$(join "${rules[@]}")" "$(join "${obs[@]}")"
	head -c "$N" /dev/urandom >"$TMP/bytes"
	RSHA=$N:$(sha256sum "$TMP/bytes" | head -c 16)
	export NT TMP N SHA RSHA KEEP LIMIT_S PARALLEL
	export -f cell cells
	for ((i = 1; i <= ${#tags[@]}; i++)); do
		[[ ${tags[i - 1]} =~ $1 ]] || continue
		echo "$i ${tags[i - 1]}"
	done >"$TMP/todo"
	on "$C" bash -c cells <"$TMP/todo"
	[ "$KEEP" = "$TMP" ] || cp "$TMP"/*.log "$TMP"/*.json "$KEEP"/
	while read -r i tag; do
		run=$((run + 1))
		f=$KEEP/cell.$i
		IFS= read -rd '' text <"$f"
		[ "$text" != $'done\n' ] || continue
		bad=$((bad + 1))
		sed "s/^/$tag: /" "$f"
		# its flows at the gateway, all that is said of them, and at a server of ours
		at="\[fd04::$(printf %x "$i")\]|10\.4\.0\.$i"
		tcp=$(sed -nE "s/.* (s[0-9a-f]+) accept: .* -> ($at):.*/\1/p" "$TMP/culvert.log" | paste -sd '|')
		[ -z "$tcp" ] || grep -aE " ($tcp) " "$TMP/culvert.log" | tail -n 60
		grep -ahE "end: .*($tag\]|$at|n$i\.test):?" "$TMP"/*.log
	done <"$TMP/todo"
	echo "$run cells"
	eq "cells that fail" "$bad" 0
	while read -r udp tag i; do
		way[$udp:$tag]=$i
	done < <(awk 'match($0, /\[lan -> [^]]*\]/) {
			at = substr($0, 1, RSTART); tag = substr($0, RSTART + 8, RLENGTH - 9)
			if (at ~ /tcp:/) n["tcp " tag]++
			if (at ~ /udp:/) n["udp " tag]++
		} END { for (k in n) print k, n[k] }' "$TMP/culvert.log")
	while read -r i tag; do
		le "$tag: TCP by its own outbound" 3 "${way[tcp:$tag]:-0}"
		[[ $tag == *-http-*-bare ]] || le "$tag: UDP by its own outbound" 2 "${way[udp:$tag]:-0}"
	done <"$TMP/todo"
	lacks "no secret is logged" "$(cat "$TMP/culvert.log")" "topsecret"
	stop culvert
	eq "culvert ends well" "$RC" 0
}
