"""Actions on many invocations: those that are marked, or all that match the filter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import get_args

from playhead.formatting import calls_of
from playhead.model import Invocation
from playhead.restate.bulk import (
    CHANGES,
    VERBS,
    Change,
    Outcome,
    OutcomeState,
    Verb,
    change_all,
)

from playhead_tui.actions.changes import is_allowed
from playhead_tui.dialogs.bulk_progress import BulkProgress
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Dashboard, ServerControl

__all__ = ["MOST", "change_marked", "change_matching"]

MOST = 10_000
"""Invocations that one action changes at most."""
LISTED = 5
"""Targets that a question lists."""
MANY = 20
"""Number of invocations from which the verb has to be typed."""
OWN, NEWEST = "their own deployment", "the newest deployment"
KEYS: dict[Verb, str] = {
    "cancel": "c", "kill": "k", "pause": "p", "resume": "r", "restart": "n", "purge": "P",
}  # fmt: skip


@dataclass
class BulkRun:
    """One action on many invocations while it runs, and its outcomes."""

    change: Change
    rows: Sequence[Invocation]
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    finished: bool = False

    @property
    def total(self) -> int:
        """Number of invocations."""
        return len(self.rows)

    @property
    def summary(self) -> str:
        """Number of outcomes of each kind."""
        counts = Counter(outcome.state for outcome in self.outcomes)
        states = [state for state in get_args(OutcomeState) if counts[state]]
        return ", ".join(f"{counts[state]} {state}" for state in states) or "0 done"

    @property
    def title(self) -> str:
        """What is done to how many."""
        return f"{self.change.label} {_number(self.total)}"


async def change_matching(
    dashboard: Dashboard, conditions: str, unmark: Callable[[Collection[str]], None]
) -> None:
    """Read all invocations that match, and change them.

    Args:
        dashboard: the app.
        conditions: the filter; empty for all invocations.
        unmark: see `change_marked`.
    """
    if not is_allowed(dashboard):
        return
    page = await dashboard.reader.invocations(limit=MOST, filter=conditions or None, figures=False)
    if page.more:
        dashboard.notify(
            f"More than {MOST:,} invocations match. Narrow the filter.", severity="warning"
        )
        return
    about = f"All that match {clip(conditions, 50)}" if conditions else "All invocations"
    await change_marked(dashboard, page.rows, about, unmark)


async def change_marked(
    dashboard: Dashboard,
    rows: Sequence[Invocation],
    about: str,
    unmark: Callable[[Collection[str]], None],
) -> None:
    """Ask which action, say what it does to how many, ask, and perform it.

    Args:
        dashboard: the app.
        rows: the invocations.
        about: what they are, for the title.
        unmark: called at the end with the ids of those that were changed. The others keep their
            marks, so that the next action can be about them.
    """
    if not is_allowed(dashboard):
        return
    if not rows:
        dashboard.notify("No invocation matches.")
        return
    possible: dict[Verb, list[Invocation]] = {
        one: [row for row in rows if not CHANGES[one].refusal(row)] for one in VERBS
    }
    choices = [
        Choice(KEYS[one], CHANGES[one].label, f"{len(found)} of {len(rows)}")
        for one, found in possible.items()
        if found
    ]
    if not choices:
        dashboard.notify("None of them can be changed.", severity="warning")
        return
    body = [Line(f"{about}: {_number(len(rows))}", "strong"), *_lines(rows)]
    key = await dashboard.push_screen_wait(Menu("Actions on many", choices, body))
    chosen: Verb | None = next((one for one in VERBS if KEYS[one] == key), None)
    if chosen is None:
        return
    found = possible[chosen]
    deployment = await _confirm(dashboard, CHANGES[chosen], found, rows)
    control = dashboard.control
    if deployment is None or control is None:
        return
    run = BulkRun(CHANGES[chosen], found)
    dashboard.run_change(_perform(dashboard, control, run, deployment or None, unmark))
    dashboard.push_screen(BulkProgress(run))


async def _confirm(
    dashboard: Dashboard, change: Change, found: Sequence[Invocation], rows: Sequence[Invocation]
) -> str | None:
    """Return the deployment to use, empty for the server's choice; None for no."""
    reasons = Counter(change.refusal(row) for row in rows)
    body = [
        Line(f"{change.label} {_number(len(found))}.", "strong"),
        *_lines(found),
        Line(change.effect, "warn" if change.destroys else "text"),
        *(
            Line(f"{_number(number)} left alone: {reason}.", "dim")
            for reason, number in reasons.items()
            if reason
        ),
    ]
    title = f"{change.label} {_number(len(found))}?"
    deployment = ""
    if change.verb in ("resume", "restart"):
        chosen = await _deployment(dashboard, change, found, title, body)
        if chosen is None or len(found) < MANY:
            return chosen
        deployment = chosen
        body.append(Line(f"They run on {NEWEST if chosen == 'latest' else OWN}."))
    if change.verb == "purge" or len(found) >= MANY:
        word: str = change.verb
        body += [Line(""), Line(f"Type {word} to continue.")]
        wrong = f"Type the word {word}, or press Esc."
        typed = await dashboard.push_screen_wait(
            Prompt(title, body, placeholder=word,
                   check=lambda text: None if text.strip() == word else wrong)
        )  # fmt: skip
        return None if typed is None else deployment
    choices = [Choice("y", f"Yes, {change.verb} them"), Choice("n", "No")]
    key = await dashboard.push_screen_wait(Menu(title, choices, body))
    return "" if key == "y" else None


