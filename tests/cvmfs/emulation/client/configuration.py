# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client's configuration: the files of the real one, in its order, read by bash."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("/etc/cvmfs")
ASSIGNMENT = re.compile(r"^\s*(?:export\s+|readonly\s+)*([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)
ON = ("yes", "YES", "on", "ON", "1")
READ = """
set +e
for file; do
  . "$file" >/dev/null 2>&1
  printf '\\1%s' "$file"
  for name in $NAMES; do
    [ -n "${!name+set}" ] && printf '\\2%s\\3%s' "$name" "${!name}"
  done
done
"""


@dataclass(frozen=True)
class Parameter:
    """A value, and the file that it is from."""

    value: str
    source: str


class Configuration:
    """What the files say for a repository; for the client as a whole if none is named."""

    def __init__(self, fqrn: str = "") -> None:
        self.fqrn = fqrn
        self.parameters = _read(files(fqrn))

    def get(self, name: str) -> str:
        """A parameter with the repository's name filled in, empty if it is not set."""
        parameter = self.parameters.get(name)
        return self.filled(parameter.value) if parameter else ""

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.get(name) in ON

    def filled(self, text: str) -> str:
        """A text with the repository's name in place of ``@fqrn@`` and ``@org@``."""
        return text.replace("@fqrn@", self.fqrn).replace("@org@", self.fqrn.split(".")[0])

    @property
    def repositories(self) -> list[str]:
        """What ``CVMFS_REPOSITORIES`` lists."""
        return [name for name in self.get("CVMFS_REPOSITORIES").replace(",", " ").split() if name]

    @property
    def servers(self) -> list[str]:
        """The URLs of ``CVMFS_SERVER_URL``."""
        return [url for url in re.split("[,;]", self.get("CVMFS_SERVER_URL")) if url]

    @property
    def proxies(self) -> list[str]:
        """The proxies of ``CVMFS_HTTP_PROXY``, ``DIRECT`` among them."""
        return [proxy for proxy in re.split("[|;]", self.get("CVMFS_HTTP_PROXY")) if proxy]

    @property
    def keys(self) -> list[Path]:
        """The public keys that are to be trusted, whether they are there or not."""
        named = [Path(path) for path in self.get("CVMFS_PUBLIC_KEY").split(":") if path]
        return named or sorted(Path(self.get("CVMFS_KEYS_DIR") or "/nonexistent").glob("*.pub"))


def files(fqrn: str) -> list[Path]:
    """The files that are there, in the order in which they are read."""
    found = [FOLDER / "default.conf", *sorted((FOLDER / "default.d").glob("*.conf")), FOLDER / "default.local"]
    if fqrn:
        domain = fqrn.partition(".")[2]
        found += [FOLDER / "domain.d" / f"{domain}.{ending}" for ending in ("conf", "local")]
        found += [FOLDER / "config.d" / f"{fqrn}.{ending}" for ending in ("conf", "local")]
    return [path for path in found if path.is_file()]


def _read(paths: list[Path]) -> dict[str, Parameter]:
    texts = [path.read_text() for path in paths]
    names = sorted({name for text in texts for name in ASSIGNMENT.findall(text)})
    result = subprocess.run(
        ["bash", "-c", READ, "bash", *map(str, paths)],
        env={"PATH": "/usr/bin:/bin", "NAMES": " ".join(names)},
        capture_output=True,
        text=True,
        check=False,
    )
    parameters: dict[str, Parameter] = {}
    for part in result.stdout.split("\1")[1:]:
        source, *pairs = part.split("\2")
        for pair in pairs:
            name, _separator, value = pair.partition("\3")
            if name not in parameters or parameters[name].value != value:
                parameters[name] = Parameter(value, source)
    return parameters
