"""LLM calls of agents that sent no spans, counted in the journals of a store."""

from __future__ import annotations

import json
from pathlib import Path

from playhead.model import Tokens
from playhead.reader.stored import StoredInvocations
from playhead.record.client import connect
from playhead.replay import Recording
from playhead.restate import protocol
from playhead.settings import Settings
from playhead.store.database import Store

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
    cursor = store.cursor()
    ids: dict[str, str] = {}
    for name in TOKENS:
        recording = Recording.load(FOLDER / f"{name}.journal.json")
        id_ = recording.invocation["id"]
        ids[id_] = name
        for entry in recording.entries:
            cursor.execute(
                'INSERT INTO journal (id, "index", entry_type, name, entry_lite_json, raw) '
                "VALUES (?, ?, ?, ?, ?, ?)",
                [id_, entry.index, entry.type, entry.name, lite(entry.type, entry.raw), entry.raw],
            )
    cursor.close()
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
    cursor = store.cursor()
    answer = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 1,
    }
    for number, (name, attributes) in enumerate(
        [("invocation-attempt T", {}), ("invocation-attempt T", {}), ("chat", answer)], 1
    ):
        cursor.execute(
            "INSERT INTO spans (trace_id, span_id, name, start_unix_nano, end_unix_nano, "
            "status_code, attributes, invocation_id) VALUES (?, ?, ?, ?, ?, 'unset', ?, ?)",
            ["a" * 32, f"{number:016x}", name, number, number + 1, json.dumps(attributes), id_],
        )
    cursor.close()
    store.close()
    source = await connect(Settings(store=tmp_path / "store"))
    assert source is not None
    try:
        counts = await StoredInvocations(source).counts([id_])
    finally:
        await source.close()
    found = counts[id_]
    assert (found.attempts, found.llm_calls, found.tokens) == (2, 2, TOKENS[ids[id_]])
