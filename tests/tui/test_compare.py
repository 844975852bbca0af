"""Two invocations side by side in the dashboard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playhead_tui.screens.compare import CompareScreen, names_of
from playhead_tui.screens.failures import FailuresScreen
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.widgets.text_pane import TextPane
from tui_fakes import FakeReader, some_rows, summary
from tui_stories import details


@pytest.fixture
def source() -> FakeReader:
    """The weather agent, and a restart of it whose tool had another result."""
    rows = some_rows()
    weather = rows[0]
    again = replace(weather, id="inv_1zAgain", restarted_from=weather.id)
    reader = FakeReader([again, *rows])
    reader.details = details(rows)
    detail = reader.details[weather.id]
    steps = list(detail.steps)
    steps[-1] = replace(steps[-1], output={"city": "[b]Denver\x1b[2J"}, error=None)
    reader.details[again.id] = replace(detail, summary=again, steps=tuple(steps))
    return reader


async def shown(s: Any) -> CompareScreen:
    await s.until(lambda: isinstance(s.app.screen, CompareScreen) and s.app.screen.listing.rows)
    found = s.app.screen
    assert isinstance(found, CompareScreen)
    return found


async def test_two_invocations_are_compared_from_the_list(source: FakeReader, stage) -> None:
    async with stage(source) as s:
        await s.until(lambda: len(s.app.screen.listing.rows) > 5)
        assert s.app.screen.listing.go_to("inv_1aWeather")
        await s.press("C")
        await s.shows("Compare WeatherAgent/run: press C on another one.")
        assert s.app.screen.listing.go_to("inv_1zAgain")
        await s.press("C")
        screen = await shown(s)
        assert (screen.a, screen.b) == ("inv_1aWeather", "inv_1zAgain")
        await s.shows("Compare  WeatherAgent/run  A inv_1aWeathe, B inv_1zAgain, 1 of ")
        assert len(screen.listing.rows) == len(source.details["inv_1aWeather"].steps)
        current = screen.listing.current
        assert current is not None
        assert current.verdict == "changed"
        await s.until(lambda: '+  "city": "[b]Denver' in screen.query_one(TextPane).text)
        assert "\x1b" not in s.text
        await s.press("e")
        await s.until(lambda: len(screen.listing.rows) == 1)
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        assert s.app.screen.invocation_id == "inv_1zAgain"


@pytest.mark.parametrize("size", [(20, 5), (40, 10)])
async def test_a_restart_is_compared_with_its_original(
    source: FakeReader, stage, size: tuple[int, int]
) -> None:
    async with stage(source, size=size, invocation="inv_1zAgain") as s:
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("C", "C")
        screen = await shown(s)
        assert (screen.a, screen.b) == ("inv_1aWeather", "inv_1zAgain")
        await s.press("n", "plus")
        await s.until(lambda: screen.has_class("zoom"))
        await s.press("escape", "escape")
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))


async def test_an_invocation_is_not_compared_with_itself(source: FakeReader, stage) -> None:
    async with stage(source, invocation="inv_1fChat") as s:
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("C", "C")
        await s.shows("Not compared: it was the same invocation.")
        await s.press("escape", "F")
        await s.until(lambda: isinstance(s.app.screen, FailuresScreen))
        await s.press("C")
        await s.shows("Select an invocation in the list")


@pytest.mark.parametrize("place", [5, 9, 10, 20, 37])
def test_the_names_of_two_invocations_differ(place: int) -> None:
    """Ids of the same key begin alike."""
    one = "inv_1" + "abcdefghijk" * 3
    ids = (one, f"{one[:place]}#{one[place + 1 :]}")
    a, b = (summary(id_, "Chat/ada/say", "running", 1) for id_ in ids)
    text = names_of(a, b, "…")
    first, _, second = text.removeprefix("Chat/ada/say  A ").partition(", B ")
    assert "#" not in first
    assert "#" in second
    assert len(text) < 60
    other = replace(b, target="Chat/eve/say")
    assert names_of(a, other, "…") == f"A Chat/ada/say {first}, B Chat/eve/say {second}"


async def test_copied_steps_and_payloads_that_are_too_large_are_told(
    source: FakeReader, stage
) -> None:
    detail = source.details["inv_1zAgain"]
    last = max(step.ended_at for step in detail.steps if step.ended_at)
    row = replace(detail.summary, created_at=last + timedelta(seconds=1))
    steps = (replace(source.details["inv_1aWeather"].steps[0], truncated=True), *detail.steps[1:])
    source.details["inv_1zAgain"] = replace(detail, summary=row, steps=steps)
    async with stage(source, invocation="inv_1zAgain", size=(160, 40)) as s:
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("C", "C")
        screen = await shown(s)
        await s.shows("1 not compared")
        assert screen.listing.rows[0].verdict == "not compared"
        first = next(line for line in s.text.splitlines() if "#0 input" in line)
        assert first.lstrip(" ▌").startswith("?")
        assert "copied" in first
        model = next(pair for pair in screen.listing.rows if pair.step.llm)
        assert screen._tokens(model.a, "a")
        assert screen._tokens(model.b, "b") == ""
        await s.press("e")
        await s.until(lambda: all(pair.verdict != "same" for pair in screen.listing.rows))
        assert screen.listing.rows[0].verdict == "not compared"
        screen.listing.go_to(screen.key_of(screen.listing.rows[0]))
        await s.shows("A payload is too large to be compared")
