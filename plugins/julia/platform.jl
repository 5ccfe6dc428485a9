# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"Platforms that are asked for by their triplets."
module Platforms

using ..Compat: Compat
using ..Report: emit

"The platform that a triplet names; `missing`, and an event `refused(error)`, where this Julia does not know it."
function asked(triplet)
    try
        return Compat.platform(triplet)
    catch err
        err isa ArgumentError || rethrow()
        emit(:refused, error="$(repr(triplet)) is not a platform that Julia $VERSION knows: $(err.msg)")
        return missing
    end
end

end
