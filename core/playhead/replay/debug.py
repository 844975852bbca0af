"""Python's debugger at a command of a replay, in a guarded process on this terminal."""

from __future__ import annotations

import os
import pdb
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from playhead.replay.recording import Recording
from playhead.replay.worker import SECONDS, Worker

__all__ = ["debug"]


def debug(recording: Recording, app: str, folder: Path | None, index: int) -> int:
    """Stop in the user's code at a command; returns the exit code of the process.

    Args:
        recording: what is replayed.
        app: `module:attribute`.
        folder: where to import the app from; the current folder when not given.
        index: ordinal of the command to stop at; Input is 0.
    """
    place = str(folder or Path.cwd())
    worker = Worker(app, folder=place, seconds=SECONDS)
    with tempfile.TemporaryDirectory() as scratch:
        path = recording.save(Path(scratch) / "recording.journal.json", keep_headers=True)
        module = [sys.executable, "-m", "playhead.replay.debug"]
        command = [*worker.isolation(), *module, app, place, str(path), str(index)]
        done = subprocess.run(command, cwd=place, env=worker.environment(), check=False)
    return done.returncode


def main() -> int:
    """Replay one recording in this process, and open the debugger at the command."""
    from playhead.replay.align import GreedyMatcher
    from playhead.replay.app import load_app
    from playhead.replay.calls import Call
    from playhead.replay.guard import Guard
    from playhead.replay.playback import Playback
    from playhead.replay.policies import Assume
    from playhead.replay.stack import frames_above

    spec, folder, path, index = sys.argv[1:]
    recording = Recording.load(path)
    Guard().install()
    app = load_app(spec, folder)
    reached: list[Call] = []

    def stop(call: Call, playback: Playback) -> None:
        if call.index != int(index):
            return
        reached.append(call)
        frame = next(frames_above(app.user, sys._getframe(1)), None)  # pyright: ignore[reportPrivateUsage]
        sys.stdout.write(f"Before command {call.index}: {call.title}\n")
        if frame is not None:
            _interact(frame)

    matcher = GreedyMatcher(tuple(recording.journal().steps()))
    Playback(app, recording, matcher, Assume(), on_call=stop).run()
    if not reached:
        sys.stderr.write(f"playhead: the code does not reach command {index}\n")
        return 1
    return 0


def _interact(frame: FrameType) -> None:
    # `set_trace` would stop at the next line to be executed, which is one of the replay's own.
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
