#!/bin/bash
# transport_kcp_v2ray.sh: mKCP with v2ray as the server and as the client, and culvert
# with culvert: protocols, headers, seed, TLS over it, mux; TCP hashed and datagrams,
# v4, v6 and names. ONLY=regexp: which of the cells.
# timeout: 240
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up v2ray
HEADERS=kseed,ksrtp,kutp,kwechat-video,kdtls,kwireguard
both() { # PEER: its inbounds; a TCP port is the last that opens
	plan "$1" vless,vmess,trojan kplain,ktls
	local ins=("${INS[@]}")
	plan "$1" vless,vmess $HEADERS bare
	ins+=("${INS[@]}")
	plan "$1" socks raw bare
	INS+=("${ins[@]}")
}
both v2ray
serve_all v2ray 1 v2ray -config
both own
serve_all own 10 "$CULVERT" run -c
plan_from v2ray vless,vmess,trojan kplain,ktls
F=("${INS[@]}") O=("${OUTS[@]}") W=("${WAYS[@]}")
plan_from v2ray vless,vmess $HEADERS bare
INS+=("${F[@]}") OUTS+=("${O[@]}") WAYS+=("${W[@]}")
call_all from-v2ray 1 v2ray -config
served v2ray; served own; served from-v2ray
run_cells "${ONLY:-.}"
pass
