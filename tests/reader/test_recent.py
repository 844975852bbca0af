"""What is remembered of listed invocations, and when it is made again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playhead.model import Invocation
from playhead.reader.figures import Figures
from playhead.reader.listing.attempt_facts import Period, StoredAttempts
from playhead.reader.listing.recent import REMEMBERED, Recent
from playhead.reader.listing.rows import invocation_of
from playhead.reader.listing.stored import StoredInvocations
from playhead.reader.listing.stored_counts import Counts
from recorded_store import ClosedStore

AT = "2026-11-22T10:00:0{}Z"


def ended(**changed: Any) -> dict[str, Any]:
    """Return the row of an invocation that has ended."""
    row = {
        "id": "inv_1", "target": "Agent/ask", "status": "completed", "completion_result": "success",
        "created_at": AT.format(0), "running_at": AT.format(1), "completed_at": AT.format(5),
        "modified_at": AT.format(5),
    }  # fmt: skip
    return row | changed


def micros(second: int) -> int:
    return round(datetime(2026, 11, 22, 10, 0, second, tzinfo=UTC).timestamp() * 1e6)


def attempt(**changed: Any) -> dict[str, Any]:
    """Return the attempt of that invocation."""
    return {
        "started": micros(1), "ended": micros(5), "status": "ok", "suspended": False,
        "commands": 1, "events": 0, "number": 1, "server": True,
    } | changed  # fmt: skip


class Stored(StoredInvocations):
    """A store with given figures."""

    found = StoredAttempts({}, ())
    counted: dict[str, Counts] = {}  # noqa: RUF012

    async def figures(
        self, ids: Any, found: Any = None
    ) -> tuple[StoredAttempts, dict[str, Counts]]:
        return self.found, self.counted


async def test_an_ended_invocation_is_made_again_when_any_of_its_rows_changes() -> None:
    stored = Stored(ClosedStore(Path("none")))
    figures = Figures(None, stored)

    async def add(row: dict[str, Any]) -> Any:
        [found] = await figures.add([invocation_of(row, "stored")], {"inv_1": row}, [])
        return found

    first = await add(ended())
    assert first.attempts is None
    assert await add(ended()) is first
    stored.found = StoredAttempts({}, (Period(micros(0), micros(9)),))
    watched = await add(ended())
    assert watched is not first
    stored.found = StoredAttempts({"inv_1": {"attempts": [attempt()]}}, (Period(1, 2),))
    known = await add(ended())
    assert (known.attempts, known.times.running) == (1, 4.0)
    stored.found = StoredAttempts({"inv_1": {"attempts": [attempt()]}}, (Period(1, 3),))
    assert await add(ended()) is known  # its number of attempts is certain
    stored.counted = {"inv_1": Counts(llm_calls=7)}
    assert (await add(ended())).llm_calls == 7
    assert (await add(ended(completed_at=AT.format(6)))).completed_at.second == 6


async def test_the_times_of_an_invocation_that_runs_grow() -> None:
    row = ended(status="running", completed_at=None, completion_result=None)
    figures = Figures(None, Stored(ClosedStore(Path("none"))))
    summary = invocation_of(row, "stored")
    found = [(await figures.add([summary], {"inv_1": row}, []))[0] for _ in range(2)]
    assert found[0] is not found[1]


def test_only_recent_ids_are_remembered() -> None:
    recent = Recent[int]()
    for number in range(1, REMEMBERED + 2):
        recent.put(f"{number}", {"row": number}, number)
    assert recent.get("1", {"row": 1}) is None
    assert recent.get("2", {"row": 2}) == 2
    assert recent.get("2", {"row": 3}) is None


async def test_a_listed_invocation_is_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(ClosedStore(Path("none")))
    stored.found = StoredAttempts({"inv_1": {"attempts": [attempt()]}}, ())
    stored.counted = {"inv_1": Counts(llm_calls=2, models=("gpt-4o",))}
    row = invocation_of(ended(), "stored")
    made: list[Invocation] = []
    make = Invocation.__init__

    def counted(self: Invocation, *arguments: Any, **named: Any) -> None:
        made.append(self)
        make(self, *arguments, **named)

    monkeypatch.setattr(Invocation, "__init__", counted)
    [found] = await Figures(None, stored).add([row], {"inv_1": ended()}, [])
    assert (found.attempts, found.llm_calls, found.models) == (1, 2, ("gpt-4o",))
    assert found.times is not None
    assert len(made) == 1
