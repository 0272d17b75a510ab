#!/bin/bash
# api_xray.sh: `xray api` as a panel's client of a culvert: users come and go while it
# runs, on all its workers; who is online; lists.
# needs: XRAY
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/api_lib.sh"
peers_up v2ctl
WORKERS=3 api_up
api() { on "$G" "${XRAY:?}" api "$1" --server=127.0.0.1:62789 "${@:2}" 2>&1; }
. "$(dirname "$0")/api_users_lib.sh"
users_come_and_go
got=$(api statsquery -pattern 'user>>>ann@x')
contains "counters" "$got" '"name": "user>>>ann@x>>>traffic>>>uplink"'
contains "the process" "$(api statssys)" '"NumGoroutine": 3'
got=$(api lsi)
contains "inbounds" "$got" '"tag": "vl-in"'
contains "where they listen" "$got" '"portList": 1001'
lacks "and no secrets" "$got" "$ID"
contains "outbounds" "$(api lso)" '"tag": "direct"'
contains "the log" "$(api restartlogger)" "{}"
contains "what a reload does" "$(api rmi vl-in)" "SIGHUP"
pass
