"""Signals of commands that start processes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator

__all__ = ["interruptible"]


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Make SIGTERM and SIGHUP end the command like Ctrl+C, so it stops its processes."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    # An ignored signal (SIGHUP under nohup) stays ignored.
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {n: signal.signal(n, interrupt) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
