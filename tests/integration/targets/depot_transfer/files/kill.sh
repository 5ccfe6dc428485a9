#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Kills a command, with all that it has started, once it says something: kill.sh WORDS COMMAND...
set -eu
words=$1
shift
log=$(mktemp)
setsid "$@" >"$log" 2>&1 </dev/null &
pid=$!
tries=0
until grep -qF -- "$words" "$log" || [ "$tries" -ge 600 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
kill -s KILL -- "-$pid"
grep -F -- "$words" "$log" || {
    cat "$log"
    exit 1
}
rm "$log"