async def _deployment(
    dashboard: Dashboard,
    change: Change,
    found: Sequence[Invocation],
    title: str,
    body: Sequence[Line],
) -> str | None:
    """Ask where they run, below what today's code makes of their journals; None for no."""
    from playhead_tui.actions.bulk_check import check_journals
    from playhead_tui.dialogs.checked_menu import CheckedMenu

    own = "keep" if change.verb == "restart" else ""
    fixed = sum(row.status != "paused" for row in found) if change.verb == "resume" else 0
    if fixed:
        text = f"{_number(fixed)} not paused: Restate retries on the own deployment in any case."
        body = [*body, Line(text, "dim")]
    choices = [Choice("y", f"Yes, on {OWN}"), Choice("l", f"Yes, on {NEWEST}"), Choice("n", "No")]
    menu = CheckedMenu(
        title,
        choices,
        body,
        check=lambda show: check_journals(
            dashboard, found, inputs_only=change.verb == "restart", show=show
        ),
        checking="Checking whether the current code accepts their journals ...",
    )
    key = await dashboard.push_screen_wait(menu)
    return {"y": own, "l": "latest"}.get(key or "")


async def _perform(
    dashboard: Dashboard,
    control: ServerControl,
    run: BulkRun,
    deployment: str | None,
    unmark: Callable[[Collection[str]], None],
) -> None:
    """Change the invocations; the outcome is shown even if the progress was hidden."""
    try:
        # Restate changes the deployment of paused ones only.
        fixed = [row for row in run.rows if run.change.verb == "resume" and row.status != "paused"]
        moving = [row for row in run.rows if row not in fixed] if fixed else run.rows
        for rows, where in ((moving, deployment), (fixed, None)):
            async for outcome in change_all(
                control, run.change.verb, rows, deployment=where, stop=run.stop
            ):
                run.outcomes.append(outcome)
    finally:
        run.finished = True
        failed = any(outcome.state != "done" for outcome in run.outcomes)
        severity = "warning" if failed else "information"
        dashboard.notify(f"{run.change.label}: {run.summary}.", severity=severity)
        unmark([outcome.id for outcome in run.outcomes if outcome.state == "done"])
        dashboard.refresh_now()


def _lines(rows: Sequence[Invocation]) -> list[Line]:
    """Return the handlers of invocations with their numbers."""
    counts = Counter(f"{row.service}/{row.handler}" for row in rows)
    lines = [
        Line(f"{number} {clip(name, 50)}", "dim") for name, number in counts.most_common(LISTED)
    ]
    if len(counts) > LISTED:
        rest = len(rows) - sum(number for _, number in counts.most_common(LISTED))
        lines.append(Line(f"{rest} of other handlers", "dim"))
    return lines


def _number(number: int) -> str:
    return calls_of(number, "invocation")
