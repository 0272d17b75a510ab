#!/bin/bash
# xray_xhttp.sh: XHTTP with session, number, padding and data elsewhere than usual, and the way
# down apart, against Xray as the server and as the client of a culvert
# needs: XRAY
# asan: no (time: its paths run under ASan in transport_xhttp_where)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up "${XRAY:?}"
XHTTP=xpd,xpq,xph,xpc,xpg,xpr,xpq1,xph1,xpc1,xpg1,xpr1
plan xray vless $XHTTP bare
serve_all xray 1 "$XRAY" run -c
plan own vless $XHTTP bare
serve_all own 10 "$CULVERT" run -c
plan_from xray vless $XHTTP bare
call_all from-xray 1 "$XRAY" run -c
served xray; served own; served from-xray
run_cells "${ONLY:-xray}"
pass
