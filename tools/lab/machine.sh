# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A Debian machine on which packages can be installed: the root of the lab, with all changes in a layer of their own. It has no kernel: the VM
# boots one with files of this machine.

# shellcheck disable=SC2154 # lib.sh says where the cache is
machine=$cache/machine archives=$cache/archives

# new_machine: removes all changes. Packages that were downloaded once are kept.
new_machine() {
	rm -rf --one-file-system "$machine"
	mkdir -p "$machine/changes/etc/apt/sources.list.d" "$machine/changes/var/lib/apt" "$machine/work" "$machine/root" "$archives/partial"
	cp -l "$cache"/debs/*.deb "$archives/" 2>/dev/null || true
	# The root of the lab unpacks no documentation, and the package has examples there.
	mkdir -p "$machine/changes/etc/dpkg/dpkg.cfg.d"
	echo force-unsafe-io >"$machine/changes/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
	# shellcheck disable=SC2154 # apt.sh says where the lists are
	cp "$apt/all.list" "$machine/changes/etc/apt/sources.list.d/0000root.list"
	cp -r "$apt/state/lists" "$machine/changes/var/lib/apt/"
}

# on_machine COMMAND...: runs the command there, as root. The cache is /lab.
on_machine() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private --pid --fork --kill-child -- sh -euc '
		lower=$1 machine=$2 archives=$3 cache=$4 root=$2/root
		shift 4
		mount -t overlay overlay -o "lowerdir=$lower,upperdir=$machine/changes,workdir=$machine/work" "$root"
		mount -t proc proc "$root/proc"
		mount -t tmpfs tmpfs "$root/tmp"
		mount -t tmpfs tmpfs "$root/run"
		mkdir -p "$root/run/lock" "$root/lab"
		mount --rbind /dev "$root/dev"
		mount --bind "$archives" "$root/var/cache/apt/archives"
		mount --bind "$cache" "$root/lab"
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
	' on_machine "$root" "$machine" "$archives" "$cache" "$@"
}

# install_there PACKAGE...: as "apt install" does it, without the packages that are only recommended.
install_there() { on_machine apt-get -o APT::Sandbox::User=root -o APT::Keep-Downloaded-Packages=true install -y --no-install-recommends "$@" </dev/null; }
