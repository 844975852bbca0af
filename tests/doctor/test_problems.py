"""The doctor's problems, each with the smallest data that shows it and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playhead.doctor import completeness
from playhead.doctor.check import PROBLEMS
from playhead.doctor.recorder import recorder
from playhead.model import Invocation
from playhead.record.ingest.span_delays import SpanDelays
from playhead.settings import Settings

ADMIN = "http://localhost:9070"
TROUBLESHOOTING = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"


class FakeStore:
    """A recorder's client with a fixed answer to `/health` and to the count of its rows."""

    def __init__(self, journals: Mapping[str, Any], **more: Any) -> None:
        self._health = {"ports": {}, "journals": journals, **more}

    async def health(self) -> dict[str, Any]:
        return self._health

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        return [{"spans": 9, "invocations": 3, "retention": "PT86400S", "unkept": self.unkept}]

    def describe(self) -> str:
        return "store /tmp/store"

    unkept = 0


def copier(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "invocations": 3,
        "last_copy": now,
        "behind": 0,
        "problem": None,
        "admin_url": "http://127.0.0.1:9070",
        **changes,
    }


async def journals_check(store: FakeStore, tmp_path: Path) -> Any:
    settings = replace(Settings(), admin_url=ADMIN, store=tmp_path)
    checks = await recorder(settings, store)  # type: ignore[arg-type]
    return next(check for check in checks if check.name == "journals")


LONG_AGO = (datetime.now(UTC) - timedelta(hours=13)).isoformat()


@pytest.mark.parametrize(
    ("changes", "problem", "words"),
    [
        ({}, None, "3 invocations copied"),
        (
            {"problem": "No server", "last_copy": None, "admin_url": "http://127.0.0.1:9"},
            "recorder-copies-nothing",
            "copies nothing from http://127.0.0.1:9: No server",
        ),
        ({"problem": "No server"}, "recorder-behind", "No server"),
        ({"admin_url": "http://10.0.0.5:9070"}, "recorder-other-server", "http://10.0.0.5:9070"),
        ({"behind": 14_000, "invocations": 36_000}, "recorder-behind", "36,000 of 50,000"),
        ({"last_copy": LONG_AGO}, "retention-close", "after 1d"),
        (None, "journals-not-copied", "does not copy"),
    ],
)
async def test_journals(
    changes: dict[str, Any] | None, problem: str | None, words: str, tmp_path: Path
) -> None:
    check = await journals_check(FakeStore({} if changes is None else copier(**changes)), tmp_path)
    assert (check.problem, check.state == "passed") == (problem, problem is None)
    assert words in check.finding
    assert problem is None or check.hint


async def test_journals_that_are_not_kept(tmp_path: Path) -> None:
    store = FakeStore(copier())
    store.unkept = 2
    check = await journals_check(store, tmp_path)
    assert (check.state, check.problem) == ("warning", "retention-zero")


def test_every_problem_is_documented() -> None:
    page = TROUBLESHOOTING.read_text()
    assert [problem for problem in PROBLEMS if f"`{problem}`" not in page] == []


def test_delays_of_senders() -> None:
    now = 1_000.0
    delays = SpanDelays(lambda: now)
    for age in (4.0, 5.0, 6.0):
        delays.note({"Restate": int((now - age) * 1e9), "agents": int(now * 1e9)})
    delays.note({})
    assert delays.upper_quartiles() == {"Restate": 6.0, "agents": 0.0}


@pytest.mark.parametrize(
    ("delays", "problem"),
    [
        ({"Restate": 0.2, "agents": 0.1}, None),
        ({"Restate": 4.9}, "spans-late"),
        ({"agents": 5.1}, "spans-late"),
    ],
)
def test_late_spans(delays: dict[str, float], problem: str | None) -> None:
    late = completeness._delay({"span_delays": delays}, agents_on_time=True)
    assert late.problem == problem
    assert problem is None or "OTEL_BSP_SCHEDULE_DELAY=500" in late.hint


def test_spans_of_a_slow_clock_are_not_late() -> None:
    delays = {"Restate": 0.2, "agents": 5.1}
    assert completeness._delay({"span_delays": delays}, agents_on_time=False).state == "passed"


def test_no_span_has_arrived() -> None:
    assert completeness._delay({}, agents_on_time=True).state == "skipped"


AT = datetime(2026, 11, 1, tzinfo=UTC)


def ended(**changes: Any) -> Invocation:
    row = Invocation(
        id="inv_1",
        target="Desk/run",
        service="Desk",
        handler="run",
        key=None,
        status="succeeded",
        created_at=AT,
        modified_at=AT,
        completed_at=AT,
        trace_id=32 * "a",
        attempts=2,
    )
    return replace(row, **changes)


@pytest.mark.parametrize(
    ("row", "state", "problem"),
    [
        (ended(), "passed", None),
        (ended(attempts=None, attempts_at_least=3), "warning", "attempt-spans-lost"),
        (ended(attempts=None, attempts_at_least=3, trace_id=None), "skipped", None),
    ],
)
def test_lost_attempts(row: Invocation, state: str, problem: str | None) -> None:
    check = completeness._attempts([row], copies=True)
    assert (check.state, check.problem) == (state, problem)
    assert problem is None or "inv_1 (≥ 3)" in check.finding
    assert completeness._attempts([row], copies=False).state == "skipped"


def test_spans_of_attempts_may_arrive_some_seconds_after_the_end() -> None:
    row = ended(attempts=None, attempts_at_least=2, completed_at=datetime.now(UTC))
    assert completeness._attempts([row], copies=True).problem is None


@pytest.mark.parametrize(
    ("joined", "bare", "problem"),
    [
        (True, 0, "agents-without-bridge"),
        (False, 2, "agents-without-bridge"),
        (False, 0, None),
    ],
)
def test_calls_without_the_bridge(joined: bool, bare: int, problem: str | None) -> None:
    """A program that is traced, but does not run on Restate, is no problem."""
    rows = [{"service": "desk", "joined": joined, "calls": 4}]
    check = completeness._bridge(rows, 4, bare)
    assert check.problem == problem
    assert problem is None or "desk (4)" in check.finding


def test_without_calls_the_bridge_is_not_judged() -> None:
    assert completeness._bridge([], 0, 0).state == "skipped"
    assert completeness._bridge([], 3, 0).state == "passed"
