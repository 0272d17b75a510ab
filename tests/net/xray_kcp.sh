#!/bin/bash
# xray_kcp.sh: cells of mKCP against Xray, as the server and as the client of a culvert:
# bare, both authenticators, each header, muxed. XRAY=/path/to/xray says where it is.
# needs: XRAY
# timeout: 240
# asan: no (time: its paths run under ASan in transport_kcp_v2ray)
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up "${XRAY:?}"
KCP=kxbare,kxplain,kxseed,kxsrtp,kxutp,kxwechat,kxdtls,kxwireguard,kxdns
plan xray vless,vmess $KCP bare
X=("${INS[@]}")
plan xray trojan kxplain,kxseed
X+=("${INS[@]}")
plan xray socks raw bare # a port of TCP is the last that opens
INS+=("${X[@]}")
serve_all xray 1 "$XRAY" run -c
plan own vless,vmess $KCP bare
X=("${INS[@]}")
plan own trojan kxplain,kxseed
X+=("${INS[@]}")
plan own socks raw bare
INS+=("${X[@]}")
serve_all own 10 "$CULVERT" run -c
plan_from xray vless,vmess $KCP bare
F=("${INS[@]}") O=("${OUTS[@]}") W=("${WAYS[@]}")
plan_from xray trojan kxplain,kxseed
INS+=("${F[@]}") OUTS+=("${O[@]}") WAYS+=("${W[@]}")
call_all from-xray 1 "$XRAY" run -c
served xray; served own; served from-xray
run_cells "${ONLY:-.}"
pass
