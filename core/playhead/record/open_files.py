"""The limit of open files of the recorder's process: each connection of a client is one."""

from __future__ import annotations

import contextlib
import resource

__all__ = ["allow_more_open_files"]

FILES = 4096
"""Enough for the connections of the HTTP servers, and many of gRPC. Linux usually begins with
1,024, macOS with 256."""


def allow_more_open_files() -> None:
    """Raise the limit of this process, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(ValueError, OSError):  # a sandbox may refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
