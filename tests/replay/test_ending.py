"""The ending of a handler: the line that returned or raised, with its variables."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
from playhead.replay import Recording
from playhead.replay.child.stops import stops_of
from playhead.replay.engine.app import App
from playhead.replay.engine.handler_run import Ending
from playhead.replay.engine.stack import UserCode

TRIP = Recording.load(Path(__file__).parents[1] / "recordings" / "v6" / "trip.journal.json")
HERE = Path(__file__)


def line_of(where: str | None) -> str:
    assert where is not None
    file, _, line = where.rpartition(":")
    return Path(file).read_text().splitlines()[int(line) - 1].strip()


def refuse(amount: int) -> None:
    reason = f"{amount} is too much"
    raise ValueError(reason)


async def handler(ctx: Any, amount: int) -> int:
    doubled = amount * 2
    if amount > 10:
        refuse(amount)
    await asyncio.sleep(0)
    return doubled + 1  # here


def decorated(fn: Any) -> Any:
    @functools.wraps(fn)
    async def outer(*args: Any) -> Any:
        return await fn(*args)

    return outer


async def test_the_line_that_returned():
    ending = Ending(UserCode())
    assert await ending.watched(handler)(None, 3) == 7
    assert line_of(ending.where) == "return doubled + 1  # here"
    assert ending.frame is not None
    assert ending.frame.f_locals["doubled"] == 6


async def test_the_innermost_line_that_raised():
    ending = Ending(UserCode())
    with pytest.raises(ValueError, match="30 is too much"):
        await ending.watched(handler)(None, 30)
    assert line_of(ending.where) == "raise ValueError(reason)"
    assert ending.frame is not None
    assert ending.frame.f_locals["reason"] == "30 is too much"


async def test_frames_of_libraries_are_not_shown():
    ending = Ending(UserCode())

    async def library(ctx: Any) -> None:
        json.loads("{")

    with pytest.raises(ValueError, match="Expecting"):
        await ending.watched(library)(None)
    assert line_of(ending.where) == 'json.loads("{")'

    ending = Ending(UserCode())
    await ending.watched(asyncio.sleep)(0)
    assert ending.where is None


async def test_a_cancelled_handler_has_not_ended():
    ending = Ending(UserCode())

    async def waits(ctx: Any) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(ending.watched(waits)(None))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ending.where is None


async def test_arguments_are_released_with_the_ending():
    class Argument: ...

    argument = Argument()
    gone = weakref.ref(argument)

    async def keeps(argument: Any) -> int:
        return 1 if argument else 0

    ending = Ending(UserCode())
    await ending.watched(keeps)(argument)
    del argument, ending
    gc.collect()
    assert gone() is None


def test_the_last_stop_shows_the_return(handlers_app: App):
    stops, _ = stops_of(handlers_app, TRIP)
    last = stops[-1]
    assert last.title == "Output"
    assert line_of(last.where).startswith('return {"plan": plan')
    assert last.frame is not None
    assert last.frame.where == last.where
    assert last.frame.variables["answer"] == "'yes'"
    # A breakpoint can use them, too.
    _, hits = stops_of(handlers_app, TRIP, "answer == 'yes' and receipt == 'paid'")
    assert hits[-1] == last.command_index
