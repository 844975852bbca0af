"""A report as lines of plain text, for terminals, pytest and logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from playhead.replay.report import Divergence, Report
from playhead.text import clean

__all__ = ["HINT", "headline", "lines"]

HINT = (
    "Invocations in flight would fail with error 570. Deploy the change as a new deployment and "
    "let old invocations finish on the old one, or keep the recorded order of steps."
)


def headline(report: Report) -> str:
    """The verdict in one line."""
    went = f"{report.replayed} of {report.commands} commands replayed"
    match report.verdict:
        case "same":
            end = f"fails as recorded: {report.failure}" if report.failure else "same output"
            return clean(f"same: {went}, {end}")
        case "diverged":
            count = sum(d.fatal for d in report.divergences)
            differences = "1 difference" if count == 1 else f"{count} differences"
            return clean(f"diverged: {differences} that Restate would refuse; {went}")
        case "incomplete":
            at = f" (at {_short(report.waiting_at)})" if report.waiting_at else ""
            return clean(f"incomplete: {went}, then {report.reason}{at}")
        case "refused":
            return clean(f"refused: {(report.reason or '').splitlines()[0]}")


def lines(report: Report) -> Iterator[str]:
    """The whole report; nothing in it can act on a terminal."""
    yield headline(report)
    if report.verdict == "refused":
        yield from (f"  {clean(line)}" for line in (report.reason or "").splitlines()[1:])
    for divergence in report.divergences:
        yield from _divergence(divergence)
    if report.verdict == "diverged" and report.sdk_message:
        yield "  The SDK says:"
        yield from (f"    {clean(line)}" for line in report.sdk_message.splitlines() if line)
    for note in report.notes:
        yield f"  note: {clean(note)}"
    for what in report.blocked:
        yield f"  blocked: {clean(what)}"
    if report.verdict == "diverged":
        yield f"  hint: {HINT}"


def _divergence(divergence: Divergence) -> Iterator[str]:
    mark = "" if divergence.fatal else " (Restate does not notice)"
    where = f"  {_short(divergence.where)}" if divergence.where else ""
    title = clean(divergence.name)
    yield f"  #{divergence.command_index} {title}: {divergence.kind}{mark}{clean(where)}"
    if divergence.recorded is not None:
        yield f"      recorded: {clean(divergence.recorded)}"
    if divergence.current is not None:
        yield f"      now:      {clean(divergence.current)}"


def _short(where: str | None) -> str:
    """The path from here, when it is below."""
    if where is None:
        return ""
    path, _, line = where.rpartition(":")
    try:
        return f"{Path(path).relative_to(Path.cwd())}:{line}"
    except ValueError:
        return where
