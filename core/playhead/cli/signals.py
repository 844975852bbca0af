"""Signals that end a command."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator

__all__ = ["interruptible"]


class _Interrupt(KeyboardInterrupt):
    """A signal like Ctrl+C.

    When a KeyboardInterrupt leaves code that Python executes from a text, such as that of a data
    class, Python ends `python -m playhead` as if by SIGINT, whatever the exit code is. It does not
    do this for a subclass.
    """


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Make SIGTERM and SIGHUP end the command like Ctrl+C, so it removes what it began.

    Where SIGINT has another handler, such as the one of `asyncio.run`, they are passed to that.
    """

    def interrupt(number: int, frame: object) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and handler is not signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)
        else:
            raise _Interrupt

    # An ignored signal (SIGHUP under nohup) stays ignored.
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {n: signal.signal(n, interrupt) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
