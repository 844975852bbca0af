"""A guard against side effects of the user's code outside its process.

An audit hook blocks network access, file writes and subprocesses of Python code, and records each
of them. Functions of the standard library that have no audit event are replaced by ones that are
blocked the same way. Neither sees native code, which the operating system has to isolate (see
`playhead.replay.sandbox`).
"""

from __future__ import annotations

import functools
import importlib
import os
import sqlite3
import sqlite3.dbapi2
import ssl
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["BlockedError", "Guard"]

_NETWORK = frozenset(
    {
        "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
        "socket.gethostbyname", "socket.gethostbyaddr",
    }
)  # fmt: skip
_PROCESSES = frozenset(
    {
        "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
        "os.spawn", "pty.spawn", "os.kill", "os.killpg", "os.startfile", "sys.remote_exec",
        "webbrowser.open", "syslog.syslog", "syslog.openlog",
    }
)  # fmt: skip
_FILES = frozenset(
    {
        "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
        "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "os.chflags",
    }
)  # fmt: skip
_UNAUDITED = (
    ("os", "mknod", "file mknod"),
    ("os", "mkfifo", "file mkfifo"),
    ("posix", "mknod", "file mknod"),
    ("posix", "mkfifo", "file mkfifo"),
    ("signal", "pidfd_send_signal", "process pidfd_send_signal"),
    ("_posixsubprocess", "fork_exec", "process fork_exec"),  # of multiprocessing
)
"""Functions without an audit event, and how the report names them."""
_ATTACH = 24
"""SQLite's code of an authorization to attach a database, which `VACUUM INTO` asks for, too."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HARMLESS = frozenset({os.devnull, b"/dev/null"})
_MAX_NOTED = 50


class BlockedError(PermissionError):
    """The replay blocked a side effect; nothing happened."""


class Guard:
    """A block on side effects from `install()` to the end of the process."""

    def __init__(self) -> None:
        self.locate: Callable[[], str | None] = lambda: None
        """Returns `file:line` of the user's code that is running, for the report."""
        self._blocked: list[str] = []
        self._allowed = 0
        self._others: frozenset[int] = frozenset()
        self._tried = False
        self._auditing = False

    def install(self) -> None:
        """Start blocking; audit hooks cannot be removed."""
        for module, name, what in _UNAUDITED:
            self._replace(importlib.import_module(module), name, what)
        self._guard_databases()
        self._guard_key_logs()
        sys.addaudithook(self._audit)

    def begin(self) -> None:
        """Start to watch a handler: threads that run already are not the handler's."""
        threads = {thread.ident or 0 for thread in threading.enumerate()}
        self._others = frozenset(threads - {threading.get_ident()})
        self._tried = False

    @property
    def has_blocked(self) -> bool:
        """Whether a side effect of the handler was blocked since `begin`."""
        return self._tried

    def lift(self, allowed: bool) -> None:
        """Allow everything while a step is executed for real.

        Args:
            allowed: True when such a step starts, False when it ends; calls nest.
        """
        self._allowed += 1 if allowed else -1

    def take(self) -> tuple[str, ...]:
        """Return the side effects that were blocked since the last call, each once, in order.

        Each is followed by its place in the user's code, in parentheses, if it is known.
        """
        found = tuple(dict.fromkeys(self._blocked))
        self._blocked.clear()
        return found

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if self._allowed or self._auditing:
            return
        what = _forbidden(event, args)
        if what is not None:
            self._block(what)

    def _block(self, what: str) -> None:
        self._note(what)
        raise BlockedError(f"the replay blocked a side effect: {what}")

    def _authorize(self, action: int, name: str | None, *_: object) -> int:
        if self._allowed or action != _ATTACH or name in ("", ":memory:"):
            return 0
        self._note(f"write file {_text(name)}")
        return 1

    def _replace(self, module: ModuleType, name: str, what: str) -> None:
        original: Any = getattr(module, name, None)
        if original is None:
            return

        @functools.wraps(original)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not self._allowed:
                self._block(f"{what} {_text(list(args[:1]))}".rstrip())
            return original(*args, **kwargs)

        setattr(module, name, guarded)

    def _guard_databases(self) -> None:
        # SQLite opens the files of ATTACH itself.
        original = sqlite3.connect

        @functools.wraps(original)
        def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection = original(*args, **kwargs)
            connection.set_authorizer(self._authorize)
            return connection

        sqlite3.connect = sqlite3.dbapi2.connect = connect

    def _guard_key_logs(self) -> None:
        # OpenSSL opens the file itself.
        original: Any = ssl.SSLContext.keylog_filename

        def log_keys(context: ssl.SSLContext, path: Any) -> None:
            if path is not None and not self._allowed:
                self._block(f"write file {_text(path)}")
            original.__set__(context, path)

        ssl.SSLContext.keylog_filename = property(  # pyright: ignore[reportAttributeAccessIssue]
            original.__get__, log_keys
        )

    def _note(self, what: str) -> None:
        background = threading.get_ident() in self._others
        self._tried |= not background
        if len(self._blocked) >= _MAX_NOTED:
            return
        self._auditing = True
        try:
            place = "in a background thread" if background else self.locate()
        finally:
            self._auditing = False
        self._blocked.append(f"{what} ({place})" if place else what)


def _forbidden(event: str, args: tuple[Any, ...]) -> str | None:
    if event == "open":
        path, _, flags = args
        if isinstance(path, int) or path in _HARMLESS or not flags & _WRITING:
            return None
        return f"write file {_text(path)}"
    if event == "socket.bind" and _is_probe(args[1]):
        return None
    if event in _NETWORK:
        # Calls on a socket have the socket first and the address second; look-ups have the host
        # first.
        address = list(args[:2]) if event.startswith("socket.get") else list(args[1:2])
        return f"network {event.partition('.')[2]} {_text(address)}"
    if event in _PROCESSES:
        command = [*args[1:2]] or [*args[:1]]
        return f"process {event.rpartition('.')[2]} {_text(command)}".rstrip()
    if event in _FILES:
        return f"file {event.partition('.')[2]} {_text(args[0])}"
    if event == "sqlite3.connect" and args[0] != ":memory:":
        return f"write file {_text(args[0])}"
    return None


def _is_probe(address: Any) -> bool:
    """Return whether a bind only asks the system for a free port, as urllib3 does when imported."""
    return isinstance(address, tuple) and address[1:2] == (0,)


def _text(value: Any) -> str:
    match value:
        case bytes():
            return value.decode(errors="replace")[:200]
        case [str() | bytes() as host, int() as port, *_]:
            return f"{_text(host)}:{port}"
        case [*parts]:
            return " ".join(_text(part) for part in parts)[:200]
        case _:
            return str(value)[:200]
