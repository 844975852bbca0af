"""Tables of calls that are updated where new spans can change them equal rebuilt ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.replay import Recording
from playhead.restate import protocol
from playhead.store.arrow import ArrowTable
from playhead.store.calls.llm_calls import update_llm_calls
from playhead.store.calls.span_calls import SpanCalls
from playhead.store.database import Store
from playhead.store.span_writer import UNSET, SpanRow, SpanWriter

FRAMEWORKS = Path(__file__).parent.parent / "recordings" / "frameworks"
Select = Callable[..., list[dict[str, Any]]]


def lite(kind: str, raw: bytes) -> str | None:
    if kind == "Command: Run":
        completion = protocol.parse_entry(kind, raw).result_completion_id
        return json.dumps({"Command": {"Run": {"completion_id": completion}}})
    if kind == "Notification: Run":
        completion = protocol.parse_entry(kind, raw).completion_id
        return json.dumps({"Notification": {"id": {"CompletionId": completion}}})
    return None


def copy_journal(store: Store, name: str, id_: str) -> None:
    recording = Recording.load(FRAMEWORKS / f"{name}.journal.json")
    with store.transaction() as connection:
        for entry in recording.entries:
            connection.execute(
                'INSERT INTO journal (id, "index", entry_type, name, entry_lite_json, raw) '
                "VALUES (?, ?, ?, ?, ?, ?)",
                [id_, entry.index, entry.type, entry.name, lite(entry.type, entry.raw), entry.raw],
            )
        connection.execute("INSERT INTO journal_copies VALUES (?, 0, 1, true, NULL)", [id_])
        update_llm_calls(connection, [id_])


def run(rng: random.Random, id_: str, bridged: bool, two_scopes: bool) -> list[SpanRow]:
    """Return the spans of one invocation: attempts with LLM calls in durable steps."""
    rows: list[SpanRow] = []

    def add(name: str, parent: str | None, scope: str, values: dict[str, Any]) -> str:
        span, start = f"{rng.getrandbits(64):016x}", rng.randrange(1000)
        rows.append(
            ("a" * 32, span, parent, name, "internal", "agent", scope, start, start + 10, "unset",
             "", json.dumps(values), "{}", "[]", "[]", id_, *UNSET)
        )  # fmt: skip
        return span

    for _ in range(rng.randrange(1, 4)):
        attempt = add("invocation-attempt x", None, "", {})
        bridge = {"playhead.attempt.span_id": attempt} if bridged else {}
        for completion in range(1, rng.randrange(2, 4)):
            call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": completion}
            step = bridge | {"playhead.journal.completion_id": completion}
            parent = (
                add("run Model call", attempt, "playhead_tracing", step) if bridged else attempt
            )
            outer = add("chat", parent, "pydantic-ai", bridge | call)
            if two_scopes:
                add("openai.chat", outer, "openinference", bridge | call)
    return rows


def tables(select: Select) -> dict[str, list[dict[str, Any]]]:
    return {
        name: select(f"SELECT * FROM {name} ORDER BY ALL")
        for name in ("duplicate_spans", "journal_llm_calls")
    }


@pytest.mark.parametrize("seed", range(6))
def test_updates_equal_a_rebuild(store: Store, select: Select, seed: int) -> None:
    rng = random.Random(seed)
    ids = [f"inv_{n}" for n in range(24)]
    rows = [
        row
        for n, id_ in enumerate(ids)
        for row in run(rng, id_, bridged=n % 3 > 0, two_scopes=n % 4 == 0)
    ]
    rng.shuffle(rows)
    journals = rng.sample(ids, 12)
    writer = SpanWriter(store)
    while rows or journals:
        action = rng.randrange(8)
        if action == 0:
            writer = SpanWriter(store)  # the recorder was restarted
        elif action == 1 and journals:
            name = rng.choice(["vercel_ai", "google_adk", "langchain"])
            copy_journal(store, name, journals.pop())
        elif rows:
            size = rng.randrange(1, 40)
            writer.write(rows[:size])
            del rows[:size]
    written = tables(select)
    with store.transaction() as connection:
        update_llm_calls(connection, ids)
    assert written == tables(select)
    assert len(written["duplicate_spans"]) > 5
    assert written["journal_llm_calls"]


def test_spans_of_the_bridge_need_no_update(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each invocation arrives in two parts, of which the second one is of known invocations."""
    rng = random.Random(1)
    found: list[set[str]] = []
    changed = SpanCalls.changed

    def note(self: SpanCalls, connection: duckdb.DuckDBPyConnection, spans: ArrowTable) -> set[str]:
        found.append(changed(self, connection, spans))
        return found[-1]

    monkeypatch.setattr(SpanCalls, "changed", note)
    writer = SpanWriter(store)
    rows = [row for n in range(5) for row in run(rng, f"inv_{n}", bridged=True, two_scopes=False)]
    writer.write(rows[::2])
    SpanWriter(store).write(rows[1::2])
    assert found == [set(), set()]


def test_inherited_spans_are_read_again(store: Store) -> None:
    rng = random.Random(2)
    rows = run(rng, "inv_1", bridged=True, two_scopes=True)
    others = [row for row in rows if row[6] == "openinference"]
    writer = SpanWriter(store)
    writer.write([row for row in rows if row not in others and row[3] != "run Model call"])
    with store.transaction() as connection:
        connection.executemany(
            f"INSERT INTO spans VALUES ({', '.join('?' * len(others[0]))})",
            [list(row) for row in others],
        )
    writer.forget_invocations(["inv_1"])
    writer.write([row for row in rows if row[3] == "run Model call"][:1])
    [(count,)] = store.cursor().execute("SELECT count(*) FROM duplicate_spans").fetchall()
    assert count == len(others) > 0
