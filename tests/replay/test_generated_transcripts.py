"""Generated answers of the process that runs the user's code: none makes a verdict by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from generated import changed_document, for_each
from hypothesis import strategies as st
from playhead.replay import Recording
from playhead.replay.differences.explain import playthrough
from playhead.replay.engine.app import App
from playhead.replay.engine.sdk import COMMANDS
from playhead.replay.engine.strict import StrictRun
from playhead.replay.engine.transcript import Playthrough, Transcript
from playhead.replay.verdict import judged, report

RECORDINGS = Path(__file__).parents[1] / "recordings"
HANDLED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors of an answer that the worker reports as `invalid`."""
NAMES = ("run_ok", "trip", "state", "approval")


@pytest.fixture(scope="module")
def recorded(handlers_app: App) -> list[tuple[Recording, dict[str, Any], dict[str, Any]]]:
    """Recordings with the transcript and the playthrough of unchanged code."""
    paths = [p for n in NAMES for p in sorted((RECORDINGS / "v6").glob(f"{n}*.journal.json"))]
    assert len(paths) >= len(NAMES)
    found: list[tuple[Recording, dict[str, Any], dict[str, Any]]] = []
    for recording in map(Recording.load, paths):
        transcript = StrictRun(handlers_app, recording).transcript().to_json()
        run = playthrough(handlers_app, recording, ()).to_json()
        found.append((recording, _plain(transcript), _plain(run)))
    return found


def _plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


def changed(documents: Sequence[Any]) -> st.SearchStrategy[tuple[int, Any]]:
    """Return changed forms of these documents, each with its place."""
    return st.sampled_from(range(len(documents))).flatmap(
        lambda place: st.tuples(st.just(place), changed_document(documents[place]))
    )


def commands(document: Any) -> list[Any]:
    """Return the operations that a journal shows, and the output."""
    calls = document["calls"]
    end = next(at for at, call in enumerate(calls) if call[0] == "sys_end")
    found = [name for name, *_ in calls[:end] if name in COMMANDS]
    return [*found, calls[end - 1][1]]


def test_a_changed_transcript_is_the_same_only_with_the_same_commands(
    recorded: list[tuple[Recording, dict[str, Any], dict[str, Any]]], record_property: Any
) -> None:
    @for_each(record_property, case=changed([transcript for _, transcript, _ in recorded]))
    def check(case: tuple[int, Any]) -> None:
        number, document = case
        recording, honest, _ = recorded[number]
        try:
            verdict = judged(recording, Transcript.from_json(_plain(document))).verdict
        except HANDLED:
            return
        if verdict == "same":
            assert commands(document) == commands(honest)


def test_a_changed_playthrough_never_makes_a_verdict(
    recorded: list[tuple[Recording, dict[str, Any], dict[str, Any]]], record_property: Any
) -> None:
    @for_each(record_property, case=changed([run for *_, run in recorded]))
    def check(case: tuple[int, Any]) -> None:
        number, document = case
        recording, transcript, _ = recorded[number]
        honest = Transcript.from_json(transcript)
        try:
            run = Playthrough.from_json(_plain(document))
            found = report(recording, honest, lambda _: run)
        except HANDLED:
            return
        assert found.verdict == judged(recording, honest).verdict
