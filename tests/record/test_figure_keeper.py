"""The figures of invocations are computed behind what arrives."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

from playhead.record.figure_keeper import FigureKeeper, KeeperPace
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.database import Store
from playhead.store.figures import begin_figures, stale_count
from playhead.store.stale_figures import note_stale
from waiting import until_async

_PACE = KeeperPace(quiet=0.02, longest=0.1, patience=0.0)


async def test_changed_invocations_are_updated(tmp_path: Path) -> None:
    store = Store(tmp_path)
    try:
        rebuild_calls(store, threading.Event())
        begin_figures(store)
        keeper = FigureKeeper(store, busy=lambda: True, pace=_PACE)
        running = asyncio.create_task(keeper.run())
        for round_ in range(2):
            with store.transaction() as connection:
                note_stale(connection, [f"inv_{round_}", None])
            await until_async(lambda: stale_count(store) == 0)
        keeper.stop()
        await running
    finally:
        store.close()


async def test_a_busy_recorder_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    looks = 0
    is_busy = True

    def busy() -> bool:
        nonlocal looks
        looks += 1
        return is_busy

    try:
        rebuild_calls(store, threading.Event())
        begin_figures(store)
        with store.transaction() as connection:
            note_stale(connection, ["inv_1"])
        keeper = FigureKeeper(store, busy=busy, pace=replace(_PACE, patience=60.0))
        running = asyncio.create_task(keeper.run())
        await until_async(lambda: looks > 20)
        assert stale_count(store) == 1
        is_busy = False
        await until_async(lambda: stale_count(store) == 0)
        keeper.stop()
        await running
    finally:
        store.close()


async def test_a_failure_is_noted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failures: list[str] = []
    try:
        with store.transaction() as connection:
            connection.execute("DROP TABLE stale_figures")
        keeper = FigureKeeper(store, failed=failures.append)
        running = asyncio.create_task(keeper.run())
        await until_async(lambda: bool(failures))
        assert "the figures of invocations cannot be computed" in failures[0]
        keeper.stop()
        await running
    finally:
        store.close()
