# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generates the test packages and serves them until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from . import Fault, PackageServer, PackageWorld
from .server import KINDS
from .world import MEGABYTES, WAIT_SECONDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.pkgserver", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder to write the packages to")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; any free one by default")
    parser.add_argument("--port-file", type=Path, help="file to write the port to once the server answers")
    parser.add_argument(
        "--fault",
        metavar="KIND[:WHERE]",
        help=f"a fault, one of {', '.join(KINDS)}; WHERE is a path prefix (/artifact/) or a package's name",
    )
    parser.add_argument("--many", type=int, default=0, help="packages Many001, Many002, ... to add")
    parser.add_argument("--wait-seconds", type=int, default=WAIT_SECONDS, help="how long WaitsForever waits")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="what PrintsMegabytes prints")
    return parser


def _fault(text: str | None, world: PackageWorld) -> Fault | None:
    if text is None:
        return None
    kind, _unused, where = text.partition(":")
    if where and not where.startswith("/"):
        where = f"/package/{world.package(where).uuid}/"
    return Fault(kind, where or "/")


def _write_port(file: Path, port: int) -> None:
    """Write ``port`` to ``file`` in one step: whoever sees the file sees all of it."""
    partial = file.with_name(file.name + ".partial")
    partial.write_text(f"{port}\n")
    partial.replace(file)


def main() -> None:
    parser = _parser()
    args = parser.parse_args()
    world = PackageWorld.generate(args.root, args.many, wait_seconds=args.wait_seconds, megabytes=args.megabytes)
    try:
        fault = _fault(args.fault, world)
    except (ValueError, KeyError) as error:
        parser.error(f"--fault {args.fault}: {error.args[0]}")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with PackageServer(world, fault, args.port) as server:
        print(server.url, flush=True)
        if args.port_file:
            _write_port(args.port_file, server.port)
        stopped.wait()


if __name__ == "__main__":
    main()
