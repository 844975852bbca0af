"""The process that runs the user's code; started by `playhead.replay.worker`.

Reads one JSON request per line and answers each with one JSON line. The user's code has no access
to these pipes: its standard input is empty, and its standard output goes to standard error.
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
from typing import IO, Any

from playhead.errors import ReplayError
from playhead.replay.child.guard import Guard

__all__ = ["main"]

_PARENT_CHECK_SECONDS = 0.5
_MAX_PRINTED_BYTES = 64 << 20
_MAX_MEMORY_BYTES = 4 << 30


def main() -> None:
    """Import the app, report that it is ready, and serve requests until the pipe closes."""
    _end_with_parent()
    _limit_resources()
    sys.dont_write_bytecode = True
    spec, app_dir, guarded = sys.argv[1], sys.argv[2], sys.argv[3] == "guarded"
    requests, answers = _private_streams()
    guard = Guard()
    try:
        # Side effects of these imports are not attributed to the user's code.
        import asyncio  # noqa: F401 # pyright: ignore[reportUnusedImport]
        import sqlite3  # noqa: F401 # pyright: ignore[reportUnusedImport]

        from playhead.replay.child import operations
        from playhead.replay.engine.app import load_app
        from playhead.replay.engine.sdk import require
        from playhead.replay.engine.stack import where

        require()
        if guarded:
            guard.install()
        app = load_app(spec, app_dir)
        guard.locate = lambda: where(app.user)
    except ReplayError as error:
        blocked = [f"The replay blocked while importing it: {what}" for what in guard.take()]
        _answer(answers, _error(error, hint="\n".join(filter(None, (error.hint, *blocked)))))
        return
    # The imported modules stay, so the garbage collector can skip them.
    gc.freeze()
    _answer(answers, {"ready": spec, "blocked": guard.take()})
    for line in requests:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"result": operations.run(app, guard, request)}
        except ReplayError as error:
            answer = _error(error)
        except Exception as error:
            traceback.print_exc()
            answer = _error(ReplayError(f"The replay failed: {type(error).__name__}: {error}"))
        _answer(answers, {**answer, "blocked": guard.take()})


def _error(error: ReplayError, hint: str | None = None) -> dict[str, Any]:
    hint = error.hint if hint is None else hint
    return {"error": type(error).__name__, "title": error.title, "hint": hint}


def _answer(stream: IO[str], document: dict[str, Any]) -> None:
    stream.write(json.dumps(document, default=str) + "\n")
    stream.flush()


def _private_streams() -> tuple[IO[str], IO[str]]:
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    return requests, answers


def _limit_resources() -> None:
    # Output goes to a file, and memory is shared with the rest of the machine.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        for what, most in (
            (resource.RLIMIT_FSIZE, _MAX_PRINTED_BYTES),
            (resource.RLIMIT_DATA, _MAX_MEMORY_BYTES),
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
            time.sleep(_PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main()
