"""Handling of SIGTERM: open spans are exported, and the server still stops.

At the first request, the SDK replaces the event loop's SIGTERM handler, so the ASGI server never
receives the signal. The bridge looks up the server's handler first and calls both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from restate import server

GRACE_SECONDS = 2.0
"""Time after SIGTERM at which open spans are exported as interrupted."""


def prepare(loop: asyncio.AbstractEventLoop, save: Callable[[], None]) -> None:
    """Install the handlers for SIGTERM; do nothing where signals cannot be handled.

    Args:
        loop: The loop that serves requests.
        save: Exports all open spans; called in a thread.
    """
    installed = signal.SIGTERM in server._shutdown_hooks.get(loop, {})  # pyright: ignore[reportPrivateUsage]
    previous = None if installed else _previous(loop)

    def on_sigterm() -> None:
        timer = threading.Timer(GRACE_SECONDS, save)
        timer.daemon = True
        timer.start()

    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        server.install_shutdown_hook(loop, on_sigterm)
        if previous is not None:
            server.install_shutdown_hook(loop, previous)


def _previous(loop: Any) -> Callable[[], None] | None:
    """Return the handler of SIGTERM that the SDK replaces; None if there is nothing to call."""
    handle = getattr(loop, "_signal_handlers", {}).get(signal.SIGTERM)
    if handle is not None:
        # asyncio has no public way to read it; uvloop keeps its handlers under the same name.
        return lambda: handle._callback(*handle._args)
    handler = signal.getsignal(signal.SIGTERM)
    if handler is signal.SIG_DFL:
        return lambda: _die(loop)
    if callable(handler):
        call = handler
        return lambda: call(signal.SIGTERM, None)
    return None


def _die(loop: asyncio.AbstractEventLoop) -> None:
    """End the process as an unhandled SIGTERM does, after the spans are saved."""

    def now() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.call_later(GRACE_SECONDS * 1.5, now)
