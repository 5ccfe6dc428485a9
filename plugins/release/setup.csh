# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes the environment @ENVIRONMENT@ usable with Julia @VERSION@ in csh and tcsh:
#   source '@RELEASE@/setup.csh'
# setup.sh decides, and says which variables count. Where it fails nothing changes, and the status is 1.

setenv __julia_depots_for csh
set __julia_depots_commands = "`/bin/sh '@RELEASE@/setup.sh' || echo false`"
unsetenv __julia_depots_for
eval "unset __julia_depots_commands; $__julia_depots_commands"
