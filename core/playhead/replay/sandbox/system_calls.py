"""The system calls that native code in a replay may not make, and the record of those it tried.

libseccomp compiles the filter, once in each process of Playhead; the process that runs the user's
code installs it. The kernel then asks Playhead about each call of the filter's list (seccomp user
notification), so that the report can name what was tried.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from playhead.replay.sandbox.channel import descriptor

__all__ = ["CompiledFilter", "Supervisor", "compiled_filter"]

_PATHS = {
    "open": 0, "creat": 0, "mkdir": 0, "rmdir": 0, "unlink": 0, "rename": 0, "link": 1,
    "symlink": 1, "mknod": 0, "truncate": 0, "chmod": 0, "chown": 0, "lchown": 0, "utime": 0,
    "utimes": 0, "setxattr": 0, "lsetxattr": 0, "removexattr": 0, "lremovexattr": 0,
}  # fmt: skip
"""Calls that change a file, with the position of its path."""
_PATHS_AT = {
    "openat": 1, "mkdirat": 1, "unlinkat": 1, "renameat": 1, "renameat2": 1, "linkat": 3,
    "symlinkat": 2, "mknodat": 1, "fchmodat": 1, "fchmodat2": 1, "fchownat": 1, "utimensat": 1,
    "futimesat": 1,
}  # fmt: skip
"""The same relative to a folder, whose descriptor precedes the path."""
_DESCRIPTORS = ("fchmod", "fchown", "fsetxattr", "fremovexattr")
_FLAGS = {"open": 1, "openat": 2}
"""Calls that write only with some flags, with the position of the flags."""
_NETWORK = ("connect", "bind", "sendto", "sendmsg")
_PROCESSES = ("fork", "vfork", "clone", "execve", "execveat", "kill", "pidfd_send_signal")
_SILENT = (
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "ptrace", "process_vm_writev",
    "io_uring_setup", "bpf", "perf_event_open", "keyctl", "add_key", "request_key",
    "open_by_handle_at", "init_module", "finit_module", "delete_module", "reboot", "swapon",
    "swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sendmmsg", "mq_open",
    "shmget", "msgget", "semget", "move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr",
)  # fmt: skip
"""Calls without a use in a handler; they fail and are not recorded."""
_WRITING = os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
_ANY_ADDRESS = 1
_OPTIMIZE, _OPTIMIZE_TREE = 8, 2

_RECEIVE, _SEND, _STILL_VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_CONTINUE = 1
_MAX_NOTED = 50
_MAX_PATH = 4096
_HARMLESS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter in the kernel's form; or the reason why there is none."""

    program: bytes = b""
    numbers: tuple[tuple[int, str], ...] = ()
    """Number and name of each call that is asked about."""
    system_call: int = 0
    """Number of the call `seccomp`."""
    why_not: str = ""


