"""Python's debugger at a command of a replay."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playhead.journal.recording import Recording
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
        module = [sys.executable, "-m", "playhead.replay.child.debugger"]
        command = [*worker.isolation(), *module, app, place, str(path), str(index)]
        done = subprocess.run(command, cwd=place, env=worker.environment(), check=False)
    return done.returncode
