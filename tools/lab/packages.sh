# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Packages that only some uses of the lab need. They are installed in the root of the lab at the first such use.

# more_packages WHAT PACKAGE...: installs the packages. Its stamp is inside the root, so removing the root removes the stamp.
more_packages() {
	# shellcheck disable=SC2154 # lib.sh says where the root is
	local stamp=$root/.rkprobes-$1 begin=$SECONDS log lock
	shift
	[ "$(cat "$stamp" 2>/dev/null)" != "$*" ] || return 0
	# One installation at a time: the debug kernel may be built beside other stages of a test.
	# shellcheck disable=SC2154 # lib.sh says where the cache is
	exec {lock}>"$cache/packages.lock"
	flock "$lock"
	log=$(mktemp)
	printf 'installing in the root of the lab: %s ... ' "$*" >&2
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
		die "cannot install the packages; the log is $log"
	}
	rm "$log"
	echo "$*" >"$stamp"
	exec {lock}>&-
	say "$((SECONDS - begin)) s"
}
