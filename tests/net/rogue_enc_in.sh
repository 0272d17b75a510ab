#!/bin/bash
# rogue_enc_in.sh: rogue clients of VLESS encryption, as rogue_in.sh: cuts, resets, noise,
# floods, drips and silence at several places of the handshake.
# timeout: 240
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
rogue_enc_table
rogue_up up
run_rogues
pass
