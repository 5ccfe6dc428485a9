# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulated ``cvmfs_server``: exit statuses, texts and states of the server 2.12.0, without CernVM-FS.

Source of the facts: the scripts ``cvmfs/server`` and the programs ``cvmfs/publish`` of CernVM-FS 2.12.0, and what a
server of that version answers; ``test_server_contract.py`` runs the same assertions on both.

Where things are
    ``/cvmfs/<fqrn>``, ``/var/spool/cvmfs/<fqrn>``, ``/etc/cvmfs/repositories.d/<fqrn>``, ``/etc/cvmfs/keys`` and
    ``/srv/cvmfs/<fqrn>`` as on the real server. The content of each revision is a plain copy in
    ``/srv/cvmfs/<fqrn>/emulation/revisions/<root hash>``, so that who reads an old revision keeps seeing it; bind
    mounts of these folders do for clients.
    Only repositories that the emulation made are seen (they have an ``emulation.json`` beside ``server.conf``);
    those of a real server on the same machine are neither listed nor touched.

Two modes, chosen by ``mkfs``
    ``overlay``: ``/cvmfs/<fqrn>`` is an overlay mount on a read-only bind mount of the revision, as on the real server.
    ``plain``: ``/cvmfs/<fqrn>`` is a folder, whose folders are made unwritable outside of a transaction by chmod, which
    does not stop root, and folders always are writable for their owner in what is published.
    ``overlay`` is taken where the machine's root owns the repository and the mount is allowed; the environment
    variable ``CVMFS_EMULATION_MODE=overlay|plain`` decides otherwise.

Settings
    Garbage collection and automatic tags: ``CVMFS_GARBAGE_COLLECTION`` and ``CVMFS_AUTO_TAG`` in ``server.conf``.
    Days left to the whitelist: ``resign -d DAYS`` (0 and less: expired), as on the real server.
    A gateway: ``mkfs -u gw,/srv/cvmfs/<fqrn>/data/txn,http://localhost:4929/api/v1``; the paths that others have leased
    are listed in ``emulation.json`` as ``{"leases": ["some/path"]}``; a transaction's own lease is ``session_token``.

Faults to order
    A list in ``emulation.json`` of the repository, ``{"faults": [...]}``, or in the environment variable
    ``CVMFS_EMULATION_FAULTS``, which holds the list as JSON or the path of a file that holds it. A fault is::

        {"step": "publish:before-sign", "action": "die", "times": "once"}

    ``step`` is one of ``faults.STEPS``; ``action`` is ``die`` (SIGKILL to the command itself), ``hang`` (until killed)
    or ``fail`` with ``status`` (default 1), ``stdout`` and ``stderr`` (default empty); ``fail`` of a publish that has
    begun leaves the transaction open, as on the real server. ``times`` is ``once`` (default; the fault is then struck
    from the file) or ``always``. Faults that stand in the environment variable itself cannot be struck, and happen
    always.

What is left out: ``import``, ``migrate``, ``ingest``, ``checkout``, ``diff``, ``enter`` and others (exit status 3, as
for a command that does not exist), hooks, ``.cvmfsdirtab``, chunks, limits of catalogs, automatic garbage collection,
and the minute of warning before a forced remount. ``add-replica`` takes the repository from the last part of the URL
and reads it from ``/srv/cvmfs``.
"""
