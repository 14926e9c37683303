# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Package lists of a Debian suite, in a directory of the lab. The sources of the machine stay unchanged.

# shellcheck disable=SC2154 # lib.sh says where the cache is, and which suite it is
apt=$cache/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ "$suite" = trixie ] || apt=$cache/apt-$suite

# Prints "URI SUITE" lines from both formats of the sources of apt.
configured_sources() {
	local files=()
	shopt -s nullglob
	files=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list)
	awk '$1 == "deb" { sub(/\[[^]]*\]/, ""); print $2, $3 }' "${files[@]}" /dev/null 2>/dev/null
	files=(/etc/apt/sources.list.d/*.sources)
	shopt -u nullglob
	awk -v RS= -v FS='\n' '{
		uris = suites = types = ""; enabled = "yes"
		for (i = 1; i <= NF; i++) {
			value = $i; sub(/^[^:]*:[ \t]*/, "", value)
			if ($i ~ /^Types:/) types = value
			if ($i ~ /^URIs:/) uris = value
			if ($i ~ /^Suites:/) suites = value
			if ($i ~ /^Enabled:/) enabled = value
		}
		if (enabled ~ /^no/ || " " types " " !~ / deb /) next
		u = split(uris, uri, " "); s = split(suites, name, " ")
		for (i = 1; i <= u; i++) for (j = 1; j <= s; j++) print uri[i], name[j]
	}' "${files[@]}" /dev/null
}

# mirror_of PATTERN: prints the first source whose suite is a suite of Debian and matches.
mirror_of() {
	configured_sources | awk -v names="^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$1\$" \
		'$2 ~ names { print $1; exit }'
}
debian_mirror() { echo "${RKPROBES_MIRROR:-$(mirror_of '')}"; }
security_mirror() { echo "${RKPROBES_SECURITY_MIRROR:-$(mirror_of '-security')}"; }

# make_apt SUITE: writes the source lists. The root is made from root.list; the kernel comes from the backports, which all.list adds. sid has
# neither updates nor backports.
make_apt() {
	local mirror security by="[arch=amd64 signed-by=$keyring]"
	mirror=$(debian_mirror) security=$(security_mirror)
	[ -n "$mirror" ] || {
		echo "note: the apt sources of this machine name no Debian mirror; set RKPROBES_MIRROR to the URL of one"
		return 1
	}
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/status"
	{
		echo "deb $by $mirror $1 main"
		[ "$1" = sid ] || echo "deb $by $mirror $1-updates main"
		[ "$1" = sid ] || [ -z "$security" ] || echo "deb $by $security $1-security main"
	} >"$apt/root.list"
	{
		cat "$apt/root.list"
		[ "$1" = sid ] || echo "deb $by $mirror $1-backports main"
	} >"$apt/all.list"
}

# private COMMAND...: runs an apt command that uses only these lists.
private() {
	local command=$1
	shift
	"$command" -o Dir::Etc::SourceList="$apt/all.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
		-o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" \
		-o Dir::Cache="$apt/cache" -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Default-Release= \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# agreeing_kernels FLAVOUR: prints "RELEASE VERSION SOURCE" of each 7.x kernel of this flavour (amd64, rt-amd64) whose image, headers and source
# exist in one version.
agreeing_kernels() {
	# shellcheck disable=SC2046 # one word a package
	private apt-cache madison $(private apt-cache pkgnames linux- | grep -E '^linux-(binary|headers|source)-7\.[^_]*$') |
		awk -F ' *[|] *' -v flavour="$1" '
			{ sub(/^ +/, "", $1); there[$1, $2] = 1 }
			$1 ~ ("^linux-binary-7[.][0-9.]+[+]deb[0-9]+-" flavour "$") { version[$1, $2] = $2 }
			END {
				for (image in version) {
					split(image, name, SUBSEP)
					release = substr(name[1], length("linux-binary-") + 1)
					split(release, number, /[.+]/)
					source = "linux-source-" number[1] "." number[2]
					if (there["linux-headers-" release, version[image]] && there[source, version[image]])
						print release, version[image], source
				}
			}'
}
