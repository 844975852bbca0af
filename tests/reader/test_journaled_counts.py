"""LLM calls of agents that sent no spans, counted in the journals of a store."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from playhead.model import Tokens
from playhead.reader.listing.stored import StoredInvocations
from playhead.record.client import connect
from playhead.replay import Recording
from playhead.restate import protocol
from playhead.settings import Settings
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.calls.llm_calls import update_llm_calls
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter

FOLDER = Path(__file__).parent.parent / "recordings" / "frameworks"
# Tokens of the two answers in each recording.
TOKENS = {
    "vercel_ai": Tokens(72 + 96, 14 + 11),
    "google_adk": Tokens(72 + 96, 14 + 11),
    "langchain": Tokens(62 + 92, 8 + 9),
}


def lite(kind: str, raw: bytes) -> str | None:
    """Return the server's `entry_lite_json` of a durable step or of its result."""
    if kind == "Command: Run":
        completion = protocol.parse_entry(kind, raw).result_completion_id
        return json.dumps({"Command": {"Run": {"completion_id": completion}}})
    if kind == "Notification: Run":
        completion = protocol.parse_entry(kind, raw).completion_id
        return json.dumps({"Notification": {"id": {"CompletionId": completion}}})
    return None


def store_recordings(folder: Path) -> dict[str, str]:
    """Write the recordings into a store; return the framework by invocation id."""
    store = Store(folder)
    ids: dict[str, str] = {}
    with store.transaction() as connection:
        for name in TOKENS:
            recording = Recording.load(FOLDER / f"{name}.journal.json")
            id_ = recording.invocation["id"]
            ids[id_] = name
            for e in recording.entries:
                connection.execute(
                    'INSERT INTO journal (id, "index", entry_type, name, entry_lite_json, raw) '
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    [id_, e.index, e.type, e.name, lite(e.type, e.raw), e.raw],
                )
        update_llm_calls(connection, ids)
    store.close()
    return ids


async def test_every_framework_is_counted(tmp_path: Path) -> None:
    ids = store_recordings(tmp_path / "store")
    source = await connect(Settings(store=tmp_path / "store"))
    assert source is not None
    try:
        counts = await StoredInvocations(source).counts(list(ids))
    finally:
        await source.close()
    assert {ids[id_]: (found.llm_calls, found.tokens) for id_, found in counts.items()} == {
        name: (2, tokens) for name, tokens in TOKENS.items()
    }


async def test_answers_of_a_killed_agent_are_counted(tmp_path: Path) -> None:
    """The spans contain one of the two answers, the journal both."""
    ids = store_recordings(tmp_path / "store")
    id_ = next(iter(ids))
    store = Store(tmp_path / "store")
    answer = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 72,
              "gen_ai.usage.output_tokens": 14}  # fmt: skip
    step = {"playhead.journal.completion_id": 1}
    spans = [
        ("invocation-attempt T", None, {}),
        ("invocation-attempt T", None, {}),
        ("chat", 1, answer | {"playhead.attempt.span_id": f"{1:016x}"}),
        ("run calling x", 3, step | {"playhead.attempt.span_id": f"{1:016x}"}),
    ]
    SpanWriter(store).write(
        ("a" * 32, f"{number:016x}", f"{parent:016x}" if parent else None, name, "internal",
         "agents", "scope", number, number + 1, "unset", "", json.dumps(attributes), "{}", "[]",
         "[]", id_, None, None, None, None, None, None, None, None)
        for number, (name, parent, attributes) in enumerate(spans, 1)
    )  # fmt: skip
    store.close()
    source = await connect(Settings(store=tmp_path / "store"))
    assert source is not None
    try:
        counts = await StoredInvocations(source).counts([id_])
        calls = await source.rows("SELECT span_id FROM llm_calls WHERE answered ORDER BY ALL")
    finally:
        await source.close()
    found = counts[id_]
    assert (found.llm_calls, found.tokens) == (2, TOKENS[ids[id_]])
    others = [None] * 2 * (len(TOKENS) - 1)
    assert [call["span_id"] for call in calls] == [f"{3:016x}", None, *others]
    store = Store(tmp_path / "store")
    rebuild_calls(store, threading.Event())
    with store.transaction() as connection:
        connection.execute("DELETE FROM spans")  # so that only the table can have the call
    store.close()
    source = await connect(Settings(store=tmp_path / "store"))
    assert source is not None
    try:
        assert await StoredInvocations(source).counts([id_]) == {id_: found}
    finally:
        await source.close()


async def test_a_journal_without_a_model_answer_has_0_calls(tmp_path: Path) -> None:
    """Without a journal and spans, the number of calls is unknown."""
    store = Store(tmp_path / "store")
    with store.transaction() as connection:
        connection.execute(
            'INSERT INTO journal (id, "index", entry_type, name, entry_lite_json, raw) '
            "VALUES ('inv_1plain', 0, 'Command: Input', '', '{}', '')"
        )
    store.close()
    source = await connect(Settings(store=tmp_path / "store"))
    assert source is not None
    try:
        counts = await StoredInvocations(source).counts(["inv_1plain", "inv_1unknown"])
    finally:
        await source.close()
    assert set(counts) == {"inv_1plain"}
    assert (counts["inv_1plain"].llm_calls, counts["inv_1plain"].tokens) == (0, Tokens())
