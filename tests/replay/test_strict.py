"""The SDK's verdict on real recordings, whole and cut at every entry."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.journal.commands import result_value
from playhead.replay import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.handler_run import HandlerRun, request_body
from playhead.replay.verdict import strict
from playhead.values import readable
from restate.vm import VMWrapper

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("v[67]/*.journal.json"))
NAMES = [f"{path.parent.name}-{path.name.partition('.')[0]}" for path in RECORDINGS]


def test_every_case_is_recorded_in_both_protocols():
    by_version = {
        version: {path.name for path in RECORDINGS if path.parent.name == version}
        for version in ("v6", "v7")
    }
    assert len(by_version["v6"]) >= 28
    assert by_version["v6"] == by_version["v7"]
    for path in RECORDINGS:
        pinned = Recording.load(path).invocation["pinned_service_protocol_version"]
        assert f"v{pinned}" == path.parent.name


@pytest.mark.parametrize("path", RECORDINGS, ids=NAMES)
def test_unchanged_code_ends_as_recorded(path: Path, handlers_app: App, executed: list[str]):
    recording = Recording.load(path)
    report = strict(handlers_app, recording)
    recorded = recording.journal().output
    if recorded is None:
        assert report.verdict == "incomplete"
    else:
        assert (report.verdict, report.divergences, report.sdk_message) == ("same", (), None)
        value = result_value(recorded.message)
        if recorded.message.WhichOneof("result") == "failure":
            assert report.failure == f"{value.code}: {value.message}"
        else:
            assert report.output == readable(value)
        commands = len(recording.journal().commands) - 1  # the input is not counted
        assert report.replayed == report.commands == commands
    assert executed == []


def test_the_sdk_alone_would_execute_the_closures(handlers_app: App, executed: list[str]):
    prefix = Recording.load(RECORDINGS[0].parent / "run_ok.journal.json").prefix(2)
    HandlerRun(handlers_app, prefix, VMWrapper).run(request_body(prefix))
    assert executed == ["first"]


@pytest.mark.parametrize("path", RECORDINGS, ids=NAMES)
def test_no_prefix_of_a_journal_executes_a_closure(
    path: Path, handlers_app: App, executed: list[str]
):
    recording = Recording.load(path)
    for length in range(1, len(recording.entries)):
        report = strict(handlers_app, recording.prefix(length))
        assert report.verdict == "incomplete", (length, report)
        commands = len(recording.prefix(length).journal().commands)
        assert report.replayed == max(commands - 1, 0)  # the input is not counted
    assert executed == []
