#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs cvmfs_server on a schedule, never beside anything else of scisoft.julia_depots that writes to the repository.
# Usage: julia_depots_cvmfs PROGRAM WAIT COMMAND REPOSITORY [OPTION ...]
#   PROGRAM  path of cvmfs_server
#   WAIT     seconds to wait for the collection's lock
#   COMMAND  gc, resign or snapshot
# Says nothing when all went well, so that cron has nothing to mail. Ends with 75 when the repository was busy; but a
# snapshot that is being taken by another is no fault.
set -u

if [ $# -lt 4 ]; then
    echo "Usage: $0 PROGRAM WAIT COMMAND REPOSITORY [OPTION ...]" >&2
    exit 64
fi
program=$1 wait=$2 command=$3 repository=$4
shift 4
case $command in
    gc) purpose='collect garbage' ;;
    resign) purpose='renew the whitelist' ;;
    snapshot) purpose='take a snapshot' ;;
    *)
        echo "$0: $command is none of gc, resign and snapshot" >&2
        exit 64
        ;;
esac

spool=/var/spool/cvmfs/$repository
lock=$spool/julia_depots.lock
record=$spool/julia_depots.json
mark=$spool/in_transaction.lock
host=$(uname -n)

cd / || exit
exec 9<>"$lock" || exit
# What root makes here, the repository's owner has to be able to use.
[ "$(id -u)" -ne 0 ] || chown --reference="$spool" -- "$lock"
if [ "$wait" -eq 0 ]; then
    flock --nonblock 9
else
    flock --wait "$wait" 9
fi || {
    [ "$command" != snapshot ] || exit 0
    echo "$repository is being written to, waited $wait s. Held by: $(cat -- "$lock")" >&2
    exit 75
}
printf '{"host": "%s", "pid": %d, "since": "%s", "purpose": "%s"}\n' \
    "$host" $$ "$(date -u +%Y-%m-%dT%H:%M:%S+00:00)" "$purpose" >"$lock"

output=$(mktemp) || exit
trap 'rm -f -- "$output"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$command" = gc ]; then
    # It opens a transaction of its own, and has to be known as its owner.
    if [ -e "$mark" ]; then
        echo "$repository is in a transaction; garbage is collected the next time" >&2
        exit 75
    fi
    printf '{"host": "%s", "boot": "%s", "pid": %d, "run": "", "purpose": "%s", "since": %s, "lifetime": 0.0, "mark": []}\n' \
        "$host" "$(cat /proc/sys/kernel/random/boot_id)" $$ "$purpose" "$(date +%s)" >"$record.new"
    mv -f -- "$record.new" "$record"
fi
# Without the lock's descriptor, so that no mount which it starts keeps the lock.
"$program" "$command" "$@" "$repository" </dev/null >"$output" 2>&1 9>&-
status=$?
# A collection that died leaves its transaction open; then the record lets the next run of ours recover it.
[ "$command" != gc ] || [ -e "$mark" ] || rm -f -- "$record"
[ "$status" -eq 0 ] || cat -- "$output" >&2
exit "$status"
