"""The program that starts a replay's process in namespaces of its own, where the system has one.

bubblewrap if it is installed, else `unshare` of util-linux, whose process mounts its own view of
the file system; `sandbox-exec` on macOS. Each is tried once before it is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from playhead.replay.sandbox.folders import Folders

__all__ = ["SCRATCH_BYTES", "Launcher", "launcher", "live_launcher", "macos_profile"]

SCRATCH_BYTES = 64 << 20
"""Size of a scratch folder in memory."""

_OWN_OF_LIVE = ("--mount", "--pid", "--ipc", "--fork", "--kill-child")
_OWN = ("--net", "--uts", *_OWN_OF_LIVE)
_UNSHARE = (
    ("--user", "--map-root-user", *_OWN),
    _OWN,  # a container can forbid user namespaces and still let root have the others
    ("--user", "--map-root-user", "--net"),
    ("--net",),
)
_UNSHARE_OF_LIVE = (("--user", "--map-root-user", *_OWN_OF_LIVE), _OWN_OF_LIVE)
_BUBBLEWRAP = (
    "--unshare-all", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
)  # fmt: skip
_TRY_SECONDS = 10
_SANDBOX_EXEC = "/usr/bin/sandbox-exec"
"""macOS has it there; a program of that name in another folder of PATH isolates nothing."""

_MACOS_PROFILE = """(version 1)
(allow default)
(deny network*)
(deny process-fork)
(deny file-write*)
(allow file-write* (subpath {scratch}) (literal "/dev/null") (literal "/dev/tty"))
(allow file-write-data (literal "/dev/dtracehelper"))
"""


@dataclass(frozen=True, slots=True)
class Launcher:
    """A command prefix that starts a process in isolation."""

    name: str
    """`bubblewrap`, `unshare`, `sandbox-exec`, or empty: the system has none."""
    options: tuple[str, ...] = ()
    why_not: str = ""
    """The reason if the name is empty."""

    @property
    def mounts_itself(self) -> bool:
        """Whether the process has to mount its own view of the file system."""
        return "--mount" in self.options

    def command(self, folders: Folders) -> list[str]:
        """Return the prefix of the process's command."""
        match self.name:
            case "bubblewrap":
                return ["bwrap", *self.options, *_bind(folders), "--chdir", folders.work, "--"]
            case "unshare":
                return ["unshare", *self.options, "--"]
            case "sandbox-exec":
                return [_SANDBOX_EXEC, "-p", macos_profile(folders)]
            case _:
                return []


def macos_profile(folders: Folders) -> str:
    """Return the profile for `sandbox-exec`; later rules win over earlier ones.

    Playhead's tests run on Linux: they parse the profile, but no macOS has enforced it there.
    """
    escaped = folders.scratch.replace("\\", "\\\\").replace('"', '\\"')
    return _MACOS_PROFILE.format(scratch=f'"{escaped}"')


@cache
def launcher() -> Launcher:
    """Return the first launcher that works on this system."""
    if _is_macos():
        works = _starts(_SANDBOX_EXEC, "-p", "(version 1)(allow default)")
        return Launcher("sandbox-exec") if works else Launcher("", (), "sandbox-exec does not work")
    return _of_linux(_BUBBLEWRAP, _UNSHARE)


@cache
def live_launcher() -> Launcher:
    """Return the first launcher for steps that are executed for real: they keep the network."""
    if _is_macos():
        return Launcher("", (), "live steps are not isolated on macOS")
    return _of_linux((*_BUBBLEWRAP, "--share-net"), _UNSHARE_OF_LIVE)


def _of_linux(bubblewrap: tuple[str, ...], unshare: tuple[tuple[str, ...], ...]) -> Launcher:
    if _starts("bwrap", *bubblewrap):
        return Launcher("bubblewrap", bubblewrap)
    for options in unshare:
        if "--user" not in options and os.geteuid() != 0:
            continue
        if _starts("unshare", *options):
            return Launcher("unshare", options)
    if shutil.which("unshare") is None:
        return Launcher("", (), "neither bubblewrap nor unshare (util-linux) is installed")
    return Launcher("", (), "the system refuses namespaces to this user")


def _is_macos() -> bool:
    return sys.platform == "darwin"


def _starts(program: str, *options: str) -> bool:
    found = shutil.which(program)
    if found is None:
        return False
    command = [found, *options, "true"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TRY_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _bind(folders: Folders) -> Iterator[str]:
    for path in folders.hidden:
        if path != "/dev/shm":  # --dev has made an empty one
            yield from ("--size", str(SCRATCH_BYTES), "--tmpfs", path)
    for path in folders.visible:
        yield from ("--ro-bind", path, path)
    for path in folders.sockets:
        yield from ("--ro-bind", "/dev/null", path)
    for path in folders.writable:
        yield from ("--bind", path, path)
    yield from ("--size", str(SCRATCH_BYTES), "--tmpfs", folders.scratch)
