#!/bin/bash
# xray_vision.sh: REALITY and Vision against Xray: culvert as client of both, and as
# the server of an Xray client of both. XRAY=/path/to/xray says where it is.
# needs: XRAY
# asan: no (time: its paths run under ASan in in_vision, out_vision)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
X=${XRAY:?}
ID=6f1c2ab0-7d3e-4c55-9d0e-2f6a1b7c8d9e V=xtls-rprx-vision
net_up
make_ca
serve uecho udp-serve 5006 echo
make_www
site 8444
site 8445 -tls1_2
site 9443 # what the REALITY server pretends to be
keys=$("$X" x25519)
private=$(awk -F': *' '/[Pp]rivate/ { print $2 }' <<<"$keys")
public=$(awk -F': *' '/Public|Password/ { print $2; exit }' <<<"$keys")

own="\"security\": \"tls\", \"tlsSettings\": { \"certificates\": [ { \"certificateFile\": \"$TMP/names.crt\", \"keyFile\": \"$TMP/names.key\" } ] }"
hidden="\"security\": \"reality\", \"realitySettings\": { \"target\": \"127.0.0.1:9443\", \"serverNames\": [ \"tls.test\" ],
	\"privateKey\": \"$private\", \"shortIds\": [ \"1234abcd\" ] }"
known="\"security\": \"reality\", \"realitySettings\": { \"serverName\": \"tls.test\", \"publicKey\": \"$public\", \"shortId\": \"1234abcd\" }"
checked="\"security\": \"tls\", \"tlsSettings\": { \"serverName\": \"tls.test\", \"pinnedPeerCertSha256\": \"$(pin names)\" }"
ours=${hidden/127.0.0.1/10.2.0.3}
as() { echo "${known/%\}/, \"fingerprint\": \"$1\" \}}"; }
grpc='"network": "grpc", "grpcSettings": { "serviceName": "g" },'
xhttp='"network": "xhttp", "xhttpSettings": { "path": "/x" },'

vless_in() { # PORT FLOW STREAM
	echo "{ \"port\": $1, \"protocol\": \"vless\", \"settings\": { \"decryption\": \"none\",
		\"clients\": [ { \"id\": \"$ID\", \"flow\": \"$2\" } ] }, \"streamSettings\": { $3 } }"
}
vless_out() { # TAG ADDRESS PORT FLOW STREAM
	echo "{ \"tag\": \"$1\", \"protocol\": \"vless\", \"settings\": { \"vnext\": [ { \"address\": \"$2\", \"port\": $3,
		\"users\": [ { \"id\": \"$ID\", \"encryption\": \"none\", \"flow\": \"$4\" } ] } ] }, \"streamSettings\": { $5 } }"
}
three() { # PORT TAG: ways in for TLS 1.3, TLS 1.2, UDP
	local p=$1 to sep=
	for to in 8444 8445 5006; do
		echo "$sep{ \"tag\": \"$2$to\", \"port\": $p, \"protocol\": \"dokodemo-door\",
			\"settings\": { \"address\": \"10.3.0.1\", \"port\": $to, \"network\": \"tcp,udp\" } }"
		p=$((p + 1)) sep=,
	done
}
cat >"$TMP/server.json" <<END
{ "inbounds": [ $(join "$(vless_in 8443 $V "$hidden")" "$(vless_in 8442 $V "$own")" "$(vless_in 8441 "" "$grpc $hidden")" \
	"$(vless_in 8440 "" "$xhttp $hidden")") ],
  "outbounds": [ { "protocol": "freedom", "settings": { $ALLOW } } ] }
