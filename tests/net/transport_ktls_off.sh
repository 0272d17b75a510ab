#!/bin/bash
# transport_ktls_off.sh: kernelTls where the kernel has no TLS: everything works as
# without it, one line says so. Where it has it, the cells alone
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/in_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/ktls_lib.sh"
command -v openssl >/dev/null || skip "no openssl"
ktls_up
ktls_cells
if ! "$ROOT/scripts/kernel-has" tls >/dev/null; then
	for n in culvert server; do
		contains "$n: the file's reader is told" "$(<"$TMP/$n.log")" \
			"kernelTls: has no effect: this kernel has no TLS for sockets"
		eq "$n: one line" "$(grep -c 'kernelTls: the kernel does not do it' "$TMP/$n.log")" 1
		lacks "$n: nobody thinks otherwise" "$(<"$TMP/$n.log")" "the kernel does the records"
	done
	way culvert 1048576 1048576 "(lend|copy)"
fi
stop culvert
eq "ends well" "$RC" 0
stop server
eq "the server, too" "$RC" 0
pass
