#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tells how a node stands, one key=value a line. It reads only.
#     look.sh REPOSITORY NFILES MARK
# REPOSITORY  fully qualified name
# NFILES      how many open files the client is to have
# MARK        the first line of files that the role wrote
set -u
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
repository=$1
nfiles=$2
mark=$3
mount=/cvmfs/$repository

tell() {
    printf '%s=%s\n' "$1" "$2"
}

tell program "$(command -v cvmfs_config)"
if [ -d /run/systemd/system ]; then
    tell systemd yes
fi
if grep -q '^cvmfs:' /etc/passwd || getent passwd cvmfs >/dev/null 2>&1; then
    tell user yes
fi

# How packages are installed here, and the code name of the distribution. Debian has a package dnf, and EPEL one apt.
for manager in $([ ! -e /etc/debian_version ] || echo apt-get) dnf zypper pacman apk; do
    if command -v "$manager" >/dev/null; then
        tell package_manager "${manager%-get}"
        break
    fi
done
if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091
    (. /etc/os-release && tell code_name "${VERSION_CODENAME-}")
fi

# Root may raise its limit where it has the capability for that, and up to fs.nr_open; so it is tried.
# shellcheck disable=SC3045
if (ulimit -n "$nfiles") 2>/dev/null; then
    tell nfiles "$nfiles"
else
    tell nfiles "$(ulimit -H -n)"
fi

# Who has mounted the repository: its client, its server on the same host (an overlay named after it), or nobody.
awk -v mount="$mount" '
    $2 == "/cvmfs" && $3 == "autofs" { print "autofs_runs=yes" }
    $2 ~ "^/cvmfs/" && ($1 ~ "(^|/)cvmfs2$" || $2 == mount) && $1 !~ "^(overlay|aufs)_" { print "client_mounts=" $2 }
    $2 == mount { by = ($1 ~ "^(overlay|aufs)_") ? "server" : "client" }
    END { print "mounted=" by }
' /proc/self/mounts

for file in /etc/auto.master /etc/autofs/auto.master; do
    if [ -f "$file" ]; then
        tell auto_master "$file"
    fi
done
for file in /etc/auto.master /etc/autofs/auto.master /etc/auto.master.d/*.autofs /etc/autofs/auto.master.d/*.autofs; do
    if [ -f "$file" ] && grep -q '^/cvmfs/\{0,1\}[[:space:]]' "$file"; then
        tell autofs_map "$file"
    fi
done

if [ -f /etc/fstab ]; then
    awk -v mount="$mount" '
        $1 !~ "^#" && $2 == mount { print "fstab=" $3 }
        $1 !~ "^#" && $3 == "cvmfs" { print "static_mounts=" $2 }
    ' /etc/fstab
fi

for file in default.local "config.d/$repository.conf" "config.d/$repository.local"; do
    if [ -f "/etc/cvmfs/$file" ]; then
        if [ "$(head -n 1 "/etc/cvmfs/$file")" = "$mark" ]; then
            tell ours "$file"
        else
            tell foreign "$file"
        fi
    fi
done
