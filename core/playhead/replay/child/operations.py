"""The operations of the child process, each on one recording."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playhead.journal.recording import Recording
from playhead.replay.child.guard import Guard
from playhead.replay.child.stops import stops_of
from playhead.replay.child.what_if import live_plan, what_if
from playhead.replay.differences.explain import playthrough
from playhead.replay.engine.app import App
from playhead.replay.engine.playback import Dry, play
from playhead.replay.engine.strict import StrictRun
from playhead.replay.verdict import require_replayable
from playhead.replay.what_ifs import WhatIfQuestion

__all__ = ["Operations", "annotate"]


class Operations:
    """The operations on an app."""

    def __init__(self, app: App, guard: Guard) -> None:
        """Take the app that serves the handlers, and the guard to lift while steps run live."""
        self.app = app
        self.guard = guard
        self._recording: Recording | None = None

    def run(self, request: dict[str, Any]) -> Any:
        """Carry out one request and return its result as JSON data.

        Args:
            request: `op`, `recording` (without it, the one of the last request), and the
                operation's own members.

        Raises:
            ReplayError: The request cannot be carried out.
        """
        app, guard = self.app, self.guard
        if "recording" in request:
            self._recording = Recording.from_json(request["recording"])
            require_replayable(self._recording)
        recording = self._recording
        assert recording is not None
        match request["op"]:
            case "strict":
                guard.begin()
                run = StrictRun(app, recording, lambda: guard.has_blocked)
                return run.transcript().to_json()
            case "play":
                return playthrough(app, recording, tuple(request["plan"])).to_json()
            case "annotate":
                return annotate(app, recording).to_json()
            case "stops":
                stops, hits = stops_of(app, recording, request.get("expression"))
                return {"stops": [stop.to_json() for stop in stops], "hits": hits}
            case "what_if":
                question = WhatIfQuestion.from_json(request["question"])
                return what_if(app, recording, question, on_live=guard.lift).to_json()
            case "live_plan":
                question = WhatIfQuestion.from_json(request["question"])
                return live_plan(app, recording, question).to_json()
            case other:
                raise ValueError(f"unknown operation {other!r}")


def annotate(app: App, recording: Recording) -> Recording:
    """Return the recording with the arguments that this code passes to its steps.

    Steps that the code does not reach stay as they are.

    Raises:
        AppError: The app does not serve this handler.
    """
    steps = dict(recording.steps)
    for pair in play(app, recording, Dry()).pairs:
        if pair.recorded is None:
            break
        annotation: dict[str, Any] = {}
        if pair.call.arguments is not None:
            annotation["arguments"] = pair.call.arguments
        if pair.call.fields.get("millis") is not None:
            annotation["millis"] = pair.call.fields["millis"]
        if annotation:
            steps[pair.recorded.command_index] = annotation
    return replace(recording, steps=steps)
