"""Save, load and redact recordings, and refuse invalid files."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playhead.errors import RecordingError, UnsupportedJournalError
from playhead.journal.recording import Recording

RECORDINGS = Path(__file__).parents[1] / "recordings"
TRIP = RECORDINGS / "v6" / "trip.journal.json"


@pytest.mark.parametrize("path", sorted(RECORDINGS.rglob("*.journal.json")), ids=lambda p: p.stem)
def test_a_file_survives_loading_and_saving(path: Path, tmp_path: Path):
    recording = Recording.load(path)
    again = Recording.load(recording.save(tmp_path / "copy.journal.json"))
    assert again == recording


def test_input_headers_are_redacted_by_default(tmp_path: Path):
    recording = Recording.load(TRIP)
    headers = {h.key: h.value for h in recording.journal().commands[0].message.headers}
    assert headers["authorization"] == "[redacted]"
    assert headers["content-type"] == "application/json"
    assert "a-secret" not in TRIP.read_text()

    entry = recording.entries[0]
    secret = entry.raw.replace(b"[redacted]", b"top secret")
    assert secret != entry.raw
    document = recording.to_json()
    document["entries"][0]["raw"] = base64.b64encode(secret).decode()
    opened = Recording.from_json(document)
    kept = Recording.load(opened.save(tmp_path / "kept.journal.json", keep_headers=True))
    assert kept.entries[0].raw == secret
    hidden = Recording.load(opened.save(tmp_path / "hidden.journal.json"))
    assert hidden.entries[0].raw == entry.raw


def edit(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(fields)


def entry(number: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["entries"][number].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit(format="other/1"), 'is not a recording: it has no "format": "playhead.journal/1"'),
        (edit(format="playhead.journal/2"), "this version of Playhead reads 'playhead.journal/1'"),
        (edit(entries=[]), ": entries is empty"),
        (edit(entries={}), ": entries: expected array, got object"),
        (edit(journal_version="2"), ": journal_version: expected int, got str"),
        (edit(journal_version=3), "the journal has the unknown version 3"),
        (edit(invocation={}), ": invocation.id is not a string"),
        (edit(state={"k": "%"}), ": state['k']: invalid base64 encoded string"),
        (lambda d: d.pop("state"), ": state is missing"),
        (lambda d: d["entries"].pop(3), ": entries[3] has index 4: entries must count from 0"),
        (lambda d: d["entries"].pop(0), ": entries[0] has index 1"),
        (lambda d: d["entries"][2].pop("raw"), ": entries[2].raw is missing"),
        (entry(2, raw="***"), ": entries[2].raw: invalid base64 encoded string"),
        (entry(2, raw="/w=="), "#2 (Command: Run): 1 bytes are not a RunCommandMessage"),
        (entry(2, type="Command: Dance"), "no journal entry of type 'Command: Dance'"),
        (entry(0, type="Command: Output"), "#0 is not the Input command"),
        (edit(steps=[]), ": steps: expected object, got array"),
        (edit(steps={"one": {}}), ": steps['one']: the key must be the ordinal"),
        (edit(steps={"1": []}), ": steps['1']: expected object, got array"),
        (edit(steps={"1": {"messages": "Hi"}}), ": steps['1'].messages: expected array, got str"),
        (
            edit(steps={"1": {"messages": [{"role": "user"}]}}),
            ": steps['1'].messages[0].text is missing",
        ),
        (
            edit(steps={"1": {"messages": ["Hi"]}}),
            ": steps['1'].messages[0]: expected object, got str",
        ),
    ],
)
def test_errors_name_the_file_and_the_place_in_it(
    change: Callable[[dict[str, Any]], object], words: str, tmp_path: Path
):
    document = json.loads(TRIP.read_text())
    change(document)
    path = tmp_path / "bad.journal.json"
    path.write_text(json.dumps(document))
    with pytest.raises((RecordingError, UnsupportedJournalError)) as caught:
        Recording.load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_journal_of_version_1_is_refused_with_a_reason(tmp_path: Path):
    path = tmp_path / "old.journal.json"
    path.write_text(json.dumps({**json.loads(TRIP.read_text()), "journal_version": 1}))
    with pytest.raises(UnsupportedJournalError, match="protocols up to 4"):
        Recording.load(path)


@pytest.mark.parametrize("length", [0, 1, 100, 1000, -3])
def test_a_truncated_file_is_refused_with_line_and_column(length: int, tmp_path: Path):
    path = tmp_path / "cut.journal.json"
    path.write_text(TRIP.read_text()[:length])
    with pytest.raises(RecordingError, match=r"is not JSON.*line \d+"):
        Recording.load(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "is not a recording: expected object, got array"),
        (b"3", "is not a recording: expected object, got int"),
    ],
)
def test_other_files_are_refused(content: bytes, words: str, tmp_path: Path):
    path = tmp_path / "foreign.json"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=words):
        Recording.load(path)


def test_missing_and_unwritable_files_are_named(tmp_path: Path):
    with pytest.raises(RecordingError, match="no such file"):
        Recording.load(tmp_path / "missing.journal.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        Recording.load(TRIP).save(tmp_path / "file" / "below.journal.json")


HOSTILE = (
    b"null",
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b'{"format": "playhead.journal/1", "journal_version": 1e400}',
    b'{"format": "\\ud800"}',
    b"\xff\xfe",
    b"\0" * 10,
)


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_are_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "hostile.journal.json"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"hostile\.journal\.json"):
        Recording.load(path)


def test_damaged_files_load_or_are_refused(tmp_path: Path):
    path = tmp_path / "damaged.journal.json"
    chance = random.Random(1)
    titles: list[str] = []
    for source in sorted(RECORDINGS.rglob("*.journal.json"))[::8]:
        original = source.read_bytes()
        for _ in range(150):
            damaged = bytearray(original)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            path.write_bytes(
                damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))]
            )
            try:
                Recording.load(path)
            except (RecordingError, UnsupportedJournalError) as error:
                titles.append(error.title)
    assert len(titles) > 500
    assert all(str(path) in title for title in titles)


def test_a_step_with_an_endless_ordinal_is_refused():
    document = Recording.load(next(RECORDINGS.rglob("*.journal.json"))).to_json()
    with pytest.raises(RecordingError, match="ordinal of a command"):
        Recording.from_json({**document, "steps": {"9" * 5000: {}}})
