"""Numbers of attempts, against histories of attempts of which some were recorded."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playhead.model import status_of
from playhead.reader.listing.attempt_counts import AttemptCount, count_attempts
from playhead.reader.listing.attempt_facts import AttemptFacts, KnownAttempt, attempt_facts
from playhead.store.attempt_counts import PERIODS
from playhead.store.attempt_counts import attempt_facts as facts_sql
from playhead.store.database import Store
from playhead.store.query import to_rows
from playhead.store.span_writer import UNSET, SpanRow, SpanWriter
from recorded_store import RecordedStore, at

CASES = 3000
MS = 1_000
SECOND = 1_000_000
ERRORS = ("same", "other")


@dataclass
class Try:
    """One attempt that happened."""

    started: int
    ended: int | None
    """None while it runs."""
    outcome: str
    """`ok`, `failed`, `suspended`, `cut` or `running`."""
    error: str = ""
    commands: int = 0
    recorded: bool = True
    """Whether its span arrived."""
    traced: bool = True
    """Whether agents' spans of it arrived."""
    number: int | None = None


@dataclass
class History:
    """What happened to one invocation, and what was recorded of it."""

    id: str
    row: dict[str, Any]
    tries: list[Try]
    failures: list[int] = field(default_factory=list[int])
    """Times of the journal's TransientError events."""


def history(chance: random.Random, number: int, since: int, absences: Sequence[Any]) -> History:
    """Play an invocation as Restate does, and lose spans while the recorder is away."""
    created = since + chance.randrange(5 * SECOND)
    row: dict[str, Any] = {
        "id": f"inv_{number}", "created_at": created, "retry_count": None, "last_start_at": None,
        "running_at": None, "completed_at": None, "completion_result": None,
        "completion_failure": None, "journal_commands_size": 1, "restarted_from": None,
    }  # fmt: skip
    found = History(row["id"], row, [])
    if chance.random() < 0.08:
        row["status"], row["modified_at"] = chance.choice(("scheduled", "pending")), created
        return found
    at = created + chance.choice((0, 0, 3 * SECOND))
    row["running_at"], series, last_error = at, 0, None
    ending = chance.choice(("succeeded", "failed", "killed", "suspended", "paused", "running",
                            "backing-off"))  # fmt: skip
    at += chance.randrange(2 * MS, chance.choice((30 * MS, 400 * MS)))
    middle = chance.choice((0, 0, 0, 1, 2, 5))
    for _ in range(middle):
        series = _middle(chance, found, at, series)
        failed = found.tries[-1]
        if failed.outcome == "failed" and failed.error != last_error:
            ended = failed.ended or 0
            reported = ended - chance.randrange(min(ended - failed.started, 2 * MS))
            found.failures.append(reported - reported % MS - chance.choice((0, 0, 4 * MS)))
            last_error = failed.error
        at = (failed.ended or 0) + chance.randrange(5 * MS, chance.choice((60 * MS, 20 * SECOND)))
    _end(chance, found, at, ending, series)
    row["journal_commands_size"] += sum(one.commands for one in found.tries)
    flushed = 0
    for one in found.tries:
        flushed = max(flushed, (one.ended or 0) + chance.randrange(5 * SECOND))  # in order
        one.recorded = one.ended is not None and not any(a <= flushed <= b for a, b in absences)
        one.traced = chance.random() < 0.7
    if chance.random() < 0.5:  # one process saw all attempts
        for ordinal, one in enumerate(found.tries, 1):
            one.number = ordinal
    elif chance.random() < 0.2:  # a process took over after the invocation was resumed by hand
        late = [one for one in found.tries if one.started > row["running_at"] + SECOND / 2]
        for ordinal, one in enumerate(late, 1):
            one.number = ordinal
    return found


