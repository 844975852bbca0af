"""The driver of a terminal that may go away, and whose user may press no key for hours."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import IO, Any

from textual.driver import Driver

__all__ = ["InputOrExit", "LostTerminal", "lasting"]

BUSY_SECONDS = 1.0
"""Time after an input in which Textual looks for the rest of an escape sequence."""


class LostTerminal:
    """A terminal to write to, which takes everything once it is gone.

    Otherwise Textual's thread that writes ends with the first error, and the app waits for it for
    good: no signal ends it, and its child processes stay.
    """

    def __init__(self, file: IO[str]) -> None:
        """Write to this file."""
        self._file = file

    def write(self, text: str) -> int:
        """Write text."""
        with contextlib.suppress(OSError):
            return self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        with contextlib.suppress(OSError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class InputOrExit(threading.Event):
    """The event that ends Textual's thread of input, which waits here while there is no input.

    The thread asks for the event before each wait of 0.1 s for a key. It would wake up ten times a
    second, and each time takes Python's lock from the thread that draws.
    """

    def __init__(self, fileno: int) -> None:
        """Wait for input from this file."""
        super().__init__()
        self._input = fileno
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        self._busy_until = time.monotonic() + BUSY_SECONDS

    def is_set(self) -> bool:
        """Return whether to end; a thread that reads input waits until there is some, or the end.

        For a while after an input, it does not wait: Textual must look at the time.
        """
        reads = threading.current_thread() is not threading.main_thread()
        if reads and not super().is_set() and time.monotonic() >= self._busy_until:
            select.select([self._input, self._woken], [], [])
            self._busy_until = time.monotonic() + BUSY_SECONDS
        return super().is_set()

    def set(self) -> None:
        """End the thread."""
        super().set()
        os.write(self._wake, b"\0")

    def clear(self) -> None:
        """Let a new thread read."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 1 << 12)
        self._busy_until = time.monotonic() + BUSY_SECONDS
        super().clear()

    def __del__(self) -> None:
        os.close(self._woken)
        os.close(self._wake)


def lasting(driver: type[Driver]) -> type[Driver]:
    """Return a driver that goes on without its terminal."""

    class LastingDriver(driver):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            file: Any = getattr(self, "_file", None)
            if file is not None:
                self._file = LostTerminal(file)
            fileno: Any = getattr(self, "fileno", None)
            if isinstance(getattr(self, "exit_event", None), threading.Event) and os.name != "nt":
                self.exit_event = InputOrExit(fileno)

    return LastingDriver
