# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster for tests: hosts that are namespaces of this machine, reached by SSH.

::

    with Cluster("emulated") as cluster:
        cluster.play(PLAYBOOK, depot_environments=[...])
        cluster["client"].run("ls", "/cvmfs")

The hosts
    Two builders, a stratum-0 and a client. Each has processes, mounts, a host name and a network of its own, an sshd
    with a host key of its own, and an ordinary user who becomes root by sudo. Its files are those of the machine under
    an overlay, so that what it changes, nobody else sees and is gone with it; ``/run``, ``/tmp``, ``/var/tmp``,
    ``/cvmfs``, ``/srv/cvmfs``, ``/var/lib/cvmfs``, ``/var/lib/julia_depots`` and ``/var/spool/cvmfs`` start empty, and
    of the machine's CernVM-FS there is no configuration, no repository and no key.
    They meet on a bridge in the network of the controller, which no other process of the machine is in; so clusters can
    exist side by side, and the machine's own network is as it was. Ansible runs on the controller, see
    ``Cluster.command``.

CernVM-FS
    By the kind of cluster it is the one installed on the machine (``real``), or the emulation (``emulated``), for which
    the client sees the storage of the stratum-0, read-only. No repository is there at the start.

The end
    All of a host lives in namespaces that end with its first process, and that ends when the process that made the
    cluster closes its pipe, or dies. So nothing is left but a folder, which ``Cluster.stop`` removes; where the maker
    was killed, the next cluster that starts does.
"""

from __future__ import annotations

from .cluster import ACCOUNT, KINDS, Cluster
from .playbooks import Played

__all__ = ["ACCOUNT", "KINDS", "Cluster", "Played"]
