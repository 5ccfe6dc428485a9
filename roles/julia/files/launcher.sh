#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Starts the Julia of this tree, wherever the tree is, with the libraries of the tree. Starts no other process, except
# where it is called through a symbolic link.
absolute() {
    case $1 in
        /*) self=$1 ;;
        *) self=$2/$1 ;;
    esac
}
absolute "$0" "$PWD"
while [ -L "$self" ]; do
    absolute "$(readlink -- "$self")" "${self%/*}"
done
root=${self%/*}/..
for library in "$root"/usr/lib/*-linux-gnu*/julia; do
    usr=${library%/julia}
    LD_LIBRARY_PATH=$usr:$library:$root/lib/${usr##*/}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
exec "$root/usr/bin/julia" "$@"
