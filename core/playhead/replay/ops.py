"""What the child process can be asked to do."""

from __future__ import annotations

from typing import Any

from playhead.replay.annotate import annotate
from playhead.replay.app import App
from playhead.replay.guard import Guard
from playhead.replay.judge import judge
from playhead.replay.recording import Recording

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
        case "judge":
            return judge(app, recording, explained=request.get("explained", True)).to_json()
        case "annotate":
            return annotate(app, recording).to_json()
        case other:
            raise ValueError(f"no operation {other!r}")
