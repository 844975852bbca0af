"""The figures of invocations equal what all rows say, whatever happened to the rows."""

from __future__ import annotations

import functools
import json
import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from playhead.store import figures
from playhead.store.archive import move_to_archive
from playhead.store.arrow import pa
from playhead.store.attempt_counts import ATTEMPTS_OF
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.calls.counts import COUNTS_OF
from playhead.store.calls.llm_calls import rebuild_llm_calls
from playhead.store.database import Store
from playhead.store.figures import (
    FIGURES_BUILT,
    begin_figures,
    failure_rows,
    figure_rows,
    stale_count,
    update_figures,
)
from playhead.store.journal_writer import CopyProgress, JournalCopy, write_copy
from playhead.store.kept_rows import INVOCATIONS_OF
from playhead.store.query import to_rows
from playhead.store.retention import Keep, delete_expired
from playhead.store.span_invocations import inherit_invocations
from playhead.store.span_writer import UNSET, SpanRow, SpanWriter
from playhead.store.tables import JOURNAL_COLUMNS
from playhead.store.upkeep import vacuum

Select = Callable[..., list[dict[str, Any]]]
START = datetime(2026, 3, 10, tzinfo=UTC)
NOW = START + timedelta(days=20)
_SUMS = """
SELECT kind, agent, name, sum(invocations)::BIGINT AS invocations, sum(counted)::BIGINT AS counted,
  sum(repeated)::BIGINT AS repeated{more} FROM ({rows}) GROUP BY ALL ORDER BY ALL
"""
_OF_STEPS = """, sum(succeeded)::BIGINT AS succeeded,
  sum(failed)::BIGINT AS failed, sum(tried)::BIGINT AS tried, sum(executed)::BIGINT AS executed,
  list_sort(flatten(list(durations))) AS durations"""
IDS = [f"inv_{number}" for number in range(7)]
FEW = "SELECT id FROM invocations WHERE id < 'inv_3'"


