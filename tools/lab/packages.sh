# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Packages that only some of the lab's uses need, installed in its root when they are.

# more_packages WHAT PACKAGE...: the stamp is inside the root, and goes with it.
more_packages() {
	# shellcheck disable=SC2154 # lib.sh says where the root is
	local stamp=$root/.rkprobes-$1 begin=$SECONDS log
	shift
	[ "$(cat "$stamp" 2>/dev/null)" != "$*" ] || return 0
	log=$(mktemp)
	printf 'packages in the lab'\''s root: %s ... ' "$*" >&2
	# shellcheck disable=SC2016 # expanded in the root
	in_root env DEBIAN_FRONTEND=noninteractive sh -euc '
		dpkg --configure -a
		install="apt-get -o APT::Sandbox::User=root install -y --no-install-recommends"
		$install "$@" || {
			apt-get -o APT::Sandbox::User=root update
			$install "$@"
		}' sh "$@" </dev/null >"$log" 2>&1 || {
		say failed
		tail -n 20 "$log" >&2
		die "cannot install them; the log: $log"
	}
	rm "$log"
	echo "$*" >"$stamp"
	say "$((SECONDS - begin)) s"
}
