# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs: ``mount.cvmfs``, ``cvmfs_config``, ``cvmfs_talk``, and the script of the service autofs."""

from __future__ import annotations

import getopt
import os
import pwd
import re
import resource
import subprocess
from contextlib import suppress
from pathlib import Path

from ..speech import CommandError, say
from . import mounts
from .configuration import FOLDER, Configuration

CATALOG_FAILURE = "Failed to initialize root file catalog (16 - file catalog failure)\n"
KEY_FAILURE = "failed to load public key(s) (15 - signature verification failure)\n"
KEY = re.compile(r"the pub of the emulated repository (\S+)\n?")
REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,60}")
RUNNING = Path("/run/cvmfs/autofs")  # there while the service autofs runs
MAP = Path("/etc/auto.master.d/cvmfs.autofs")
MASTER = Path("/etc/auto.master")
REQUIRED = (
    "CVMFS_CACHE_BASE",
    "CVMFS_CHECK_PERMISSIONS",
    "CVMFS_HTTP_PROXY",
    "CVMFS_MOUNT_DIR",
    "CVMFS_NFILES",
    "CVMFS_QUOTA_LIMIT",
    "CVMFS_RELOAD_SOCKETS",
    "CVMFS_SERVER_URL",
    "CVMFS_SHARED_CACHE",
    "CVMFS_STRICT_MOUNT",
    "CVMFS_TIMEOUT",
    "CVMFS_TIMEOUT_DIRECT",
    "CVMFS_USER",
)


def main(program: str, arguments: list[str]) -> int:
    """Run a program and return its exit status."""
    programs = {"mount.cvmfs": mount, "cvmfs_config": config, "cvmfs_talk": talk, "autofs": autofs}
    try:
        return programs[program](arguments)
    except CommandError as error:
        print(error.stdout, end="", flush=True)
        os.write(2, error.stderr.encode())
        return error.status


# mount.cvmfs


def mount(arguments: list[str]) -> int:
    """``mount.cvmfs [-vfn] [-o OPTIONS] REPOSITORY MOUNTPOINT``, as mount(8) calls it."""
    try:
        options, parameters = getopt.gnu_getopt(arguments, "vfnho:")
    except getopt.GetoptError:
        parameters = []
    if len(parameters) != 2:
        raise CommandError(1, "Mount helper for CernVM-FS.  Used by mount(8)\n")
    fqrn, target = parameters[0].rpartition("/")[2], Path(parameters[1])
    if not REPOSITORY.fullmatch(fqrn):
        raise CommandError(1, f"Invalid repository: {fqrn}\n")
    configuration = Configuration(fqrn)
    _refuse(configuration, target)
    if mounts.mounted_hash(fqrn):
        if any(name == "-o" and "remount" in value.split(",") for name, value in options):
            return 0
        raise CommandError(1, f"Repository {fqrn} is already mounted on {target}\n")
    _load(configuration, target)
    return 0


def _refuse(configuration: Configuration, target: Path) -> None:
    """What the helper refuses before it starts the client."""
    if configuration.is_on("CVMFS_STRICT_MOUNT"):
        if not configuration.repositories:
            raise CommandError(1, "CVMFS_REPOSITORIES missing\n")
        if configuration.fqrn not in configuration.repositories:
            raise CommandError(1, f"Not allowed to mount {configuration.fqrn}, add it to CVMFS_REPOSITORIES\n")
    if not configuration.get("CVMFS_HTTP_PROXY"):
        raise CommandError(1, "CVMFS_HTTP_PROXY required\n")
    if not _user_exists():
        raise CommandError(1, "Failed to find user cvmfs in passwd database\n")
    if target != mounts.MOUNTS / configuration.fqrn or not target.is_dir():
        raise CommandError(32, f"Mount point {target} does not exist\n")
    wanted = int(configuration.get("CVMFS_NFILES") or 0)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (OSError, ValueError):
        text = "Failed to set maximum number of open files, insufficient permissions\n"
        raise CommandError(32, text) from None


def _load(configuration: Configuration, target: Path) -> None:
    """What the client does: verify, and mount."""
    user = pwd.getpwnam("cvmfs")
    say(f"CernVM-FS: running with credentials {user.pw_uid}:{user.pw_gid}")
    say("CernVM-FS: loading Fuse module... ", end="")
    try:
        keys = [KEY.match(path.read_text()) for path in configuration.keys]
    except OSError:
        keys = []
    if not keys or not all(keys):
        raise CommandError(32, KEY_FAILURE)
    try:
        if configuration.fqrn not in {key[1] for key in keys}:
            raise mounts.UnreachableError
        mounts.mount(configuration.fqrn, mounts.published(configuration))
    except (mounts.UnreachableError, OSError):
        raise CommandError(32, CATALOG_FAILURE) from None
    say(f"done\nCernVM-FS: mounted cvmfs on {target}")


