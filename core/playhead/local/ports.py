"""TCP ports on the loopback interface."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOOPBACK = "127.0.0.1"
PORTS = range(15_000, 32_768)
"""Below the ports of outgoing connections on Linux and macOS, which could take a free one."""
_TRIES = 100


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free, and that other callers do not get soon.

    Processes of one user take turns through a file, so that two of them do not choose the same port
    before either listens on it.
    """
    for _ in range(_TRIES):
        port = PORTS[_next_number() % len(PORTS)]
        if port_is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((LOOPBACK, 0))
        free: int = sock.getsockname()[1]
        return free


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _next_number() -> int:
    """Return the next number of all processes of this user; a random one without the file."""
    start = random.SystemRandom().randrange(len(PORTS))
    path = Path(tempfile.gettempdir(), f"playhead-ports-{os.getuid()}")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return start
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = os.pread(file, 20, 0)
        number = int(last) + 1 if last.isdigit() else start
        os.ftruncate(file, 0)
        os.pwrite(file, str(number % len(PORTS)).encode(), 0)
        return number
    except OSError:
        return start
    finally:
        os.close(file)
