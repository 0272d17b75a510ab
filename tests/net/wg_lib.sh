# shellcheck shell=bash
# wg_lib.sh: WireGuard peers (wireguard-go, userspace); after lib.sh and peer_lib.sh
#
#	wg_keys a b			# $KEY_a (secret), $PUB_a, ...; and $PSK
#	wg_up "$S" NAME <<-END ... END	# a peer with this configuration (wg setconf)
#	wg_addr "$S" NAME PREFIX...
#	$WORKERS			# a member of culvert's configuration
#	wg_ob TAG ENDPOINT SECRET PUBLIC [PEER MORE] [MORE]	# culvert's outbound
#
# Device names are unique on this machine: control sockets lie in /var/run/wireguard

# Builds with a sanitizer have one copy of the stack
WORKERS=
[ "${CULVERT_VARIANT:-release}" = release ] || WORKERS='"culvert": { "workers": 1 },'

wg_dev() { echo "w$1$$"; }

wg_keys() {
	local n k
	command -v wireguard-go >/dev/null && command -v wg >/dev/null ||
		skip "no wireguard-go, no wg"
	for n in "$@"; do
		printf -v "KEY_$n" %s "$(wg genkey)"
		k=KEY_$n
		printf -v "PUB_$n" %s "$(wg pubkey <<<"${!k}")"
	done
	# shellcheck disable=SC2034
	PSK=$(wg genpsk)
}

wg_up() {
	local ns=$1 dev
	dev=$(wg_dev "$2")
	cat >"$TMP/$2.conf"
	rm -f "/var/run/wireguard/$dev.sock"
	bg "$ns" "$2" env LOG_LEVEL=verbose wireguard-go -f "$dev"
	wait_for 10 test -S "/var/run/wireguard/$dev.sock" || fail "$2 does not start"
	on "$ns" wg setconf "$dev" "$TMP/$2.conf" || fail "wg setconf $2"
	ip -n "$ns" link set "$dev" mtu 1420 up
}

wg_addr() { addr "$1" "$(wg_dev "$2")" "${@:3}"; }

# Its addresses are 10.99.0.N and fd99::N; N is 2 unless WG_N says otherwise
wg_ob() {
	local n=${WG_N:-2}
	ob "$1" wireguard "{ \"secretKey\": \"$3\", \"address\": [ \"10.99.0.$n/32\", \"fd99::$n/128\" ],
	  \"peers\": [ { \"publicKey\": \"$4\", \"endpoint\": \"$2\" ${5:-} } ] ${6:-} }"
}
