"""What the child process can be asked to do."""

from __future__ import annotations

from typing import Any

from playhead.journal.recording import Recording
from playhead.replay.changes import WhatIfQuestion
from playhead.replay.child.alternative import alternative
from playhead.replay.child.annotation import annotate
from playhead.replay.child.guard import Guard
from playhead.replay.child.judge import judge
from playhead.replay.child.snapshots import snapshots
from playhead.replay.engine.app import App

__all__ = ["run"]


def run(app: App, guard: Guard, request: dict[str, Any]) -> Any:
    """Carry out one request: `op`, a recording (document or path), and the op's own fields.

    Raises:
        ReplayError: it cannot be carried out.
    """
    recording = (
        Recording.load(request["path"])
        if "path" in request
        else Recording.from_json(request["recording"])
    )
    match request["op"]:
        case "report":
            return judge(app, recording, explain_differences=request.get("explain", True)).to_json()
        case "annotate":
            return annotate(app, recording).to_json()
        case "stops":
            stops, hits = snapshots(app, recording, request.get("expression"))
            return {"stops": [stop.to_json() for stop in stops], "hits": hits}
        case "what_if":
            question = WhatIfQuestion.from_json(request["question"])
            return alternative(app, recording, question, on_live=guard.lift).to_json()
        case other:
            raise ValueError(f"no operation {other!r}")
