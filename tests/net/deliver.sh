#!/bin/bash
# deliver.sh: a server that answers in the middle of an upload and is gone: the answer
# comes whole through each protocol and transport, as it does without them. By servers
# that reset with the upload unread, behind an end and without one, and nginx
# (client_max_body_size). ONLY=regexp: which of the cells. TRIES: of each.
# timeout: 420
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up openssl python3 nginx curl
export TMP TRIES=${TRIES:-2} DELIVER=$ROOT/tests/net/deliver.py
plan own vless,vmess,trojan,ss raw,tls,ws,wss,hu,grpc
OWNINS=("${INS[@]}")
plan own vless xone,xup,xone1,xup1
OWNINS+=("${INS[@]}")
plan own ss22a,socks,http raw bare
INS+=("${OWNINS[@]}")
serve_all own 10 "$CULVERT" run -c
bg "$S" refuse python3 "$DELIVER" serve
mkdir -p "$TMP/www"
head -c 3000 /dev/urandom | base64 >"$TMP/www/big.html"
cat >"$TMP/nginx.conf" <<END
daemon off; worker_processes 1; pid $TMP/nginx.pid; user root;
error_log $TMP/nginx-error.txt;
events { worker_connections 512; }
http { access_log off; client_max_body_size 1k;
  server { listen 5085; root $TMP/www; error_page 413 /big.html; } }
END
bg "$S" nginx nginx -c "$TMP/nginx.conf" -p "$TMP"
wait_log refuse ready
wait_port "$S" tcp 5085
served own
head -c 3000000 /dev/zero >"$TMP/upload"
WANT_NGINX=$(sha256sum <"$TMP/www/big.html")
export WANT_NGINX
eq "direct" "$(on "$G" python3 "$DELIVER" call 10.3.0.1 1)" ""

# whole ADDRESS: curl's answer of nginx is the page, and 413
whole() {
	local code sum
	code=$(curl -s --noproxy "*" -m 15 -H Expect: --data-binary "@$TMP/upload" -o "$TMP/page.$1" -w '%{http_code}' "http://$1:5085/")
	sum=$(sha256sum <"$TMP/page.$1")
	rm -f "$TMP/page.$1"
	[ "$code" = 413 ] && [ "$sum" = "$WANT_NGINX" ] || echo "nginx says $code"
}
export -f whole
eq "direct, nginx" "$(on "$G" bash -c 'whole 10.3.0.1')" ""

cell() { # I TAG, as matrix_lib.sh says
	python3 "$DELIVER" call "10.4.0.$1" "$TRIES" 2>&1
	whole "10.4.0.$1"
	echo done
}
run_cells_of() { # as run_cells, without what is asked of datagrams
	local i f tag bad=0 run=0
	client_conf "$(join "${rules[@]}")" "$(join "${obs[@]}")"
	export KEEP PARALLEL=4
	export -f cell cells
	for ((i = 1; i <= ${#tags[@]}; i++)); do
		[[ ! ${tags[i - 1]} =~ $1 ]] || echo "$i ${tags[i - 1]}"
	done >"$TMP/todo"
	on "$C" bash -c cells <"$TMP/todo"
	while read -r i tag; do
		run=$((run + 1))
		f=$TMP/cell.$i
		[ "$(<"$f")" != done ] || continue
		bad=$((bad + 1))
		sed "s/^/$tag: /" "$f"
	done <"$TMP/todo"
	echo "$run cells"
	eq "cells that lose an answer" "$bad" 0
}
run_cells_of "${ONLY:-.}"
stop culvert
eq "culvert ends well" "$RC" 0
pass
