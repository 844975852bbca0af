"""Notes the arguments of a recording's steps, which no journal holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playhead.journal.recording import Recording
from playhead.replay.differences.align import GreedyMatcher
from playhead.replay.engine.app import App
from playhead.replay.engine.playback import Playback
from playhead.replay.engine.policies import Dry

__all__ = ["annotate"]


def annotate(app: App, recording: Recording) -> Recording:
    """The recording with the arguments that this code passes to its steps.

    Use it with the code that made the recording: a later replay then tells which arguments and
    prompts have changed since. Steps that the code does not reach stay as they are.

    Raises:
        AppError: the app does not serve this handler.
    """
    matcher = GreedyMatcher(tuple(recording.journal().steps()))
    playback = Playback(app, recording, matcher, Dry()).run()
    steps = dict(recording.steps)
    for pair in playback.pairs:
        if pair.recorded is None:
            break
        noted: dict[str, Any] = {}
        if pair.call.arguments is not None:
            noted["arguments"] = pair.call.arguments
        if pair.call.fields.get("millis") is not None:
            noted["millis"] = pair.call.fields["millis"]
        if noted:
            steps[pair.recorded.command_index] = noted
    return replace(recording, steps=steps)
