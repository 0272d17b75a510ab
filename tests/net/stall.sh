#!/bin/bash
# stall.sh: cells of the matrix, culvert at both ends, whose sockets say EAGAIN when
# nobody expects it and move less than they could: all bytes and the end in order
# timeout: 240
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
${CC:-cc} -shared -fPIC -O1 -D_GNU_SOURCE -o "$TMP/stall.so" \
	"$ROOT/tests/tools/stall.c" -ldl || fail "stall.c does not compile"
real=$CULVERT
cat >"$TMP/culvert" <<END
#!/bin/sh
# the sanitizers want to be the first library
ASAN_OPTIONS="\$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD="$TMP/stall.so" exec "$real" "\$@"
END
chmod +x "$TMP/culvert"
CULVERT=$TMP/culvert
matrix_up
plan own vless,vmess,ss raw,tls,ws,wss,wsed,hu,grpc,multi bare
OWNINS=("${INS[@]}")
plan own vless xone,xup,xpkt,xone1,xup1,xpkt1 bare
OWNINS+=("${INS[@]}")
plan own trojan tls,wss,grpc mux
OWNINS+=("${INS[@]}")
plan own ss22a,socks,http raw bare
INS+=("${OWNINS[@]}")
serve_all own 10 "$CULVERT" run -c
served own
# a preload that fails is only warned of
contains "stall.so is loaded" "$(<"/proc/${PID[own]}/maps")" "$TMP/stall.so"
run_cells "${ONLY:-.}"
pass
