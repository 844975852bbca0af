"""The process's own side of its isolation: mounts, Landlock, seccomp, and a test of each.

Everything here happens once, before the user's code is imported. ctypes calls the kernel: the
standard library has no wrappers, and the `landlock` package is a pre-release without network rules.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

__all__ = ["Confinement"]

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC = 1, 2, 4, 8, 4096, 16384
_MOUNT_SETATTR, _AT_RECURSIVE, _AT_FDCWD, _ATTR_RDONLY = 442, 0x8000, -100, 1
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITY_VERSION = 0x20080522

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_WRITE_FILE, _MAKE_AND_REMOVE, _REFER, _TRUNCATE, _IOCTL_DEVICE = (
    1 << 1,
    0x1FF0,
    1 << 13,
    1 << 14,
    1 << 15,
)
_FILE_RIGHTS = _WRITE_FILE | _TRUNCATE | _IOCTL_DEVICE
_NETWORK_RIGHTS = 3
_SCOPES, _SCOPE_SIGNALS = 3, 2

_SECCOMP_FILTER, _SPEC_ALLOW, _NEW_LISTENER = 1, 4, 8


class Confinement:
    """Isolates this process, as far as the system lets it.

    Attributes:
        held: The mechanisms that hold each boundary, as `playhead.replay.isolation.Isolation`.
        unavailable: Mechanisms that failed, with the reason.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        """Keep the setup.

        Args:
            setup: `folders` (of `Folders.to_json`), `mount` (mount them here), `launcher` (its
                name), `namespaces` (inode numbers of the parent's), `filter` (a program or None),
                `seccomp` (number of the call), `live` (steps are executed for real).
        """
        self._setup = setup
        self._folders: dict[str, Any] = setup["folders"]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._live = bool(setup.get("live"))
        self._own_files = False
        self.held: dict[str, list[str]] = {
            "network": [], "files": [], "sockets": [], "processes": []
        }  # fmt: skip
        self.unavailable: dict[str, str] = {}

    def enter(self) -> None:
        """Mount, drop all privileges, and restrict files; then test what holds."""
        if self._setup["mount"]:
            with self._unless("mounts"):
                self._mount()
        os.chdir(self._folders["work"])
        if self._setup["launcher"]:
            with self._unless("privileges"):
                self._drop_privileges()
        self._test_namespaces()
        if sys.platform == "linux" and self._setup.get("files", True):
            with self._unless("Landlock"):
                self._landlock()

    def filter_system_calls(self, program: bytes) -> int | None:
        """Install a seccomp filter; return the descriptor of its listener, or None."""
        with self._unless("seccomp"):
            self._check(self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
            code = ctypes.create_string_buffer(program, len(program))
            head = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
            flags = _SPEC_ALLOW | _NEW_LISTENER
            listener: int = self._libc.syscall(
                self._setup["seccomp"], _SECCOMP_FILTER, flags, ctypes.c_char_p(head)
            )
            self._check(listener)
            return listener
        return None

    def test_system_calls(self) -> None:
        """Try what the filter refuses; someone must answer its listener meanwhile."""
        with self._unless("seccomp"):
            if _refused(self._fork):
                self.held["processes"].append("seccomp")
            # Without the filter, there is no such file; with it, there is no network.
            if _refused(lambda: _connect("/nowhere", socket.AF_UNIX), errno.ENETUNREACH):
                self.held["network"].append("seccomp")
                self.held["sockets"].append("seccomp")
            if self._files_are_read_only():
                self.held["files"].append("seccomp")

    # --- mounts

    def _mount(self) -> None:
        folders = self._folders
        hidden, visible = folders["hidden"], folders["visible"]
        devices = [f"/dev/{name}" for name in _DEVICES if Path("/dev", name).exists()]
        kept = {path: os.open(path, os.O_PATH) for path in (*visible, *devices)}
        writable = {path: os.open(path, os.O_PATH) for path in folders["writable"]}
        null = kept["/dev/null"]
        self._set_read_only("/", True)
        for path in (*(p for p in hidden if not p.startswith("/dev/")), "/dev"):
            self._own_folder(path)
        for path in ("/dev/shm", "/dev/pts"):
            Path(path).mkdir(exist_ok=True)
        self._own_folder("/dev/shm")
        for name, target in _LINKS.items():
            with contextlib.suppress(OSError):
                Path("/dev", name).symlink_to(target)
        for path, number in kept.items():
            self._bind(number, path, writable=path in devices)
        for path in folders["sockets"]:
            with contextlib.suppress(OSError):
                self._bind(null, path, writable=True)
        Path(folders["scratch"]).mkdir(parents=True, exist_ok=True)
        self._own_folder(folders["scratch"])
        for path in folders["writable"]:
            self._bind(writable[path], path, writable=True)
            self._set_read_only(path, False)
        for number in (*kept.values(), *writable.values()):
            os.close(number)
        with self._unless("process list"):
            flags = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
            self._call_mount("proc", "/proc", "proc", flags, "")

    def _own_folder(self, path: str) -> None:
        self._call_mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={_scratch_bytes()}")

    def _bind(self, number: int, path: str, *, writable: bool) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            Path(path).mkdir(parents=True, exist_ok=True)
        elif not os.path.lexists(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        self._call_mount(f"/proc/self/fd/{number}", path, "", _MS_BIND | _MS_REC, "")
        if not writable:
            self._set_read_only(path, True)

    def _set_read_only(self, path: str, read_only: bool) -> None:
        added, removed = (_ATTR_RDONLY, 0) if read_only else (0, _ATTR_RDONLY)
        attributes = struct.pack("@QQQQ", added, removed, 0, 0)
        self._check(
            self._libc.syscall(
                _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), _AT_RECURSIVE,
                ctypes.c_char_p(attributes), len(attributes),
            )
        )  # fmt: skip

    def _call_mount(self, source: str, target: str, kind: str, flags: int, data: str) -> None:
        arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
        self._check(self._libc.mount(*arguments, ctypes.c_ulong(flags), data.encode() or None))

    def _drop_privileges(self) -> None:
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
        for capability in range(last + 1):
            self._libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        self._check(self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        head = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
        self._check(self._libc.capset(ctypes.c_char_p(head), ctypes.c_char_p(bytes(24))))

    # --- Landlock

    def _landlock(self) -> None:
        call = self._libc.syscall
        version: int = call(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
        self._check(version)
        rights = _WRITE_FILE | _MAKE_AND_REMOVE
        rights |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
        rights |= _IOCTL_DEVICE if version >= 5 else 0
        network = _NETWORK_RIGHTS if version >= 4 and not self._live else 0
        scopes = (_SCOPE_SIGNALS if self._live else _SCOPES) if version >= 6 else 0
        size = 24 if version >= 6 else 16 if version >= 4 else 8
        attributes = struct.pack("=QQQ", rights, network, scopes)[:size]
        rules: int = call(_LANDLOCK_CREATE, ctypes.c_char_p(attributes), size, 0)
        self._check(rules)
        devices = [f"/dev/{name}" for name in (*_DEVICES, "pts", "ptmx")]
        folders = self._folders["scratch"], *self._folders["writable"]
        for path in (*folders, "/dev/shm", *devices):
            if not Path(path).exists():
                continue
            number = os.open(path, os.O_PATH)
            allowed = rights if Path(path).is_dir() else rights & _FILE_RIGHTS
            rule = struct.pack("=Qi", allowed, number)
            self._check(call(_LANDLOCK_ADD, rules, 1, ctypes.c_char_p(rule), 0))
            os.close(number)
        self._check(self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        self._check(call(_LANDLOCK_RESTRICT, rules, 0))
        os.close(rules)
        if self._own_files or self._files_are_read_only():
            self.held["files"].append("Landlock")

    # --- tests

    def _test_namespaces(self) -> None:
        name = self._setup["launcher"]
        if not name:
            self.unavailable["namespaces"] = self._setup["why_not"]
            return
        if name == "sandbox-exec":
            if _refused(lambda: _connect(("127.0.0.1", 9), socket.AF_INET)):
                self.held["network"].append(name)
                self.held["sockets"].append(name)
            if _refused(self._fork):
                self.held["processes"].append(name)
            if self._files_are_read_only():
                self.held["files"].append(name)
            return
        label = "bubblewrap" if name == "bubblewrap" else "namespaces"
        own = {
            kind
            for kind, inode in self._setup["namespaces"].items()
            if _namespace(kind) not in (None, inode)
        }
        if "net" in own:
            self.held["network"].append(label)
        if "pid" in own:
            self.held["processes"].append(label)
        if "mnt" in own and self._files_are_read_only():
            self._own_files = True
            self.held["files"].append(label)
            if not self._live and not any(map(_is_socket, self._folders["sockets"])):
                self.held["sockets"].append(label)

    def _files_are_read_only(self) -> bool:
        return all(_refused(lambda f=folder: _write_in(f)) for folder in self._tested_folders())

    def _tested_folders(self) -> Iterable[str]:
        folders = (self._folders["work"], str(Path.home()), "/var", "/")
        return [path for path in folders if path not in self._folders["writable"]]

    def _fork(self) -> None:
        # By the C library: os.fork would run hooks of other modules.
        pid: int = self._libc.fork()
        if pid == 0:
            os._exit(0)
        self._check(pid)
        os.waitpid(pid, 0)

    def _check(self, result: int) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    @contextlib.contextmanager
    def _unless(self, mechanism: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self.unavailable[mechanism] = error.strerror or str(error)


_REFUSALS = (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH, errno.ENOENT)


def _refused(attempt: Callable[[], None], *numbers: int) -> bool:
    """Return whether the system refuses an attempt, with one of these error numbers if given."""
    try:
        attempt()
    except OSError as error:
        return error.errno in (numbers or _REFUSALS)
    return False


def _write_in(folder: str) -> None:
    # A file without a name, where the system has that: it disappears when it is closed.
    if hasattr(os, "O_TMPFILE"):
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600))
        return
    path = Path(folder, f".playhead-{os.getpid()}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    path.unlink()


def _connect(address: Any, family: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        probe.connect(address)


def _namespace(kind: str) -> int | None:
    try:
        return Path(f"/proc/self/ns/{kind}").stat().st_ino
    except OSError:
        return None


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - names need not be UTF-8
    except OSError:
        return False


def _scratch_bytes() -> int:
    from playhead.replay.sandbox.launch import SCRATCH_BYTES

    return SCRATCH_BYTES
