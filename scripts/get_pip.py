# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-test runs in each of its virtual environments to install pip, in place of PyPA's get-pip.py.

ansible-test would download that script from a host of its own, which many sites do not reach. This one takes
the pip that Python brings along, and lets it install the version that ansible-test asks for from the site's
package index.
"""

from __future__ import annotations

import subprocess
import sys

# Said by ansible-test to get-pip.py, and not known to pip.
GET_PIP_OPTIONS = {"--no-setuptools", "--no-wheel"}


def main(arguments: list[str]) -> None:
    """Install the packages that the command line of get-pip.py names."""
    pip = [argument for argument in arguments if argument not in GET_PIP_OPTIONS]
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "pip", "install", *pip], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
