# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file server that can also be silent (/hang/...) or endless (/slow/...).

Arguments: folder to serve, file that receives the port. Ends by itself after 30 minutes.
"""

from __future__ import annotations

import functools
import http.server
import os
import sys
import threading
import time


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/hang/"):
            time.sleep(60)
        elif self.path.startswith("/slow/"):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            for _unused in range(120):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.5)
        else:
            super().do_GET()


def main() -> None:
    folder, port_file = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    server.daemon_threads = True
    with open(port_file + ".new", "w", encoding="ascii") as stream:
        stream.write(str(server.server_port))
    os.replace(port_file + ".new", port_file)
    timer = threading.Timer(1800, server.shutdown)
    timer.daemon = True
    timer.start()
    server.serve_forever()


main()
