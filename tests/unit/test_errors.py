# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors become failures of a module in one place, with a message and never a traceback."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.scisoft.julia_depots.plugins.module_utils import errors

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core up to 2.18

    @contextmanager
    def patch_module_args(arguments):
        before, basic._ANSIBLE_ARGS = basic._ANSIBLE_ARGS, json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        yield
        basic._ANSIBLE_ARGS = before


@given(st.lists(st.text(min_size=1).filter(str.isprintable), min_size=1))
def test_an_input_error_holds_every_fault(faults):
    error = errors.InputError(faults)
    assert error.result() == {"msg": str(error), "faults": faults}
    lines = error.message.split("\n")
    expected = faults if len(faults) == 1 else [f"{len(faults)} faults in the input:", *(f"- {one}" for one in faults)]
    assert lines == expected


def run_module(perform, capsys, **params):
    """What a module prints, as Ansible would start it."""
    with patch_module_args({"wanted": "x", **params}), pytest.raises(SystemExit) as end:
        errors.run_module(perform, {"wanted": {"type": "str", "required": True}})
    return end.value.code, json.loads(capsys.readouterr().out)


def raise_(error):
    def perform(params, check_mode):
        raise error

    return perform


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (errors.StoreError("no", free=3), {"msg": "no", "free": 3}),
        (errors.InputError(["a: b", "c: d"]), {"msg": "2 faults in the input:\n- a: b\n- c: d"}),
        (OSError(28, "No space left on device", "/x"), {"msg": "No space left on device: /x", "errno": 28}),
        (OSError("odd"), {"msg": "odd: no file named"}),
    ],
)
def test_an_error_is_a_failure_with_its_message_and_details(error, failure, capsys):
    code, result = run_module(raise_(error), capsys)
    assert code == 1
    assert result["failed"] is True
    assert failure.items() <= result.items()


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_result_is_given_with_its_warnings(check_mode, capsys, monkeypatch):
    def perform(params, check_mode):
        return {"changed": True, "got": params["wanted"], "checked": check_mode, "warnings": ["beware", "of it"]}

    warned = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: warned.append(text))
    code, result = run_module(perform, capsys, _ansible_check_mode=check_mode)
    assert code == 0
    assert {"changed": True, "got": "x", "checked": check_mode}.items() <= result.items()
    assert warned == ["beware", "of it"]
