# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulated client of CernVM-FS: ``mount.cvmfs``, ``cvmfs_config`` and ``cvmfs_talk`` of the client 2.12.0.

Source of the facts: ``mount/mount.cvmfs.cc``, ``cvmfs/cvmfs_config``, ``cvmfs/cvmfs_talk.cc`` and ``cvmfs/talk.cc`` of
CernVM-FS 2.12.0, and what a client of that version answers; ``test_client.py`` runs the same assertions on both.

What it mounts
    ``/cvmfs/<fqrn>`` is a read-only bind mount of ``/srv/cvmfs/<name>/emulation/revisions/<root hash>``, where the
    emulated ``cvmfs_server`` keeps the content of each revision. Which one it is says the ``.cvmfspublished`` of the
    first of ``CVMFS_SERVER_URL`` that answers, by HTTP (through ``CVMFS_HTTP_PROXY``) or by ``file://``; ``<name>`` is
    the last part of the URL's path, so that a replica is one more such folder. So server and client share a file
    system, and may be in network namespaces of their own.
    The revision is told as on the real client: the extended attribute ``user.revision`` of the mount, where the file
    system has such attributes, and ``cvmfs_talk -i <fqrn> revision``.
    ``cvmfs_talk -i <fqrn> remount sync`` puts a mount of the newest revision over the old one, so that there is no
    moment without content; who has something of the old one open keeps it. ``cvmfs_config umount`` removes all. There
    is no time to live: the client moves when it is told to.

Where the configuration is
    In the files of the real client, read by bash in the same order; a configuration repository is not known.
    A public key is trusted if it is the one that the emulated server made for the repository.

autofs
    ``cvmfs_config setup`` writes its map as the real one does. ``autofs``, in place of the real service's script for
    ``service``, only notes whether it runs; while it does, ``cvmfs_config probe`` mounts what is not mounted.

Where it works
    In a mount namespace of its own alone, for which there is the program ``prepare``, run by root::

        unshare --mount --propagation private tests/cvmfs/emulation/client/prepare KIND COMMAND...

    There ``/etc`` is a copy, ``/usr/bin`` and ``/usr/sbin`` are overlays, which nobody else sees and which end with the
    namespace, ``/cvmfs``, ``/run/cvmfs`` and ``/var/lib/cvmfs`` are empty, and no mount of a server is left. ``KIND``
    is

    - ``emulated``: the programs are installed: ``/usr/sbin/mount.cvmfs``, where alone mount(8) looks for it,
      ``/usr/bin/cvmfs_config``, ``/usr/bin/cvmfs_talk``, ``/etc/init.d/autofs``, and ``/etc/cvmfs/default.conf``;
    - ``real``: the client that is installed on the machine, with its configuration as it is;
    - ``none``: a machine without CernVM-FS.

    ``CVMFS_EMULATION_PYTHON`` names the Python that runs the programs, by default the first ``python3`` in PATH.

What is left out: the cache, signatures, catalogs, all attributes but the revision, and most commands of the real
programs, which answer with their usage.
"""
