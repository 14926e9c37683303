# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the scripts of the lab: paths, messages, and running a command inside the root of the lab.

top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rkprobes
# shellcheck disable=SC2034 # used by the scripts that read this file
lab=$top/tools/lab root=$cache/root tree=$cache/root/build/linux vmlinuz=$cache/boot/vmlinuz
# The tree of the debug kernel, and the copy of this project with the objects that are built for it.
# shellcheck disable=SC2034
debug_tree=$root/build/debug debug_project=$root/build/project-$(cksum <<<"$top" | cut -d' ' -f1)

# The words of the kernel's complaints on its console.
. "$top/tools/testing/selftests/rkprobes/trouble.sh"

# complaints FILE: the lines of a console in which the kernel complains, with their numbers; fails if there are none.
complaints() { grep -nE "$trouble" "$1"; }

say() { printf '%s\n' "$*" >&2; }
die() {
	say "${0##*/}: $*"
	exit 1
}

# in_root COMMAND...: runs the command in the root. There the project is /src, the kernel tree is /build/linux and the cache is /lab. The
# mount and PID namespaces are private, so no mount and no process outlives the command. /proc is mounted because objtool reads it. The shell
# stays process 1 there: a make that gets SIGTERM sends it to itself again in the end, and the kernel keeps it from a process 1.
# The folder $folder of this machine, if it is set, is /folder there. /tmp is private, because a make that was killed leaves a pipe there, which the next make complains about.
in_root() {
	[ "$(id -u)" = 0 ] || die "the lab builds in a chroot: run this as root (or through sudo)"
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private --pid --fork --kill-child -- sh -euc '
		root=$1 project=$2 cache=$3 folder=$4
		shift 4
		mkdir -p "$root/src" "$root/build" "$root/lab" "$root/folder"
		mount -t proc proc "$root/proc"
		mount -t tmpfs tmpfs "$root/tmp"
		mount --rbind /dev "$root/dev"
		mount --bind "$project" "$root/src"
		mount --bind "$cache" "$root/lab"
		[ -z "$folder" ] || mount --bind "$folder" "$root/folder"
		status=0
		chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 "$@" || status=$?
		exit $status
	' in_root "$root" "$top" "$cache" "${folder:-}" "$@"
}

# is_xen_pv SYS: whether a machine with these files of sysfs is a paravirtual guest of Xen. A dom0 is one, unless it is PVH.
is_xen_pv() {
	[ "$(cat "$1/hypervisor/type" 2>/dev/null)" = xen ] && [ "$(cat "$1/hypervisor/guest_type" 2>/dev/null)" = PV ]
}
