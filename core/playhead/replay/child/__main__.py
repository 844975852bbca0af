"""The process that runs the user's code; started by `worker`, never imported by it.

Reads one JSON request a line and answers each with one JSON line. Standard input and output
are taken away from the user's code: it reads nothing and prints to standard error.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from typing import IO, Any

from playhead.replay.child.guard import Guard

__all__ = ["main"]

_WATCH_SECONDS = 0.5
_LOG_BYTES = 64 << 20
_MEMORY_BYTES = 4 << 30


def main() -> None:
    """Load the app, say so, and serve requests until the parent closes the pipe."""
    _end_with_parent()
    _limit()
    sys.dont_write_bytecode = True
    spec, folder, guarded = sys.argv[1], sys.argv[2], sys.argv[3] == "guarded"
    requests, answers = _private_streams()
    guard = Guard()
    # Their own imports are not the user's doing.
    import asyncio  # noqa: F401 # pyright: ignore[reportUnusedImport]
    import sqlite3  # noqa: F401 # pyright: ignore[reportUnusedImport]

    from playhead.errors import ReplayError
    from playhead.replay.child import operations as ops
    from playhead.replay.engine.app import load_app

    if guarded:
        guard.install()
    try:
        app = load_app(spec, folder)
    except ReplayError as error:
        hint = "\n".join(filter(None, (error.hint, *_blame(guard.take()))))
        _answer(answers, {"error": type(error).__name__, "title": error.title, "hint": hint})
        return
    # All that was imported stays: it need not be looked through for garbage again and again.
    gc.freeze()
    _answer(answers, {"ready": spec, "blocked": guard.take()})
    for line in requests:
        request = json.loads(line)
        try:
            result = ops.run(app, guard, request)
            answer = {"result": result, "blocked": guard.take()}
        except ReplayError as error:
            answer = {
                "error": type(error).__name__,
                "title": error.title,
                "hint": error.hint,
                "blocked": guard.take(),
            }
        except Exception as error:
            traceback.print_exc()
            answer = {
                "error": "ReplayError",
                "title": f"replaying failed: {type(error).__name__}: {error}",
                "blocked": guard.take(),
            }
        _answer(answers, answer)


def _answer(stream: IO[str], document: dict[str, Any]) -> None:
    stream.write(json.dumps(document, default=str) + "\n")
    stream.flush()


def _blame(blocked: Iterable[str]) -> list[str]:
    return [f"The replay blocked while importing it: {what}" for what in blocked]


def _private_streams() -> tuple[IO[str], IO[str]]:
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    return requests, answers


def _limit() -> None:
    # What the code prints goes to a file, and what it allocates to a machine that others use.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        for what, most in (
            (resource.RLIMIT_FSIZE, _LOG_BYTES),
            (resource.RLIMIT_DATA, _MEMORY_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(what)
            if hard == resource.RLIM_INFINITY or hard > most:
                resource.setrlimit(what, (most, most))


def _end_with_parent() -> None:
    # An endless loop of the user's code must not outlive a parent that was killed.
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main()
