#!/bin/bash
# `culvert import URL`: a subscription by HTTPS from nginx: plain and base64, behind
# a redirect, with curl, with wget alone; a wrong certificate, 404, a redirect to plain
# HTTP, pages, YAML and floods give a clear word and no configuration; the address
# stands in no message and in no argument list
# timeout: 120
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/transport_lib.sh"
for p in nginx curl wget openssl; do
	command -v $p >/dev/null || skip "no $p"
done
net_up
make_ca
mkdir "$TMP/www" "$TMP/bin"
{
	echo 'trojan://pw@192.0.2.1:443?security=tls&sni=a.test#one'
	echo '# a comment'
	echo 'ss://YWVzLTI1Ni1nY206cHc@192.0.2.2:8388#two'
} >"$TMP/www/plain"
base64 "$TMP/www/plain" >"$TMP/www/base64"
printf 'port: 7890\nproxies:\n  - {name: a, type: ss, server: 192.0.2.1}\n' >"$TMP/www/yaml"
echo '<html><body>log in first: https://x.test/</body></html>' >"$TMP/www/page"
: >"$TMP/www/empty"
head -c 6000000 /dev/zero | tr '\0' 'A' >"$TMP/www/flood"
head -c 100000 "$TMP/www/flood" >"$TMP/www/slow"
nginx_up <<END
			root $TMP/www;
			location /moved { return 302 https://10.2.0.3:9443/base64; }
			location /down { return 302 http://10.2.0.3:9080/base64; }
			location /slow { limit_rate 1k; }
		}
		server { listen 10.2.0.3:9080; root $TMP/www;
END

# import PATH [BASE]: culvert's output in $TMP/out, its words in $TMP/said
import() {
	on "$G" env PATH="${USEPATH:-$PATH}" CURL_CA_BUNDLE="${CA-$TMP/ca.pem}" \
		"$CULVERT" import "${2:-https://10.2.0.3:9443}/$1?token=verysecret" \
		>"$TMP/out" 2>"$TMP/said"
}

# good NAME PATH [BASE]: two servers are in what is printed
good() {
	import "${@:2}" || fail "$1: $(cat "$TMP/said")"
	eq "$1" "$(grep -cE '"address":\s"192.0.2.[12]"' "$TMP/out")" 2
	ok "$1: it can be run" "$CULVERT" run -test -c "$TMP/out"
}

# wrong NAME PATH WORDS [BASE]
wrong() {
	import "$2" "${4:-}"
	eq "$1: exit code" "$?" $([[ $3 == @(*fetched|404|*curl*) ]] && echo 1 || echo 23)
	eq "$1: prints nothing" "$(wc -c <"$TMP/out")" 0
	contains "$1" "$(cat "$TMP/said")" "$3"
	lacks "$1: no secret is said" "$(cat "$TMP/said")" "verysecret"
}

good "a plain list" plain
good "a list in base64" base64
good "behind a redirect" moved
good "without TLS" base64 http://10.2.0.3:9080
contains "and that is said" "$(cat "$TMP/said")" "without TLS"
CA=/dev/null wrong "a certificate nobody knows" base64 "cannot be fetched"
wrong "no such file" nowhere "404"
wrong "a redirect to plain HTTP" down "cannot be fetched"
wrong "nobody there" base64 "cannot be fetched" https://10.2.0.3:9999
wrong "Clash's YAML" yaml "this is a configuration of Clash or mihomo"
wrong "a page" page "this is a web page"
wrong "nothing" empty "it is empty"
wrong "a flood" flood "neither links, nor a list"

# While it is fetched, no argument list shows the address but our own
ip netns exec "$G" env CURL_CA_BUNDLE="$TMP/ca.pem" "$CULVERT" import \
	"https://10.2.0.3:9443/slow?token=verysecret" >/dev/null 2>&1 &
pid=$!
wait_for 5 pgrep -P "$pid" curl >/dev/null || fail "curl does not run"
args=$(tr '\0' ' ' <"/proc/$(pgrep -P "$pid" curl)/cmdline")
lacks "curl's arguments" "$args" "verysecret"
contains "curl is who fetches" "$args" "curl"
kill "$pid"
wait_for 5 bash -c "! kill -0 $pid 2>/dev/null" || fail "the import goes on"

# Without curl wget does it, and with neither the message says what to install
ln -s "$(command -v wget)" "$TMP/bin/wget"
ln -s "$(command -v env)" "$TMP/bin/env"
USEPATH=$TMP/bin good "by wget" base64 http://10.2.0.3:9080
# What is called wget there: OpenWrt's is uclient-fetch, Alpine's is busybox
mkdir "$TMP/openwrt" "$TMP/alpine"
printf '#!/bin/sh\necho Usage >&2\nexit 1\n' >"$TMP/openwrt/wget"
# shellcheck disable=SC2016
printf '#!/bin/sh\nfor u; do :; done\nexec %s -s "$u"\n' "$(command -v curl)" >"$TMP/openwrt/uclient-fetch"
chmod +x "$TMP/openwrt/"*
ln -s "$(command -v env)" "$TMP/openwrt/env"
USEPATH=$TMP/openwrt good "by uclient-fetch" base64 http://10.2.0.3:9080
lacks "its usage is not shown" "$(cat "$TMP/said")" Usage
if command -v busybox >/dev/null; then
	ln -s "$(command -v busybox)" "$TMP/alpine/wget"
	ln -s "$(command -v env)" "$TMP/alpine/env"
	USEPATH=$TMP/alpine good "by busybox" base64 http://10.2.0.3:9080
	USEPATH=$TMP/alpine wrong "by busybox: no such file" nowhere "404" http://10.2.0.3:9080
fi
USEPATH=$TMP/nowhere wrong "without a client" base64 "no curl, wget or uclient-fetch"
pass
