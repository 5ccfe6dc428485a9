#!/bin/sh
# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Stages a small release as the role depot_build would: stage.sh WORKDIR RELEASE ARCH LINES
set -eu
umask 022
tree=$1/staging/jets/$2/$3
mkdir -p "$tree/common/packages/with space" "$tree/common/empty" "$tree/generic" "$1/julia/bin"
printf '#!/bin/sh\n' >"$1/julia/bin/julia"
chmod 755 "$1/julia/bin/julia"
echo "$3" >"$tree/common/packages/with space/new
line"
ln -s "with space" "$tree/common/packages/link"
ln "$tree/common/packages/with space/new
line" "$tree/common/packages/again"
# Another content each time, and twice the same.
awk -v word="$2 $3" -v lines="$4" 'BEGIN { for (n = 0; n < lines; n++) print word, n }' >"$tree/common/packages/large"
cp "$tree/common/packages/large" "$tree/generic/same"
chmod 555 "$tree/common/empty"
echo generic >"$tree/levels"
echo '{"levels": [{"name": "generic", "check": {"compiled": []}}]}' >"$tree/build.json"
