"""How far the opening of a replay has come, and why it failed."""

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

__all__ = ["fault_lines", "progress_lines"]

ISOLATION = "It runs in a process of its own: no network, no files written, no step executed."


def progress_lines(stages: Sequence[tuple[str, float]], now: float) -> Iterator[Line]:
    """The stages with the seconds each took.

    Args:
        stages: what was done, and when it began (seconds on any clock); the last one runs.
        now: the same clock, now.
    """
    for number, (what, began) in enumerate(stages):
        last = number == len(stages) - 1
        ended = now if last else stages[number + 1][1]
        took = duration(max(0.0, ended - began))
        yield Line(f"{what} ..." if last else f"{what}: {took}", "text" if last else "dim")
        if last and ended - began >= 1:
            yield Line(f"since {took}", "dim", 2)
    yield Line("")
    yield Line(ISOLATION, "dim")


def fault_lines(error: Exception, app: str, folder: str) -> Iterator[Line]:
    """What went wrong, where, and what to do about it."""
    titles: dict[type[Exception], str] = {
        AppError: "The app cannot be loaded",
        RecordingError: "The journal cannot be read",
        UnsupportedJournalError: "This journal cannot be replayed",
        WorkerError: "The code was stopped",
    }
    title = titles.get(type(error), "The replay is not possible")
    yield Line(title, "bad")
    yield Line(f"{app} in {folder or 'the current folder'}", "dim")
    yield Line("")
    text = "\n".join(filter(None, (str(error) or type(error).__name__, getattr(error, "hint", ""))))
    yield from text_lines(text, limit=20_000)
    yield from heading("what to do")
    if isinstance(error, AppError):
        yield Line("o  another app or folder. Give it as Python would import it from that folder.")
    if isinstance(error, WorkerError):
        yield Line("The lines above are the code's last words; a loop without end shows none.")
    yield Line("r  again, with the code and the journal as they are now")
    yield Line("esc  back; nothing has changed", "text")
