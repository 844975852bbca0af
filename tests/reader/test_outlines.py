"""Outlines of large traces: the same figures and rows, and contents that are read when shown."""

from __future__ import annotations

import json
from dataclasses import replace
from operator import is_
from pathlib import Path
from typing import Any

import pytest
from playhead.decode.spans import call_of
from playhead.model import InvocationDetail, LlmCall
from playhead.reader import invocation_reader
from playhead.reader.invocation import llm_calls
from playhead.reader.invocation.attempt_contents import attempt_contents
from playhead.reader.invocation.contents import left_out, whole_row
from playhead.reader.invocation.conversation import EarlierPrompts, conversation, model_calls
from playhead.reader.invocation.conversation import turns_of as turns_with
from playhead.reader.invocation.event_log import event_log
from playhead.reader.reader import Reader
from playhead.replay import Recording
from playhead.restate import protocol
from playhead.values import decode_value
from playhead_tui.inspector.tabs import tabs_of
from recorded_store import RecordedStore, at

RECORDINGS = Path(__file__).parent.parent / "recordings"


@pytest.fixture(autouse=True)
def every_trace_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation_reader, "OUTLINE_BYTES", 0)


def without_contents(detail: InvocationDetail) -> InvocationDetail:
    """Return a detail without what an outline may leave out."""
    return replace(
        detail,
        spans=(),
        timeline=tuple(replace(row, span=None, step=None) for row in detail.timeline),
        steps=tuple(
            replace(step, request_id=None, llm=replace(step.llm, prompt=None) if step.llm else None)
            for step in detail.steps
        ),
    )


def prompt(text: str) -> str:
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])


async def shown(reader: Reader, detail: InvocationDetail, key: str) -> dict[str, list[str]]:
    """Return the texts of the tabs of a row, after its contents were read."""
    row = next(row for row in detail.timeline if row.key == key)
    ids = [*left_out(row, detail)]
    contents = {span.span_id: span for span in await reader.spans(detail.summary.id, ids)}
    tabs = tabs_of(row, detail, contents=contents)
    return {tab.name: [line.text for line in tab.lines()] for tab in tabs}


async def test_an_outline_differs_in_nothing_but_contents(reader: Reader, ran: Any) -> None:
    truncated = prompts = 0
    for id_ in ran.ids.values():
        whole, outline = await reader.invocation(id_), await reader.invocation(id_, outline=True)
        assert whole is not None
        assert outline is not None
        assert not any(span.truncated for span in whole.spans)
        if whole.summary.ended:
            assert without_contents(outline) == without_contents(whole)
            assert event_log(outline) == event_log(whole)
            for some, every in zip(*map(attempt_contents, (outline, whole)), strict=True):
                assert some.deployment_id == every.deployment_id
        truncated += sum(span.truncated for span in outline.spans)
        calls = model_calls(outline)
        ids = [found for call in calls if (found := call.left_out)]
        contents = {span.span_id: span for span in await reader.spans(id_, ids)}
        assert tuple(turns_with(calls, contents, EarlierPrompts())) == conversation(whole)
        for row, full in zip(outline.timeline, whole.timeline, strict=True):
            ids = [*left_out(row, outline)]
            read = {span.span_id: span for span in await reader.spans(id_, ids)}
            if whole.summary.ended:
                assert whole_row(row, read) == full
            prompts += bool(row.step and row.step.request_id)
    assert truncated > 20
    assert prompts > 5


async def test_states_of_an_invocation_share_what_is_equal(tmp_path: Path) -> None:
    """A screen has several of them at once, and only rows that changed need memory again."""
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    for number in range(5):
        store.chat("inv_a", "gpt-4o", (10, number), start=float(number))
    reader = store.write()
    first, second = [await reader.invocation("inv_a", outline=True) for _ in range(2)]
    assert first is not None
    assert second == first
    assert all(map(is_, first.timeline, second.timeline))
    store.invocations.clear()
    store.spans[:-1] = []
    store.chat("inv_a", "gpt-4o", (10, 2), start=9.0, status="error")
    [_, late] = store.spans
    store.spans[:] = [(late[0], f"{99:016x}", *late[2:])]
    store.write()
    third = await reader.invocation("inv_a", outline=True)
    assert third is not None
    assert len(third.timeline) == 6
    assert third.summary.llm_calls == 5
    assert all(map(is_, first.timeline, third.timeline))
    assert all(map(is_, first.spans, third.spans))
    reader.forget("inv_a")
    fourth = await reader.invocation("inv_a", outline=True)
    assert fourth == third
    assert not any(map(is_, third.timeline, fourth.timeline))


