# shellcheck shell=bash
# dns_secure_lib.sh: encrypted DNS servers in $S; sourced after transport_lib.sh
#
#	secure_up		net_up, certificates, unbound: HTTPS and TLS at 10.3.0.1,
#				fd03::1, 10.3.0.5 (no certificate for that), h2c at
#				10.3.0.1:8080, plain at 10.3.0.2. HTTPS and TLS at
#				198.51.100.1, plain at .3, too: public ones. Zone "test": 10.9.9.1, fd09::1
#	ask NAME TYPE; short NAME TYPE	a question of the client
#	many D N; at_once D N	N names, after each other; all at the same time

secure_up() {
	local p
	for p in unbound nghttpx microsocks; do
		command -v "$p" >/dev/null || skip "no $p"
	done
	net_up
	make_ca
	make_cert dns "DNS:*.secure.test,IP:198.51.100.1,IP:10.3.0.1,IP:fd03::1,IP:10.3.0.4"
	zone
	unbound_conf unbound 443 no >"$TMP/unbound.conf"
	unbound_conf plain 8080 yes >"$TMP/plain.conf"
	unbound_start
	bg "$S" plain unbound -d -p -c "$TMP/plain.conf"
	wait_port "$S" tcp 8080
}

unbound_start() {
	bg "$S" unbound unbound -d -p -c "$TMP/unbound.conf"
	wait_port "$S" tcp 443
	wait_port "$S" tcp 853
}

zone() {
	local i
	{
		echo 'test. 60 IN SOA a.test. b.test. 1 60 60 60 60'
		echo 'test. 60 IN NS a.test.'
		echo 'a.test. 60 IN A 10.9.9.1'
		echo 'public.secure.test. 60 IN A 198.51.100.1'
		echo '*.secure.test. 60 IN A 10.3.0.1'
		for i in doh six dohl named own ownl dot dotl one onel h2c h2cl gone; do
			echo "a.$i.test. 60 IN A 10.9.9.1"
			echo "a.$i.test. 60 IN AAAA fd09::1"
			echo "alias.$i.test. 60 IN CNAME a.$i.test."
			echo "*.many.$i.test. 60 IN A 10.9.9.1"
			echo "sub.$i.test. 60 IN TXT x"
			for j in {1..40}; do echo "big.$i.test. 60 IN A 10.9.8.$j"; done
		done
		echo '*.rogue.test. 60 IN A 10.9.9.1'
	} >"$TMP/zone"
}

# unbound_conf NAME HTTPS-PORT CLEAR
unbound_conf() {
	cat <<-END
	server:
	  username: ""
	  chroot: ""
	  directory: "$TMP"
	  pidfile: "$TMP/$1.pid"
	  use-syslog: no
	  do-daemonize: no
	  num-threads: 1
	  module-config: "iterator"
	  access-control: 0.0.0.0/0 allow
	  access-control: ::/0 allow
	  local-zone: "test." nodefault
	  https-port: $2
	  http-endpoint: "/dns-query"
	  http-notls-downstream: $3
	  interface: 10.3.0.1@$2
	END
	if [ "$3" = no ]; then
		cat <<-END
		  interface: fd03::1@$2
		  interface: 10.3.0.5@$2
		  interface: 198.51.100.1@$2
		  interface: 10.3.0.1@853
		  interface: 198.51.100.1@853
		  tls-port: 853
		  tls-service-key: "$TMP/dns.key"
		  tls-service-pem: "$TMP/dns.crt"
		END
	fi
	[ "$3" = no ] || printf '  interface: %s@53\n' 10.3.0.2 198.51.100.3
	cat <<-END
	remote-control:
	  control-enable: no
	auth-zone:
	  name: "test."
	  zonefile: "$TMP/zone"
	  for-downstream: yes
	  for-upstream: no
	END
}

ask() { on "$C" dig +tries=1 +time=5 @10.3.0.77 "$@"; }
short() { ask "$@" +short; }

# answers D: "NAME TYPE DATA" a line, and codes that are no success
answers() {
	ask a."$1".test A alias."$1".test A a."$1".test AAAA big."$1".test A nx.sub."$1".test A |
		awk '/IN\t(A|AAAA)\t/ { print $1, $4, $5 } /NXDOMAIN/ { print "NXDOMAIN" }'
}

# Nothing passes on the connections there are; new ones are not concerned
swallow() {
	local ports
	ports=$(on "$S" ss -Htn state established '( sport = :443 or sport = :853 )' |
		awk '{ n = split($4, a, ":"); print a[n] }' | sort -u | paste -sd,)
	[ -n "$ports" ] || fail "no connections"
	on "$S" nft -f - <<<"add table inet dead
		add chain inet dead in { type filter hook input priority 0; }
		add rule inet dead in tcp sport { $ports } tcp dport { 443, 853 } drop"
}

# Connections that came up so far
connected() { grep -cE 'dns: DO[HT]L?//.*: connected' "$TMP/culvert.log"; }
more_ends() { [ "$(grep -c 'connection ends' "$TMP/culvert.log")" -gt "$1" ]; }
# peers [ADDRESS]: connections that unbound has, from there
peers() {
	on "$S" ss -Htn state established '( sport = :443 or sport = :853 )' |
		grep -c "${1:+ $1:}"
}

# many D N: after each other
many() {
	local i
	for ((i = 0; i < $2; i++)); do echo "n$i.many.$1.test A +noall +answer"; done >"$TMP/names"
	eq "$1: $2 answers" "$(ask -f "$TMP/names" | grep -c 'IN[[:space:]]*A[[:space:]]*10.9.9.1')" "$2"
}

# at_once D N: dig asks them all without waiting for each other
at_once() {
	local i pids=() out
	for ((i = 0; i < $2; i += 10)); do
		(for ((j = i; j < i + 10; j++)); do echo "p$j.many.$1.test A +noall +answer"; done >"$TMP/names$i"
		ask -f "$TMP/names$i" >"$TMP/got$i") &
		pids+=($!)
	done
	wait "${pids[@]}"
	out=$(for ((i = 0; i < $2; i += 10)); do cat "$TMP/got$i"; done | grep -c 10.9.9.1)
	eq "$1: $2 answers at once" "$out" "$2"
}
