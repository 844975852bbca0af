"""Python's debugger at a command of a replay; started by `playhead.replay.replays.debug`."""

from __future__ import annotations

import inspect
import json
import os
import pdb
import sys
from types import FrameType

from playhead.journal.recording import Recording
from playhead.replay.child.confinement import Confinement

__all__ = ["main"]


def main() -> int:
    """Replay one recording in this process, and open the debugger at the command."""
    with os.fdopen(int(sys.argv[1])) as file:
        question = json.load(file)
    Confinement(question).enter()
    from playhead.replay.child.guard import Guard
    from playhead.replay.engine.app import load_app
    from playhead.replay.engine.calls import Call
    from playhead.replay.engine.playback import Assume, Playback, play
    from playhead.replay.engine.sdk import require
    from playhead.replay.engine.stack import frames_above

    place = question["place"]
    require()
    recording = Recording.from_json(question["recording"])
    Guard().install()
    app = load_app(question["app"], question["app_dir"])
    reached: list[Call] = []

    def stop(call: Call, playback: Playback) -> None:
        if call.command_index != question["command_index"]:
            return
        reached.append(call)
        frame = next(frames_above(app.user, inspect.currentframe()), None)
        sys.stdout.write(f"Before {place}: {call.title}\n")
        if frame is not None:
            _interact(frame)

    play(app, recording, Assume(), on_call=stop)
    if not reached:
        sys.stderr.write(f"playhead: the code does not reach {place}\n")
        return 1
    return 0


def _interact(frame: FrameType) -> None:
    # `set_trace` would stop at the next line to be executed, which belongs to the replay.
    debugger = pdb.Pdb(nosigint=True, readrc=False)
    debugger.reset()
    outer: FrameType | None = frame
    while outer is not None:
        outer.f_trace = debugger.trace_dispatch
        debugger.botframe, outer = outer, outer.f_back
    debugger.interaction(frame, None)
    if debugger.quitting:
        sys.stdout.flush()
        os._exit(0)
    sys.settrace(debugger.trace_dispatch)


if __name__ == "__main__":
    sys.exit(main())
