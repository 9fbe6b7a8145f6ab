# SPDX-License-Identifier: MIT
#
# Read by scripts that install what they need on Debian.

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Those of some packages that are not installed. A plain name means this
# machine's own architecture.
missing() {
	for package in "$@"; do
		case $package in
		*:*) wanted_arch=${package#*:} ;;
		*) wanted_arch=$(dpkg --print-architecture) ;;
		esac
		dpkg-query -W -f '${db:Status-Abbrev}${Architecture}\n' \
			"${package%:*}" 2>/dev/null |
			grep -qE "^ii *($wanted_arch|all)\$" ||
			printf '%s ' "$package"
	done
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# Install what is missing of some packages; what was said goes to a file, and
# is shown if it fails.
packages_to() { # LOG PACKAGE...
	packages_log=$1
	shift
	if ! command -v dpkg >/dev/null; then
		echo "not a Debian system; expected to be there: $*"
		return
	fi
	wanted=$(missing "$@")
	if [ -z "$wanted" ]; then
		return
	fi
	echo "installing: $wanted"
	# A list that can't be fetched matters only if the package then can't.
	as_root apt-get update -q -o DPkg::Lock::Timeout=300 \
		>"$packages_log" 2>&1 || :
	# shellcheck disable=SC2086
	if ! apt_install $wanted >>"$packages_log" 2>&1; then
		cat "$packages_log"
		echo "cannot install: $wanted"
		return 1
	fi
}