class Events:
    """What happens to a store, by chance."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.chance = random.Random(seed)
        self.writer = SpanWriter(store)
        self.copied: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        """Number of steps in the journal, and events, by invocation."""

    def spans(self) -> None:
        self.writer.write([self.span(self.chance.randrange(60)) for _ in range(6)])
        inherit_invocations(self.store, [f"{number:032x}" for number in range(6)])

    def span(self, number: int) -> SpanRow:
        invocation = number % 6
        choice = number % 5
        attributes: dict[str, Any] = {"gen_ai.agent.name": "shop", "playhead.logical_span_id":
                                      f"{invocation}-{number % 4}"}  # fmt: skip
        name = "chat"
        if choice < 2:
            attributes |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt",
                           "gen_ai.usage.input_tokens": number}  # fmt: skip
        elif choice == 2:
            attributes |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
        else:
            name = "run Pay"
            attributes = {
                "restate.journal.command.type": "Run", "restate.journal.command.name": "Pay",
                "playhead.journal.command_index": number % 3,
            }  # fmt: skip
        return (
            f"{invocation:032x}", f"{number + 1:016x}",
            # Some spans belong to an invocation by their parent alone, which may be late.
            f"{invocation + 1:016x}" if number > 5 else None, name, "internal", "agents",
            self.chance.choice(["pydantic-ai", "other"]), 10 * number,
            self.chance.choice([None, 10 * number + 5]), self.chance.choice(["unset", "error"]),
            "", json.dumps(attributes), "{}", "[]", "[]",
            f"inv_{invocation}" if number < 40 else None, *UNSET,
        )  # fmt: skip

    def copy(self) -> None:
        number = self.chance.randrange(6)
        id_ = f"inv_{number}"
        steps, events = self.copied.get(id_, (0, []))
        ended = self.chance.random() < 0.5
        failed = self.chance.random() < 0.5
        at = START + timedelta(days=number)
        entries: list[dict[str, Any]] = []
        for step in range(steps, steps + self.chance.randrange(3)):
            result = self.chance.choice(["Success", "Failure"])
            for offset, kind, document in (
                (0, "Command: Run", {"Command": {"Run": {"completion_id": step}}}),
                (1, "Notification: Run",
                 {"Notification": {"id": {"CompletionId": step}, "result": result}}),
            ):  # fmt: skip
                entries.append({
                    "id": id_, "index": 2 * step + offset, "entry_type": kind, "raw": b"",
                    "name": self.chance.choice(["Pay", "Ask"]) if offset == 0 else None,
                    "entry_lite_json": json.dumps(document),
                    "appended_at": at + timedelta(seconds=step + offset * self.chance.random()),
                })  # fmt: skip
            steps += 1
        if failed:
            document = {
                "error_message": self.chance.choice(["refused 1", "refused 2", "ValueError: x"]),
                "error_code": 500, "error_stacktrace": None, "related_command_name": "Pay",
                "related_command_type": self.chance.choice(["Run", "Call"]),
            }  # fmt: skip
            events = [*events, {"id": id_, "appended_at": at, "event_type": "TransientError",
                                "event_json": json.dumps(document)}]  # fmt: skip
        row = {
            "id": id_, "target_service_name": "Shop", "created_at": at, "modified_at": at,
            "pinned_deployment_id": self.chance.choice([None, "dp_1"]),
            "status": "completed" if ended else "running", "completed_at": at if ended else None,
            "completion_result": "failure" if ended and failed else None,
            "completion_failure": "[400] ValueError: no item 17" if ended and failed else None,
        }  # fmt: skip
        write_copy(self.store, JournalCopy(
            _table([row]), _table(entries, JOURNAL_COLUMNS), _table(events), None, [],
            updated=[id_] if id_ in self.copied else [],
            progress={id_: CopyProgress(1, 2 * steps, ended)},
        ))  # fmt: skip
        self.copied[id_] = (steps, events)

    def purge(self) -> None:
        table = self.chance.choice(["spans", "journal_events", "journal"])
        days = self.chance.randrange(15, 21)
        delete_expired(self.store, [Keep(table, age=timedelta(days=days))], NOW)

    def archive(self) -> None:
        before = date(2026, 3, 10 + self.chance.randrange(3))
        with self.store.transaction() as connection:
            move_to_archive(connection, self.store.folder, before, keep=False)
        self.writer = SpanWriter(self.store)

    def update(self) -> None:
        update_figures(self.store, most=self.chance.randrange(1, 5))


def _table(rows: list[dict[str, Any]], columns: Any = ()) -> Any:
    names = [*rows[0]] if rows else list(columns)[:2]
    return pa.table({name: [row[name] for row in rows] for name in names})


def check(select: Select, chosen: Sequence[str] = ("",)) -> None:
    """Check that the tables say what all rows say, of all invocations or of some."""
    order = "SELECT * FROM ({}) ORDER BY ALL"
    for ids in chosen:
        assert select(order.format(failure_rows(built=True, ids=ids))) == select(
            order.format(failure_rows(built=False, ids=ids))
        )
        for kind in ("call", "step"):
            more = _OF_STEPS if kind == "step" else ""
            fast, slow = (
                select(_SUMS.format(more=more, rows=figure_rows(kind, built=built, ids=ids)))
                for built in (True, False)
            )
            assert fast == slow


def check_kept(store: Store, ids: Sequence[str]) -> None:
    """Check that rows that are kept in memory are those of the tables."""
    for sql, count in ((ATTEMPTS_OF, 2), (COUNTS_OF, 1), (INVOCATIONS_OF, 1)):
        with store.reading() as cursor:
            params = [list(ids)] * count
            read = functools.partial(to_rows, cursor, sql)
            kept = store.kept.answer(sql, params, read)
            assert kept is not None
            rows = read(params)
            assert _sorted(json.loads(kept)) == _sorted(rows)


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows in an order, with the calls of a row in order too."""
    for row in rows:
        row["priced"] = sorted(row.get("priced") or [], key=str)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.parametrize("seed", range(2))
def test_figures_equal_what_all_rows_say(store: Store, select: Select, seed: int) -> None:
    rebuild_calls(store, _never())
    begin_figures(store)
    assert select(FIGURES_BUILT)
    events = Events(store, seed)
    choices = [events.spans, events.copy, events.copy, events.update]
    for _ in range(16):
        events.chance.choice(choices)()
        check_kept(store, IDS)
    check(select, ("", FEW))
    while update_figures(store):
        pass
    assert select("SELECT kind FROM invocation_figures WHERE kind = 'step'")
    assert select("SELECT kind FROM invocation_figures WHERE kind <> 'step'")
    assert select("SELECT error FROM invocation_failures")
    check(select)
    choices += [events.purge, events.archive]
    for _ in range(4):
        for _ in range(3):
            events.chance.choice(choices)()
            check_kept(store, IDS)
        check(select, ("", FEW))
    while update_figures(store):
        pass
    assert stale_count(store) == 0
    check(select, ("", FEW))


CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}


def chat(
    number: int, invocation: str | None, *, end: int | None = 9, parent: int = 0, call: Any = CALL
) -> SpanRow:
    return (
        "a" * 32, f"{number:016x}", f"{parent:016x}" if parent else None, "chat", "internal",
        "agents", "scope", 1, end, "unset", "", json.dumps(call), "{}", "[]", "[]", invocation,
        *UNSET,
    )  # fmt: skip


def _purge(table: str) -> Callable[[Store], object]:
    return lambda store: delete_expired(store, [Keep(table, age=timedelta(seconds=1))], NOW)


def _archive(store: Store) -> None:
    with store.transaction() as connection:
        move_to_archive(connection, store.folder, NOW.date(), keep=False)


def _newer_rules(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute("DELETE FROM derived WHERE name = 'llm_calls'")
    rebuild_llm_calls(store, _never())


CHANGES: list[Callable[[Store], object]] = [
    _purge("spans"),
    _purge("journal"),
    _purge("journal_events"),
    _archive,
    _newer_rules,
    lambda store: inherit_invocations(store, ["a" * 32]),
    lambda store: SpanWriter(store).write([chat(3, "inv_1")]),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_each_change_is_noted(store: Store, select: Select, number: int) -> None:
    rebuild_llm_calls(store, _never())
    rebuild_calls(store, _never())
    begin_figures(store)
    events = Events(store, 5)
    for _ in range(9):
        events.copy()
    events.spans()
    events.writer.write([
        chat(1, "inv_9", call={}), chat(2, None, parent=1), chat(3, "inv_9", end=None),
        chat(4, "inv_9"),
    ])  # fmt: skip
    if CHANGES[number] is _newer_rules:
        row = ["inv_9", "a" * 32, f"{4:016x}", "repeated"]
        with store.transaction() as connection:
            connection.execute("INSERT INTO duplicate_spans VALUES (?, ?, ?, ?)", row)
    while update_figures(store):
        pass
    tables = ("invocation_figures", "invocation_failures")
    before = [select(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]
    CHANGES[number](store)
    check(select)
    while update_figures(store):
        pass
    check(select)
    after = [select(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]
    assert before != after, "the change must change figures"


@pytest.mark.parametrize("archived", [True, False])
def test_an_invocation_that_changes_meanwhile_stays_noted(
    store: Store, select: Select, monkeypatch: pytest.MonkeyPatch, archived: bool
) -> None:
    rebuild_calls(store, _never())
    begin_figures(store)
    events = Events(store, 7)
    for _ in range(9):
        events.copy()

    def changed(*, built: bool, ids: str = "") -> str:
        monkeypatch.undo()
        for _ in range(0 if archived else 9):
            events.copy()
        if archived:
            _archive(store)
        return failure_rows(built=built, ids=ids)

    monkeypatch.setattr(figures, "failure_rows", changed)
    assert update_figures(store)
    assert stale_count(store)
    check(select)
    while update_figures(store):
        pass
    check(select)


def test_figures_of_an_older_store_are_begun_once(store: Store, select: Select) -> None:
    events = Events(store, 3)
    for _ in range(9):
        events.copy()
        events.spans()
    with store.transaction() as connection:
        connection.execute("DELETE FROM stale_figures")  # an older recorder did not note them
    begin_figures(store)
    assert not select(FIGURES_BUILT), "calls are not built"
    rebuild_calls(store, _never())
    begin_figures(store)
    assert select(FIGURES_BUILT)
    check(select)
    while update_figures(store):
        pass
    begin_figures(store)
    assert stale_count(store) == 0
    check(select)
    store.close()
    vacuum(store.folder)
    again = Store(store.folder)
    try:
        with again.transaction() as connection:
            assert connection.execute(FIGURES_BUILT).fetchall()
            assert connection.execute("SELECT count(*) FROM invocation_figures").fetchall() != [
                (0,)
            ]
    finally:
        again.close()


def test_many_changes_are_read_from_all_rows(store: Store, select: Select) -> None:
    rebuild_calls(store, _never())
    begin_figures(store)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO stale_figures SELECT 'inv_' || i, 1 FROM range(?) rows(i)",
            [figures.MOST_STALE],
        )
    assert select(FIGURES_BUILT)
    with store.transaction() as connection:
        connection.execute("INSERT INTO stale_figures VALUES ('inv_x', 1)")
    assert not select(FIGURES_BUILT)


def _never() -> threading.Event:
    return threading.Event()
