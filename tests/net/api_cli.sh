#!/bin/bash
# api_cli.sh: `culvert api` against a running culvert: users come and go on all its
# workers, who is online, lists, what goes wrong. By `xray api`: api_xray.sh
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/api_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/api_users_lib.sh"
peers_up v2ctl
WORKERS=3 api_up
api() { on "$G" "$CULVERT" api "$1" --server=127.0.0.1:62789 "${@:2}" 2>&1; }
users_come_and_go
user two vl-in vless "{ \"clients\": [ { \"id\": \"$NEWID\", \"email\": \"again@x\" }, { \"id\": \"$NEWID\", \"email\": \"ann@x\" } ], \"decryption\": \"none\" }"
bad "one of two is refused: that is a failure" api adu "$TMP/two.json"
ok "who can be removed" api rmu -tag=vl-in again@x
user seed vl-in vless "{ \"clients\": [ { \"id\": \"$NEWID\", \"email\": \"again@x\", \"testseed\": [ 900, 0, 900, 256 ] } ], \"decryption\": \"none\" }"
contains "his testseed comes along" "$(api adu "$TMP/seed.json")" "must be 1 to"
bad "who is not there cannot" api rmu -tag=vl-in again@x
contains "counters" "$(api statsquery -pattern 'user>>>ann@x')" '"name": "user>>>ann@x>>>traffic>>>uplink"'
upload vl 6001 4321
got=$(api stats -name 'user>>>ann@x>>>traffic>>>uplink' -reset)
matches "one of them" "$got" '"value": [0-9]+'
lacks "is reset" "$(api stats -name 'user>>>ann@x>>>traffic>>>uplink')" '"value"'
contains "the process" "$(api statssys)" '"NumGoroutine": 3'
got=$(api lsi)
contains "inbounds" "$got" '"tag": "vl-in"'
contains "where they listen" "$got" '"portList": 1001'
lacks "only their tags" "$(api lsi -isOnlyTags=true)" "portList"
contains "outbounds" "$(api lso)" '"tag": "direct"'
contains "the log" "$(api restartlogger)" "{}"
bad "a service that is not there fails" api lsrules
contains "with the server's words" "$(api lsrules)" "this service is not among api.services"
bad "nobody listens" on "$G" "$CULVERT" api statssys -s 127.0.0.1:9
serve hole tcp-serve 7999 hold
t0=${EPOCHREALTIME/./}
bad "who says nothing is waited for" on "$S" "$CULVERT" api statssys -s 127.0.0.1:7999 -t 1
le "not for long" $((${EPOCHREALTIME/./} - t0)) $((2000000 * SLOW))
bad "a command there is not" on "$G" "$CULVERT" api nope
bad "a flag without its value" api stats -name
contains "help" "$("$CULVERT" api -h)" "statsquery"
stop server
eq "ends well" "$RC" 0
pass