async def test_answers_without_the_bridge_are_still_compared(tmp_path: Path) -> None:
    """A later attempt sends the spans of its replayed calls again; only the answers show that."""
    recorded = recorded_journal(tmp_path / "journal")
    plain = await recorded.write().invocation("inv_a")
    assert plain is not None
    said = [step.llm for step in plain.steps if step.llm][-1]
    assert said.tokens is not None
    store = recorded_journal(tmp_path / "store")
    for start, text in enumerate(("Snow", said.text), 3):
        answer = [{"role": "assistant", "parts": [{"type": "text", "content": text}]}]
        store.chat(
            "inv_a", "gemini-2.5-flash", (said.tokens.input, said.tokens.output),
            start=float(start),
            attributes={
                "gen_ai.input.messages": prompt("Weather?"),
                "gen_ai.output.messages": json.dumps(answer),
            },
        )  # fmt: skip
    reader = store.write()
    whole = await reader.invocation("inv_a")
    outline = await reader.invocation("inv_a", outline=True)
    assert whole is not None
    assert outline is not None
    assert without_contents(outline) == without_contents(whole)
    assert whole.summary.llm_calls == 3
    assert [row.note for row in whole.timeline if row.span] == [None, "repeated by replay"]
    indexes = [turn.index for turn in conversation(whole)]
    assert [call.journal_index for call in model_calls(outline)] == indexes
    assert not any("input.messages" in name for span in outline.spans for name in span.attributes)


async def test_an_answer_is_decoded_only_to_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bool] = []

    def counted(attributes: Any, *, prompt: bool = True, response: bool = True) -> LlmCall:
        decoded.append(response)
        return call_of(attributes, prompt=prompt, response=response)

    monkeypatch.setattr(llm_calls, "call_of", counted)
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    store.chat("inv_a", "gpt-4o", (10, 2), attributes={"gen_ai.input.messages": prompt("Hi")})
    detail = await store.write().invocation("inv_a")
    assert detail is not None
    assert detail.summary.llm_calls == 1
    assert decoded == [False]


async def test_contents_and_events_are_read_when_a_span_is_opened(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    nanoseconds = int(1_773_500_402e9)
    error = {"exception.type": "Boom", "exception.message": "[b]no[/b]"}
    trace = {"exception.stacktrace": "at place 7", "prompt": "x"}
    event = {"name": "exception", "time_unix_nano": nanoseconds, "attributes": error | trace}
    extra = {"gen_ai.input.messages": prompt("Weather?"), "own.value": "x" * 50}
    store.chat("inv_a", "gpt-4o", (10, 2), status="error", events=[event], attributes=extra)
    reader = store.write()
    detail = await reader.invocation("inv_a", outline=True)
    assert detail is not None
    [span] = detail.spans
    assert span.truncated
    assert [event.attributes for event in span.events] == [error]
    assert "own.value" not in span.attributes
    key = f"span:{span.span_id}"
    row = next(row for row in detail.timeline if row.key == key)
    before = {tab.name: [line.text for line in tab.lines()] for tab in tabs_of(row, detail)}
    assert before["Messages"] == before["Attributes"] == ["Reading ..."]
    tabs = await shown(reader, detail, key)
    assert any("Weather?" in line for line in tabs["Messages"])
    assert any("own.value" in line for line in tabs["Attributes"])
    assert any("[b]no[/b]" in line for line in tabs["Error"])
    assert any("at place 7" in line for line in tabs["Error"])
    assert [log.text for log in event_log(detail) if log.kind == "span"] == [
        "exception in chat gpt-4o: Boom: [b]no[/b]"
    ]


async def test_the_bytes_of_payloads_are_those_of_the_journal(tmp_path: Path) -> None:
    recorded = recorded_journal(tmp_path)
    reader = recorded.write()
    contents = 0
    for row in recorded.journal:
        content = await reader.payload_bytes("inv_a", row["index"])
        if content is not None:
            assert content in row["raw"]
            assert decode_value(content) == await reader.payload("inv_a", row["index"])
            contents += 1
    assert contents > 3
    assert await reader.payload_bytes("inv_a", 1000) is None


def lite(kind: str, raw: bytes) -> str | None:
    """Return the server's `entry_lite_json` of a durable step or of its result."""
    if kind == "Command: Run":
        completion = protocol.parse_entry(kind, raw).result_completion_id
        return json.dumps({"Command": {"Run": {"completion_id": completion}}})
    if kind == "Notification: Run":
        completion = protocol.parse_entry(kind, raw).completion_id
        found = {"id": {"CompletionId": completion}, "result": "Success"}
        return json.dumps({"Notification": found})
    return None


def recorded_journal(folder: Path) -> RecordedStore:
    """Return a store with the journal of an agent that asked its model twice."""
    store = RecordedStore(folder)
    store.invocation("inv_a")
    for entry in Recording.load(RECORDINGS / "frameworks" / "google_adk.journal.json").entries:
        store.journal.append({
            "id": "inv_a", "index": entry.index, "entry_type": entry.type, "name": entry.name,
            "entry_lite_json": lite(entry.type, entry.raw), "raw": entry.raw, "version": 2,
            "raw_length": len(entry.raw), "appended_at": at(0.5 + entry.index / 10),
        })  # fmt: skip
    return store