def _middle(chance: random.Random, found: History, at: int, series: int) -> int:
    outcome = chance.choice(("failed", "failed", "suspended"))
    # An address on which nothing listens refuses a connection within a millisecond.
    least, most = (MS // 2, 6 * MS) if outcome == "failed" else (5 * MS, 50 * MS)
    ended = at + chance.randrange(least, chance.choice((most, 3 * SECOND)))
    commands = chance.choice((0, 0, 1, 3)) if outcome == "failed" else 1
    found.tries.append(Try(at, ended, outcome, chance.choice(ERRORS), commands))
    return series + 1 if outcome == "failed" and not commands else int(outcome == "failed")


def _end(chance: random.Random, found: History, at: int, ending: str, series: int) -> None:
    row = found.row
    ended = at + chance.randrange(5 * MS, chance.choice((50 * MS, 3 * SECOND)))
    done = ended + chance.randrange(2 * MS)
    row.update(status=ending, modified_at=done)
    if ending in ("succeeded", "failed", "killed"):
        row.update(status="completed", completed_at=done)
        row["completion_result"] = "success" if ending == "succeeded" else "failure"
        row["completion_failure"] = {"failed": "[500] no", "killed": "[409] killed"}.get(ending)
        if ending == "killed" and chance.random() < 0.5 and found.tries:  # between two attempts
            row["completed_at"] = row["modified_at"] = (found.tries[-1].ended or 0) + SECOND
            return
        found.tries.append(Try(at, ended, "cut" if ending == "killed" else "ok",
                               commands=int(ending != "killed")))  # fmt: skip
    elif ending == "running":
        row.update(last_start_at=at - at % MS, retry_count=series + 1, modified_at=at)
        found.tries.append(Try(at, None, "running"))
    elif ending == "backing-off":
        row.update(last_start_at=at - at % MS, retry_count=series + 1)
        found.tries.append(Try(at, ended, "failed", "last"))
        found.failures.append(ended - MS)
    else:
        outcome = "suspended" if ending == "suspended" else "failed"
        found.tries.append(Try(at, ended, outcome))


def spans(found: History) -> Iterator[SpanRow]:
    """Return the spans of the attempts that were recorded."""
    statuses = {"ok": "ok", "failed": "error"}
    for number, one in enumerate(found.tries, 1):
        id_ = f"{found.id.removeprefix('inv_')}{number:03}".rjust(16, "0")
        if one.recorded:
            names = ["new_command"] * one.commands + ["suspended"] * (one.outcome == "suspended")
            events = [{"name": f"restate.invocation.lifecycle.{name}"} for name in names]
            yield _span(id_, found.id, "invocation-attempt a/b", one.started, one.ended,
                        statuses.get(one.outcome, "unset"), {}, events)  # fmt: skip
        if one.traced:
            attributes: dict[str, Any] = {"playhead.attempt.span_id": id_}
            if one.number is not None:
                attributes["playhead.attempt.number"] = one.number
            yield _span("a" + id_[1:], found.id, "chat", one.started + 3 * MS,
                        one.ended or one.started + SECOND, "unset", attributes, [])  # fmt: skip


def _span(
    id_: str, invocation: str, name: str, start: int, end: int | None, status: str,
    attributes: dict[str, Any], events: list[Any],
) -> SpanRow:  # fmt: skip
    return ("c" * 32, id_, None, name, "internal", "s", "s", start * 1000,
            None if end is None else end * 1000, status, "", json.dumps(attributes), "{}",
            json.dumps(events), "[]", invocation, *UNSET)  # fmt: skip


def write(store: Store, histories: Sequence[History], periods: Sequence[tuple[int, int]]) -> None:
    SpanWriter(store).write([span for found in histories for span in spans(found)])
    invocations = pa.Table.from_pylist([found.row for found in histories])
    failures = pa.table({
        "id": [found.id for found in histories for _ in found.failures],
        "failed_at": [at for found in histories for at in found.failures],
    })  # fmt: skip
    names = invocations.column_names
    selected = [f"make_timestamptz({n}) AS {n}" if n.endswith("_at") else n for n in names]
    with store.transaction() as connection:
        connection.register("incoming", invocations)
        connection.execute(
            f"INSERT INTO invocations BY NAME SELECT {', '.join(selected)} FROM incoming"
        )
        connection.register("failures", failures)
        connection.execute(
            "INSERT INTO journal_events (id, appended_at, event_type)"
            " SELECT id, make_timestamptz(failed_at), 'TransientError' FROM failures"
        )
        for period in periods:
            connection.execute(
                "INSERT INTO recordings VALUES (make_timestamptz(?), make_timestamptz(?), NULL)",
                period,
            )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[History]]]:
    """A store with the spans of many invocations, recorded with interruptions until now."""
    chance = random.Random(7)
    store = Store(tmp_path_factory.mktemp("counts") / "store")
    [[now]] = store.cursor().execute("SELECT epoch_us(now())").fetchall()
    absences = [(now - 300 * SECOND, now - 240 * SECOND), (now - 120 * SECOND, now - 90 * SECOND),
                (now - 50 * SECOND, now - 49 * SECOND)]  # fmt: skip
    edges = [now - 400 * SECOND, *(at for pair in absences for at in pair), now + 3600 * SECOND]
    periods = list(zip(edges[::2], edges[1::2], strict=True))
    histories = [
        history(chance, number, now - chance.randrange(60, 390) * SECOND, absences)
        for number in range(1, CASES)
    ]
    write(store, histories, periods)
    yield store, histories
    store.close()


