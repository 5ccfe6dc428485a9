# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# Makes the environment @ENVIRONMENT@ usable with Julia @VERSION@ in a POSIX shell:
#   . '@RELEASE@/setup.sh'
# bin/julia, setup.csh, setup.fish and the module files rest on this file too.
#
# Reads
#   JULIA_DEPOTS_LEVEL    the CPU level to use; unset or empty: the best that this node can run
#   JULIA_DEPOTS_CPUINFO  a file to read in place of /proc/cpuinfo, for tests
# Exports
#   JULIA_DEPOT_PATH      <what the user had, or ~/.julia>:<level>:<common>:
#   JULIA_LOAD_PATH       <what the user had>:<environment>, or @:@v#.#:<environment>:@stdlib
#   PATH                  with this release's bin in front (not from bin/julia)
#   JULIA_DEPOTS_RELEASE  this release
#   JULIA_DEPOTS_ACTIVE   <architecture>/<level>
#   JULIA_DEPOTS_DEPOTS, JULIA_DEPOTS_LOAD, JULIA_DEPOTS_BIN
#                         what was put into the three paths, so that the next release takes its place
# Where there is no usable home directory (grid jobs), the first depot is a private one below TMPDIR.
#
# It leaves options, positional parameters, IFS and working directory of the calling shell alone, does not depend
# on them, and starts no process. Nothing is exported and the status is 1 where it cannot succeed.

__julia_depots_say() {
    printf '%s\n' "julia_depots: $1" >&2
}

# Architecture and flags of this node's first processor, as the kernel tells them. The file is long and `read`
# takes it byte by byte: stop at the flags.
__julia_depots_read_processor() {
    __julia_depots_node=
    __julia_depots_flags=' '
    [ -r "$__julia_depots_cpuinfo" ] || return 0
    while IFS= read -r __julia_depots_line; do
        case $__julia_depots_line in
        flags*:*) __julia_depots_node=x86_64 ;;
        Features*:*) __julia_depots_node=aarch64 ;;
        vendor_id*:*)
            __julia_depots_node=x86_64
            continue
            ;;
        'CPU implementer'*:*)
            __julia_depots_node=aarch64
            continue
            ;;
        *) continue ;;
        esac
        __julia_depots_flags=" ${__julia_depots_line#*:} "
        break
    done <"$__julia_depots_cpuinfo"
}

# The kernel is not asked where the release leaves no choice, unless it has packages without caches for other nodes.
__julia_depots_choose_architecture() {
    __julia_depots_node=unread
    if [ ! -r "$__julia_depots_release/aarch64/levels" ]; then
        __julia_depots_arch=x86_64
    elif [ ! -r "$__julia_depots_release/x86_64/levels" ]; then
        __julia_depots_arch=aarch64
    else
        __julia_depots_read_processor
        __julia_depots_arch=$__julia_depots_node
    fi
    [ -z "$__julia_depots_platforms" ] || [ "$__julia_depots_node" != unread ] || __julia_depots_read_processor
    if [ -z "$__julia_depots_arch" ]; then
        __julia_depots_say "$__julia_depots_cpuinfo does not tell whether this node is x86_64 or aarch64"
        return 1
    fi
    if [ ! -r "$__julia_depots_release/$__julia_depots_arch/levels" ]; then
        __julia_depots_say "cannot read $__julia_depots_release/$__julia_depots_arch/levels: was this release removed?"
        return 1
    fi
}

