# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as types.

Every error that a user can act on is a :class:`DepotError`. Its message names the variable or path, the value
and the remedy; ``details`` become extra keys of a failed module's result. :func:`run_module` is the one place
that turns them into failures.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, NoReturn, Sequence


class DepotError(Exception):
    """An error with a message for people and details for programs."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message

    def result(self) -> dict[str, Any]:
        """The error as arguments of ``fail_json``."""
        return dict(self.details, msg=self.message)


class InputError(DepotError):
    """Faults of what was given: all of them at once."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        lines = self.faults if len(self.faults) == 1 else [f"{len(self.faults)} faults in the input:"]
        if len(self.faults) > 1:
            lines = lines + [f"- {fault}" for fault in self.faults]
        super().__init__("\n".join(lines), faults=self.faults)


class ProcessError(DepotError):
    """A program ended badly: ``cmd``, ``rc``, ``stdout`` and ``stderr`` (their ends) are among the details."""


class TimeLimitError(ProcessError):
    """A program was stopped, with all its children, because its time was over."""


class SandboxError(DepotError):
    """This machine cannot give the sandbox that a build needs."""


class JuliaError(DepotError):
    """An executable is not Julia, is another Julia than the one asked for, or a Julia program failed."""


class BuildError(DepotError):
    """Packages failed to install, compile or load."""


class StoreError(DepotError):
    """A store cannot do what was asked; nothing in it changed."""


class ServerError(StoreError):
    """``cvmfs_server`` refused or failed, or a repository is not in a state to work with."""


class BusyError(StoreError):
    """Somebody else holds a lock; the details say all that is known of them."""


class JobError(DepotError):
    """A job on a node ended without a result."""


def run_module(
    perform: Callable[[dict[str, Any], bool], dict[str, Any]],
    argument_spec: dict[str, Any],
    **options: Any,
) -> None:
    """Run one module: arguments in, ``perform(params, check_mode)``, result or failure out.

    ``perform`` returns the arguments of ``exit_json``; ``warnings`` among them are given to Ansible as such.
    ``options`` are those of ``AnsibleModule`` (``required_if`` and the like). Where the action plugin asks for it, the
    module runs as a job (:mod:`jobs`), and prints either its result or how far it is.
    """
    from ansible.module_utils.basic import AnsibleModule  # here, so that all other code runs without Ansible

    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True, **options)
    if module.params.get("_job"):
        from ansible_collections.scisoft.julia_depots.plugins.module_utils import jobs  # which needs this module

        with _failures_of(module):
            jobs.attend(module.params["_job"], lambda: _run(perform, module))
    _run(perform, module)


def _run(perform: Callable[[dict[str, Any], bool], dict[str, Any]], module: Any) -> NoReturn:
    with _failures_of(module):
        result = perform(module.params, module.check_mode)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


@contextmanager
def _failures_of(module: Any) -> Iterator[None]:
    """Let a module fail with what is raised within."""
    try:
        yield
    except DepotError as error:
        module.fail_json(**error.result())
    except OSError as error:
        module.fail_json(msg=f"{error.strerror or error}: {error.filename or 'no file named'}", errno=error.errno)
