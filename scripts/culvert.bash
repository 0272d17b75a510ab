# bash completion of culvert
_culvert() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	case $before in
	-c | -config | --config) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	-confdir | --confdir) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
	--capture) mapfile -t COMPREPLY < <(compgen -W "tun redirect tproxy mixed none" -- "$word"); return ;;
	esac
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "up run test route-test check status down confirm
			rules import export geodata x25519 vlessenc mldsa65 mlkem768 api version help" -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "-c -confdir -test -json -dump --capture
			--revert-after -inbound -source -process -i -h" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -F _culvert culvert
