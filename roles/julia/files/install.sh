#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Installs a Julia beside its destination and moves it into place by one rename.
#
#   install.sh prepare PREFIX LIMIT
#   install.sh archive PREFIX LIMIT VERSION ARCH CODE SOURCE SHA256 SAYS
#   install.sh debian  PREFIX LIMIT VERSION ARCH CODE MIRROR SOURCE SUITE KEYRING DEBIAN_ARCH LAUNCHER PACKAGE...
#   install.sh clean   PREFIX LIMIT
#
# Everything happens in one working directory beside PREFIX, under a lock that the kernel drops when its holder dies:
# what is found there without a lock was left behind by a run that was interrupted. LIMIT is the number of seconds to
# wait for the lock and for the network. CODE is the Julia code that says which Julia it is. SAYS tells where SHA256
# is from. Prints "installed" when
# PREFIX is there. Exit status 10: not possible here, with the reason on standard error; any other but 0: an error.
set -u
umask 022
export LC_ALL=C

die() {
    printf '%s\n' "$1" >&2
    exit "${2:-1}"
}

make_work() {
    why=$(mkdir -p "$parent/" 2>&1) ||
        die "julia_prefix $prefix: the directory above it cannot be made ($why). Choose a place where this user may write."
    why=$(umask 077 && mkdir -p "$work" 2>&1) ||
        die "julia_prefix $prefix: $work cannot be made ($why). Choose a place where this user may write."
    [ -w "$work" ] || [ ! -e "$work" ] ||
        die "julia_prefix $prefix: $work, left behind by another user, cannot be written to. Remove it."
}

busy() {
    die "julia_prefix $prefix: another run has been installing there for more than $limit s. Wait for it to end, or end it."
}

leave() {
    exit 0
}

# Arguments: seconds to wait, and what to do when they are over.
lock() {
    command -v flock >/dev/null || die "flock is not in PATH; install util-linux."
    tries=0
    while :; do
        make_work
        # The run that holds the lock may remove the directory at any moment.
        if ! { command exec 9>>"$work/lock"; } 2>/dev/null; then
            tries=$((tries + 1))
            [ "$tries" -lt 20 ] || die "julia_prefix $prefix: $work/lock cannot be written. See whether the disk is full."
            continue
        fi
        flock -w "$1" 9 || "$2"
        [ "$(stat -Lc %d:%i "$work/lock" 2>/dev/null)" = "$(stat -Lc %d:%i /proc/self/fd/9)" ] && return
    done
}

# Another run may have done the work while this one waited for the lock.
lock_for_install() {
    lock "$limit" busy
    [ -e "$prefix/.julia-depots.json" ] && { echo installed; exit 0; }
    rm -rf "$tree" "$work/apt"
    mkdir "$tree" || die "julia_prefix $prefix: $tree cannot be made."
}

# Arguments: method, source, sha256.
finish() {
    output=$(timeout -k 5 120 "$tree/bin/julia" --startup-file=no --history-file=no -e "$code" </dev/null 2>&1)
    answer=$(printf '%s\n' "$output" | grep '^julia-probe ' | tail -n 1 | cut -d ' ' -f 2,3)
    [ -n "$answer" ] ||
        die "The Julia from $2 does not run on this node; asked for its version it said '$(printf '%s' "$output" | tail -n 3 | tail -c 600)'. Nothing was installed."
    [ "$answer" = "$version $arch" ] ||
        die "$2 holds Julia $answer, not $version $arch. Nothing was installed."
    printf '{"version": "%s", "arch": "%s", "method": "%s", "source": "%s", "sha256": "%s"}\n' \
        "$version" "$arch" "$1" "$2" "$3" >"$tree/.julia-depots.json" ||
        die "julia_prefix $prefix: the record of the installation cannot be written."
    # After a power cut the new name must not show empty files.
    sync -f "$tree" || sync
    why=$(mv -T -- "$tree" "$prefix" 2>&1) ||
        die "julia_prefix $prefix: the new tree cannot be moved there ($why). Remove what is in the way, or choose another julia_prefix."
    rm -rf "$work"
    echo installed
}

