"""The process that runs the user's code; started by `playhead.replay.app_process`.

Reads one request per frame of its channel and answers each with one frame. The user's code has no
access to the channel: its standard input is empty, and its standard output goes to standard error.
"""

from __future__ import annotations

import base64
import contextlib
import faulthandler
import gc
import json
import os
import select
import socket
import sys
import threading
import traceback
from typing import Any

from playhead.errors import ReplayError
from playhead.replay.child.confinement import Confinement
from playhead.replay.child.guard import Guard
from playhead.replay.sandbox.channel import Channel, descriptor

__all__ = ["main"]

_MAX_PRINTED_BYTES = 64 << 20
_MAX_MEMORY_BYTES = 4 << 30
_GRACE_SECONDS = 5.0
"""Time after the parent's limit at which the process ends by itself: the parent may be gone."""


def main() -> None:
    """Isolate the process, import the app, report that it is ready, and serve requests."""
    _continue_in_child()
    channel = _channel(int(sys.argv[1]))
    _end_with(channel)
    token, setup = _request(channel)
    _limit_resources()
    sys.dont_write_bytecode = True
    _detach_standard_streams()
    _isolate(channel, token, setup)
    spec, app_dir = setup["app"], setup["app_dir"]
    if not spec:
        return
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
        if setup["guarded"]:
            guard.install()
        # Imports leave no garbage, and looking for it takes a sixth of their time.
        gc.disable()
        app = load_app(spec, app_dir)
        guard.locate = lambda: where(app.user)
    except ReplayError as error:
        blocked = [f"The replay blocked while importing it: {what}" for what in guard.take()]
        answer = _error(error, hint="\n".join(filter(None, (error.hint, *blocked))))
        channel.send(token, {**answer, "blocked": []})
        return
    # The imported modules stay, so the garbage collector can skip them.
    gc.freeze()
    gc.enable()
    served = operations.Operations(app, guard)
    channel.send(token, {"ready": spec, "blocked": guard.take()})
    while True:
        try:
            token, request = _request(channel)
        except EOFError:
            return
        faulthandler.dump_traceback_later(request["timeout"] + _GRACE_SECONDS, exit=True)
        try:
            answer = {"result": served.run(request)}
        except ReplayError as error:
            answer = _error(error)
        except Exception as error:
            traceback.print_exc()
            answer = _failed(error)
        faulthandler.cancel_dump_traceback_later()
        answer["blocked"] = guard.take()
        try:
            channel.send(token, answer)
        except (RecursionError, ValueError, TypeError) as error:  # a value that JSON cannot express
            channel.send(token, {**_failed(error), "blocked": answer["blocked"]})


def _continue_in_child() -> None:
    """Go on in a child if this is the first process of a namespace.

    The kernel does not deliver fatal signals that a first process sends itself (pid_namespaces(7)),
    so that `abort()` would end with another signal. The first process passes the end on.
    """
    if os.getpid() != 1:
        return
    child = os.fork()
    if not child:
        return
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the channel ends with the child
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _channel(number: int) -> Channel:
    kept = descriptor()
    os.dup2(number, kept, inheritable=False)
    os.close(number)
    return Channel(socket.socket(fileno=kept))


def _request(channel: Channel) -> tuple[bytes, dict[str, Any]]:
    token, payload = channel.receive()
    return token, json.loads(payload)


def _isolate(channel: Channel, token: bytes, setup: dict[str, Any]) -> None:
    confinement = Confinement(setup)
    confinement.enter()
    program = base64.b64decode(setup["filter"])
    listener = confinement.filter_system_calls(program) if program else None
    channel.send(token, {"listener": listener is not None})
    if listener is not None:
        channel.send_descriptor(listener)
        os.close(listener)
        confinement.test_system_calls()
    channel.send(token, {"held": confinement.held, "unavailable": confinement.unavailable})


def _error(error: ReplayError, hint: str | None = None) -> dict[str, Any]:
    hint = error.hint if hint is None else hint
    return {"error": type(error).__name__, "title": error.title, "hint": hint}


def _failed(error: Exception) -> dict[str, Any]:
    return _error(ReplayError(f"The replay failed: {type(error).__name__}: {error}"))


def _detach_standard_streams() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)


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


def _end_with(channel: Channel) -> None:
    # An endless loop of the user's code must not outlive a parent that was killed.
    hung_up = select.poll()
    hung_up.register(channel.socket.fileno(), 0)

    def watch() -> None:
        hung_up.poll()
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main()
