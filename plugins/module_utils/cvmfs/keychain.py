# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a repository: which there are, and whether those that were given belong together.

``mkfs`` imports what it finds in ``/etc/cvmfs/keys`` without a look at it, and fails much later, with a message about
catalogs (CernVM-FS 2.12). So keys are compared before anything is made.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Mapping

from ansible_collections.scisoft.julia_depots.plugins.module_utils import process
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs import configuration, server
from ansible_collections.scisoft.julia_depots.plugins.module_utils.cvmfs.server import Repository

PUBLIC = ("pub", "crt")
KINDS = ("pub", "crt", "key", "masterkey", "gw")
CHAIN = ("pub", "crt", "key", "masterkey")  # of a repository that is published here
GATEWAY_CHAIN = ("pub", "crt", "gw")  # of one that a gateway publishes
# How openssl gives the public part of each.
EXTRACT = {
    "pub": ("pkey", "-pubin", "-pubout", "-in"),
    "crt": ("x509", "-noout", "-pubkey", "-in"),
    "key": ("pkey", "-pubout", "-in"),
    "masterkey": ("pkey", "-pubout", "-in"),
}
PAIRS = (("pub", "masterkey"), ("crt", "key"))


def read_folder(repository: Repository, folder: str) -> tuple[dict[str, str], list[str]]:
    """The keys of a repository in a folder.

    :returns: their contents by kind, and what is wrong there.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return {}, [f"keys_folder: {folder} cannot be read: {error.strerror}"]
    found, faults = {}, []
    for kind in KINDS:
        name = f"{repository.name}.{kind}"
        if name not in names:
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                found[kind] = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"keys_folder: {folder}/{name} cannot be read: {getattr(error, 'strerror', None) or error}")
    if not found and not faults:
        there = ", ".join(names) or "nothing"
        faults.append(f"keys_folder: {folder} has no {repository.name}.pub and the like; there is: {there}")
    return found, faults


def faults_of(given: Mapping[str, str], chain: tuple[str, ...], variable: str) -> list[str]:
    """What is wrong with keys that a repository is to be made with.

    :param chain: the kinds that are needed.
    :param variable: what gave them.
    """
    missing = [kind for kind in chain if not given.get(kind, "").strip()]
    faults = [f"{variable}: {', '.join(missing)} missing; needed are {', '.join(chain)}"] if missing else []
    surplus = sorted(set(given) - set(chain))
    if surplus:
        faults.append(f"{variable}: there is no use for {', '.join(surplus)}; needed are {', '.join(chain)}")
    return faults + mismatches({kind: given[kind] for kind in chain if kind not in missing}, variable)


def mismatches(given: Mapping[str, str], variable: str) -> list[str]:
    """Keys that are none, and pairs that do not belong together, as openssl(1) sees it; none where that is missing."""
    program = _openssl()
    if program is None:
        return []
    faults, parts = [], {}
    with tempfile.TemporaryDirectory(prefix="julia_depots.") as folder:
        for kind in [kind for kind in EXTRACT if kind in given]:
            path = os.path.join(folder, kind)
            configuration.write(path, given[kind], 0o600)
            completed = process.run([program, *EXTRACT[kind], path], server.environment(), timeout=60)
            if completed.ok:
                parts[kind] = completed.stdout.strip()
            else:
                faults.append(f"{variable}: {kind} is not {_expected(kind)} that openssl can read")
    for public, private in PAIRS:
        if public in parts and private in parts and parts[public] != parts[private]:
            faults.append(f"{variable}: {public} and {private} do not belong together")
    return faults


def is_foreign(key: str, signed: bytes) -> bool:
    """Whether a public key is certainly not the one that a whitelist was signed for.

    What is signed is the line after ``--`` (``create_whitelist`` of the scripts); that something cannot be read is left
    to CernVM-FS to judge.
    """
    digest, _newline, signature = signed.partition(b"\n--\n")[2].partition(b"\n")
    program = _openssl()
    if program is None or not signature:
        return False
    with tempfile.TemporaryDirectory(prefix="julia_depots.") as folder:
        files = {"key": key.encode(), "digest": digest, "signature": signature}
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as stream:
                stream.write(content)
        words = ["pkeyutl", "-verify", "-pubin", "-inkey", "key", "-sigfile", "signature", "-in", "digest"]
        completed = process.run([program, *words], server.environment(), timeout=60, cwd=folder)
    return not completed.ok and "Verification Failure" in completed.stdout + completed.stderr


def _openssl() -> str | None:
    return shutil.which("openssl", path=server.environment()["PATH"])


def _expected(kind: str) -> str:
    return {"pub": "a public key", "crt": "a certificate"}.get(kind, "a private key without a passphrase")


def present(repository: Repository) -> list[str]:
    """The kinds that are in the place of the repository's keys."""
    return [kind for kind in KINDS if os.path.exists(repository.key(kind))]


def differing(repository: Repository, given: Mapping[str, str]) -> list[str]:
    """The kinds that are there, and are others than those given."""
    return [
        kind
        for kind, content in given.items()
        if os.path.exists(repository.key(kind)) and configuration.read(repository.key(kind)).strip() != content.strip()
    ]


def install(repository: Repository, given: Mapping[str, str]) -> list[str]:
    """Put keys in their place where they are not there yet; the kinds that were not."""
    os.makedirs(server.KEYS, exist_ok=True)
    new = [kind for kind in given if not os.path.exists(repository.key(kind))]
    for kind in new:
        configuration.write(repository.key(kind), given[kind].strip() + "\n", 0o444 if kind in PUBLIC else 0o400)
    return new