def _user_exists() -> bool:
    return any(entry.pw_name == "cvmfs" for entry in pwd.getpwall())


# cvmfs_talk


def talk(arguments: list[str]) -> int:
    """``cvmfs_talk -i REPOSITORY COMMAND``."""
    if len(arguments) < 3 or arguments[0] != "-i":
        say("Usage: cvmfs_talk [-i instance | -p socket] <command>")
        return 1
    fqrn, command = arguments[1], " ".join(arguments[2:])
    workspace = "/var/lib/cvmfs/shared"
    if not mounts.mounted_hash(fqrn):
        text = f"Seems like CernVM-FS is not running in {workspace} (not found: {workspace}/cvmfs_io.{fqrn})\n"
        raise CommandError(1, text)
    if os.geteuid() != 0:
        raise CommandError(1, f"Could not access instance '{fqrn}' active in {workspace} (13 - Permission denied)\n")
    say(_answer(fqrn, command))
    return 0


def _answer(fqrn: str, command: str) -> str:
    if command == "revision":
        return str(mounts.mounted_revision(fqrn))
    if command == "mountpoint":
        return str(mounts.MOUNTS / fqrn)
    if command in ("remount", "remount sync"):
        try:
            mounts.move_to_newest(Configuration(fqrn))
        except (mounts.UnreachableError, OSError):
            return "Failed"
        return "Catalog up to date"  # the real one says so also when it moved
    if re.fullmatch(r"cleanup \d+", command):
        return "Not fully cleaned (there might be pinned chunks)"  # as the real one says while it serves a catalog
    return "unknown command"


# cvmfs_config


