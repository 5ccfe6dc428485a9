#%Module
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# For Environment Modules 4.6 or later. setup.sh decides on architecture, level and first depot; the modules' own path
# commands then put them in place, so that unloading takes out these entries alone and leaves what the user added
# meanwhile.

set release "@RELEASE@"

proc ModulesHelp { } {
    puts stderr "Julia @VERSION@ with the packages of the environment @ENVIRONMENT@, compiled for this node's processor.

Start `julia`; `using` finds the packages. Your own project and packages come first: `Pkg.add` goes to your
environment, in your depot (~/.julia, or the first of JULIA_DEPOT_PATH).
JULIA_DEPOTS_LEVEL, set before loading, asks for another CPU level than the best that this node can run.

Release: @RELEASE@"
}
module-whatis "Julia @VERSION@ with the precompiled environment @ENVIRONMENT@"

conflict julia Julia
# Since 5.1: one environment at a time, whatever its module is called.
if {[llength [info commands family]]} {
    family julia_depots
}

proc inherited {name} {
    if {[info exists ::env($name)]} {
        return $::env($name)
    }
    return {}
}

# All that is put into the environment. `extras` says what else than the release's own entries went into the lists:
# D the empty entry of the depot path, L Julia's default load path, and after a colon the first depot.
proc apply_settings {active depots load bin extras} {
    set first [join [lrange [split $extras :] 1 end] :]
    set flags [lindex [split $extras :] 0]
    if {$first ne {}} {
        append-path JULIA_DEPOT_PATH $first
    }
    foreach depot [split $depots :] {
        append-path JULIA_DEPOT_PATH $depot
    }
    if {[string first D $flags] >= 0} {
        append-path JULIA_DEPOT_PATH {}
    }
    if {[string first L $flags] >= 0} {
        append-path JULIA_LOAD_PATH @ @v#.#
    }
    append-path JULIA_LOAD_PATH $load
    if {[string first L $flags] >= 0} {
        append-path JULIA_LOAD_PATH @stdlib
    }
    prepend-path PATH $bin
    setenv JULIA_DEPOTS_RELEASE $::release
    setenv JULIA_DEPOTS_ACTIVE $active
    setenv JULIA_DEPOTS_DEPOTS $depots
    setenv JULIA_DEPOTS_LOAD $load
    setenv JULIA_DEPOTS_BIN $bin
    setenv JULIA_DEPOTS_MODULE $extras
}

# What a setup.sh or another such module put in before makes room.
proc remove_earlier {} {
    set extras [split [inherited JULIA_DEPOTS_MODULE] :]
    set flags [lindex $extras 0]
    set depots [concat [split [inherited JULIA_DEPOTS_DEPOTS] :] [lrange $extras 1 end]]
    foreach depot $depots {
        if {$depot ne {}} {
            remove-path JULIA_DEPOT_PATH $depot
        }
    }
    if {[string first D $flags] >= 0} {
        remove-path JULIA_DEPOT_PATH {}
    }
    if {[string first L $flags] >= 0} {
        remove-path JULIA_LOAD_PATH @ @v#.# @stdlib
    }
    if {[inherited JULIA_DEPOTS_LOAD] ne {}} {
        remove-path JULIA_LOAD_PATH [inherited JULIA_DEPOTS_LOAD]
    }
    # What is left of a setup.sh that found no load path.
    if {[inherited JULIA_LOAD_PATH] eq {@:@v#.#:@stdlib}} {
        remove-path JULIA_LOAD_PATH @ @v#.# @stdlib
    }
    if {[inherited JULIA_DEPOTS_BIN] ne {}} {
        remove-path PATH [inherited JULIA_DEPOTS_BIN]
    }
}

switch -- [module-info mode] {
    load - display {
        set answer [exec env __julia_depots_for=module /bin/sh -c {/bin/sh "$0" 2>&1 || :} $release/setup.sh]
        if {![regexp {^[a-z0-9_]+/[^\n]+\n[^\n]*$} $answer]} {
            puts stderr $answer
            break
        }
        lassign [split $answer \n] active first
        lassign [split $active /] arch level
        remove_earlier
        set extras {}
        set nothing [expr {[string trim [inherited JULIA_DEPOT_PATH] :] eq {}}]
        if {$nothing || [string first :: :[inherited JULIA_DEPOT_PATH]:] < 0} {
            append extras D
        }
        if {[string trim [inherited JULIA_LOAD_PATH] :] eq {}} {
            append extras L
        }
        append extras :
        if {$nothing} {
            append extras $first
        }
        apply_settings $active $release/$arch/$level:$release/$arch/common\
            $release/$arch/common/environments/@ENVIRONMENT@ $release/bin $extras
    }
    unload {
        apply_settings [inherited JULIA_DEPOTS_ACTIVE] [inherited JULIA_DEPOTS_DEPOTS] [inherited JULIA_DEPOTS_LOAD]\
            [inherited JULIA_DEPOTS_BIN] [inherited JULIA_DEPOTS_MODULE]
    }
}
