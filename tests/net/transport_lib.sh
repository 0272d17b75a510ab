# shellcheck shell=bash
# transport_lib.sh: what tests of transports share; sourced after lib.sh
#
#	make_ca				$TMP/ca.pem, and names.pem for 10.2.0.3,
#					fd02::3, tls.test, *.wild.test
#	transfers NAME ADDR PORT	echo, half-close, download through it
#	wrap_out TAG STREAMSETTINGS	an outbound that only wraps what it gets
#	make_www; site PORT [OPTION...]	openssl's web server with a file of 6 MB
#	fetch NAME ADDR PORT		curl gets it whole, by https

make_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -days 30 -subj "/CN=culvert test CA" \
		-keyout "$TMP/ca.key" -out "$TMP/ca.pem" 2>/dev/null ||
		fail "openssl ca"
	make_cert names "DNS:tls.test,DNS:*.wild.test,IP:10.2.0.3,IP:fd02::3"
}

# make_cert NAME SAN [OPTION...]: $TMP/NAME.pem (with its key behind it); NEWKEY:
# of another kind
make_cert() {
	local name=$1 san=$2 kind=(ec -pkeyopt ec_paramgen_curve:prime256v1)
	shift 2
	[ -z "${NEWKEY:-}" ] || kind=("$NEWKEY")
	openssl req -newkey "${kind[@]}" -nodes \
		-subj "/CN=$name" -keyout "$TMP/$name.key" \
		-out "$TMP/$name.csr" 2>/dev/null || fail "openssl req"
	printf 'subjectAltName=%s\n' "$san" >"$TMP/$name.ext"
	openssl x509 -req -in "$TMP/$name.csr" -CA "$TMP/ca.pem" \
		-CAkey "$TMP/ca.key" -CAcreateserial -days 30 \
		-extfile "$TMP/$name.ext" -out "$TMP/$name.crt" "$@" \
		2>/dev/null || fail "openssl x509"
	cat "$TMP/$name.crt" "$TMP/$name.key" >"$TMP/$name.pem"
}

# pin NAME: SHA-256 of its certificate
pin() {
	openssl x509 -in "$TMP/$1.crt" -outform DER | sha256sum | cut -d' ' -f1
}

# transfers NAME ADDR PORT [NS [MOST]]: behind it is nt's echo
transfers() {
	local out n ns=${4:-$C}
	for n in 0 1 1400 "${5:-3000000}"; do
		out=$(on "$ns" "$NT" tcp "$2" "$3" -n $n -t 20)
		contains "$1: echo of $n, half-close" "$out" \
			"rx=$(sha $n) end=FIN"
	done
}

# refused NAME ADDR PORT: the client sees a reset
refused() {
	local out
	out=$(on "$C" "$NT" tcp "$2" "$3" -n 100 -t 10)
	matches "$1: the client is reset" "$out" "end=ECONN(RESET|REFUSED)"
}

wrap_out() {
	echo "{ \"tag\": \"$1\", \"protocol\": \"freedom\",
		\"settings\": { \"redirect\": \"$2\" },
		\"streamSettings\": $3 }"
}

# door PORT TAG [STREAMSETTINGS]: a fixed way in, routed by its tag
door() {
	echo "{ \"tag\": \"$2\", \"port\": $1, \"protocol\": \"dokodemo-door\",
		\"settings\": { \"address\": \"10.3.0.1\", \"port\": 5001, \"network\": \"tcp\" },
		\"streamSettings\": ${3:-null} }"
}

# to TAG...: a rule for each door to the outbound of the same name
to() {
	local t sep=
	for t in "$@"; do
		echo "$sep{ \"inboundTag\": [ \"$t\" ], \"outboundTag\": \"$t\" }"
		sep=,
	done
}

join() { local IFS=,; echo "$*"; }

# nginx_up: in $S at 10.2.0.3:9443, TLS and HTTP/2; standard input goes into its
# server block. After make_ca
nginx_up() {
	{
		cat <<-END
		daemon off; worker_processes 1; pid $TMP/nginx.pid; user root;
		error_log $TMP/nginx-error.log;
		events { worker_connections 512; }
		http {
			access_log $TMP/access.txt;
			client_body_temp_path $TMP/t1; proxy_temp_path $TMP/t2;
			fastcgi_temp_path $TMP/t3; uwsgi_temp_path $TMP/t4; scgi_temp_path $TMP/t5;
			server {
				listen 10.2.0.3:9443 ssl http2;
				ssl_certificate $TMP/names.crt; ssl_certificate_key $TMP/names.key;
		END
		cat
		echo "	} }"
	} >"$TMP/nginx.conf"
	bg "$S" nginx nginx -c "$TMP/nginx.conf" -p "$TMP"
	wait_port "$S" tcp 9443
}

make_www() { mkdir "$TMP/www" && head -c 6000000 /dev/urandom >"$TMP/www/file"; }

site() {
	bg "$S" "site$1" bash -c 'cd "$1" && exec openssl s_server -WWW -quiet -cert "$2.crt" -key "$2.key" -accept "${@:3}"' \
		sh "$TMP/www" "$TMP/names" "$@"
	wait_port "$S" tcp "$1"
}

fetch() {
	on "$C" curl -sS --max-time 20 --cacert "$TMP/ca.pem" --resolve "tls.test:$3:$2" \
		-o "$TMP/got" "https://tls.test:$3/file" || fail "$1: curl"
	cmp -s "$TMP/got" "$TMP/www/file" || fail "$1: other bytes"
	ASSERTS=$((ASSERTS + 1))
}
