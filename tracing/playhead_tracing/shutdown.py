"""SIGTERM: what is open is exported, and the server still stops.

The SDK installs a handler with the event loop at the first request, in place of the one that the
ASGI server installed before: the server never hears of SIGTERM then. So that handler is looked up
first and called along with the SDK's.
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
"""Spans that are open so long after SIGTERM are exported as cut off."""


def prepare(loop: asyncio.AbstractEventLoop, save: Callable[[], None]) -> None:
    """Get ready for SIGTERM; does nothing where signals cannot be handled.

    Args:
        loop: the loop that serves.
        save: exports what is open, called in a thread.
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
    """What would have happened at SIGTERM without the SDK's handler."""
    handle = getattr(loop, "_signal_handlers", {}).get(signal.SIGTERM)
    if handle is not None:
        # asyncio has no way to ask; uvloop keeps its handlers under the same name.
        return lambda: handle._callback(*handle._args)
    handler = signal.getsignal(signal.SIGTERM)
    if handler is signal.SIG_DFL:
        return lambda: _die(loop)
    if callable(handler):
        call = handler
        return lambda: call(signal.SIGTERM, None)
    return None


def _die(loop: asyncio.AbstractEventLoop) -> None:
    """Nobody handled SIGTERM, so it ends the process, after the spans are saved."""

    def now() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.call_later(GRACE_SECONDS * 1.5, now)
