"""The folders that a replay hides from the user's code, and those that stay visible."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Folders", "folders_for"]

_SERVICES = ("/run", "/var/run")
_TEMPORARY_FILES = ("/tmp", "/var/tmp", "/dev/shm")
_KEYS = (".ssh", ".gnupg", ".local/share/keyrings")
_OF_HOME = (
    *_KEYS, ".docker/run", ".docker/desktop", ".colima", ".lima", ".orbstack/run", ".rd",
    ".local/share/containers",
)  # fmt: skip
"""Folders of sockets and keys, below the home folder."""
_SOCKET_VARIABLES = ("SSH_AUTH_SOCK", "DOCKER_HOST", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
_MAX_SOCKETS = 200


@dataclass(frozen=True, slots=True)
class Folders:
    """What the process sees of the file system; everything else is readable, not writable."""

    hidden: tuple[str, ...]
    """Folders that appear empty."""
    visible: tuple[str, ...]
    """Folders and files below hidden ones that stay readable."""
    sockets: tuple[str, ...]
    """Unix sockets outside the hidden folders."""
    scratch: str
    """The only folder to write to; in memory where the system has mounts."""
    work: str
    """Working directory."""
    writable: tuple[str, ...] = ()
    """Other folders to write to."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return asdict(self)


def folders_for(app_dir: str, scratch: str, *, live: bool = False) -> Folders:
    """Return the folders for an app.

    Args:
        app_dir: Folder to import the app from.
        scratch: Folder for temporary files, which exists and is empty.
        live: Steps are executed for real: they can write in the app's folder, and reach the sockets
            of the machine's services, also for names of hosts.
    """
    needed = sorted({os.path.realpath(path) for path in _needed(app_dir)})
    hidden = sorted(
        path
        for path in {os.path.realpath(path) for path in _hidden(live)}
        if Path(path).is_dir() and not any(_within(path, other) for other in needed)
    )
    top = [p for p in hidden if not any(p != other and _within(p, other) for other in hidden)]
    visible = [path for path in needed if _below(path, top)]
    sockets = [path for path in _sockets() if not _below(path, top) or _below(path, visible)]
    work = os.path.realpath(app_dir)
    return Folders(
        tuple(top), tuple(visible), () if live else tuple(sockets[:_MAX_SOCKETS]),
        os.path.realpath(scratch), work, (work,) if live else (),
    )  # fmt: skip


def _hidden(live: bool) -> Iterator[str]:
    if live:
        yield from _TEMPORARY_FILES
        yield from (str(Path.home() / name) for name in _KEYS)
        return
    yield from (*_SERVICES, *_TEMPORARY_FILES)
    home = Path.home()
    yield from (str(home / name) for name in _OF_HOME)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield runtime


def _needed(app_dir: str) -> Iterator[str]:
    """Yield what a Python process imports from."""
    yield app_dir
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix)
    yield str(Path(sys.executable).parent)
    yield str(Path(__file__).parents[2])
    yield from (path for path in sys.path if path and Path(path).exists())


@cache
def _sockets() -> tuple[str, ...]:
    """Return the Unix sockets that the system and the environment name."""
    found: set[str] = set()
    for name in _SOCKET_VARIABLES:
        value = os.environ.get(name, "")
        found |= {part.rpartition("=")[2].removeprefix("unix://") for part in value.split(",")}
    try:
        lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]
    except OSError:
        lines = []
    found |= {parts[7] for line in lines if len(parts := line.split(None, 7)) == 8}
    return tuple(sorted(path for path in found if path.startswith("/") and _is_socket(path)))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - names need not be UTF-8
    except (OSError, ValueError):
        return False


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(_within(path, folder) for folder in folders)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