# Levels stand worst first; the last one whose flags this node has wins.
__julia_depots_choose_level() {
    [ -z "${ZSH_VERSION-}" ] || setopt local_options sh_word_split
    IFS=' '
    __julia_depots_wanted=${JULIA_DEPOTS_LEVEL-}
    __julia_depots_level=
    __julia_depots_usable=
    __julia_depots_lacks=
    __julia_depots_present=' '
    while read -r __julia_depots_name __julia_depots_needs || [ -n "$__julia_depots_name" ]; do
        [ -n "$__julia_depots_name" ] || continue
        if [ -n "$__julia_depots_needs" ] && [ "$__julia_depots_node" = unread ]; then
            __julia_depots_read_processor
        fi
        __julia_depots_missing=
        for __julia_depots_flag in $__julia_depots_needs; do
            # Most levels repeat the flags of the ones before, and the node's own list is long.
            case $__julia_depots_present in
            *" $__julia_depots_flag "*) continue ;;
            esac
            case $__julia_depots_flags in
            *" $__julia_depots_flag "*) __julia_depots_present="$__julia_depots_present$__julia_depots_flag " ;;
            *) __julia_depots_missing="$__julia_depots_missing $__julia_depots_flag" ;;
            esac
        done
        if [ -n "$__julia_depots_missing" ]; then
            [ "$__julia_depots_name" != "$__julia_depots_wanted" ] || __julia_depots_lacks=$__julia_depots_missing
            continue
        fi
        __julia_depots_usable="$__julia_depots_usable $__julia_depots_name"
        case $__julia_depots_wanted in
        '' | "$__julia_depots_name") __julia_depots_level=$__julia_depots_name ;;
        esac
    done <"$__julia_depots_release/$__julia_depots_arch/levels"

    case $__julia_depots_node in
    unread | '' | "$__julia_depots_arch") ;;
    *)
        __julia_depots_say "this node is $__julia_depots_node; $__julia_depots_release is for $__julia_depots_arch only"
        __julia_depots_say_platforms
        return 1
        ;;
    esac
    [ -z "$__julia_depots_level" ] || return 0
    if [ -z "$__julia_depots_usable" ]; then
        __julia_depots_say "no level in $__julia_depots_release/$__julia_depots_arch/levels has its CPU flags all in $__julia_depots_cpuinfo"
    elif [ -n "$__julia_depots_lacks" ]; then
        __julia_depots_say "JULIA_DEPOTS_LEVEL=$__julia_depots_wanted: this node lacks the CPU flags$__julia_depots_lacks; unset it, or choose from:$__julia_depots_usable"
    else
        __julia_depots_say "JULIA_DEPOTS_LEVEL=$__julia_depots_wanted: no such level for $__julia_depots_arch in $__julia_depots_release; unset it, or choose from:$__julia_depots_usable"
    fi
    return 1
}

# What a node of another architecture can do with packages that have no caches.
__julia_depots_say_platforms() {
    IFS=' '
    for __julia_depots_name in $__julia_depots_platforms; do
        case $__julia_depots_name in
        "$__julia_depots_node"-*)
            __julia_depots_list=$__julia_depots_release/$__julia_depots_name/common
            __julia_depots_say "packages for $__julia_depots_name, without caches, are in $__julia_depots_list; to use them with a Julia @VERSION@ of your own, which compiles them at first use:"
            printf '%s\n' "export JULIA_DEPOT_PATH=\"\$HOME/.julia:$__julia_depots_list:\" JULIA_LOAD_PATH=\"@:@v#.#:$__julia_depots_list/environments/@ENVIRONMENT@:@stdlib\"" >&2
            ;;
        esac
    done
}

