"""Compare runs with shortcuts with runs of the SDK without them, event by event."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import copy
import functools
import gc
import inspect
import random
import weakref
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import restate
from playhead.journal.recording import Entry
from playhead.replay import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.handler_run import HandlerRun, request_body
from playhead.replay.engine.playback import Assume, Playback, play
from playhead.replay.engine.shortcuts import REPLACED, shortcuts
from playhead.replay.engine.stack import UserCode
from playhead.replay.verdict import strict
from playhead.restate.protocol import service_protocol_pb2 as messages
from restate import server_context
from restate.serde import JsonSerde
from restate.vm import VMWrapper

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("v[67]/*.journal.json"))
PROGRAMS = 150
EVENTS: list[Any] = []
"""Events of the current run, in order."""


class LoggingVM(VMWrapper):
    """The SDK's state machine, which logs each call and executes no closures."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith(("sys_", "do_", "take_n", "is_c", "attach")):
            return found

        def noted(*args: Any) -> Any:
            result = found(*args)
            while type(result).__name__ == "DoProgressExecuteRun":
                result = found(*args)
            EVENTS.append((name, repr(args), repr(result)))
            return result

        return noted


@contextlib.contextmanager
def as_the_sdk() -> Generator[None]:
    """No shortcuts."""
    with patch("playhead.replay.engine.handler_run.shortcuts", contextlib.nullcontext):
        yield


def events(app: App, recording: Recording) -> tuple[list[Any], list[int]]:
    """Return the events of the run, and the types of its messages."""
    EVENTS.clear()
    outcome = HandlerRun(app, recording, LoggingVM).run(request_body(recording))
    return list(EVENTS), [code for code, _ in outcome.sent]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_state_machine_sees_the_same_calls(path: Path, handlers_app: App):
    recording = Recording.load(path)
    for length in range(1, len(recording.entries) + 1):
        prefix = recording.prefix(length)
        with as_the_sdk():
            plain = events(handlers_app, prefix)
        assert plain[0]
        assert events(handlers_app, prefix) == plain


# --- random programs: tasks within tasks, which wait for steps and for each other

things = restate.Service("Things")


@things.handler()
async def program(ctx: restate.Context, seed: int) -> int:
    """Run a random program, each action of which is an event."""
    rng = random.Random(seed)
    shared: list[Any] = []
    event = asyncio.Event()

    def step(name: str) -> Any:
        EVENTS.append(("begins", name))
        return ctx.run_typed(name, lambda: 0)

    async def task(name: str, depth: int) -> None:
        for number in range(rng.randint(1, 4)):
            here = f"{name}.{number}"
            EVENTS.append(("at", here))
            match rng.randint(0, 9 if depth else 6):
                case 0 | 1:
                    await step(here)
                case 2:
                    await asyncio.sleep(0)
                case 3:
                    later = step(here)
                    shared.append(later)
                    await step(f"{here}'")
                    await later
                case 4 if shared:
                    await rng.choice(shared)
                case 5:
                    await restate.gather(step(here), step(f"{here}'"))
                case 6:
                    await asyncio.gather(step(here), step(f"{here}'"))
                case 7:
                    async with asyncio.TaskGroup() as group:
                        for child in range(rng.randint(1, 3)):
                            group.create_task(task(f"{here}/{child}", depth - 1))
                case 8:
                    async with asyncio.timeout(60):
                        await task(f"{here}/", depth - 1)
                case 9:
                    event.set() if rng.random() < 0.5 else await asyncio.wait(
                        [asyncio.ensure_future(event.wait())], timeout=0
                    )
                case _:
                    asyncio.get_running_loop().call_soon(EVENTS.append, ("called", here))
            EVENTS.append(("past", here))

    await task("t", 3)
    return 0


THINGS = App("test:things", restate.app([things]), UserCode(__file__))


def only_input(seed: int) -> Recording:
    raw = messages.InputCommandMessage(value={"content": str(seed).encode()}).SerializeToString()
    row = {"id": "inv_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz", "target": "Things/program",
           "target_service_name": "Things", "target_handler_name": "program"}  # fmt: skip
    return Recording(row, (Entry(0, "Command: Input", "", raw, "2026-01-01T00:00:00Z"),))


def journal_of(playback: Playback, seed: int) -> Recording:
    """Return the journal that the server would store."""
    start = only_input(seed)
    entries = list(start.entries)

    def add(kind: str, message: str, **fields: Any) -> None:
        raw = getattr(messages, f"{message}Message")(**fields).SerializeToString()
        entries.append(Entry(len(entries), kind, fields.get("name", ""), raw, None))

    for number, pair in enumerate(playback.pairs, start=1):
        add("Command: Run", "RunCommand", result_completion_id=number, name=pair.call.name)
        value = {"content": b"0"}
        add("Notification: Run", "CompletionNotification", completion_id=number, value=value)
    add("Command: Output", "OutputCommand", value={"content": b"0"})
    return replace(start, entries=tuple(entries))


def dry_run(seed: int) -> tuple[list[Any], Playback]:
    """Return the run in which each step gets `None` at once."""
    EVENTS.clear()
    nothing: Any = SimpleNamespace(match=lambda call: None)
    playback = play(THINGS, only_input(seed), Assume(), matcher=nothing)
    assert playback.ended is not None
    return list(EVENTS), playback


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_tasks_run_in_the_same_order_as_without_shortcuts(seed: int):
    with as_the_sdk():
        plain, playback = dry_run(seed)
    assert dry_run(seed)[0] == plain

    recording = journal_of(playback, seed)
    with as_the_sdk():
        plain = events(THINGS, recording)
    assert events(THINGS, recording) == plain
    assert strict(THINGS, recording).verdict == "same"


