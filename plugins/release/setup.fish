# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes the environment @ENVIRONMENT@ usable with Julia @VERSION@ in fish 3 or later:
#   source '@RELEASE@/setup.fish'
# setup.sh decides, and says which variables count. Where it fails nothing changes, and the status is 1.

begin
    set -lx __julia_depots_for fish
    set -l commands (/bin/sh '@RELEASE@/setup.sh')
    and eval "$commands"
end
