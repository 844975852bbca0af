"""The operations of the child process, each on one recording."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playhead.errors import RecordingError
from playhead.journal.recording import Recording
from playhead.replay.changes import WhatIfQuestion
from playhead.replay.child.guard import Guard
from playhead.replay.child.stops import stops_of
from playhead.replay.child.what_if import live_plan, what_if
from playhead.replay.differences.explain import all_differences
from playhead.replay.differences.not_compared import not_compared_at_all
from playhead.replay.engine.app import App
from playhead.replay.engine.playback import Dry, play
from playhead.replay.engine.sdk import limitations
from playhead.replay.engine.strict import strict
from playhead.replay.report import Report
from playhead.restate.ids import is_invocation_id

__all__ = ["annotate", "report", "run"]


def run(app: App, guard: Guard, request: dict[str, Any]) -> Any:
    """Carry out one request and return its result as JSON data.

    Args:
        app: App that serves the handlers.
        guard: Guard to lift while steps are executed for real.
        request: `op`, a recording (`recording`, or the `data` and `source` of its file), and the
            operation's own members.

    Raises:
        ReplayError: The request cannot be carried out.
    """
    recording = (
        Recording.parse(request["data"], request["source"])
        if "data" in request
        else Recording.from_json(request["recording"])
    )
    _require_replayable(recording)
    match request["op"]:
        case "report":
            return report(app, recording, guard, explain=request["explain"]).to_json()
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


def _require_replayable(recording: Recording) -> None:
    """Raise RecordingError for values that no server writes, and that the SDK could not read."""
    if not is_invocation_id(recording.id):
        raise RecordingError(f"invocation.id: {recording.id!r} is not an invocation id")
    if not 0 <= (recording.random_seed or 0) < 1 << 64:
        raise RecordingError("random_seed: a seed has 64 bits")


def report(
    app: App, recording: Recording, guard: Guard | None = None, *, explain: bool = True
) -> Report:
    """Replay a recording strictly, then explain all differences.

    Only the SDK and the guard determine the verdict. A difference is fatal only if the SDK refuses
    the journal.

    Args:
        app: App that serves the handler.
        recording: Recording to replay.
        guard: Guard that blocks side effects of the handler; None if it is not installed.
        explain: List all differences, not only the first one that the SDK refuses.

    Raises:
        AppError: The app does not serve this handler.
    """
    watch = guard or Guard()
    watch.begin()
    verdict = strict(app, recording, blocked=lambda: watch.has_blocked)
    if not explain:
        unknown = not_compared_at_all(recording.journal().steps())
        return replace(verdict, not_compared=unknown)
    explanation = all_differences(app, recording)
    found = explanation.divergences
    if verdict.verdict == "blocked":
        found = tuple(replace(d, fatal=d.fatal and verdict.sdk_message is not None) for d in found)
    elif verdict.verdict != "diverged":
        found = tuple(replace(d, fatal=False) for d in found)
    elif not any(d.fatal for d in found):
        found = (*verdict.divergences, *found)
    return replace(
        verdict,
        divergences=found,
        notes=(*explanation.notes, *limitations()),
        not_compared=explanation.not_compared,
    )


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
