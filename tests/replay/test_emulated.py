"""Compare the emulated state machine with the SDK's, on real recordings and prefixes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.replay import Recording
from playhead.replay.differences.explain import all_differences
from playhead.replay.engine.app import App
from playhead.replay.engine.playback import Dry, play
from playhead.replay.verdict import strict
from playhead.values import readable

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("v[67]/*.journal.json"))
NAMES = [f"{path.parent.name}-{path.name.partition('.')[0]}" for path in RECORDINGS]


@pytest.mark.parametrize("path", RECORDINGS, ids=NAMES)
def test_it_ends_as_the_sdk_does_and_finds_no_difference(
    path: Path, handlers_app: App, executed: list[str]
):
    recording = Recording.load(path)
    sdk = strict(handlers_app, recording)
    found = all_differences(handlers_app, recording)
    assert (found.divergences, found.notes) == ((), ())
    assert len(found.paired.pairs) == len(list(recording.journal().steps()))
    ended = found.paired.run.ended
    if sdk.verdict == "incomplete":
        assert ended is None
        assert found.paired.run.waiting_at == sdk.waiting_at
    else:
        assert ended is not None
        assert readable(ended.fields["value"]) == sdk.output
        assert ended.fields["failure"] == sdk.failure
    assert executed == []


@pytest.mark.parametrize("path", RECORDINGS, ids=NAMES)
def test_every_prefix_resumed_dry_waits_where_the_sdk_waits(
    path: Path, handlers_app: App, executed: list[str]
):
    recording = Recording.load(path)
    for length in range(1, len(recording.entries)):
        prefix = recording.prefix(length)
        sdk = strict(handlers_app, prefix)
        playback = play(handlers_app, prefix, Dry())
        assert (playback.ended is None) == (sdk.output is None and sdk.failure is None)
        if playback.ended is None:
            assert playback.waiting_at == sdk.waiting_at, length
        assert all_differences(handlers_app, prefix).divergences == (), length
    assert executed == []
