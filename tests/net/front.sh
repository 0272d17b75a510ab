#!/bin/bash
# front.sh: web servers between: culvert -> nginx, haproxy or nghttpx (TLS; ws,
# httpupgrade and xhttp by HTTP/1.1, gRPC and xhttp by HTTP/2) -> culvert, and v2ray's ws -> origin: the
# cells of matrix.sh with VLESS. With XRAY=/path its gRPC behind nginx, too.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
matrix_up nginx haproxy nghttpx v2ray ${XRAY:+"$XRAY"}

# --- behind: each way in is a path -----------------------------------------------

behind() { # PORT STREAM
	echo "{ \"listen\": \"10.2.0.3\", \"port\": $1, \"protocol\": \"vless\",
		\"settings\": $(clients vless), \"streamSettings\": $2 }"
}
ws() { echo "\"network\": \"ws\", \"wsSettings\": { \"path\": \"$1\" }"; }
hu() { echo "\"network\": \"httpupgrade\", \"httpupgradeSettings\": { \"path\": \"$1\" }"; }
grpc() { echo "\"network\": \"grpc\", \"grpcSettings\": { \"serviceName\": \"$1\" ${2:-} }"; }
xhttp() { echo "\"network\": \"xhttp\", \"xhttpSettings\": { \"path\": \"/$1\", \"mode\": \"$2\" }"; }
INS=("$(behind 9101 "{ $(ws /v) }")") port=9101
serve_all v2ray 1 v2ray -config
if [ -n "${XRAY:-}" ]; then
	INS=("$(behind 9201 "{ $(grpc x) }")") port=9201
	serve_all xray 1 "$XRAY" run -c
fi
INS=("$(behind 9001 "{ $(ws /w) }")" "$(behind 9002 "{ $(hu /u) }")" "$(behind 9003 "{ $(grpc g) }")"
	"$(behind 9004 "{ $(xhttp h1 auto) }")" "$(behind 9005 "{ $(xhttp h2 auto) }")") port=9005
serve_all own 10 "$CULVERT" run -c

# --- between ---------------------------------------------------------------------

upgraded() {
	echo "location $1 { proxy_pass http://10.2.0.3:$2; proxy_http_version 1.1;
		proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;
		proxy_set_header Host \$host; proxy_read_timeout 60s; }"
}
called() { echo "location $1 { grpc_pass grpc://10.2.0.3:$2; grpc_read_timeout 60s; }"; }
cat >"$TMP/nginx.conf" <<END
daemon off; worker_processes 1; pid $TMP/nginx.pid; user root;
error_log $TMP/nginx-error.txt;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path $TMP/t1; proxy_temp_path $TMP/t2;
	fastcgi_temp_path $TMP/t3; uwsgi_temp_path $TMP/t4; scgi_temp_path $TMP/t5;
	server {
		listen 10.2.0.3:9443 ssl http2;
		ssl_certificate $TMP/names.crt; ssl_certificate_key $TMP/names.key;
		client_max_body_size 0; client_body_timeout 60s;
		$(upgraded /w 9001) $(upgraded /u 9002) $(upgraded /v 9101)
		$(called /g 9003) $(called /x 9201) $(called /h2/ 9005)
		location /h1/ { proxy_pass http://10.2.0.3:9004; proxy_http_version 1.1; proxy_read_timeout 60s;
			proxy_buffering off; proxy_request_buffering off; }
	}
}
END
bg "$S" nginx nginx -c "$TMP/nginx.conf" -p "$TMP"
cat >"$TMP/haproxy.cfg" <<END
defaults
	mode http
	timeout connect 5s
	timeout client 20s
	timeout server 20s
	timeout tunnel 20s
frontend f
	bind 10.2.0.3:9444 ssl crt $TMP/names.pem alpn h2,http/1.1
	use_backend ws if { path /w }
	use_backend v2ray if { path /v }
	use_backend grpc if { path_beg /g/ }
	use_backend xhttp1 if { path_beg /h1/ }
	use_backend xhttp2 if { path_beg /h2/ }
backend ws
	server s 10.2.0.3:9001
backend v2ray
	server s 10.2.0.3:9101
backend xhttp1
	server s 10.2.0.3:9004
backend xhttp2
	server s 10.2.0.3:9005 proto h2
backend grpc
	server s 10.2.0.3:9003 proto h2
END
bg "$S" haproxy haproxy -db -f "$TMP/haproxy.cfg"
bg "$S" nghttpx nghttpx --no-ocsp --conf=/dev/null -f'10.2.0.3,9445' \
	-b'10.2.0.3,9001;/w' -b'10.2.0.3,9002;/u' -b'10.2.0.3,9101;/v' -b'10.2.0.3,9003;/g/;proto=h2' \
	-b'10.2.0.3,9004;/h1/' -b'10.2.0.3,9005;/h2/;proto=h2' \
	-b'127.0.0.1,1' --workers=1 --errorlog-file=/dev/stderr "$TMP/names.key" "$TMP/names.crt"

# --- the cells -------------------------------------------------------------------

tls="\"security\": \"tls\", \"tlsSettings\": $client_tls"
through_front() { # TAG PORT STREAM [MUX,...]
	local m to mux=${4:-bare,mux}
	got server vless PORT; to=${GOT/PORT/$2}
	for m in ${mux//,/ }; do
		reach "front-$1-$m"
		got muxed "$m"
		obs+=("{ \"tag\": \"front-$1-$m\", \"protocol\": \"vless\", \"settings\": $to,
			\"streamSettings\": { $3, $tls } $GOT }")
	done
}
at=9443
for f in nginx haproxy nghttpx; do
	through_front $f-own-ws $at "$(ws /w)"
	through_front $f-own-early $at "$(ws '/w?ed=2048')" bare
	# haproxy answers 400 to an upgrade to websocket without a key
	[ $f = haproxy ] || through_front $f-own-hu $at "$(hu /u)"
	through_front $f-own-grpc $at "$(grpc g)"
	through_front $f-own-multi $at "$(grpc g ', "multiMode": true')"
	through_front $f-v2ray-ws $at "$(ws /v)"
	for m in stream-one stream-up packet-up; do
		through_front $f-own-h2-$m $at "$(xhttp h2 $m)" bare
		through_front $f-own-h1-$m $at "$(xhttp h1 $m)" bare
	done
	at=$((at + 1))
done
if [ -n "${XRAY:-}" ]; then
	through_front nginx-xray-grpc 9443 "$(grpc x)"
	through_front nginx-xray-multi 9443 "$(grpc x ', "multiMode": true')"
	served xray
fi
served v2ray; served own
for p in 9443 9444 9445; do wait_port "$S" tcp $p; done
run_cells "${ONLY:-.}"
pass
