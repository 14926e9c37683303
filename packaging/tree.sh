# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What a Rust module needs from the build tree of a kernel, and the packages in which distributions have it. packaging/kernel-tree and
# tools/lab/doctor read this file.

# distribution [FILE]: the family of the distribution that the file describes: debian, ubuntu, arch, fedora or other.
distribution() {
	local file=${1:-/etc/os-release} word
	for word in $(sed -n 's/^ID=//p' "$file" 2>/dev/null | tr -d "\"'") $(sed -n 's/^ID_LIKE=//p' "$file" 2>/dev/null | tr -d "\"'"); do
		case $word in
		debian | ubuntu | arch | fedora)
			echo "$word"
			return
			;;
		esac
	done
	echo other
}

# package DISTRIBUTION WHAT RELEASE [RUSTC-VERSION]: the package that has it: headers, metadata, rustc, rust-src or bindgen. Prints nothing if
# no package is known.
package() {
	local release=$3 line flavor=''
	line=$(sed 's/^\([0-9]*\.[0-9]*\).*/\1/' <<<"$release")
	case $release in *-lts | *-zen* | *-hardened*) flavor=-$(sed 's/.*-\(lts\|zen\|hardened\).*/\1/' <<<"$release") ;; esac
	case $1-$2 in
	debian-headers | ubuntu-headers) echo "linux-headers-$release" ;;
	debian-metadata) echo "linux-source-$line" ;;
	ubuntu-metadata) echo "linux-lib-rust-$release" ;;
	ubuntu-rustc) echo "rustc-$(sed 's/^\([0-9]*\.[0-9]*\).*/\1/' <<<"${4:-1.85}")" ;;
	arch-headers | arch-metadata) echo "linux$flavor-headers" ;;
	arch-rustc) echo rust ;;
	arch-bindgen) echo rust-bindgen ;;
	fedora-headers) echo "kernel-devel-$release" ;;
	fedora-rustc) echo rust ;;
	fedora-bindgen) echo bindgen-cli ;;
	other-* | fedora-metadata) ;;
	*) echo "$2" ;;
	esac
}

# config TREE NAME: the value of a configuration option, without quotes. Prints nothing if the option is not set.
config() { sed -n "s/^$2=//p" "$1/include/config/auto.conf" | tr -d '"'; }

# rust_dropped TREE: whether CONFIG_RUST is missing only because the tree was configured where rustc or bindgen could not be used.
rust_dropped() {
	[ "$(config "$1" CONFIG_HAVE_RUST)" = y ] && [ -z "$(config "$1" CONFIG_RUST)$(config "$1" CONFIG_RUST_IS_AVAILABLE)" ]
}

# lacking_metadata TREE: the files that a Rust module needs and that the tree lacks, one a line.
lacking_metadata() {
	local tree=$1 crate
	for crate in core compiler_builtins ffi build_error bindings uapi kernel; do
		[ -s "$tree/rust/lib$crate.rmeta" ] || echo "rust/lib$crate.rmeta"
	done
	[ -s "$tree/rust/libmacros.so" ] || echo rust/libmacros.so
	# The other crates that this kernel gives to each module.
	for crate in $(sed -n '/^rust_common_cmd/,/^$/p' "$tree/scripts/Makefile.build" 2>/dev/null | grep -oE -- '--extern [a-z_]+' | sort -u | sed 's/--extern //'); do
		[ "$crate" = kernel ] || [ -s "$tree/rust/lib$crate.rmeta" ] || [ -s "$tree/rust/lib$crate.so" ] || echo "rust/lib$crate.rmeta"
	done
	[ -s "$tree/scripts/target.json" ] || ! grep -qs 'target=[$](objtree)/scripts/target.json' "$tree/arch/x86/Makefile" ||
		echo scripts/target.json
}

# metadata_rustc FILE: the compiler that made the metadata, as "rustc --version" prints it. Each metadata file has it near its beginning.
metadata_rustc() { head -c 200 "$1" | LC_ALL=C grep -aoE 'rustc [0-9][0-9a-zA-Z.+-]* \([^)]*\)( \([^)]*\))?' | head -n 1; }

# find_rustc TEXT: the path of a compiler whose version has this text: RUSTC, or one of the usual places.
find_rustc() {
	local number=${1#rustc } line candidate
	number=${number%% *}
	line=${number%.*}
	for candidate in "${RUSTC:-rustc}" /usr/bin/rustc "/usr/bin/rustc-$line" "/usr/lib/rust-$line/bin/rustc"; do
		candidate=$(command -v "$candidate") || continue
		[ "$("$candidate" --version 2>/dev/null)" != "$1" ] || {
			echo "$candidate"
			return
		}
	done
	return 1
}

# version_at_least LEAST VERSION
version_at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# bad_character PATH: the first character of the path that the build system of the kernel cannot take, in words. Fails if there is none.
bad_character() {
	local path=$1 i character
	for ((i = 0; i < ${#path}; i++)); do
		character=${path:i:1}
		case $character in
		' ') echo 'a space' ;;
		$'\t') echo 'a tab' ;;
		$'\n') echo 'a newline' ;;
		[]['%:"#$\`&;()<>|*?,='\']) echo "the character $character" ;;
		*) continue ;;
		esac
		return 0
	done
	return 1
}
