"""Replays for tests: real ones over the recordings, and a fake one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playhead.replay import (
    Divergence,
    Frame,
    LivePlan,
    Recording,
    Report,
    Session,
    Stop,
    TaskStack,
    WhatIfQuestion,
    WhatIfResult,
)
from playhead_tui.interfaces import AppLocation, Connection
from tui_fakes import FakeReader
from tui_stage import Stage, wait_until

RECORDINGS = Path(__file__).parents[1] / "recordings"
HANDLERS = AppLocation("handlers:app", str(RECORDINGS))
SECONDS = 60
"""Time limit of replays. An import of an app takes seconds, or longer on a busy machine."""


def connecting(
    recording: str | Recording | Exception,
    location: AppLocation = HANDLERS,
    *,
    actions: Any = None,
) -> Callable[[Any], Any]:
    """Return a connect function with one recording for every id."""

    async def fetch(invocation_id: str) -> Recording:
        if isinstance(recording, Exception):
            raise recording
        if isinstance(recording, Recording):
            return recording
        return Recording.load(RECORDINGS / "v6" / f"{recording}.journal.json")

    async def connect(publish: Any) -> None:
        reader: Any = FakeReader()  # without what only other screens read
        publish(Connection(reader, actions, fetch_recording=fetch, app_location=location))

    return connect


async def opened(s: Stage) -> Any:
    """Open the replay screen and wait for the verdict."""
    s.app.open_replay("inv_1", "Counter/trips/trip")
    await wait_until(s.pilot, lambda: getattr(s.app.screen, "report", None), SECONDS)
    return s.app.screen


async def until(s: Stage, predicate: Callable[[], object]) -> None:
    """Wait like the stage, with time for a process to start."""
    await wait_until(s.pilot, predicate, SECONDS)


# --- made by hand

SOURCE = '''"""A desk that refunds, and asks first."""

import restate

desk = restate.Service("Desk")


@desk.handler()
async def refund(ctx: restate.Context, order: str) -> str:
    """Ask the model, look the order up, pay."""
    amount = 120.0
    answer = await agent.run(ctx, f"Refund {order}?")
    details = await ctx.run_typed("look up", look_up, order=order)
    if details["paid"] < amount:
        return "refused"
    await ctx.run_typed("pay [bold]back[/]", pay, amount=amount)
    return "paid"
'''
MESSAGES = (
    {"role": "system", "text": "You decide on refunds. Be [strict]."},
    {"role": "user", "text": "Refund A-1009? 東京🗼"},
)


def frame(path: Path, line: int, **variables: str) -> Frame:
    return Frame(str(path), line, "refund", {"order": "'A-1009'", "amount": "120.0", **variables})


def stop(index: int, title: str, **more: Any) -> Stop:
    kind, _, name = title.partition(" ")
    more = {
        "recorded_command_index": index,
        "journal_index": index * 2 - 1,
        "notification_index": index * 2,
        **more,
    }
    return Stop(command_index=index, title=title, type=kind, name=name, **more)


def some_stops(path: Path) -> tuple[Stop, ...]:
    found = "{'order': 'A-1009', 'paid': 120.0}"
    return (
        stop(1, "Run Model call", asks_model=True, conversation=MESSAGES,
             result={"parts": [{"content": "yes", "part_kind": "text"}]},
             stacks=(TaskStack("", (frame(path, 12),)),)),
        stop(2, "Run look up", result={"order": "A-1009", "paid": 120.0}, arguments=["A-1009"],
             conversation=MESSAGES,
             stacks=(TaskStack("", (frame(path, 13, answer="'yes'"),)),
                     TaskStack("audit", (frame(path, 11),))), state={"refunds": 3}),
        stop(3, "Run pay [bold]back[/]", result=None, divergences=("arguments",),
             where=f"{path}:16", conversation=MESSAGES,
             stacks=(TaskStack("", (frame(path, 16, answer="'yes'", details=found),)),)),
        stop(4, "Output", notification_index=None, conversation=MESSAGES),
    )  # fmt: skip


REPORT = Report(
    "diverged", "inv_1", "Desk/refund", commands=5, replayed=3,
    divergences=(
        Divergence(3, "arguments", "args.amount = 100.0", "args.amount = 120.0", "desk.py:16",
                   False, "Run pay [bold]back[/]", 5),
        Divergence(4, "added", None, "Sleep", "desk.py:17", True, "Sleep"),
    ),
)  # fmt: skip


class HandMade:
    """A `Replayer` with fixed stops and a fixed report; runs no code."""

    stops: tuple[Stop, ...] = ()
    report_: Report = REPORT
    outcome: WhatIfResult | None = None

    def __init__(self, app: str, recording: Recording, *, app_dir: str | None = None) -> None:
        self.app, self.app_dir, self.recording = app, app_dir, recording
        self.questions: list[WhatIfQuestion] = []

    async def start(self) -> None:
        return None

    async def session(self) -> Session:
        return Session(self.recording, self.stops, (), None)  # type: ignore[arg-type]

    async def report(self, *, explain: bool = True) -> Report:
        return self.report_

    async def live_plan(self, question: WhatIfQuestion) -> LivePlan:
        return LivePlan((), question.max_live, ended=True)

    async def what_if(self, question: WhatIfQuestion) -> WhatIfResult:
        self.questions.append(question)
        assert self.outcome
        return self.outcome

    def close(self) -> None:
        return None
