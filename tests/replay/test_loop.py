"""Handlers that wait for timers, threads and tasks outside of Restate."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from playhead.replay import Recording, Report
from playhead.replay.engine.app import load_app
from playhead.replay.verdict import replay_here as replay_report

RECORDED = Path(__file__).parents[1] / "recordings" / "v6" / "run_ok.journal.json"
RUN_OK = replace(Recording.load(RECORDED), steps={})
_numbers = itertools.count()

HANDLER = """
import asyncio, threading, time
import anyio.to_thread
import restate

things = restate.Service("Things")

@things.handler()
async def run_ok(ctx, name: str) -> dict:
{body}
    one = await ctx.run_typed("first", lambda: {{}})
    two = await ctx.run_typed("second", lambda: 1)
    return {{"one": one, "two": two}}

app = restate.app([things])
"""


def run(folder: Path, body: str, recording: Recording = RUN_OK) -> Report:
    name = f"waiting_{next(_numbers)}"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / f"{name}.py").write_text(HANDLER.format(body=lines))
    importlib.invalidate_caches()
    return replay_report(load_app(f"{name}:app", str(folder)), recording)


@pytest.mark.parametrize(
    "body",
    [
        "await asyncio.sleep(3600)",
        "async with asyncio.timeout(3600): await asyncio.sleep(1800)",
        "assert await asyncio.to_thread(lambda: time.sleep(0.3) or 7) == 7",
        "assert await anyio.to_thread.run_sync(lambda: time.sleep(0.1) or 7) == 7",
        "asyncio.get_running_loop().create_task(asyncio.sleep(3600))",
        "async with asyncio.TaskGroup() as group:\n    group.create_task(asyncio.sleep(60))",
        "done = asyncio.Event()\n"
        "loop = asyncio.get_running_loop()\n"
        "threading.Timer(0.05, loop.call_soon_threadsafe, [done.set]).start()\n"
        "await done.wait()",
    ],
    ids=["sleep", "timeout", "thread", "anyio", "left-over task", "task group", "call-back"],
)
def test_a_handler_that_waits_elsewhere_replays(body: str, tmp_path: Path):
    report = run(tmp_path, body)
    assert (report.verdict, report.divergences) == ("same", ()), report.sdk_message


def test_a_handler_that_never_continues_differs_and_shows_where(tmp_path: Path):
    report = run(tmp_path, "await asyncio.Event().wait()")
    assert report.verdict == "diverged"
    assert [d.current for d in report.divergences] == [
        "the handler waits, and writes no further command"
    ]
    assert (report.waiting_at or "").endswith(".py:10")


def test_a_timeout_around_a_recorded_step_does_not_fire(tmp_path: Path):
    body = """async with asyncio.timeout(5):
    one = await ctx.run_typed("first", lambda: {})
async with asyncio.timeout(5):
    two = await ctx.run_typed("second", lambda: 1)
return {"one": one, "two": two}"""
    report = run(tmp_path, body)
    assert (report.verdict, report.divergences) == ("same", ())


def test_a_task_that_sleeps_still_writes_its_recorded_command(tmp_path: Path):
    body = """async def late():
    await asyncio.sleep(60)
    return await ctx.run_typed("second", lambda: 1)
one, two = await asyncio.gather(ctx.run_typed("first", lambda: {}), late())
return {"one": one, "two": two}"""
    assert run(tmp_path, body).verdict == "same"


def test_a_timeout_does_not_cancel_a_step_with_a_later_result(tmp_path: Path):
    body = """async with asyncio.timeout(5):
    await ctx.run_typed("first", lambda: {})"""
    report = run(tmp_path, body, RUN_OK.prefix(2))
    assert (report.verdict, report.output) == ("incomplete", None)
    assert (report.waiting_at or "").endswith(".py:11")
