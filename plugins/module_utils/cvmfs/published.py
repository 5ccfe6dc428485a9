# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CernVM-FS repository publishes of itself: its manifest and its whitelist.

Formats: ``cvmfs/manifest.cc`` and ``cvmfs/whitelist.cc`` of CernVM-FS 2.12.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.scisoft.julia_depots.plugins.module_utils.errors import ServerError

MANIFEST, WHITELIST = ".cvmfspublished", ".cvmfswhitelist"
SIGNATURE = b"\n--\n"  # what follows is the hash and the signature
SIZE_LIMIT = 1024**2  # bytes; real ones have less than a kilobyte


@dataclass(frozen=True)
class Manifest:
    """A ``.cvmfspublished``.

    :param revision: counts what was published, from 1.
    :param root_hash: of the root catalog.
    :param published: when it was signed.
    :param ttl: seconds for which a client does not ask again.
    """

    repository: str
    revision: int
    root_hash: str
    published: datetime
    ttl: int


@dataclass(frozen=True)
class Whitelist:
    """A ``.cvmfswhitelist``: which certificates are valid for a repository, and until when."""

    repository: str
    expires: datetime
    fingerprints: tuple[str, ...]


def parse_manifest(content: bytes) -> Manifest:
    """Read a ``.cvmfspublished``; its signature is for clients to verify.

    :raises ValueError: it is none.
    """
    fields: dict[str, str] = {}
    for line in _signed_lines(content):
        fields.setdefault(line[0], line[1:])
    try:
        return Manifest(
            repository=fields["N"],
            revision=int(fields["S"]),
            root_hash=fields["C"],
            published=datetime.fromtimestamp(int(fields["T"]), timezone.utc),
            ttl=int(fields["D"]),
        )
    except (KeyError, OverflowError, OSError, ValueError) as error:
        raise ValueError(f"not a manifest of a repository: {error}") from error


def parse_whitelist(content: bytes) -> Whitelist:
    """Read a ``.cvmfswhitelist``.

    :raises ValueError: it is none.
    """
    repository, expires, fingerprints = "", None, []
    for line in _signed_lines(content):
        if ":" in line:  # first of all, since a fingerprint may begin with any hexadecimal digit
            fingerprints.append(line.split()[0])
        elif line[0] == "N":
            repository = line[1:]
        elif line[0] == "E":
            expires = datetime.strptime(line[1:], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    if not repository or expires is None:
        raise ValueError("not a whitelist of a repository")
    return Whitelist(repository, expires, tuple(fingerprints))


def _signed_lines(content: bytes) -> list[str]:
    signed = content.split(SIGNATURE, 1)[0]
    try:
        return [line for line in signed.decode("ascii").split("\n") if line]
    except UnicodeDecodeError as error:
        raise ValueError("not a text") from error


def read_from(location: str, name: str, timeout: float = 10.0) -> bytes:
    """Read ``.cvmfspublished`` or ``.cvmfswhitelist`` from a folder or from an HTTP server.

    :param location: an absolute path, or a URL such as ``http://stratum1.example.org/cvmfs/software.example.org``.
    :param timeout: seconds to wait for the server.
    :raises ServerError: it cannot be read.
    """
    if not location.startswith("/"):
        return _fetched(f"{location.rstrip('/')}/{name}", timeout)
    try:
        with open(os.path.join(location, name), "rb") as stream:
            return stream.read(SIZE_LIMIT)
    except OSError as error:
        raise ServerError(f"{location}/{name} cannot be read: {error.strerror}") from error


def _fetched(url: str, timeout: float) -> bytes:
    from ansible.module_utils import urls  # here, so that all other code runs without Ansible

    try:
        # A proxy in between shall ask again (force), or it would hide what is new.
        with urls.open_url(url, timeout=timeout, force=True) as answer:
            return answer.read(SIZE_LIMIT)
    except (OSError, ValueError, http.client.HTTPException, urls.ConnectionError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        code = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
        raise ServerError(f"{url} cannot be read: {code}{reason}") from error


def manifest_of(location: str, timeout: float = 10.0) -> Manifest:
    """The manifest that a folder or a server has now.

    :raises ServerError: there is none to be read.
    """
    try:
        return parse_manifest(read_from(location, MANIFEST, timeout))
    except ValueError as error:
        raise ServerError(f"{location}/{MANIFEST}: {error}") from error


def whitelist_of(location: str, timeout: float = 10.0) -> Whitelist:
    """The whitelist that a folder or a server has now.

    :raises ServerError: there is none to be read.
    """
    try:
        return parse_whitelist(read_from(location, WHITELIST, timeout))
    except ValueError as error:
        raise ServerError(f"{location}/{WHITELIST}: {error}") from error
