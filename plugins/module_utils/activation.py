# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which users start or activate a release: templates in, texts out.

The templates are the files of ``plugins/release``. A release's final path is known before it is built, so it
is written into them, and neither links nor the working directory matter to whoever uses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from ansible_collections.scisoft.julia_depots.plugins.module_utils.release import FORBIDDEN, TRIPLET

# Template -> path below the release, mode.
FILES = {
    "julia": ("bin/julia", 0o755),
    "setup.sh": ("setup.sh", 0o644),
    "setup.csh": ("setup.csh", 0o644),
    "setup.fish": ("setup.fish", 0o644),
    "modulefile.lua": ("modulefile.lua", 0o644),
    "modulefile.tcl": ("modulefile.tcl", 0o644),
    "activate.jl": ("activate.jl", 0o644),
}

_PLACEHOLDER = re.compile(r"@([A-Z]+)@")
_ENVIRONMENT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?")
_TCL_SPECIAL = re.compile(r"([\[\]{}])")  # what else Tcl acts on within double quotes and braces


@dataclass(frozen=True)
class RenderedFile:
    """The text of a file, and its permission bits."""

    text: str
    mode: int


def _path_faults(name: str, path: str) -> list[str]:
    faults = []
    if not path.startswith("/"):
        faults.append(f"{name}: {path!r} is not an absolute path")
    if path.endswith("/"):
        faults.append(f"{name}: {path!r} ends with a slash")
    found = sorted({char for char in path if char in FORBIDDEN or not char.isprintable()})
    if found:
        signs = " ".join(map(repr, found))
        faults.append(f"{name}: {path!r} holds {signs}, which no path in a store may hold")
    return faults


def _template_faults(templates: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    faults = [f"templates: {name} is missing" for name in FILES if name not in templates]
    for name, text in sorted(templates.items()):
        if name not in FILES:
            faults.append(f"templates: {name} is not a file of a release; there are {', '.join(FILES)}")
        for unknown in sorted(set(_PLACEHOLDER.findall(text)) - set(known)):
            faults.append(f"templates: {name} holds @{unknown}@, for which there is no value")
    return faults


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], text)


def render(
    templates: Mapping[str, str],
    *,
    root: str,
    release: str,
    environment: str,
    version: str,
    platforms: Sequence[str] = (),
) -> dict[str, RenderedFile]:
    """Fill in the templates of one release.

    :param templates: texts of all the files of ``plugins/release``, by name.
    :param root: absolute path of the store.
    :param release: absolute path that the release will have.
    :param environment: name of the environment.
    :param version: Julia's version, as ``VERSION`` tells it without build metadata.
    :param platforms: triplets for which the release has packages without caches.
    :return: files by their path below the release.
    :raises ValueError: a value or a template cannot be used; the message names all faults, a line each.
    """
    values = {
        "ROOT": root,
        "RELEASE": release,
        "ENVIRONMENT": environment,
        "VERSION": version,
        "PLATFORMS": " ".join(platforms),
    }
    faults = _path_faults("root", root) + _path_faults("release", release)
    faults += _template_faults(templates, values)
    if not _ENVIRONMENT.fullmatch(environment):
        faults.append(f"environment: {environment!r} is not a letter, then letters, digits, '_', '.' or '-'")
    if not _VERSION.fullmatch(version):
        faults.append(f"version: {version!r} is not a Julia version such as 1.10.8")
    faults += [f"platforms: {triplet!r} is not a triplet" for triplet in platforms if not TRIPLET.match(triplet)]
    if faults:
        raise ValueError("\n".join(faults))

    tcl_values = {key: _TCL_SPECIAL.sub(r"\\\1", value) for key, value in values.items()}
    files = {}
    for name, (path, mode) in FILES.items():
        text = _fill(templates[name], tcl_values if name.endswith(".tcl") else values)
        files[path] = RenderedFile(text, mode)
    return files