# In the path list $1, puts $3 where $2 with its colons stands: the answer is in __julia_depots_list. Status 1, and
# no answer, where it does not.
__julia_depots_replace() {
    [ -n "$2" ] || return 1
    case :$1: in
    *":$2:"*) ;;
    *) return 1 ;;
    esac
    __julia_depots_list=:$1:
    __julia_depots_list=${__julia_depots_list%%":$2:"*}$3${__julia_depots_list#*":$2:"}
    __julia_depots_list=${__julia_depots_list#:}
    __julia_depots_list=${__julia_depots_list%:}
}

# The first depot, for a user who named none.
__julia_depots_choose_user_depot() {
    case ${HOME-} in
    *:*) ;;
    /*)
        __julia_depots_user=${HOME%/}/.julia
        if [ -d "$__julia_depots_user" ]; then
            [ ! -w "$__julia_depots_user" ] || return 0
        elif [ ! -e "$__julia_depots_user" ] && [ ! -h "$__julia_depots_user" ] && [ -d "$HOME" ] && [ -w "$HOME" ]; then
            return 0
        fi
        ;;
    esac
    __julia_depots_user=/tmp
    case ${TMPDIR-} in
    *:*) ;;
    /*) [ ! -d "$TMPDIR" ] || [ ! -w "$TMPDIR" ] || __julia_depots_user=${TMPDIR%/} ;;
    esac
    # Others may write there too: nobody must be able to guess the name. Julia makes the directory.
    __julia_depots_name=
    if [ -r /proc/sys/kernel/random/uuid ]; then
        IFS= read -r __julia_depots_name </proc/sys/kernel/random/uuid || :
    fi
    __julia_depots_user=$__julia_depots_user/julia-depot-${__julia_depots_name:-$$}
}

__julia_depots_export_paths() {
    # An earlier release's part is replaced where it stands, so that all that the user put around it stays.
    if ! __julia_depots_replace "${JULIA_DEPOT_PATH-}" "${JULIA_DEPOTS_DEPOTS-}" ":$__julia_depots_depots:" &&
        ! __julia_depots_replace "${JULIA_DEPOT_PATH-}" "$__julia_depots_depots" ":$__julia_depots_depots:"; then
        __julia_depots_user=${JULIA_DEPOT_PATH-}
        while :; do
            case $__julia_depots_user in
            *:) __julia_depots_user=${__julia_depots_user%:} ;;
            *) break ;;
            esac
        done
        [ -n "$__julia_depots_user" ] || __julia_depots_choose_user_depot
        __julia_depots_list=$__julia_depots_user:$__julia_depots_depots:
    fi
    # An empty entry stands for Julia's own depots, with the standard library's caches.
    case :$__julia_depots_list: in
    *::*) ;;
    *) __julia_depots_list=$__julia_depots_list: ;;
    esac
    export JULIA_DEPOT_PATH="$__julia_depots_list"

    if ! __julia_depots_replace "${JULIA_LOAD_PATH-}" "${JULIA_DEPOTS_LOAD-}" ":$__julia_depots_load:" &&
        ! __julia_depots_replace "${JULIA_LOAD_PATH-}" "$__julia_depots_load" ":$__julia_depots_load:"; then
        # Julia's default, with the environment before the standard library: a lock may pin a newer version of a part
        # of that, and caches were made with it.
        __julia_depots_list=@:@v#.#:$__julia_depots_load:@stdlib
        [ -z "${JULIA_LOAD_PATH-}" ] || __julia_depots_list=$JULIA_LOAD_PATH:$__julia_depots_load
    fi
    export JULIA_LOAD_PATH="$__julia_depots_list"

    export JULIA_DEPOTS_RELEASE="$__julia_depots_release"
    export JULIA_DEPOTS_ACTIVE="$__julia_depots_arch/$__julia_depots_level"
    export JULIA_DEPOTS_DEPOTS="$__julia_depots_depots"
    export JULIA_DEPOTS_LOAD="$__julia_depots_load"

    [ "${__julia_depots_for-}" != wrapper ] || return 0
    __julia_depots_list=${PATH-}
    for __julia_depots_name in "${JULIA_DEPOTS_BIN-}" "$__julia_depots_release/bin"; do
        while __julia_depots_replace "$__julia_depots_list" "$__julia_depots_name" :; do
            :
        done
    done
    export JULIA_DEPOTS_BIN="$__julia_depots_release/bin"
    export PATH="$JULIA_DEPOTS_BIN${__julia_depots_list:+:$__julia_depots_list}"
}

# Prints one variable as a command of the C shell or of fish.
__julia_depots_print() {
    __julia_depots_list=
    __julia_depots_name=$2
    while :; do
        case $__julia_depots_name in
        *[\'\\!]*) ;;
        *) break ;;
        esac
        __julia_depots_line=${__julia_depots_name%%[\'\\!]*}
        __julia_depots_list=$__julia_depots_list$__julia_depots_line
        __julia_depots_name=${__julia_depots_name#"$__julia_depots_line"}
        case $__julia_depots_for$__julia_depots_name in
        "csh'"*) __julia_depots_list="$__julia_depots_list'\\''" ;;
        csh!*) __julia_depots_list="$__julia_depots_list\\!" ;;
        "fish'"*) __julia_depots_list="$__julia_depots_list\\'" ;;
        fish\\*) __julia_depots_list="$__julia_depots_list\\\\" ;;
        csh\\*) __julia_depots_list="$__julia_depots_list\\" ;;
        fish!*) __julia_depots_list="$__julia_depots_list!" ;;
        esac
        __julia_depots_name=${__julia_depots_name#?}
    done
    case $__julia_depots_for in
    csh) printf "setenv %s '%s'; " "$1" "$__julia_depots_list$__julia_depots_name" ;;
    fish) printf "set -gx %s '%s'; " "$1" "$__julia_depots_list$__julia_depots_name" ;;
    esac
}

__julia_depots_setup() {
    __julia_depots_cpuinfo=${JULIA_DEPOTS_CPUINFO:-/proc/cpuinfo}
    __julia_depots_release='@RELEASE@'
    __julia_depots_platforms='@PLATFORMS@'
    __julia_depots_choose_architecture || return 1
    __julia_depots_choose_level || return 1
    __julia_depots_depots=$__julia_depots_release/$__julia_depots_arch/$__julia_depots_level:$__julia_depots_release/$__julia_depots_arch/common
    __julia_depots_load=$__julia_depots_release/$__julia_depots_arch/common/environments/@ENVIRONMENT@
    __julia_depots_export_paths
    case ${__julia_depots_for-} in
    module) printf '%s\n' "$JULIA_DEPOTS_ACTIVE" "${JULIA_DEPOT_PATH%%:*}" ;;
    csh | fish)
        __julia_depots_print PATH "$PATH"
        __julia_depots_print JULIA_DEPOT_PATH "$JULIA_DEPOT_PATH"
        __julia_depots_print JULIA_LOAD_PATH "$JULIA_LOAD_PATH"
        __julia_depots_print JULIA_DEPOTS_RELEASE "$JULIA_DEPOTS_RELEASE"
        __julia_depots_print JULIA_DEPOTS_ACTIVE "$JULIA_DEPOTS_ACTIVE"
        __julia_depots_print JULIA_DEPOTS_DEPOTS "$JULIA_DEPOTS_DEPOTS"
        __julia_depots_print JULIA_DEPOTS_LOAD "$JULIA_DEPOTS_LOAD"
        __julia_depots_print JULIA_DEPOTS_BIN "$JULIA_DEPOTS_BIN"
        ;;
    esac
}

# Who asks: bin/julia (wrapper) sources this file; setup.csh, setup.fish and the module files run it as a program and
# read what it prints; a user's shell sets nothing.
__julia_depots_ifs=${IFS-}
__julia_depots_had_ifs=${IFS+yes}
if __julia_depots_setup; then
    __julia_depots_status=0
else
    __julia_depots_status=1
fi
IFS=$__julia_depots_ifs
[ -n "$__julia_depots_had_ifs" ] || unset IFS
unset -f __julia_depots_say __julia_depots_read_processor __julia_depots_choose_architecture \
    __julia_depots_choose_level __julia_depots_say_platforms __julia_depots_replace __julia_depots_choose_user_depot \
    __julia_depots_export_paths __julia_depots_print __julia_depots_setup
unset __julia_depots_arch __julia_depots_cpuinfo __julia_depots_depots __julia_depots_flag __julia_depots_flags \
    __julia_depots_for __julia_depots_had_ifs __julia_depots_ifs __julia_depots_lacks __julia_depots_level \
    __julia_depots_line __julia_depots_list __julia_depots_load __julia_depots_missing __julia_depots_name \
    __julia_depots_needs __julia_depots_node __julia_depots_platforms __julia_depots_present __julia_depots_release \
    __julia_depots_usable __julia_depots_user __julia_depots_wanted
if [ "$__julia_depots_status" = 1 ]; then
    unset __julia_depots_status
    # A program cannot return.
    # shellcheck disable=SC2317
    return 1 2>/dev/null || exit 1
fi
unset __julia_depots_status
