# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping a repository's whitelist valid: with one that has expired, nothing can be published or aborted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import published, server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository
from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ServerError

DAY = 86400.0


@dataclass(frozen=True)
class Validity:
    """How long a whitelist is valid.

    :param seconds: from now; negative where it has expired.
    :param hindrance: why it cannot be renewed here; empty if it can.
    """

    expires: datetime
    seconds: float
    hindrance: str

    @property
    def days(self) -> float:
        return self.seconds / DAY


def validity(repository: Repository) -> Validity:
    """How long the whitelist of a repository on this machine is valid.

    :raises ServerError: it cannot be read.
    """
    expires = published.whitelist_of(repository.published_at(repository.settings())).expires
    return Validity(expires, (expires - datetime.now(timezone.utc)).total_seconds(), _hindrance(repository))


def _hindrance(repository: Repository) -> str:
    if not os.path.exists(repository.key("masterkey")):
        return f"its master key {repository.key('masterkey')} is not on this machine"
    return "" if os.geteuid() == 0 else "only root can sign it"


def renew(repository: Repository, days: int = 30) -> None:
    """Sign the whitelist anew, also within a transaction.

    :param days: for so many.
    :raises ServerError: it cannot be.
    """
    server.must_run(
        ["resign", "-f", "-d", str(days), repository.name],
        f"repository: {repository.name}: its whitelist cannot be renewed",
    )


def keep_valid(repository: Repository, least: float, days: int = 30) -> tuple[list[dict[str, str]], list[str]]:
    """Renew a whitelist that soon runs out.

    :param least: so many days it must still be valid.
    :param days: for how many it is renewed.
    :returns: what was done, as entries of ``actions``, and warnings of what could not.
    :raises ServerError: it has expired, and cannot be renewed here.
    """
    found = validity(repository)
    if found.days >= least:
        return [], []
    if not found.hindrance:
        renew(repository, days)
        return [{"what": "whitelist", "id": repository.name, "status": "renewed"}], []
    when = found.expires.isoformat(timespec="seconds")
    remedy = f"run `{server.PROGRAM} resign {repository.name}` as root where the master key is; here {found.hindrance}"
    if found.seconds <= 0:
        raise ServerError(f"repository: {repository.name}: its whitelist expired at {when}; {remedy}")
    return [], [f"repository: {repository.name}: its whitelist expires at {when}; {remedy}"]
