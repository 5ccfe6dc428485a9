#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tells how packages are installed here, and the code name of the distribution, one key=value a line. It reads only.
set -u

# Debian has a package dnf, and EPEL one apt.
for manager in $([ ! -e /etc/debian_version ] || echo apt-get) dnf zypper pacman apk; do
    if command -v "$manager" >/dev/null; then
        printf 'manager=%s\n' "${manager%-get}"
        break
    fi
done
if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091
    (. /etc/os-release && printf 'code_name=%s\n' "${VERSION_CODENAME-}")
fi
