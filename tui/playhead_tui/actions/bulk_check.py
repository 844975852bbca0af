"""A check of whether the current code accepts the journals of many invocations."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from playhead.formatting import calls_of
from playhead.model import Invocation
from playhead.replay import Replayer, Report, restarted

from playhead_tui.actions.journal_check import refusal, unchecked_lines
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, StyleName
from playhead_tui.interfaces import Dashboard

__all__ = ["CHECKED", "SECONDS", "check_journals"]

CHECKED = 50
"""Invocations that are replayed at most."""
SECONDS = 30.0
"""Time limit of all replays together, including the import of the app."""
REASONS = 3
"""Reasons that are named."""

Show = Callable[[list[Line]], object]


@dataclass
class Verdicts:
    """How many journals were accepted, and why the others were not."""

    accepted: int = 0
    failing: Counter[str] = field(default_factory=Counter[str])
    """Accepted, but the handler fails past the end of the journal."""
    refused: Counter[str] = field(default_factory=Counter[str])
    unknown: Counter[str] = field(default_factory=Counter[str])

    @property
    def number(self) -> int:
        """Number of journals."""
        others = (self.failing, self.refused, self.unknown)
        return self.accepted + sum(counts.total() for counts in others)

    def add(self, report: Report) -> None:
        """Count the verdict of one replay."""
        match report.verdict:
            case "same" | "incomplete" if not report.sdk_message:
                self.accepted += 1
            case "same" | "incomplete":
                self.failing[report.reason or report.sdk_message or ""] += 1
            case "diverged":
                self.refused[refusal(report)] += 1
            case "blocked":
                self.unknown["it tried a side effect outside a step, which was blocked"] += 1
            case "refused" | "invalid":
                self.unknown[report.reason or ""] += 1


async def check_journals(
    dashboard: Dashboard, rows: Sequence[Invocation], *, inputs_only: bool, show: Show
) -> list[Line]:
    """Replay journals with the current app, without side effects, and return the verdicts.

    Args:
        dashboard: provides the app and fetches journals.
        rows: the invocations; of many, some of each handler and deployment are replayed.
        inputs_only: replay only the inputs, as a restart as new keeps nothing else.
        show: shows lines about the progress.
    """
    location = dashboard.app_location
    fetch = dashboard.connection.fetch_recording if dashboard.connection else None
    if not location.app or fetch is None:
        return unchecked_lines("journals")
    chosen = _chosen(rows)
    found = Verdicts()
    replayer: Replayer | None = None
    late = False
    try:
        async with asyncio.timeout(SECONDS):
            for row in chosen:
                show([Line(f"Checking the current code: {found.number} of {len(chosen)} journals "
                           "...", "dim"), *_found(found)])  # fmt: skip
                try:
                    recording = await fetch(row.id)
                    if inputs_only:
                        recording = restarted(recording, 0)
                    replayer = replayer or Replayer(
                        location.app, recording, app_dir=location.app_dir or None
                    )
                    found.add(await replayer.report(recording, explain=False))
                except TimeoutError:
                    raise
                except Exception as error:
                    found.unknown[str(error) or type(error).__name__] += 1
    except TimeoutError:
        late = True
    finally:
        if replayer:
            replayer.close()
    return [*_rest(found.number, len(rows), late=late),
            *_summary(found, location.app, inputs_only=inputs_only)]  # fmt: skip


def _chosen(rows: Sequence[Invocation]) -> list[Invocation]:
    """Return the invocations to replay: of each handler and deployment in turn."""
    kinds: dict[tuple[str, str, str | None], list[Invocation]] = {}
    for row in rows:
        kinds.setdefault((row.service, row.handler, row.deployment_id), []).append(row)
    turns = zip_longest(*kinds.values())
    return [row for turn in turns for row in turn if row is not None][:CHECKED]


def _summary(found: Verdicts, app: str, *, inputs_only: bool) -> list[Line]:
    what = "input" if inputs_only else "journal"
    if found.accepted and found.accepted == found.number:
        text = f"The current code ({app}) accepts {calls_of(found.number, what)}."
        return [Line(text, "good")]
    return _found(found, f" by the current code ({app})")


def _found(found: Verdicts, by: str = "") -> list[Line]:
    """Return the numbers of each verdict, with the most frequent reasons."""
    of = f"of {found.number}"
    lines: list[Line] = []
    parts: tuple[tuple[Counter[str], str, StyleName], ...] = (
        (found.refused, f"{of} would be refused{by}", "bad"),
        (found.failing, f"{of} would fail after their journal{by}", "warn"),
        (found.unknown, f"{of} could not be checked", "warn"),
    )
    for counts, text, style in parts:
        if number := counts.total():
            lines.append(Line(f"{number} {text}:", style))
            for reason, often in counts.most_common(REASONS):
                lines.append(Line(f"{often}: {clip(reason, 200)}", "dim", 2))
            if len(counts) > REASONS:
                rest = number - sum(often for _, often in counts.most_common(REASONS))
                lines.append(Line(f"{rest}: for other reasons", "dim", 2))
    if lines and found.accepted:
        lines.append(Line(f"{found.accepted} {of} would be accepted.", "good"))
    return lines


def _rest(checked: int, number: int, *, late: bool) -> list[Line]:
    """Return what was not checked, and why."""
    if checked == number:
        return []
    why = f"all that {SECONDS:g} s allow" if late else "some of each handler"
    return [Line(f"Checked {checked} of {number}: {why}.", "dim")]
