#!/bin/bash
# xray.sh: the cells of matrix.sh against Xray, as the server and as the client of a
# culvert. XRAY=/path/to/xray says where it is: no package has one, so without it
# this test is not run at all.
# needs: XRAY
# timeout: 300
# asan: no (time: its paths run under ASan in other tests)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up "${XRAY:?}"
ALL=raw,tls,ws,wss,wsed,hu,grpc,multi
XHTTP=xone,xup,xpkt,xone1,xup1,xpkt1
plan xray vless,vmess,trojan,ss $ALL
XINS=("${INS[@]}")
plan xray ss22a,ss22b,ss22c,socks,http raw,tls
XINS+=("${INS[@]}")
# (over xhttp it takes no TCP of Mux.cool)
plan xray vless,vmess,ss22a $XHTTP bare
XINS+=("${INS[@]}")
# (vmessn: since 26.7 it refuses VMess without encryption, ours sends none as auto)
plan xray vmessc,vmessn,ssb,ssc,ssx,ss22m raw bare
INS+=("${XINS[@]}")
# it passes nothing on to private addresses unless told
serve_all xray 1 "$XRAY" run -c
plan own vless,vmess,trojan,ss $ALL bare
OWNINS=("${INS[@]}")
plan own vless $XHTTP bare
OWNINS+=("${INS[@]}")
plan own ss22a,ss22b,ss22c,socks,http,vmessc,ssb,ssc,ssx,ss22m raw bare
INS+=("${OWNINS[@]}")
serve_all own 10 "$CULVERT" run -c
plan_from xray vless,vmess,trojan,ss $ALL
FINS=("${INS[@]}") FOUTS=("${OUTS[@]}") FWAYS=("${WAYS[@]}")
plan_from xray vless $XHTTP
FINS+=("${INS[@]}") FOUTS+=("${OUTS[@]}") FWAYS+=("${WAYS[@]}")
plan_from xray ss22a,ss22b,ss22c,socks,http,vmessc,ssb,ssc,ssx,ss22m raw bare
INS+=("${FINS[@]}") OUTS+=("${FOUTS[@]}") WAYS+=("${FWAYS[@]}")
call_all from-xray 1 "$XRAY" run -c
served xray; served own; served from-xray
run_cells "${ONLY:-xray}"
pass
