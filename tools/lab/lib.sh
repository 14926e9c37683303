# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the lab's scripts share: where things are, how to say things, how to run a command inside the lab's root.

top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rkprobes
# shellcheck disable=SC2034 # used by the scripts that read this file
lab=$top/tools/lab root=$cache/root tree=$cache/root/build/linux vmlinuz=$cache/boot/vmlinuz
# The debug kernel, and the copy of this project that has the objects for it.
# shellcheck disable=SC2034
debug_tree=$root/build/debug debug_project=$root/build/project-$(cksum <<<"$top" | cut -d' ' -f1)

# What the kernel's console has when something went wrong.
# shellcheck disable=SC2034 # used by the scripts that read this file
trouble='WARNING: |BUG: |kernel BUG|Oops|general protection|Kernel panic|Call Trace|rcu: .*stall|blocked for more than|KASAN|UBSAN|soft lockup|hard LOCKUP'

say() { printf '%s\n' "$*" >&2; }
die() {
	say "${0##*/}: $*"
	exit 1
}

# The project is seen as /src, the kernel tree as /build/linux and the cache as /lab. The mount and PID namespaces are private: no mount
# and no process outlives the command. objtool reads /proc.
in_root() {
	[ "$(id -u)" = 0 ] || die "the lab builds in a chroot: run this as root (or through sudo)"
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private --pid --fork --kill-child -- sh -euc '
		root=$1 project=$2 cache=$3
		shift 3
		mkdir -p "$root/src" "$root/build" "$root/lab"
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount --bind "$project" "$root/src"
		mount --bind "$cache" "$root/lab"
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 "$@"
	' in_root "$root" "$top" "$cache" "$@"
}
