# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package server for tests: small Julia packages and their registry, generated and served on loopback.

::

    world = PackageWorld.generate(folder, many=50)
    with PackageServer(world) as server:
        run(julia, env={"JULIA_PKG_SERVER": server.url, ...})

The protocol: "Pkg & Storage Protocols" in Pkg's documentation (plain HTTP GET of gzipped tarballs).
"""

from .packages import FAILURE_MESSAGE, uuid_of
from .server import Fault, PackageServer
from .world import PackageWorld

__all__ = ["FAILURE_MESSAGE", "Fault", "PackageServer", "PackageWorld", "uuid_of"]
