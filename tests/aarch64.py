# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second architecture on an x86-64 machine: Debian's Julia for aarch64, run by QEMU.

``python -m tests.aarch64`` installs that Julia below ``.build``, and says why where it cannot; :func:`emulated` lets
programs for aarch64 run. The kernel gives them to QEMU by an entry in ``binfmt_misc``, so that also those run which
Julia itself starts, in a sandbox too. The Julia's tree holds the C library with all that it needs, and its command
tells QEMU so: nothing for aarch64 is installed on the machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
ROLE = ROOT / "roles" / "julia"
VERSION = "1.5.3"
PREFIX = ROOT / ".build" / "aarch64" / "julia" / VERSION
EMULATOR = "qemu-aarch64-static"
# What an ELF file for aarch64 begins with, and which bits of it count (the ABI and whether it is a PIE do not).
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# Beside what the role installs: what comes from the machine where it is of the same architecture.
FURTHER_PACKAGES = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libtinfo6", "liblzma5"),
    *("libcrypt1", "libcom-err2", "libgcrypt20", "libgpg-error0"),
    *("libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3", "libkrb5support0"),
)
MIRROR, SUITE = "http://deb.debian.org/debian", "bullseye"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SECONDS = 900


class UnavailableError(Exception):
    """Why there is no second architecture on this machine."""


@contextmanager
def emulated() -> Iterator[None]:
    """Let the kernel run programs for aarch64; as it was afterwards.

    :raises UnavailableError: it cannot.
    """
    if platform.machine() != "x86_64":
        raise UnavailableError(f"this machine is {platform.machine()}; aarch64 is emulated on x86_64 alone")
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        raise UnavailableError(f"{EMULATOR} is not installed (package qemu-user-static)")
    if os.geteuid() != 0:
        raise UnavailableError("it needs root to give programs for aarch64 to QEMU")
    with tempfile.TemporaryDirectory(prefix="binfmt-") as folder:
        mount = subprocess.run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", folder], capture_output=True, text=True, check=False
        )
        if mount.returncode != 0:
            raise UnavailableError(f"binfmt_misc cannot be mounted: {mount.stderr.strip()}")
        # An entry of this run alone: another one may end before. By its flag F the kernel holds the emulator open, so
        # that it is found in a sandbox too.
        name = f"julia-depots-aarch64-{os.getpid()}"
        try:
            try:
                Path(folder, "register").write_text(f":{name}:M::{MAGIC}:{MASK}:{emulator}:F")
            except OSError as error:
                raise UnavailableError(f"binfmt_misc takes no entry: {error.strerror}") from error
            try:
                yield
            finally:
                Path(folder, name).write_text("-1")
        finally:
            subprocess.run(["umount", folder], check=True)


def install() -> Path:
    """The executable of the Julia for aarch64, installed if it is not there; within :func:`emulated`.

    :raises UnavailableError: its packages are not to be had.
    """
    executable = PREFIX / "bin" / "julia"
    if executable.exists():
        return executable
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed; Debian's packages for arm64 need it")
    if not os.path.exists(KEYRING):
        raise UnavailableError(f"{KEYRING} is not there (package debian-archive-keyring)")
    names = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    debian = names["__julia_archs"]["aarch64"]["debian"]
    launcher = (ROLE / "files" / "launcher.sh").read_text().rstrip("\n")
    launcher = launcher.replace("\nexec ", '\nexport QEMU_LD_PREFIX="$root"\nexec ')
    # What the role's own probe does, without the libraries that nothing here uses.
    code = "import LinearAlgebra, LibGit2; LibGit2.version(); println(\"julia-probe \", VERSION, ' ', Sys.ARCH)"
    _script("prepare")
    _script(
        *("debian", VERSION, "aarch64", code, MIRROR, MIRROR, SUITE, KEYRING, debian, launcher),
        *names["__julia_debian_packages"],
        *FURTHER_PACKAGES,
    )
    return executable


def _script(way: str, *arguments: str) -> None:
    """Run the script of the role ``julia``."""
    argv = ["sh", str(ROLE / "files" / "install.sh"), way, str(PREFIX), str(SECONDS), *arguments]
    completed = subprocess.run(argv, capture_output=True, text=True, check=False)
    if completed.returncode == 10:
        raise UnavailableError(f"Debian's packages for arm64 are not to be had: {completed.stderr.strip()}")
    if completed.returncode != 0:
        raise RuntimeError(completed.stderr)


def main() -> int:
    try:
        with emulated():
            print(install())
    except UnavailableError as reason:
        print(f"no aarch64 here: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
