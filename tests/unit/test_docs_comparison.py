# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison with DepotDelivery.jl agrees with the tree: every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPARISON = ROOT / "docs" / "comparison.md"
TEST = re.compile(r"`(tests/[^`:]+\.py)::([A-Za-z0-9_]+)`")
TARGET = re.compile(r"`tests/integration/targets/([a-z0-9_]+)`")


def tables(path: Path) -> list[list[list[str]]]:
    """The tables of a page: for each the cells of its rows, the header first."""
    found: list[list[list[str]]] = [[]]
    for line in path.read_text().splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[table[0], *table[2:]] for table in found if table]


def proofs() -> list[list[str]]:
    """The rows of the comparison's tables that have to name tests."""
    return [row for table in tables(COMPARISON) for row in table[1:]]


def functions(path: Path) -> set[str]:
    """The functions that a file defines, outside of others."""
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def missing_tests(text: str) -> list[str]:
    """The tests and integration targets of a text that do not exist."""
    absent = [
        f"{path}::{name}"
        for path, name in TEST.findall(text)
        if not name.startswith("test_") or not (ROOT / path).is_file() or name not in functions(ROOT / path)
    ]
    targets = ROOT / "tests" / "integration" / "targets"
    return absent + [name for name in TARGET.findall(text) if not (targets / name / "tasks" / "main.yml").is_file()]


def test_every_test_that_the_comparison_names_exists():
    text = COMPARISON.read_text()
    assert len(TEST.findall(text)) > 50
    assert missing_tests(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "`tests/unit/test_docs_comparison.py::test_that_was_renamed`",
        "`tests/unit/test_that_was_moved.py::test_every_test_that_the_comparison_names_exists`",
        "`tests/unit/test_docs_comparison.py::missing_tests`",
        "`tests/integration/targets/that_was_removed`",
    ],
)
def test_one_that_does_not_exist_would_be_found(text):
    assert len(missing_tests(text)) == 1


def test_every_feature_of_ours_names_what_proves_it():
    rows = proofs()
    assert len(rows) > 30
    for row in rows:
        named = row[-1].split("<br>")
        assert [text for text in named if not TEST.fullmatch(text) and not TARGET.fullmatch(text)] == [], row[0]
