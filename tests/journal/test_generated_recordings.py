"""Generated recordings and journals: each is read or refused, and decoding never fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generated import changed_bytes, changed_document, for_each, json_values
from hypothesis import strategies as st
from playhead.decode.registry import decode_run
from playhead.errors import PlayheadError
from playhead.journal.recording import Recording
from playhead.journal.steps import steps
from playhead.restate.rows import event_row, journal_row

RECORDINGS = Path(__file__).parents[1] / "recordings"
FILES = sorted(RECORDINGS.rglob("*.journal.json"))


def test_changed_recordings_are_read_or_refused(record_property: Any) -> None:
    documents = [json.loads(path.read_bytes()) for path in FILES[::8]]

    @for_each(record_property, document=st.sampled_from(documents).flatmap(changed_document))
    def check(document: Any) -> None:
        try:
            recording = Recording.parse(json.dumps(document).encode(), "the file")
            assert recording.journal().commands
        except PlayheadError:
            return


def test_changed_files_are_read_or_refused(record_property: Any) -> None:
    contents = [path.read_bytes() for path in FILES[::8]]

    @for_each(record_property, data=st.sampled_from(contents).flatmap(changed_bytes))
    def check(data: bytes) -> None:
        try:
            Recording.parse(data, "the file")
        except PlayheadError:
            return


def test_rows_of_a_journal_become_steps(record_property: Any) -> None:
    """Rows of another version, or of a damaged store, are shown as far as they can be read."""
    entry = {
        "index": 1,
        "entry_type": "Command: Run",
        "name": "step",
        "raw_length": 3,
        "version": 2,
        "entry_lite_json": '{"Command": {"Run": {"completion_id": 1, "name": "step"}}}',
        "appended_at": "2026-11-01T00:00:00Z",
        "completed": None,
        "invoked_id": None,
        "invoked_target": None,
        "sleep_wakeup_at": None,
        "promise_name": None,
    }
    types = st.sampled_from(
        [f"Command: {name}" for name in ("Run", "Call", "Sleep", "SetState", "Input", "Nonsense")]
        + ["Notification: Run", "Notification: Signal", "Event", "", ": "]
    )
    lite = changed_document(json.loads(str(entry["entry_lite_json"]))) | json_values

    @for_each(
        record_property,
        kinds=st.lists(st.tuples(types, lite, st.binary(max_size=30)), max_size=6),
        event=json_values,
        active=st.booleans(),
    )
    def check(kinds: list[tuple[str, Any, bytes]], event: Any, active: bool) -> None:
        rows = [
            journal_row(
                {**entry, "index": index, "entry_type": kind, "entry_lite_json": json.dumps(lite)}
            )
            for index, (kind, lite, _) in enumerate(kinds)
        ]
        payloads = {index: raw for index, (_, _, raw) in enumerate(kinds)}
        events = [
            event_row(
                {
                    "appended_at": "2026-11-01T00:00:01Z",
                    "event_type": "TransientError",
                    "event_json": json.dumps(event),
                }
            )
        ]
        found = steps("inv_1", rows, events=events, payloads=payloads, active=active)
        assert len(found) <= len(rows) + 1


def test_results_of_steps_of_agents_are_decoded(record_property: Any) -> None:
    """Results of all frameworks, as recorded and changed."""
    results = [
        (command.name, json.loads(result.message.value.content or b"null"))
        for path in FILES
        if path.parent.name in ("agents", "frameworks")
        for journal in [Recording.load(path).journal()]
        for command in journal.commands
        if command.type == "Run"
        and (result := journal.result_of(command))
        and result.kind == "value"
    ]
    answers = [value for name, value in results if decode_run(name, value, has_result=True).llm]
    assert len(answers) > 30

    def changed(result: tuple[str, Any]) -> Any:
        return st.tuples(st.just(result[0]), changed_document([result[1]]))

    @for_each(record_property, result=st.sampled_from(results).flatmap(changed))
    def check(result: tuple[str, list[Any]]) -> None:
        name, value = result
        decoded = decode_run(name, value[0] if value else None, has_result=True)
        assert decoded.kind in ("run", "llm", "tool")
        for message in decoded.llm.response if decoded.llm else ():
            json.dumps(message.parts)
