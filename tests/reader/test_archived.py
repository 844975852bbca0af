"""Archived invocations are shown, and lists say that they do not have them."""

from __future__ import annotations

import json
from pathlib import Path

from playhead.model import Tokens
from playhead.reader.archived import ARCHIVED, ArchiveClient
from playhead.reader.reader import Reader
from playhead.restate.protocol import service_protocol_pb2 as messages
from playhead.store.database import DATABASE, Store
from playhead.store.upkeep import perform
from recorded_store import ClosedStore, RecordedStore, at

NOTE = ARCHIVED.format(day="2026-03-20")


def archived(folder: Path) -> Reader:
    """Return a reader of a store with an archived and a later invocation."""
    store = RecordedStore(folder)
    old = store.invocation("inv_old", "Agent/key/run")
    store.chat(old, "gpt-4o", (100, 20), attributes={
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [
            {"type": "text", "content": "needle"}]}]),
    })  # fmt: skip
    store.span(old, {}, name="invocation-attempt Agent/run", start=0.5)
    store.failure(old, 2, {"error_message": "boom", "error_code": 500})
    value = messages.Value(content=b'{"question": "why"}')
    raw = messages.InputCommandMessage(value=value).SerializeToString()
    store.journal.append({
        "id": old, "index": 0, "entry_type": "Command: Input", "version": 2, "raw": raw,
        "raw_length": len(raw), "appended_at": at(0), "entry_lite_json": "{}",
    })  # fmt: skip
    store.invocation("inv_new", created=20 * 86400)
    store.write()
    opened = Store(folder)
    try:
        moved = perform(opened, {"task": "archive", "before": "2026-03-20"})
        assert moved["rows"]["invocations"] == 1
    finally:
        opened.close()
    return Reader(None, ClosedStore(folder / DATABASE))


async def test_an_archived_invocation_is_shown_and_lists_name_the_archive(tmp_path: Path) -> None:
    reader = archived(tmp_path)
    detail = await reader.invocation("inv_old")
    assert detail is not None
    assert detail.summary.status == "succeeded"
    assert [step.kind for step in detail.steps][:1] == ["input"]
    assert detail.summary.llm_calls == 1
    assert detail.summary.tokens == Tokens(100, 20)
    assert len(detail.events) == 1
    assert len(detail.attempts) == 1
    assert await reader.payload("inv_old", 0) == {"question": "why"}
    assert await reader.invocation("inv_unknown") is None
    assert await reader.payload("inv_unknown", 0) is None

    page = await reader.invocations()
    assert [row.id for row in page.rows] == ["inv_new"]
    assert NOTE in page.missing
    assert NOTE in (await reader.failures()).missing
    assert NOTE in (await reader.agents()).missing
    assert NOTE not in (await reader.invocations(limit=0)).missing, "the list has not ended"


async def test_a_reader_of_the_archive_lists_and_searches_both(tmp_path: Path) -> None:
    archived(tmp_path)
    reader = Reader(None, ArchiveClient(ClosedStore(tmp_path / DATABASE)))
    page = await reader.invocations()
    assert [row.id for row in page.rows] == ["inv_new", "inv_old"]
    assert [row.llm_calls for row in page.rows][1] == 1
    assert NOTE not in page.missing
    for text in ("needle", "service:Agent key:key", "failures>0", "why", "tokens>100",
                 "llm:gpt-4o", "calls=1 cost>0", "attempts>=1 llm:gpt"):  # fmt: skip
        page = await reader.invocations(filter=text)
        assert [row.id for row in page.rows] == ["inv_old"], (text, page.missing)
