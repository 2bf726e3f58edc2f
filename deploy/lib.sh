# What deploy/ and tests/run share; to be sourced by a script that has set $program.
# Messages go to standard error, so that standard output is the demo's own.
# shellcheck shell=bash
: "${program:?}"

say() {
    printf '%s: %s: %s\n' "$program" "$1" "$2" >&2
}

fail() {
    say "$1" "$2"
    exit 1
}

# build_directory ROOT: where to build, from BUILD_DIR.
build_directory() {
    local build=${BUILD_DIR:-build}
    [[ $build == /* ]] || build=$1/$build
    printf '%s\n' "$build"
}

# run_step STEP COMMAND...: shows the command's output only when it fails.
run_step() {
    local step=$1 log
    shift
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1 </dev/null; then
        cat -- "$log" >&2
        rm -f -- "$log"
        fail "$step" "failed: $*"
    fi
    rm -f -- "$log"
}

# Lines "package probe" of a package list.
packages_read() {
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -- "$1"
}

probe_found() {
    case $1 in
    command:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#command:}" >/dev/null ;;
    pkg-config:*) pkg-config --exists "${1#pkg-config:}" 2>/dev/null ;;
    file:*) [[ -e ${1#file:} ]] ;;
    header:*) cc -E -x c - <<<"#include <${1#header:}>" >/dev/null 2>&1 ;;
    *) false ;;
    esac
}

is_debian_like() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

# packages_missing LIST: the packages of the list that are not there.  A command that
# can be run is good enough, whichever package it is from.
packages_missing() {
    local package probe installed=
    if is_debian_like; then
        installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' |
            sed -n 's/^installed //p')
    fi
    packages_read "$1" | while read -r package probe; do
        grep -qxF -- "$package" <<<"$installed" && continue
        if [[ -z $installed || $probe == command:* ]] && probe_found "$probe"; then
            continue
        fi
        echo "$package"
    done
}

# as_root COMMAND...: runs it as it is for root, otherwise through sudo.
as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

apt_install() {
    # Files under /var must stay readable for everybody, and another apt may be running.
    umask 022
    as_root apt-get -q -o DPkg::Lock::Timeout=600 update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
            -o DPkg::Lock::Timeout=600 install --no-install-recommends --no-remove "$@"
}

# packages_install LIST: installs what is missing, or says what it is and gives up.
packages_install() {
    local missing
    missing=$(packages_missing "$1" | tr '\n' ' ')
    missing=${missing% }
    [[ -n $missing ]] || return 0
    is_debian_like ||
        fail packages "this is not a Debian-like system; missing, by Debian's names: $missing"
    [[ $(id -u) == 0 ]] || command -v sudo >/dev/null ||
        fail packages "missing, and neither root nor sudo to install them: $missing"
    say packages "installing $missing"
    # One word a package, on purpose.
    # shellcheck disable=SC2086
    (run_step packages apt_install $missing) || exit 1
}
