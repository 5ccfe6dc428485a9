# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: options as the real scripts take them, and the way to each command."""

from __future__ import annotations

import getopt
import sys
from collections.abc import Callable

from . import creation, tags, transactions, upkeep
from .repository import all_repositories
from .speech import CommandError

# As getopts of the scripts and the parser of cvmfs_publish take them; what the emulation has no use for is accepted.
OPTIONS = {
    "mkfs": "w:u:o:mf:vgG:a:zZ:k:pX",
    "rmfs": "fp",
    "list": "",
    "info": "",
    "transaction": "t:T:",
    "publish": "a:m:vfpn:",
    "abort": "f",
    "alterfs": "m:",
    "mount": "a",
    "tag": "a:m:r:flx",
    "rollback": "t:f",
    "check": "cit:s:r",
    "list-catalogs": "sehx",
    "gc": "ldr:t:faL:",
    "resign": "d:fp",
    "add-replica": "o:u:n:w:azpg:",
    "snapshot": "t",
}
NATIVE = ("transaction", "abort", "info")


def _usage(message: str) -> CommandError:
    text = "CernVM-FS Server Tool 2.12.0-1\n\nUsage: cvmfs_server COMMAND [options] <parameters>\n\n"
    return CommandError(3, stdout=f"{text}Supported Commands: {' '.join(OPTIONS)}\n\nNOTE: {message}\n")


def _name(command: str, parameters: list[str]) -> str:
    """The one repository a command is for; the only one there is if none is named."""
    if len(parameters) == 1:
        return parameters[0]
    names = [repository.fqrn for repository in all_repositories()]
    if not parameters and len(names) == 1:
        return names[0]
    if not parameters and command in NATIVE:
        listing = "".join(f"\n  {name}" for name in names)
        raise CommandError(
            1, f"Invocation error: multiple repositories available in /etc/cvmfs/repositories.d:{listing}\n"
        )
    raise _usage("Please provide a repository name" if not parameters else "Too many parameters")


def _run(command: str, options: dict[str, str], removed: list[str], parameters: list[str]) -> None:
    if command == "list":
        upkeep.list_all()
        return
    if command == "add-replica":
        if len(parameters) != 2:
            raise _usage("Please provide a stratum 0 url and a public key")
        creation.add_replica(options, *parameters)
        return
    if command == "gc" and "a" in options and not parameters:
        upkeep.gc(options, [])
        return
    if command == "mount" and "a" in options:
        parameters = [repository.fqrn for repository in all_repositories()]
    several: dict[str, Callable[[dict[str, str], list[str]], None]] = {
        "rmfs": creation.rmfs,
        "gc": upkeep.gc,
        "mount": lambda _options, names: transactions.mount(names),
        "resign": upkeep.resign,
        "snapshot": creation.snapshot,
    }
    if command in several:
        several[command](options, parameters or [_name(command, parameters)])
        return
    single: dict[str, Callable[[str], None]] = {
        "mkfs": lambda name: creation.mkfs(options, name),
        "alterfs": lambda name: creation.alterfs(options, name),
        "info": upkeep.info,
        "transaction": lambda name: transactions.transaction(options, name),
        "publish": lambda name: transactions.publish(options, name),
        "abort": lambda name: transactions.abort(options, name),
        "tag": lambda name: tags.tag(options, name, removed),
        "rollback": lambda name: tags.rollback(options, name),
        "check": upkeep.check,
        "list-catalogs": lambda name: upkeep.list_catalogs(options, name),
    }
    single[command](_name(command, parameters))


def main(arguments: list[str]) -> int:
    """Run a command and return its exit status."""
    try:
        if not arguments:
            raise _usage("")
        command, rest = arguments[0], arguments[1:]
        if command not in OPTIONS:
            raise _usage(f"Unrecognized command: {command}")
        parse = getopt.gnu_getopt if command in NATIVE else getopt.getopt
        try:
            pairs, parameters = parse(rest, OPTIONS[command])
        except getopt.GetoptError as error:
            raise _usage(f"Command {command}: Unrecognized option: {error.opt}") from None
        options = {name.lstrip("-"): value for name, value in pairs}
        removed = [value for name, value in pairs if name == "-r"] if command == "tag" else []
        _run(command, options, removed, parameters)
    except CommandError as error:
        sys.stdout.write(error.stdout)
        sys.stdout.flush()
        sys.stderr.write(error.stderr)
        sys.stderr.flush()
        return error.status
    return 0
