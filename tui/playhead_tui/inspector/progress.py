"""Lines for opening a replay: the progress or the error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playhead.formatting import duration
from playhead.replay import (
    AppError,
    RecordingError,
    UnsupportedJournalError,
    WorkerError,
)

from playhead_tui.drawing.document import Line, heading, text_lines

__all__ = ["error_lines", "progress_lines"]

ISOLATION = "The code runs in a separate process: no network, no files written, no step executed."


def progress_lines(stages: Sequence[tuple[str, float]], now: float) -> Iterator[Line]:
    """Yield the stages and their durations.

    Args:
        stages: name of each stage and when it started (seconds on any clock); the last one runs.
        now: the current time on the same clock.
    """
    for number, (stage, started) in enumerate(stages):
        last = number == len(stages) - 1
        ended = now if last else stages[number + 1][1]
        took = duration(max(0.0, ended - started))
        yield Line(f"{stage} ..." if last else f"{stage}: {took}", "text" if last else "dim")
        if last and ended - started >= 1:
            yield Line(f"for {took}", "dim", 2)
    yield Line("")
    yield Line(ISOLATION, "dim")


def error_lines(error: Exception, app: str, folder: str) -> Iterator[Line]:
    """Yield the error, its location, and the next steps."""
    titles: dict[type[Exception], str] = {
        AppError: "The app cannot be loaded",
        RecordingError: "The journal cannot be read",
        UnsupportedJournalError: "This journal cannot be replayed",
        WorkerError: "The code was stopped",
    }
    yield Line(titles.get(type(error), "The replay failed"), "bad")
    yield Line(f"{app} in {folder or 'the current folder'}", "dim")
    yield Line("")
    text = "\n".join(filter(None, (str(error) or type(error).__name__, getattr(error, "hint", ""))))
    yield from text_lines(text, limit=20_000)
    yield from heading("What to do")
    if isinstance(error, AppError):
        yield Line("o  Choose another app or folder; name the app as Python imports it from there")
    if isinstance(error, WorkerError):
        yield Line("The lines above are the last output of the code; an endless loop has none.")
    yield Line("r  Run again, with the current code and journal")
    yield Line("esc  Go back; nothing has changed", "text")
