#!/bin/bash
# vless_enc_vision.sh: Vision over VLESS encryption, culvert at both ends: each mode, with
# and without tickets, over raw TCP, TLS, REALITY and WebSocket in TLS; what is TLS 1.3
# within leaves the records, and is spliced where nothing changes it.
# timeout: 240
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
vision_up
LEVEL=info
plan own vlessn0v,vlessn1v,vlessp0v,vlessp1v,vlessr0v,vlessr1v raw bare
RAWS=("${INS[@]}")
plan own vlessn0v,vlessr0v tls,reality,wss bare
INS+=("${RAWS[@]}")
serve_all own 10 "$CULVERT" run -c
ways own vlessn0v,vlessn1v,vlessp0v,vlessp1v,vlessr0v,vlessr1v raw
ways own vlessn0v,vlessr0v tls,reality,wss
served own
LINGER=10 vision_client culvert "$CULVERT" run -c
vision_run culvert
spliced='up [0-9]+ .splice. down 6[0-9]+ .splice.'
ended_as "the client splices" culvert "\[vless[np][01]v-raw.*$spliced" 8
ended_as "the server splices" own ".*$spliced" 8
ended_as "heads of random stay masked" culvert "\[vlessr[01]v-raw.*up [0-9]+ .copy. down 6[0-9]+ .copy." 4
lacks "no handshake went wrong" "$(<"$TMP/own.log")" "vless encryption: "
lacks "no secret is logged" "$(cat "$TMP"/{culvert,own}.log)" "$REALITY_KEY"
stop culvert
eq "the client ends well" "$RC" 0
stop own
eq "the server ends well" "$RC" 0
pass
