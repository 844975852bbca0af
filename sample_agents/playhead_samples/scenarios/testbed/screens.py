"""What the dashboard's list and an invocation's header say, read from the drawn screen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import anyio
from playhead.formatting import HEADINGS
from playhead.settings import Settings

from playhead_samples.scenarios.testbed.claims import Claims

__all__ = ["read_screens"]

SIZE = (149, 60)
"""Columns and lines; from 150 columns on, a preview stands beside the list."""
SECONDS = 10.0
POLL_SECONDS = 0.05
COLUMNS = ("status", "attempts", "llm_calls", "tokens")
HEADER_LINES = 8
ATTEMPTS = re.compile(r"((?:≥ )?[\d.]+[kM]?|\?) attempts?(?: \((\d+) suspended\))?")
LLM_CALLS = re.compile(r"((?:≥ )?[\d.]+[kM]?|\?) LLM calls?")
TOKENS = re.compile(r"\(([\d.]+[kM]?) in, ([\d.]+[kM]?) out\)")
STATUSES = (
    "succeeded", "failed", "killed", "cancelled", "running", "backing-off", "paused", "suspended",
    "scheduled", "inboxed", "pending", "ready",
)  # fmt: skip


async def read_screens(
    settings: Settings, ids: Sequence[str]
) -> tuple[dict[str, Claims], dict[str, Claims]]:
    """Open the dashboard and read the rows and the headers of these invocations, by id.

    An invocation without a row has no claims.
    """
    from playhead_tui.app import PlayheadApp
    from playhead_tui.sources.connector import connector

    app = PlayheadApp(connector(settings, record=False), read_only=True)
    rows: dict[str, Claims] = {}
    headers: dict[str, Claims] = {}
    async with app.run_test(size=SIZE, notifications=False) as pilot:
        listing: Any = app.screen
        await _until(pilot, lambda: set(ids) <= {row.id for row in listing.listing.rows})
        for invocation in ids:
            if listing.listing.go_to(invocation):
                await pilot.pause()
                rows[invocation] = _row(listing, _lines(app))
        for invocation in ids:
            app.open_invocation(invocation)
            await _until(pilot, lambda: getattr(app.screen, "detail", None) is not None)
            screen: Any = app.screen
            await pilot.pause()
            headers[invocation] = _header(screen.detail.summary.id, _lines(app)[:HEADER_LINES])
            app.pop_screen()
            await _until(pilot, lambda: app.screen is listing)
    return rows, headers


async def _until(pilot: Any, condition: Any) -> None:
    """Let the app run until the condition is true, at most a few seconds."""
    with anyio.move_on_after(SECONDS):
        while not condition():
            await pilot.pause(POLL_SECONDS)


def _lines(app: Any) -> list[str]:
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def _row(screen: Any, lines: Sequence[str]) -> Claims:
    """Read the row under the cursor by the headings above the rows."""
    view = screen.listing
    top = int(view.region.y)
    heading = lines[top]
    line = lines[top + int(view.HEAD + view.place - round(view.scroll_y))]
    cells = {name: _cell(heading, line, HEADINGS[name]) for name in COLUMNS}
    status = next(
        (word for word in STATUSES if re.search(rf"\b{word}\b", cells["status"] or "")), ""
    )
    tokens = (cells["tokens"] or "").split("/")
    known = len(tokens) == 2
    return Claims(
        status=status,
        attempts=cells["attempts"],
        llm_calls=cells["llm_calls"],
        input_tokens=tokens[0] if known else cells["tokens"],
        output_tokens=tokens[1] if known else cells["tokens"],
    )


def _cell(heading: str, line: str, name: str) -> str | None:
    """Return the cell below a heading; None without such a column.

    The first column is aligned to the left, figures to the right.
    """
    start = heading.find(name)
    if start < 0:
        return None
    if name == HEADINGS["status"]:
        return line[start : heading.find(HEADINGS["target"])].strip()
    end = start + len(name)
    left = max((m.end() for m in re.finditer(r"\S+", heading[:start].rstrip())), default=0)
    return line[left : end + 1].strip()


def _header(invocation: str, lines: Sequence[str]) -> Claims:
    text = "\n".join(lines)
    attempts, calls, tokens = ATTEMPTS.search(text), LLM_CALLS.search(text), TOKENS.search(text)
    first = lines[0] if lines else ""
    return Claims(
        status=next((word for word in STATUSES if re.search(rf"\b{word}\b", first)), ""),
        attempts=attempts[1] if attempts else None,
        suspensions=attempts[2] if attempts else None,
        llm_calls=calls[1] if calls else None,
        input_tokens=tokens[1] if tokens else None,
        output_tokens=tokens[2] if tokens else None,
    )
