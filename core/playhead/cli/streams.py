"""The standard streams of a command: nothing but text, colors and progress bars passes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, TextIO, cast

from playhead.cli.errors import Exit
from playhead.text import clean_output

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["CleanStream", "clean_streams"]


class CleanStream:
    """A text stream that writes to another one, without escape sequences from outside.

    When that one cannot be written, the rest is lost. If it is essential, the command ends.
    """

    def __init__(self, stream: TextIO, *, is_essential: bool = False) -> None:
        self._stream = stream
        self._is_essential = is_essential
        self._code: Exit | None = None
        """Why it cannot be written, as an exit code."""

    def write(self, text: str) -> int:
        """Write the text that is left; return the length of all of it."""
        with self._ending():
            self._stream.write(_encodable(clean_output(text), self._stream))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered."""
        with self._ending():
            self._stream.flush()

    @property
    def buffer(self) -> Any:
        """The stream of bytes, for JSON, which is UTF-8 whatever the encoding of texts is."""
        return _Bytes(self._stream.buffer, self._ending)

    @contextlib.contextmanager
    def _ending(self) -> Generator[None]:
        """Raise SystemExit if the stream cannot be written, then or earlier, in any thread."""
        if self._code is not None:
            raise SystemExit(self._code)
        try:
            yield
        except OSError as error:
            with contextlib.suppress(OSError):  # Python writes the rest when it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not self._is_essential:
                return
            if error.errno == errno.EPIPE:
                self._code = Exit.UNREAD
            else:
                self._code = Exit.UNREACHABLE
                reason = error.strerror or error
                sys.stderr.write(f"playhead: Standard output cannot be written: {reason}\n")
            raise SystemExit(self._code) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bytes:
    """The stream of bytes below a text stream."""

    def __init__(self, stream: Any, ending: Any) -> None:
        self._stream = stream
        self._ending = ending

    def write(self, data: bytes) -> int:
        with self._ending():
            self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        with self._ending():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def clean_streams() -> Generator[None]:
    """Let only clean text pass to standard output and standard error, tracebacks included."""
    _open_closed()
    before = sys.stdout, sys.stderr, sys.excepthook
    out = CleanStream(sys.stdout, is_essential=True)
    sys.stdout = cast("TextIO", out)
    sys.stderr = cast("TextIO", CleanStream(sys.stderr))
    sys.excepthook = _print_traceback
    try:
        try:
            yield
        finally:
            out.flush()
    except Exception:
        # The interpreter's own traceback would bypass the stream.
        _print_traceback(*cast("Any", sys.exc_info()))
        raise SystemExit(1) from None
    finally:
        sys.stdout, sys.stderr, sys.excepthook = before


def _open_closed() -> None:
    """Open standard streams that are closed: a file or a connection would take their place."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        # The lowest number that is free.
        opened = os.open(os.devnull, os.O_RDWR)
        os.set_inheritable(opened, True)
        setattr(sys, name, open(opened, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _encodable(text: str, stream: TextIO) -> str:
    """Return the text with JSON's escapes for characters that the encoding does not have."""
    encoding = getattr(stream, "encoding", None)
    if text.isascii() or not encoding or stream.errors not in ("strict", "surrogateescape"):
        return text
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        return "".join(_escaped(one, encoding) for one in text)


def _escaped(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
        return character
    except UnicodeEncodeError:
        return json.dumps(character)[1:-1]


def _print_traceback(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    from traceback import print_exception

    print_exception(kind, error, traceback, file=sys.stderr)
