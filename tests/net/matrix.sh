#!/bin/bash
# matrix.sh: each protocol over each transport, bare and muxed, in one culvert, and
# v2ray as the client of a culvert: 1 MiB each way hashed over v4, v6 and a name,
# and datagrams. Servers: v2ray, and culvert (which has gRPC and early data, and
# passes a half-close on). ONLY=regexp: which of the cells.
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
# early data of ws is younger than v2ray 4.34
plan v2ray vless,vmess,trojan,ss raw,tls,ws,wss
V2INS=("${INS[@]}")
plan v2ray socks,http raw,tls
INS+=("${V2INS[@]}")
serve_all v2ray 1 v2ray -config
plan own vless,vmess,trojan,ss raw,tls,ws,wss,wsed,hu,grpc,multi
OWNINS=("${INS[@]}")
plan own vless xone,xup,xpkt,xone1,xup1,xpkt1
OWNINS+=("${INS[@]}")
plan own vmess,ss22a xone,xup,xpkt,xone1,xup1,xpkt1 bare
OWNINS+=("${INS[@]}")
plan own ss22a,ss22b,ss22c,ss22m,socks,http raw
INS+=("${OWNINS[@]}")
serve_all own 10 "$CULVERT" run -c
plan_from v2ray vless,vmess,trojan,ss raw,tls,ws,wss
call_all from-v2ray 1 v2ray -config
served v2ray; served own; served from-v2ray
run_cells "${ONLY:-.}"
pass
