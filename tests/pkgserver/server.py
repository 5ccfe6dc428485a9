# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves a PackageWorld on loopback, well or with a fault."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from .gittree import Blob, read_tarball, tarball
from .world import PackageWorld

_PROTOCOL_PATH = re.compile(
    r"/registries|/registry/[0-9a-f-]{36}/[0-9a-f]{40}|/package/[0-9a-f-]{36}/[0-9a-f]{40}|/artifact/[0-9a-f]{40}"
)

KINDS = ("404", "garbage", "truncate", "hang", "wrong-tree")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, with every path that starts with ``prefix``.

    `404`: the status; `garbage`: other bytes than a tarball; `truncate`: half of the body after a
    Content-Length for all of it; `hang`: no answer until the server is closed; `wrong-tree`: a sound tarball
    that holds one file too many, so that its tree hash is not the one asked for.
    """

    kind: str
    prefix: str = "/"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}: it is one of {', '.join(KINDS)}")
        if not self.prefix.startswith("/"):
            raise ValueError(f"path prefix {self.prefix!r} of a fault: it starts with '/'")


def _with_one_file_more(packed: bytes) -> bytes:
    return tarball({**read_tarball(packed), "unexpected.txt": Blob.text("unexpected\n")})


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append(self.path)
        fault = owner.fault
        kind = fault.kind if fault and self.path.startswith(fault.prefix) else None
        if kind == "hang":
            owner.closing.wait()
            return
        body = None if kind == "404" else self._content()
        if body is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        if kind == "garbage":
            body = b"this is not a tarball\n" * 100
        elif kind == "wrong-tree" and self.path != "/registries":
            body = _with_one_file_more(body)
        self.send_response(HTTPStatus.OK)
        is_list = self.path == "/registries"
        self.send_header("Content-Type", "text/plain" if is_list else "application/gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "truncate" else body)

    def _content(self) -> bytes | None:
        if not _PROTOCOL_PATH.fullmatch(self.path):
            return None
        file = self.server.owner.world.folder / self.path[1:]
        return file.read_bytes() if file.is_file() else None

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: ``PackageServer.requests`` is the record."""


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    # Pkg 1.6 and later ask for many files at once; the default backlog is five.
    request_queue_size = 128
    owner: PackageServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle of an answer is no error of the server."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class PackageServer:
    """Serves ``world`` at ``url`` (http://127.0.0.1:<port>), from ``start`` to ``close`` or within ``with``.

    ``requests`` are the paths asked for, in order; ``fault`` may be changed while serving.
    """

    def __init__(self, world: PackageWorld, fault: Fault | None = None, port: int = 0) -> None:
        self.world = world
        self.fault = fault
        self.requests: list[str] = []
        self.closing = threading.Event()
        self._server = _HTTPServer(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> PackageServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
