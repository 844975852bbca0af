"""The standard streams of a command: nothing but text, colors and progress bars passes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, TextIO, cast

from playhead.text import clean_output

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["CleanStream", "clean_streams"]


class CleanStream:
    """A text stream that writes to another one, without escape sequences from outside."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text that is left; return the length of all of it."""
        self._stream.write(clean_output(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def clean_streams() -> Generator[None]:
    """Let only clean text pass to standard output and standard error, tracebacks included."""
    before = sys.stdout, sys.stderr, sys.excepthook
    sys.stdout = cast("TextIO", CleanStream(sys.stdout))
    sys.stderr = cast("TextIO", CleanStream(sys.stderr))
    sys.excepthook = _print_traceback
    try:
        yield
    except Exception:
        # The interpreter's own traceback would bypass the stream.
        _print_traceback(*cast("Any", sys.exc_info()))
        raise SystemExit(1) from None
    finally:
        sys.stdout, sys.stderr, sys.excepthook = before


def _print_traceback(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    from traceback import print_exception

    print_exception(kind, error, traceback, file=sys.stderr)
