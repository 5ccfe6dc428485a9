# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves /srv/cvmfs as /cvmfs, as Apache does for a real server.

Argument: file that receives the port. Ends by itself after 30 minutes.
"""

from __future__ import annotations

import functools
import http.server
import os
import sys
import threading


def main() -> None:
    port_file = sys.argv[1]
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/srv")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    with open(port_file + ".new", "w", encoding="ascii") as stream:
        stream.write(str(server.server_port))
    os.replace(port_file + ".new", port_file)
    timer = threading.Timer(1800, server.shutdown)
    timer.daemon = True
    timer.start()
    server.serve_forever()


main()
