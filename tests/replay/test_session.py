"""Sessions: stops of a recording, blocking and from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playhead.replay import (
    Recording,
    Replayer,
    ReplayError,
    Session,
    WhatIfQuestion,
    WorkerError,
)

RECORDINGS = Path(__file__).parents[1] / "recordings"
TRIP = Recording.load(RECORDINGS / "v6" / "trip.journal.json")


@pytest.fixture
async def replayer() -> AsyncIterator[Replayer]:
    found = Replayer("handlers:app", TRIP, app_dir=RECORDINGS)
    yield found
    found.close()


def test_a_session_finds_indexes_ordinals_names_and_expressions():
    with Session.open("handlers:app", TRIP, app_dir=RECORDINGS) as session:
        for place, title in (
            ("#9", "Run pay"),
            ("10", "Run pay"),
            ("command 3", "Call Helper/echo"),
            ("fetch plan", "Run fetch plan"),
            ("'hotel' in locals()", "Sleep think"),
        ):
            stop = session.find(place)
            assert stop is not None
            assert stop.title == title
            assert session.current == stop
        assert session.find("#99") is None
        assert session.current is not None
        assert session.current.place == "#7"
        at_pay = session.at(9)
        assert at_pay == session.at_command(5)
        assert session.at(10) == at_pay
        with pytest.raises(ReplayError, match="SyntaxError"):
            session.find("pay ==")


async def test_a_replayer_uses_one_process_from_an_event_loop(replayer: Replayer):
    await replayer.start()
    session = await replayer.session()
    assert [stop.place for stop in session.stops[:3]] == ["#1", "#2", "#4"]
    assert await replayer.hits(session, "city == 'Oslo'") == set(range(1, 10))
    report = await replayer.report()
    assert (report.verdict, report.divergences) == ("same", ())
    result = await replayer.what_if(WhatIfQuestion({4: "rain"}))
    assert result.output["hotel"] == "rain"


async def test_a_live_step_runs_in_a_separate_process(replayer: Replayer):
    question = WhatIfQuestion({2: ["rain"]}, live=("pay",))
    result = await replayer.what_if(question)
    assert {row.new: row.source for row in result.rows}["Run pay"] == "live"
    assert (await replayer.report()).verdict == "same"


async def test_closing_ends_a_pending_request(tmp_path: Path):
    (tmp_path / "endless.py").write_text(
        "import restate\nitems = restate.VirtualObject('Counter')\n@items.handler()\n"
        "async def trip(ctx, city: str) -> str:\n    while True: pass\n"
        "app = restate.app([items])\n"
    )
    replayer = Replayer("endless:app", TRIP, app_dir=tmp_path)
    await replayer.start()
    question = asyncio.ensure_future(replayer.session())
    await asyncio.sleep(0)
    replayer.close()
    with pytest.raises(WorkerError, match="endless:app ended"):
        await question
    with pytest.raises(ReplayError, match="was closed"):
        await replayer.report()
