# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the documentation with the code, or build it.

Usage: ``python -m docs.generator`` prints what of ``docs/*.yml`` is missing or stale, and nothing when all is well;
``python -m docs.generator build`` makes the site in ``.build/docs/html``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from docs.generator import ROOT

BIN = Path(sys.executable).parent
BUILD = ROOT / ".build" / "docs"
SOURCE = BUILD / "source"
COLLECTIONS = ROOT / ".build" / "collections"

# What makes the list of decisions a part of the site.
DECISIONS = "\n```{toctree}\n:hidden:\n:glob:\n\n[!R]*\n```\n"

sys.path.insert(0, str(COLLECTIONS))


def compare() -> list[str]:
    """What is to be done so that the documentation agrees with the code."""
    from ansible_collections.scisoft.julia_depots.plugins.plugin_utils.plan import ENVIRONMENT_KEYS
    from docs.generator import faults, messages, playbooks, variables

    said = faults.read(ROOT / "docs" / "faults.yml")
    lines = faults.disagreements(said, messages.collect(ROOT))
    keys = variables.explained(ROOT)["environment"]
    lines += [f"docs/variables.yml: the key {key} is missing" for key in ENVIRONMENT_KEYS if key not in keys]
    lines += [f"docs/variables.yml: there is no key {key}" for key in keys if key not in ENVIRONMENT_KEYS]
    explained, there = playbooks.explained(ROOT), playbooks.names(ROOT)
    lines += [f"docs/playbooks.yml: there is no playbook {name}" for name in explained if name not in there]
    lines += [f"docs/playbooks.yml: {name} is missing" for name in there if name not in explained]
    return lines


def run(*command: str | Path) -> None:
    """Run a tool of the virtual environment, and end with its exit status where it fails."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_LOCAL_TEMP": str(BUILD / "tmp"),
    }
    status = subprocess.run([BIN / command[0], *command[1:]], env=environment, cwd=ROOT, check=False).returncode
    if status:
        raise SystemExit(status)


def build() -> None:
    """Make the site: the reference by antsibull-docs, the pages that follow from the code, and those by hand."""
    from docs.generator import pages

    shutil.rmtree(SOURCE, ignore_errors=True)
    reference = SOURCE / "collection"
    reference.mkdir(mode=0o755, parents=True)  # antsibull-docs takes no folder that others may write to
    run(
        "antsibull-docs",
        *("collection", "--use-current", "--squash-hierarchy", "--fail-on-error"),
        *("--dest-dir", reference, "scisoft.julia_depots"),
    )
    for page in ("docsite/index.rst", "docsite/elsewhere.rst", "comparison.md", "larger-sites.md"):
        shutil.copy(ROOT / "docs" / page, SOURCE)
    shutil.copytree(ROOT / "docs" / "decisions", SOURCE / "decisions")
    with open(SOURCE / "decisions" / "README.md", "a", encoding="utf-8") as readme:
        readme.write(DECISIONS)
    if (ROOT / "docs" / "images").is_dir():
        shutil.copytree(ROOT / "docs" / "images", SOURCE / "images")
    for name, page in pages.PAGES.items():
        (SOURCE / f"{name}.rst").write_text(page(ROOT))
    html, config = BUILD / "html", ROOT / "docs" / "docsite"
    run("sphinx-build", "-b", "html", "-W", "--keep-going", "-q", "-d", BUILD / "doctrees", "-c", config, SOURCE, html)
    print(f"The documentation is {html.relative_to(ROOT) / 'index.html'}.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="docs.generator", description="Compare the documentation with the code.")
    parser.add_argument("action", nargs="?", choices=["compare", "build"], default="compare")
    if parser.parse_args().action == "build":
        build()
        return 0
    lines = compare()
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
