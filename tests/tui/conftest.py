"""A fixed time zone, and the app under test."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from journal_fixtures import handlers
from tui_idle import wait_for_the_loop

__all__ = ["handlers", "wait_for_the_loop"]

sys.path.insert(0, str(Path(__file__).parent))
os.environ["TZ"] = "UTC"
time.tzset()


@pytest.fixture
def stage() -> Callable[..., Any]:
    """`async with stage(reader, …) as s`: the running app, connected to that reader."""
    from playhead_tui.app import PlayheadApp
    from tui_fakes import NOW, connector
    from tui_stage import Stage, wait_until

    @asynccontextmanager
    async def run(
        source: Any, actions: Any = None, *, size: tuple[int, int] = (120, 40), **more: Any
    ) -> AsyncGenerator[Any]:
        connect = more.pop("connect", None) or connector(source, actions)
        app = PlayheadApp(connect, now=more.pop("now", lambda: NOW), **more)
        async with app.run_test(size=size, notifications=True) as pilot:
            await wait_until(pilot, lambda: app.connection is not None)
            yield Stage(app, pilot)

    return run
