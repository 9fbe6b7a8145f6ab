# SPDX-License-Identifier: MIT
#
# Read by the scripts that build examples as a user would: against a library
# that was installed. They set $root, the library's folder, and work in the
# current one.

. "$root/tests/packages.sh"

jobs=${JOBS:-$(nproc)}

step() {
	printf '\n== %s\n' "$*"
}

# Run a command; show what it said only if it fails.
quietly() { # COMMAND...
	if ! "$@" >quietly.log 2>&1; then
		cat quietly.log
		echo "failed: $*"
		exit 1
	fi
	rm -f quietly.log
}

# Build the library and install it in prefix/.
install_library() {
	quietly cmake -S "$root" -B library -DCMAKE_BUILD_TYPE=Release \
		-DLIBMPIO_BUILD_TESTS=OFF -DLIBMPIO_BUILD_BENCH=OFF \
		-DLIBMPIO_BUILD_EXAMPLES=OFF
	quietly cmake --build library --parallel "$jobs"
	quietly cmake --install library --prefix "$PWD/prefix"
}

# Build an example against what is installed there.
build_example() { # NAME
	quietly cmake -S "$root/examples/$1" -B "$1" \
		-DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$PWD/prefix"
	quietly cmake --build "$1" --parallel "$jobs"
}

# Fetch Debian's source of a package into a folder, from where the machine's
# packages come; the lists of the machine stay as they are.
fetch_source() { # PACKAGE FOLDER
	list=/etc/apt/sources.list parts=/etc/apt/sources.list.d/
	eval "$(apt-config shell list Dir::Etc::sourcelist/f \
		parts Dir::Etc::sourceparts/d)"
	mkdir -p lists/partial cache/archives/partial sources
	rm -f sources/*
	for file in "$list" "$parts"/*.list; do
		[ -e "$file" ] || continue
		sed -n 's/^deb[[:blank:]]/deb-src /p' "$file"
	done | sort -u >sources/all.list
	for file in "$parts"/*.sources; do
		[ -e "$file" ] || continue
		sed 's/^Types:.*/Types: deb-src/' "$file" \
			>"sources/$(basename "$file")"
	done
	set -- "$1" "$2" -o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$PWD/sources" \
		-o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache"
	package=$1 folder=$2
	shift 2
	# A list that can't be fetched matters only if the source then can't.
	apt-get -qq "$@" update >fetch.log 2>&1 || :
	quietly apt-get -qq "$@" source --download-only "$package"
	quietly dpkg-source --no-check -x "$package"_*.dsc "$folder"
}
