#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Asks an executable what Julia it is. Arguments: the Julia code that answers, and the path of the executable (empty:
# the first julia in PATH). Prints lines of the form key=value: named (the path asked), and either fault, or version,
# arch, commit, bindir, executable and prefix.
set -u

# Whatever it is, it may neither wait for input, run for ever nor flood the memory.
ask() {
    timeout -k 5 120 "$1" --startup-file=no --history-file=no -e "$code" </dev/null 2>&1 |
        head -c 4096 | tr -d '\000'
}

# The last line that is an answer, among what was said.
answer_in() {
    printf '%s\n' "$1" | grep '^julia-probe [0-9]' | tail -n 1
}

main() {
    code=$1
    named=$2
    if [ -z "$named" ]; then
        named=$(command -v julia) || { echo 'fault=There is no julia in PATH.'; exit 0; }
    fi
    printf 'named=%s\n' "$named"
    if [ ! -e "$named" ]; then
        printf 'fault=%s does not exist.\n' "$named"
        exit 0
    fi
    if [ ! -f "$named" ] || [ ! -x "$named" ]; then
        printf 'fault=%s is not an executable file.\n' "$named"
        exit 0
    fi

    output=$(ask "$named")
    answer=$(answer_in "$output")
    if [ -z "$answer" ]; then
        said=$(printf '%s' "$output" | tail -n 3 | tr -s '\n\t ' ' ' | tail -c 300)
        printf 'fault=%s is not Julia, or Julia does not start; asked for its version it said "%s".\n' "$named" "$said"
        exit 0
    fi
    rest=${answer#julia-probe }
    version=${rest%% *}; rest=${rest#* }
    arch=${rest%% *}; rest=${rest#* }
    commit=${rest%% *}
    bindir=${rest#* }

    # A launcher (juliaup, a script in PATH) may depend on its user's settings. The executable behind it is better,
    # where it works without the launcher.
    real=$(readlink -f -- "$named")
    executable=$named
    prefix=${real%/*/*}
    if [ "$(readlink -f -- "$bindir/julia")" = "$real" ] ||
        [ "$(answer_in "$(ask "$bindir/julia")")" = "$answer" ]; then
        executable=$bindir/julia
        prefix=${bindir%/*}
    fi
    printf '%s\n' "version=$version" "arch=$arch" "commit=$commit" "bindir=$bindir" \
        "executable=$executable" "prefix=${prefix:-/}"
}

main "$@"
