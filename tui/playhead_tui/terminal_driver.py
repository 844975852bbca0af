"""The driver of a terminal that may go away, for example when its window is closed."""

from __future__ import annotations

import contextlib
from typing import IO, Any

from textual.driver import Driver

__all__ = ["LostTerminal", "lasting"]


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


def lasting(driver: type[Driver]) -> type[Driver]:
    """Return a driver that goes on without its terminal."""

    class LastingDriver(driver):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            file: Any = getattr(self, "_file", None)
            if file is not None:
                self._file = LostTerminal(file)

    return LastingDriver
