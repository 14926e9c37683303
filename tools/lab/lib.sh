# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the scripts of the lab: paths, messages, and running a command inside the root of the lab.

top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rkprobes
lab=$top/tools/lab

say() { printf '%s\n' "$*" >&2; }
die() {
	say "${0##*/}: $*"
	exit 1
}

# The kernel is a line of tools/lab/kernels: that of KERNEL=NAME in the environment, or else the default. The kernels of a suite share a root,
# which has the compilers and a tree for each kernel. $kdir and $project are in the root what $tree and $built are outside of it.
kernel_name=${KERNEL:-default}
# shellcheck disable=SC2034 # used by the scripts that read this file
read -r suite cc line wanted_release wanted_version < <(awk -v name="$kernel_name" '$1 == name { print $2, $3, $4, $5, $6 }' "$lab/kernels") ||
	die "KERNEL=$kernel_name: tools/lab/kernels has no such name"
root=$cache/root place=$cache kdir=/build/linux built=$top project=/src
[ "$suite" = trixie ] || root=$cache/root-$suite
checksum=$(cksum <<<"$top" | cut -d' ' -f1)
# One tree cannot hold objects for two kernels. So the project is copied for each other kernel, and its objects are in the copy.
use_copy() {
	project=/build/project$1-$checksum
	built=$root$project
}
if [ "$kernel_name" != default ]; then
	place=$cache/kernels/$kernel_name kdir=/build/linux-$kernel_name
	use_copy "-$kernel_name"
fi
# shellcheck disable=SC2034
tree=$root$kdir vmlinuz=$place/boot/vmlinuz kernel=$place/kernel debs=$place/debs make_options=(KDIR="$kdir" CC="$cc")
# $kernel has two lines: "RELEASE VERSION" that were wanted, and "RELEASE VERSION SOURCE-PACKAGE" that were chosen.

# The debug kernel, which is built from the source of the default kernel; with RT=1 it has PREEMPT_RT.
debug_name=debug${RT:+-rt} debug_tree=$root/build/debug${RT:+-rt}
# use_debug_kernel: what is about the kernel is from now on about the debug kernel.
# shellcheck disable=SC2034
use_debug_kernel() {
	[ "$kernel_name" = default ] || die "the debug kernel is built from the source of the default kernel: run this without KERNEL (RT=1 chooses PREEMPT_RT)"
	use_copy "${RT:+-debug-rt}"
	kdir=/build/$debug_name tree=$debug_tree vmlinuz=$debug_tree/arch/x86/boot/bzImage make_options=(KDIR="$kdir" LLVM=-19)
}

# The words of the kernel's complaints on its console.
. "$top/tools/testing/selftests/rkprobes/trouble.sh"

# complaints FILE: the lines of a console in which the kernel complains, with their numbers; fails if there are none.
complaints() { grep -nE "$trouble" "$1"; }

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
