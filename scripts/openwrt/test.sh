#!/bin/sh
# Called by the feed's CI in a container of the target: test.sh PACKAGE VERSION

case "$1" in
culvert)
	culvert version | grep -F "$2" || exit 1
	culvert run -test -c /etc/culvert/config.json || exit 1
	culvert up -dump -c /etc/culvert/config.json | grep -F freedom || exit 1
	# Exit code 23 keeps a broken configuration from being started
	echo '{ "outbounds": 1 }' >/tmp/culvert-bad.json
	culvert run -test -c /tmp/culvert-bad.json
	[ $? -eq 23 ] || exit 1
	culvert x25519 || exit 1
	;;
*)
	echo "Untested package: $1" >&2
	exit 1
	;;
esac