@cache
def compiled_filter() -> CompiledFilter:
    """Return the filter for this machine."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        return CompiledFilter(why_not=f"libseccomp is not available ({error})")
    try:
        return _compiled(pyseccomp)
    except (OSError, ValueError, NotImplementedError) as error:
        return CompiledFilter(why_not=f"libseccomp refuses the filter ({error})")


def _compiled(seccomp: Any) -> CompiledFilter:
    ask, arch = seccomp.NOTIFY, seccomp.system_arch()
    numbers: dict[int, str] = {}
    rules = seccomp.SyscallFilter(seccomp.ALLOW)

    def add(action: int, name: str, *conditions: Any) -> None:
        try:
            number = seccomp.resolve_syscall(arch, name)
        except ValueError:  # an older libseccomp, which does not know the name
            return
        if number < 0:  # a call of other machines
            return
        rules.add_rule(action, number, *conditions)
        if action == ask:
            numbers[number] = name

    for name in (*_PATHS, *_PATHS_AT, *_DESCRIPTORS):
        if name not in _FLAGS:
            add(ask, name)
            continue
        flags = _FLAGS[name]
        for mode in (os.O_WRONLY, os.O_RDWR):
            add(ask, name, seccomp.Arg(flags, seccomp.MASKED_EQ, os.O_ACCMODE, mode))
        for bit in (os.O_CREAT, os.O_TRUNC):
            add(ask, name, seccomp.Arg(flags, seccomp.MASKED_EQ, bit, bit))
    add(ask, "connect")
    add(ask, "bind")
    add(ask, "sendto", seccomp.Arg(4, seccomp.NE, 0))
    # The answers' own socket: the process sends the listener of these notifications through it.
    add(ask, "sendmsg", seccomp.Arg(0, seccomp.NE, descriptor()))
    for name in _PROCESSES:
        if name == "clone":
            add(ask, name, seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
        else:
            add(ask, name)
    for name in ("clone3", "openat2"):  # glibc then uses calls with arguments that filters can see
        add(seccomp.ERRNO(errno.ENOSYS), name)
    for name in _SILENT:
        add(seccomp.ERRNO(errno.EPERM), name)
    rules.set_attr(_OPTIMIZE, _OPTIMIZE_TREE)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        program = file.read()
    number = seccomp.resolve_syscall(arch, "seccomp")
    return CompiledFilter(program, tuple(sorted(numbers.items())), number)


class Supervisor:
    """Answers the kernel's questions about one process and its threads, and records refusals.

    The other mechanisms decide what is possible; this one refuses what it is asked about, except in
    the scratch folders, and names it. Ends when the process does.
    """

    def __init__(self, listener: int, compiled: CompiledFilter, writable: Iterable[str]) -> None:
        """Start to answer.

        Args:
            listener: Descriptor of the notifications; closed when the process ends.
            compiled: The filter that the process has installed.
            writable: Folders that the process may write to.
        """
        self._listener = listener
        self._names = dict(compiled.numbers)
        self._writable = tuple(writable)
        self._noted: list[str] = []
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="system calls", daemon=True)
        self._thread.start()

    def take(self) -> tuple[str, ...]:
        """Return what was refused since the last call, each once, in order."""
        with self._lock:
            found = tuple(dict.fromkeys(self._noted))
            self._noted.clear()
        return found

    def close(self) -> None:
        """Stop answering; the process has ended."""
        self._closing = True
        self._thread.join()

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        try:
            while not self._closing:
                for _, events in poll.poll(500):
                    if not events & select.POLLIN:
                        return
                    self._answer_next()
        finally:
            os.close(self._listener)

    def _answer_next(self) -> None:
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, buffer)
        except OSError:  # the thread that asked was killed
            return
        id_, pid, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        name = self._names.get(number, str(number))
        try:
            what, error = self._judge(name, pid, arguments)
            # The memory that was read belongs to the caller only if it still waits.
            fcntl.ioctl(self._listener, _STILL_VALID, struct.pack("=Q", id_))
        except (OSError, ValueError):
            what, error = name, errno.EPERM
        if what is not None:
            with self._lock:
                if len(self._noted) < _MAX_NOTED:
                    self._noted.append(f"{what} (native code)")
        response = _RESPONSE.pack(id_, 0, -error, 0 if error else _CONTINUE)
        try:
            fcntl.ioctl(self._listener, _SEND, response)
        except OSError:
            return

    def _judge(self, name: str, pid: int, arguments: list[int]) -> tuple[str | None, int]:
        """Return what was tried, if it is refused, and the error number; 0 lets the call run."""
        if name in _NETWORK:
            return self._judge_network(name, pid, arguments)
        if name in _PROCESSES:
            if name == "kill" and arguments[0] & 0xFFFFFFFF in (pid, _inner_pid(pid)):
                return None, 0
            what = f" {_read_text(pid, arguments[0])}" if name == "execve" else ""
            return f"process {name}{what}", errno.EPERM
        if name in _DESCRIPTORS:
            path = _link(pid, f"fd/{_signed(arguments[0])}")
        elif name in _PATHS:
            path = _absolute(pid, None, _read_text(pid, arguments[_PATHS[name]]))
        else:
            place = _PATHS_AT[name]
            folder = _signed(arguments[2 if name == "linkat" else place - 1])
            path = _absolute(pid, folder, _read_text(pid, arguments[place]))
        if path in _HARMLESS or any(path.startswith(f"{w}/") for w in self._writable):
            return None, 0
        if path.startswith(("/memfd:", "/dev/pts/", f"/proc/{pid}/", "/proc/self/")):
            return None, 0
        verb = "write" if name in ("open", "openat", "creat") else name
        return f"{verb} file {path}", errno.EROFS

    def _judge_network(self, name: str, pid: int, arguments: list[int]) -> tuple[str | None, int]:
        match name:
            case "sendto":
                address, length = arguments[4], arguments[5]
            case "sendmsg":
                address, length = struct.unpack("=QI", _read(pid, arguments[1], 12))
            case _:
                address, length = arguments[1], arguments[2]
        if not address or not length:
            return None, 0
        raw = _read(pid, address, min(length, 128))
        if name == "bind" and _is_any_port(raw):
            return None, 0
        return f"network {name} {_address(raw)}", errno.ENETUNREACH


def _is_any_port(raw: bytes) -> bool:
    """Return whether a bind only asks for a free port."""
    return _family(raw) in (2, 10) and raw[2:4] == b"\0\0"


def _family(raw: bytes) -> int:
    return int.from_bytes(raw[:2], "little" if struct.pack("=H", 1)[0] else "big")


def _address(raw: bytes) -> str:
    import socket

    match _family(raw):
        case socket.AF_UNIX:
            return raw[2:].rstrip(b"\0").replace(b"\0", b"@").decode(errors="replace")
        case socket.AF_INET:
            return f"{socket.inet_ntop(socket.AF_INET, raw[4:8])}:{int.from_bytes(raw[2:4])}"
        case socket.AF_INET6:
            return f"[{socket.inet_ntop(socket.AF_INET6, raw[8:24])}]:{int.from_bytes(raw[2:4])}"
        case family:
            return f"address family {family}"


def _signed(value: int) -> int:
    """Return a register as the C int in its lower half."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _read(pid: int, address: int, size: int) -> bytes:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def _read_text(pid: int, address: int) -> str:
    """Return a C string, which can end just before memory that cannot be read."""
    if not address:
        return ""
    found = b""
    while len(found) < _MAX_PATH and b"\0" not in found:
        room = 256 - (address + len(found)) % 256
        found += _read(pid, address + len(found), room)
    return os.fsdecode(found.partition(b"\0")[0])


def _absolute(pid: int, folder: int | None, path: str) -> str:
    if not path.startswith("/"):
        at_cwd = folder is None or folder == -100
        path = f"{_link(pid, 'cwd' if at_cwd else f'fd/{folder}')}/{path}"
    return os.path.normpath(path)


def _link(pid: int, name: str) -> str:
    return str(Path(f"/proc/{pid}/{name}").readlink())


def _inner_pid(pid: int) -> int:
    """Return the number that a process has in its own namespace."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return pid
