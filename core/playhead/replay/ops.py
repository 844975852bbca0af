"""What the child process can be asked to do."""

from __future__ import annotations

from typing import Any

from playhead.replay.app import App
from playhead.replay.guard import Guard
from playhead.replay.recording import Recording
from playhead.replay.strict import strict

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
        case "strict":
            return strict(app, recording).to_json()
        case other:
            raise ValueError(f"no operation {other!r}")
