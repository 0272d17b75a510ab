#!/bin/bash
# rogue_in.sh: rogue clients: what culvert's inbounds meet: cuts, resets, noise, floods, drips and
# silence at several places of each protocol over each transport. Every flow ends by
# itself in time; flows beside them, memory and sessions are as before.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/transport_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/peer_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/matrix_lib.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/rogue_lib.sh"
rogue_up up
STRANGERS=2 # who drips his hello to REALITY, for TCP and UDP: the target's patience counts
run_rogues
pass