def config(arguments: list[str]) -> int:
    """``cvmfs_config COMMAND``."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command in ("setup", "chksetup", "reload") and os.geteuid() != 0:
        say("root privileges required")
        return 1
    commands = {
        "setup": setup,
        "chksetup": chksetup,
        "showconfig": showconfig,
        "probe": probe,
        "reload": reload,
        "umount": umount,
    }
    if command not in commands:
        say("Common configuration tasks for CernVM-FS\nUsage: /usr/bin/cvmfs_config <command>")
        return 0
    return commands[command](rest)


def setup(options: list[str]) -> int:
    """``setup [nouser] [nocfgmod] [nostart] [noautofs]``."""
    for option in options:
        if option not in ("nouser", "nocfgmod", "nostart", "noautofs"):
            say(f"Bad option: {option}")
            return 1
    mounts.MOUNTS.mkdir(exist_ok=True)
    if "nouser" not in options and not _user_exists():
        command = ["useradd", "--system", "--user-group", "--home-dir", "/var/lib/cvmfs", "--no-create-home", "cvmfs"]
        if subprocess.run(command, check=False).returncode:
            say("Cannot create a cvmfs user")
            return 1
    if not {"nocfgmod", "noautofs"} & set(options):
        if not MASTER.is_file():
            say("Error: unable to find auto.master in any of the supplied paths!")
        elif not _is_in_map():
            MAP.parent.mkdir(exist_ok=True)
            MAP.write_text("# automatically generated by CernVM-FS\n/cvmfs /etc/auto.cvmfs\n")
    if not {"nostart", "noautofs"} & set(options):
        autofs(["start"])
    return 0


def _is_in_map() -> bool:
    return MAP.is_file() and "/cvmfs /etc/auto.cvmfs" in MAP.read_text().splitlines()


def probe(names: list[str]) -> int:
    """``probe [REPOSITORY...]``: what is not mounted is mounted by autofs, where that runs."""
    status = 0
    for fqrn in names or Configuration().repositories:
        say(f"Probing /cvmfs/{fqrn}... ", end="")
        target = mounts.MOUNTS / fqrn
        if not mounts.mounted_hash(fqrn) and RUNNING.exists() and _is_in_map():
            target.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "cvmfs", fqrn, target], capture_output=True, check=False)
        failed = not mounts.mounted_hash(fqrn)
        say("Failed!" if failed else "OK")
        status = 1 if failed else status
    return status


def reload(names: list[str]) -> int:
    """``reload [REPOSITORY]``: the client reads its configuration again."""
    for fqrn in names or mounts.all_mounted():
        if not mounts.mounted_hash(fqrn):
            say("Connecting to CernVM-FS loader... failed!")
            return 100
        say("Connecting to CernVM-FS loader... done\nEntering maintenance mode\nRe-Loading Fuse module")
        with suppress(mounts.UnreachableError, OSError):  # the real one goes on with what it has in its cache
            mounts.move_to_newest(Configuration(fqrn))
        say("Activating Fuse module")
    return 0


def umount(_arguments: list[str]) -> int:
    """``umount``: all repositories."""
    status = 0
    for fqrn in mounts.all_mounted():
        say(f"Unmounting /cvmfs/{fqrn}: ", end="")
        worked = mounts.umount(fqrn)
        say("OK" if worked else "Failed!")
        status = status if worked else 1
    return status


def showconfig(arguments: list[str]) -> int:
    """``showconfig [-s] REPOSITORY``."""
    names = [argument for argument in arguments if argument != "-s"]
    configuration = Configuration(names[0] if names else "")
    say(f"CVMFS_REPOSITORY_NAME={configuration.fqrn}")
    for name, parameter in sorted(configuration.parameters.items()):
        if name.startswith("CVMFS_"):
            say(f"{name}={configuration.get(name)}    # from {parameter.source}")
    return 1 if "-s" in arguments else 0  # the real one ends so, after all it had to show


def chksetup(_arguments: list[str]) -> int:
    """``chksetup``: the number of errors is the exit status."""
    whole = Configuration()
    errors, warnings = [], []
    if not MAP.is_file() and not MASTER.is_file():
        errors.append("unable to find cvmfs.auto or auto.master in any of the supplied paths!")
    if not _is_in_map():
        path = MAP if MAP.is_file() else MASTER if MASTER.is_file() else "/dev/null"
        warnings.append(f"CernVM-FS map is not referenced from autofs maps ({path})")
    if not RUNNING.exists():
        warnings.append("autofs service is not running")
    late = [path for folder in ("domain.d", "config.d") for path in sorted((FOLDER / folder).glob("*.[cl]o*"))]
    for path in (FOLDER / "default.local", *late):
        if path.is_file() and re.search("^CVMFS_CONFIG_REPOSITORY=", path.read_text(), re.MULTILINE):
            errors.append(
                "CVMFS_CONFIG_REPOSITORY can only be set in /etc/cvmfs/default.conf and /etc/cvmfs/default.d/*.conf "
                f"(not in {path})"
            )
    for fqrn in whole.repositories:
        _check(Configuration(fqrn), errors, warnings)
    for text in errors:
        say(f"Error: {text}")
    for text in warnings:
        say(f"Warning: {text}")
    if not errors and not warnings:
        say("OK")
    return len(errors)


def _check(configuration: Configuration, errors: list[str], warnings: list[str]) -> None:
    fqrn = configuration.fqrn
    if int(configuration.get("CVMFS_NFILES") or 0) < 8192:
        warnings.append(f"maximum number of open files is low ({configuration.get('CVMFS_NFILES')}) for {fqrn}")
    quota = int(configuration.get("CVMFS_QUOTA_LIMIT") or 0)
    if 0 <= quota < 1000:
        warnings.append(f"cache limit for {fqrn} is very low (below 1GB)")
    for path in configuration.keys:
        if not path.is_file():
            errors.append(f"public key {path} for {fqrn} not accessible")
    for name in REQUIRED:
        if not configuration.get(name):
            errors.append(f"required parameter {name} undefined for {fqrn}")
    try:
        mounts.published(configuration)
    except mounts.UnreachableError:
        for url in configuration.servers:
            for proxy in configuration.proxies:
                warnings.append(f"failed to access {url}/.cvmfspublished through proxy {proxy}")


# autofs


def autofs(arguments: list[str]) -> int:
    """The script of the service autofs: ``start``, ``stop``, ``restart``, ``reload``, ``status``."""
    command = arguments[0] if arguments else ""
    if command in ("start", "restart", "reload"):
        RUNNING.touch()
    elif command == "stop":
        RUNNING.unlink(missing_ok=True)
    elif command == "status":
        say("automount is running." if RUNNING.exists() else "automount is not running.")
        return 0 if RUNNING.exists() else 3
    else:
        say("Usage: /etc/init.d/autofs {start|stop|restart|reload|status}")
        return 1
    return 0
