#!/bin/bash
# xray_vless_enc.sh: VLESS encryption against Xray, as the server and as the client of a
# culvert: each mode, with and without tickets, X25519, ML-KEM-768 and a chain of both.
# XRAY=/path/to/xray says where it is.
# needs: XRAY
# timeout: 240
# asan: no (time: its paths run under ASan in vless_enc)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up "${XRAY:?}"
ENC=vlessn0,vlessn1,vlessp0,vlessp1,vlessr0,vlessr1
plan xray $ENC raw
XINS=("${INS[@]}")
plan xray vlessn0,vlessr0 wss bare
INS+=("${XINS[@]}")
# it passes nothing on to private addresses unless told
FREEDOM='{ "finalRules": [ { "action": "allow" } ] }' serve_all xray 1 "$XRAY" run -c
plan own $ENC raw,wss bare
LEVEL=debug serve_all own 10 "$CULVERT" run -c
plan_from xray $ENC raw
FINS=("${INS[@]}") FOUTS=("${OUTS[@]}") FWAYS=("${WAYS[@]}")
plan_from xray vlessn0,vlessr0 wss bare
INS+=("${FINS[@]}") OUTS+=("${FOUTS[@]}") WAYS+=("${FWAYS[@]}")
call_all from-xray 1 "$XRAY" run -c
served xray; served own; served from-xray
run_cells "${ONLY:-xray}"
lacks "no handshake went wrong" "$(<"$TMP/own.log")" "vless encryption: "
pass