archive() {
    source=$1
    sha256=$2
    says=$3
    lock_for_install
    # A download that outlived its run may still replace the archive: what is checked here is what is unpacked.
    mv "$work/archive" "$work/checked" 2>/dev/null || die "julia_prefix $prefix: the archive that was downloaded has gone. Run again."
    found=$(sha256sum <"$work/checked")
    found=${found%% *}
    [ "$found" = "$sha256" ] ||
        die "$source has the SHA-256 $found, but $says $sha256. Nothing was installed. Find out who changed the archive before you go on."
    why=$(tar -xzf "$work/checked" -C "$tree" --strip-components=1 --no-same-owner 2>&1) ||
        die "$source cannot be unpacked ($(printf '%s' "$why" | tail -n 3)). Nothing was installed. See whether it is a tar archive compressed with gzip, and whether the disk is full."
    [ -x "$tree/bin/julia" ] ||
        die "$source holds no bin/julia below its first directory. Nothing was installed. See whether it is an archive of Julia."
    rm "$work/checked"
    finish archive "$source" "$sha256"
}

debian() {
    mirror=$1 source=$2 suite=$3 keyring=$4 debian_arch=$5 launcher=$6
    shift 6
    lock_for_install
    apt=$work/apt
    mkdir -p "$apt/etc/apt.conf.d" "$apt/etc/preferences.d" "$apt/state/lists/partial" \
        "$apt/cache/archives/partial" "$apt/packages" || die "julia_prefix $prefix: $apt cannot be made."
    : >"$apt/state/status"
    # Only the proxies are taken from the machine's own configuration.
    {
        apt-config dump Acquire | grep -E '^Acquire::[^ ]*[Pp]roxy'
        printf '%s "%s";\n' Dir "$apt" Dir::Etc "$apt/etc" Dir::State "$apt/state" \
            Dir::State::status "$apt/state/status" Dir::Cache "$apt/cache" APT::Architecture "$debian_arch" \
            APT::Architectures "$debian_arch" APT::Sandbox::User '' APT::Update::Error-Mode any \
            Acquire::Languages none Acquire::Retries 1
    } >"$apt/apt.conf"
    printf 'deb [signed-by=%s arch=%s] %s %s main\n' "$keyring" "$debian_arch" "$mirror" "$suite" \
        >"$apt/etc/sources.list"
    export APT_CONFIG="$apt/apt.conf"
    cd "$apt/packages" || die "julia_prefix $prefix: $apt/packages cannot be entered."
    fetch "$source $suite cannot be read or is not signed by a key of $keyring" update
    fetch "not every package could be downloaded from $source $suite" download "$@"
    for package in ./*.deb; do
        why=$(dpkg-deb -x "$package" "$tree" 2>&1) ||
            die "${package#./} cannot be unpacked ($why). Nothing was installed. See whether the disk is full."
    done
    # Links that lead out of the tree or nowhere (libcurl.so, for a library that Julia does without) are left out:
    # the tree must be the same wherever it is copied to.
    find "$tree" -type l \( -lname '/*' -o -xtype l \) -exec rm -- {} +
    if ! { mkdir -p "$tree/bin" && printf '%s\n' "$launcher" >"$tree/bin/julia" && chmod 0755 "$tree/bin/julia"; }; then
        die "julia_prefix $prefix: the launcher cannot be written."
    fi
    sha256=$(sha256sum ./*.deb | sha256sum)
    cd /
    rm -rf "$apt"
    finish debian "$source $suite" "${sha256%% *}"
}

# Arguments: what it means when it fails, and what apt-get is to do.
fetch() {
    meaning=$1
    shift
    timeout -k 5 "$limit" apt-get -q "$@" </dev/null >"$apt/log" 2>&1
    status=$?
    [ "$status" -eq 0 ] && return
    [ "$status" -eq 124 ] && die "$meaning (it took more than the $limit s of julia_download_timeout); set julia_debian_mirror to a mirror that this node reaches." 10
    die "$meaning ($(grep '^[EW]:' "$apt/log" | tail -n 3 | tr '\n' ' ' | tail -c 600)); set julia_debian_mirror to a mirror that this node reaches." 10
}

main() {
    way=$1 prefix=$2 limit=$3
    shift 3
    parent=${prefix%/*}
    work=$parent/.${prefix##*/}.julia-depots
    tree=$work/tree
    case $way in
        prepare) make_work ;;
        archive | debian)
            version=$1 arch=$2 code=$3
            shift 3
            "$way" "$@" ;;
        clean)
            # Where another run holds the lock, the directory is in use and not left behind.
            lock 1 leave
            rm -rf "$work"
            echo cleaned ;;
    esac
}

main "$@"