def test_the_programs_have_many_steps_and_interleaved_tasks():
    """The comparison needs programs with many steps and interleaved tasks."""
    steps, turns = 0, 0
    for seed in range(PROGRAMS):
        events_, playback = dry_run(seed)
        steps += len(playback.pairs)
        tasks = [name.rpartition(".")[0] for kind, name in events_ if kind == "past"]
        back = [a for a, b, c in zip(tasks, tasks[1:], tasks[2:], strict=False) if a == c != b]
        turns += len(back)
    assert steps > 500
    assert turns > 40


# --- the parts


def test_outside_a_run_the_sdk_is_unchanged():
    originals = {name: getattr(server_context, name) for name in REPLACED}
    with shortcuts():
        assert {name: getattr(server_context, name) for name in REPLACED} == REPLACED
    with contextlib.suppress(KeyError), shortcuts():
        raise KeyError
    assert {name: getattr(server_context, name) for name in REPLACED} == originals
    assert originals["inspect"] is inspect


def actions() -> list[Any]:
    """Return new functions with the same code."""

    def annotated(city: str, *, times: int = 1) -> dict[str, int]:
        raise AssertionError

    def other(city: str, *, times: int = 1) -> Any:
        raise AssertionError

    given = random.random()
    other.__annotations__["return"] = random.choice(["int", "bytes"])
    wrapped = functools.wraps(annotated)(lambda *args: 0)
    return [
        annotated, other, wrapped, lambda: 0, lambda a, *b: 0, LoggingVM,
        lambda a=given: 0, lambda *, a=given: 0,
        random.Random(1).shuffle, functools.partial(annotated, "Oslo"), print,
    ]  # fmt: skip


def test_signatures_are_those_of_inspect():
    ours = REPLACED["inspect"]
    for action in (*actions(), *actions(), *actions()):
        for eval_str in (True, False, True):
            expected = inspect.signature(action, eval_str=eval_str)
            assert ours.signature(action, eval_str=eval_str) == expected
    assert ours.iscoroutinefunction is inspect.iscoroutinefunction
    with pytest.raises(TypeError):
        ours.signature(7, eval_str=True)


def test_options_are_copied_as_copy_does():
    ours = REPLACED["copy"]
    options = restate.RunOptions(serde=JsonSerde(), max_attempts=3, type_hint=int)
    copied = ours.copy(options)
    assert copied == copy.copy(options) == options
    assert copied is not options
    copied.type_hint = str
    assert options.type_hint is int

    @dataclass
    class Others(restate.RunOptions[int]):
        note: str = ""

    assert ours.copy(Others(note="kept")) == Others(note="kept")
    assert ours.copy([1]) == [1]
    assert ours.deepcopy is copy.deepcopy


def test_the_replacement_of_a_type_is_only_used_by_cast():
    """No other part of the SDK uses it."""
    source = Path(inspect.getfile(server_context)).read_text()
    tree = ast.parse(source)
    annotations = {
        id(name)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
        for name in ast.walk(hint)
    }
    casts = {
        id(name)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "typing.cast"
        for name in ast.walk(call.args[0])
    }
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "RunAction"]
    assert uses
    assert {id(use) for use in uses} <= annotations | casts


def test_signatures_do_not_keep_functions_alive():
    def step() -> int:
        raise AssertionError

    gone = weakref.ref(step)
    REPLACED["inspect"].signature(step, eval_str=True)
    del step
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("ready", [False, True], ids=["alone", "others are ready"])
def test_a_future_ends_as_its_coroutine_does(ready: bool):
    lazy_future = REPLACED["LazyFuture"]

    async def outcome(ends: Any) -> tuple[str, bool]:
        async def work() -> Any:
            return await ends()

        lazy = lazy_future(work)
        if ready:
            asyncio.get_running_loop().call_soon(lambda: None)
        words: list[str] = []
        for _ in range(2):  # Awaiting it again returns the same result.
            try:
                words.append(f"gives {await lazy}")
            except (Exception, asyncio.CancelledError) as error:
                words.append(f"raises {error!r}")
        assert words[0] == words[1]
        return words[0], lazy.done()

    async def at_once() -> int:
        return 7

    async def later() -> int:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return 8

    async def fails() -> int:
        raise ValueError("no")

    async def fails_later() -> int:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        except TimeoutError:
            await asyncio.sleep(0)
            raise ValueError("late") from None
        return 0

    async def cancelled() -> int:
        raise asyncio.CancelledError

    for ends, words in (
        (at_once, "gives 7"),
        (later, "gives 8"),
        (fails, "raises ValueError('no')"),
        (fails_later, "raises ValueError('late')"),
        (cancelled, "raises CancelledError()"),
    ):
        assert asyncio.run(outcome(ends)) == (words, True)


def test_cancelling_a_waiting_task_cancels_the_work():
    events_: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            events_.append("cancelled")
            raise

    async def main() -> None:
        async def wait() -> None:
            await REPLACED["LazyFuture"](work)

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert events_ == ["cancelled"]