END
# builds without go.mod have ML-KEM off
bg "$S" server env GODEBUG=tlsmlkem=1 "$X" run -c "$TMP/server.json"
wait_port "$S" tcp 8443
start_in <<END
{ "log": { "loglevel": "debug" },
  "inbounds": [ $(join "$(three 7001 r)" "$(three 7011 t)" "$(three 7021 g)" "$(three 7031 h)" "$(vless_in 8001 $V "$own")" \
	"$(vless_in 8002 $V "$ours")" "$(vless_in 8003 "" "$ours")" "$(vless_in 8004 "" "$grpc $ours")" "$(vless_in 8005 $V "${ours/9443/8442}")" \
	"$(vless_in 8006 "" "$xhttp $ours")") ],
  "routing": { "rules": [ $(join '{ "inboundTag": [ "r8444", "r8445", "r5006" ], "outboundTag": "r" }' \
	'{ "inboundTag": [ "t8444", "t8445", "t5006" ], "outboundTag": "t" }' \
	'{ "inboundTag": [ "g8444", "g8445", "g5006" ], "outboundTag": "g" }' \
	'{ "inboundTag": [ "h8444", "h8445", "h5006" ], "outboundTag": "h" }') ] },
  "outbounds": [ { "tag": "direct", "protocol": "freedom", "settings": { $ALLOW } }, $(join "$(vless_out r 10.2.0.3 8443 $V "$known")" \
	"$(vless_out t 10.2.0.3 8442 $V "$checked")" "$(vless_out g 10.2.0.3 8441 "" "$grpc $known")" \
	"$(vless_out h 10.2.0.3 8440 "" "$xhttp $known")") ] }
END
cat >"$TMP/client.json" <<END
{ "inbounds": [ $(join "$(three 6001 x)" "$(three 6011 c)" "$(three 6021 f)" "$(three 6031 s)" "$(three 6041 q)" "$(three 6051 h)") ],
  "routing": { "rules": [ $(for t in x c f s q h; do echo "${sep:-}{ \"inboundTag\": [ \"${t}8444\", \"${t}8445\", \"${t}5006\" ], \"outboundTag\": \"$t\" }"; sep=,; done) ] },
  "outbounds": [ $(join "$(vless_out x 10.1.0.1 8001 $V "$checked")" "$(vless_out c 10.1.0.1 8002 $V "$(as chrome)")" \
	"$(vless_out f 10.1.0.1 8003 "" "$(as firefox)")" "$(vless_out s 10.1.0.1 8004 "" "$grpc $(as safari)")" \
	"$(vless_out q 10.1.0.1 8005 $V "$(as chrome)")" "$(vless_out h 10.1.0.1 8006 "" "$xhttp $(as chrome)")") ] }
END
bg "$C" client "$X" run -c "$TMP/client.json"
wait_port "$C" tcp 6001

all() { # NAME ADDR PORT
	local out
	for _ in 1 2 3; do
		fetch "$1, TLS 1.3" "$2" "$3"
		fetch "$1, TLS 1.2" "$2" $(($3 + 1))
	done
	out=$(on "$C" "$NT" udp "$2" $(($3 + 2)) -n 1,100,1400 -t 8)
	contains "$1, UDP" "$out" "ok=3 bad=0"
}
all "REALITY, Vision" 10.1.0.1 7001
all "TLS, Vision" 10.1.0.1 7011
all "REALITY, gRPC" 10.1.0.1 7021
all "REALITY, XHTTP" 10.1.0.1 7031
all "Xray as client, REALITY, XHTTP" 127.0.0.1 6051
all "Xray as client, Vision" 127.0.0.1 6001
all "Xray as client, REALITY, Vision, Chrome" 127.0.0.1 6011
all "Xray as client, REALITY, Firefox" 127.0.0.1 6021
all "Xray as client, REALITY, gRPC, Safari" 127.0.0.1 6031
# here the target, Xray itself, takes the share with ML-KEM
all "Xray as client, REALITY, Vision, ML-KEM" 127.0.0.1 6041
contains "ML-KEM was spoken" "$(<"$TMP/culvert.log")" "[] is known, X25519MLKEM768"
lacks "none of them is a stranger" "$(<"$TMP/culvert.log")" "is shown the target"
# Whoever writes decides: ours are the client's uploads and the server's downloads.
# Xray decides by what one read gave it, so now and then it stays within
lines() { grep -cE "end: .*:8444 \[$1" "$TMP/culvert.log"; }
ours() {
	[ "$(lines '[rt]8444 .*up [0-9]+ .splice. down')" = 6 ] &&
		[ "$(lines ' -> direct.*down 6[0-9]+ .splice.')" = 9 ]
}
wait_for 5 ours || fail "not all of TLS 1.3 left the outer TLS: $(grep 'end: .*:8444' "$TMP/culvert.log")"
le "what Xray put outside" 2 "$(($(lines '[rt]8444 .*down 6[0-9]+ .splice.') +
	$(lines ' -> direct.*up [0-9]+ .splice.')))"
pass
