# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sites of the tests of how others run the collection: AWX, larger sites, people who watch."""

from tests.sites import published, site

__all__ = ["published", "site"]
