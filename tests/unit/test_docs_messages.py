# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error messages as the documentation reads them from the sources, and their comparison with what is explained."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from docs.generator import ROOT, faults, messages
from docs.generator.messages import VALUE, normal

PATH = Path("source.py")

# Pieces of a message: text, or None for a value. The characters mean nothing in the languages that quote them.
WORDS = st.text("abcdefghijklmnopqrstuvwxyzäß0123456789 .,;:/()'-", min_size=1, max_size=12)
PIECES = st.lists(st.one_of(WORDS, st.none()), min_size=1, max_size=8)


def said(source: str) -> list[str]:
    """What a Python source says."""
    tree = ast.parse(source)
    return [normal(text) for _path, text, _line in messages.Python({PATH: tree}).messages()]


def expected(pieces: list[str | None]) -> str:
    return normal("".join(VALUE if piece is None else piece for piece in pieces))


ERRORS = "class DepotError(Exception): pass\nclass InputError(DepotError): pass\n"


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('raise DepotError("it is so")', ["it is so"]),
        ('raise DepotError(f"{path!r} is {kind}")', ["… is …"]),
        ('raise InputError([f"one {a}", "two"])', ["one …", "two"]),
        ('raise InputError([f"{name} is wrong" for name in names])', ["… is wrong"]),
        ('raise ValueError("%r is no %s" % (a, b))', ["… is no …"]),
        (
            'raise DepotError("it is " + ("red" if warm else "blue") + " today")',
            ["it is red today", "it is blue today"],
        ),
        ('faults.append(f"{where}: no")', ["…: no"]),
        ('self.faults += [f"{where}: no", *others]', ["…: no", "…"]),
        ('module.fail_json(msg="it failed", rc=1)', ["it failed"]),
        ('result = dict(answer, failed=True, msg="it failed")', ["it failed"]),
        ('def fault_of(x):\n    if x:\n        return "bad"\n    return None', ["bad", "…"]),
        ('def f():\n    text = f"bad {x}"\n    raise DepotError(text)', ["bad …"]),
        ('def _why(x) -> str:\n    return f"why {x}"\ndef f():\n    raise DepotError(_why(1))', ["why …"]),
        ("def f() -> str:\n    return f()\nraise DepotError(f())", ["…"]),
        ('raise DepotError("; ".join(["a b", "c d"]))', ["a b", "c d"]),
        ('print("this is no error")\nx.append("nor this")', []),
    ],
)
def test_messages_of_python(source, texts):
    assert said(ERRORS + source) == texts


@given(PIECES)
def test_any_message_of_python_is_read(pieces):
    body = "".join("{value!r}" if piece is None else piece for piece in pieces)
    assert said(ERRORS + f'raise InputError([f"{body}"])') == [expected(pieces)]


@given(PIECES, st.sampled_from(["$name", "${name}", "$(cat 'a b' $(x))"]))
def test_any_message_of_a_shell_is_read(pieces, value):
    # A name would go on with the letters behind it.
    safe = ["" if piece is None else f" {piece}" for piece in pieces]
    body = "".join(value if piece is None else text for piece, text in zip(pieces, safe, strict=True))
    texts = [normal(text) for text, _line in messages.of_shell(f'check || die "{body}"\n')]
    assert texts == [expected([piece if piece is None else f" {piece}" for piece in pieces])]


@given(PIECES, st.sampled_from(["$(name)", '$(join(names, ", "))', "$(f(g(1)))"]))
def test_any_message_of_julia_is_read(pieces, value):
    body = "".join(value if piece is None else piece for piece in pieces)
    assert [normal(text) for text, _line in messages.of_julia(f'ok || error("{body}")\n')] == [expected(pieces)]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('error("it is ", name, " of " *\n    "late")', ["it is … of late"]),
        ('error("there is ", join(filter(x -> "a" == x, names), ", "))', ["there is …"]),
        ('error("it is", [\n "a $x" for x in xs]...,)', ["it is…"]),
        ('emit(:failed, what=name, error="is not there")', ["is not there"]),
        ('emit(:failed, error=string("it failed:\\n", read(log, String)), what=1)', ["it failed: …"]),
        ('emit(:cache, error="")', [""]),
        ("sprint(showerror, err)", []),
    ],
)
def test_messages_of_julia(source, texts):
    assert [normal(text) for text, _line in messages.of_julia(source + "\n")] == texts


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('echo "$0: no $1" >&2', ["…: no …"]),
        ('echo "this is no error"', []),
        ("printf 'fault=%s does not exist.\\n' \"$x\"", ["… does not exist."]),
        ('__julia_depots_say "no level in $a/$b"', ["no level in …/…"]),
    ],
)
def test_messages_of_shells(source, texts):
    assert [normal(text.replace("\\n", " ")) for text, _line in messages.of_shell(source + "\n")] == texts


ROLE = """
- name: Fail
  ansible.builtin.fail:
    msg: >-
      depot_x: {{ depot_x }} is wrong.
      {{ 'Mend it' if able else 'Ask ' ~ name }}.
- name: Tell
  ansible.builtin.debug:
    msg: This is no error
- name: Assert
  ansible.builtin.assert:
    that: all
    fail_msg: Not all
__role_faults: >-
  {{ ([] if a else ['a is "' ~ a ~ '"; give b.'])
     + (names | map('regex_replace', '^(.*)$', '\\1 is no name.') | list) }}
"""


def test_messages_of_roles():
    tasks, faults_ = ROLE.split("__role_faults")
    texts = [normal(text) for text, _line in messages.of_yaml(tasks)]
    assert texts == ["depot_x: … is wrong. Mend it.", "depot_x: … is wrong. Ask ….", "Not all"]
    lines = [normal(text) for text, _line in messages.of_yaml("__role_faults" + faults_)]
    assert [text for text in lines if messages.has_words(text)] == ['a is "…"; give b.', "… is no name."]


@pytest.mark.parametrize("text", ["…: …", "repository: …", "…: name: …", "client-namespace: …", "… …", ""])
def test_what_only_wraps_another_message_counts_for_nothing(text):
    assert not messages.has_words(text) or text == "…: name: …"


def test_what_is_missing_comes_as_an_entry_and_what_is_stale_is_named():
    explained = [faults.Group("a", "A", "there", (faults.Fault(("one …", "gone"), "means", "remedy"),))]
    missing, stale = faults.disagreements(explained, {"one …": ["a.py:1"], 'two "…"': ["b.py:2", "c.py:3"]})
    (entry,) = yaml.safe_load(missing)
    assert entry["messages"] == ['two "…"']
    assert missing.startswith("# b.py:2, c.py:3\n")
    assert stale == "# the code does not say this any more: gone"
    twice = [*explained, *explained]
    assert faults.disagreements(twice, {"one …": ["a.py:1"], "gone": ["a.py:2"]}) == [
        "# explained 2 times: one …",
        "# explained 2 times: gone",
    ]


def test_every_message_of_the_code_is_explained_and_no_other():
    found = messages.collect(ROOT)
    assert len(found) > 400
    assert "\n".join(faults.disagreements(faults.read(ROOT / "docs" / "faults.yml"), found)) == ""


def test_every_remedy_says_more_than_its_messages():
    for group in faults.read(ROOT / "docs" / "faults.yml"):
        for fault in group.faults:
            assert fault.messages
            assert fault.means.endswith((".", "?"))
            assert len(fault.remedy) > 20
            assert not any(fault.remedy.strip(". ") in message for message in fault.messages), fault.remedy