@pytest.fixture(scope="module")
def counts(world: tuple[Store, list[History]]) -> dict[str, AttemptCount]:
    """The count of each invocation by `count_attempts`."""
    cursor = world[0].cursor()
    found = {row["id"]: row for row in to_rows(cursor, facts_sql("{id} IS NOT NULL"))}
    periods = [(row["started"], row["seen"]) for row in to_rows(cursor, PERIODS)]
    rows = to_rows(cursor, "SELECT * FROM invocations")
    return {
        row["id"]: count_attempts(
            attempt_facts(row, found.get(row["id"]), periods, status=status_of(row), current=True)
        )
        for row in rows
    }


def test_a_certain_number_is_the_true_one(
    world: tuple[Store, list[History]], counts: dict[str, AttemptCount]
) -> None:
    for found in world[1]:
        count, truth = counts[found.id], len(found.tries)
        assert count.attempts in (None, truth), found
        assert count.at_least <= truth, found
        suspended = sum(one.outcome == "suspended" for one in found.tries)
        assert count.suspensions in (None, suspended), found


@pytest.mark.parametrize("start", [300, MS + 3, 5 * MS])
def test_an_attempt_that_fails_at_once_is_counted(start: int) -> None:
    """The clock of failures is coarser than that of spans: 1.003 ms behind was seen."""
    at = 1_795_327_866_952_000
    tries = (
        KnownAttempt(at + start, at + start + 278, "error"),
        KnownAttempt(at + SECOND, at + 2 * SECOND, "ok"),
    )
    facts = AttemptFacts(
        "succeeded", running_at=at, completed_at=at + 2 * SECOND, attempts=tries, failures=1,
        first_failure=at, watched=((at - SECOND, at + 20 * SECOND),),
    )  # fmt: skip
    assert count_attempts(facts) == AttemptCount(2, 2, 0)
    earlier = replace(facts, first_failure=at - 50 * MS)
    assert count_attempts(earlier).attempts is None


def test_the_number_is_certain_when_nothing_was_lost(
    world: tuple[Store, list[History]], counts: dict[str, AttemptCount]
) -> None:
    whole = [
        found for found in world[1]
        if all(one.recorded or one.outcome == "running" for one in found.tries)
    ]  # fmt: skip
    certain = sum(counts[found.id].attempts is not None for found in whole)
    assert len(whole) > CASES / 3
    assert certain > 0.8 * len(whole), (certain, len(whole))
    assert any(counts[found.id].attempts is None for found in world[1])


def test_the_view_says_the_same(
    world: tuple[Store, list[History]], counts: dict[str, AttemptCount]
) -> None:
    rows = to_rows(world[0].cursor(), "SELECT * FROM invocation_attempts")
    viewed = {
        row["invocation_id"]: AttemptCount(
            row["attempts"], row["attempts_at_least"], row["suspensions"]
        )
        for row in rows
    }
    for id_, count in counts.items():
        assert viewed[id_] == count, next(found for found in world[1] if found.id == id_)


async def test_periods_of_another_cluster_make_no_number_certain(tmp_path: Path) -> None:
    """Attempts before the first span would be unknown if nobody had listened to this server."""
    recorded = RecordedStore(tmp_path)
    for name in ("first", "second", None):
        id_ = recorded.invocation(f"inv_{name}", cluster=name)
        recorded.span(id_, {}, name="invocation-attempt Agent/run", start=1.0, status="ok")
    reader = recorded.write()
    store = Store(tmp_path)
    with store.transaction() as connection:
        connection.execute("INSERT INTO recordings VALUES (?, ?, 'first')", [at(-10.0), at(100.0)])
    rows = store.cursor().execute(
        "SELECT invocation_id, attempts, attempts_at_least FROM invocation_attempts ORDER BY ALL"
    ).fetchall()  # fmt: skip
    store.close()
    counts = {"inv_None": (1, 1), "inv_first": (1, 1), "inv_second": (None, 1)}
    assert {id_: tuple(numbers) for id_, *numbers in rows} == counts
    page = await reader.invocations()
    assert {row.id: (row.attempts, row.attempts_at_least) for row in page.rows} == counts
