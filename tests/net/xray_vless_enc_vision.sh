#!/bin/bash
# xray_vless_enc_vision.sh: Vision over VLESS encryption against Xray, as the server and as
# the client of a culvert: each mode, with and without tickets, over raw TCP, TLS, REALITY
# and WebSocket in TLS. XRAY=/path/to/xray says where it is.
# needs: XRAY
# timeout: 240
# asan: no (time: its paths run under ASan in vless_enc_vision)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/vision_enc_lib.sh"
vision_up "${XRAY:?}"
ALL=vlessn0v,vlessn1v,vlessp0v,vlessp1v,vlessr0v,vlessr1v
for p in xray own; do
	plan $p $ALL raw bare
	RAWS=("${INS[@]}")
	plan $p vlessn0v,vlessr0v tls,reality,wss bare
	INS+=("${RAWS[@]}")
	if [ $p = xray ]; then # it passes nothing on to private addresses unless told
		FREEDOM='{ "finalRules": [ { "action": "allow" } ] }' serve_all xray 1 "$XRAY" run -c
	else
		LEVEL=info serve_all own 10 "$CULVERT" run -c
	fi
done
for p in xray own; do
	VWAYS=() DOORS=() VOBS=() VRULES=()
	ways $p $ALL raw
	ways $p vlessn0v,vlessr0v tls,reality,wss
	served $p
	if [ $p = xray ]; then
		LINGER=2 vision_client culvert "$CULVERT" run -c
		vision_run culvert nohalf
	else
		vision_client from-xray "$XRAY" run -c
		vision_run from-xray nohalf
	fi
done
# Whoever writes decides: ours are uploads of the client and downloads of the server
ended_as "what our client puts outside" culvert '\[vless[np][01]v-raw.*up [0-9]+ .splice. down' 8
ended_as "what our server puts outside" own '.*down 6[0-9]+ .splice.' 8
lacks "no handshake went wrong" "$(<"$TMP/own.log")" "vless encryption: "
pass
