"""The filter line, and the screens of failures and agents, over a real store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playhead.reader.reader import Reader
from playhead_tui.screens.agents import AgentsScreen
from playhead_tui.screens.failures import FailuresScreen
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.filter_bar import FilterBar
from recorded_store import RecordedStore


def chips(app: Any) -> str:
    return " ".join(app.screen.query_one(Chips).texts)


def error(message: str, step: str) -> dict[str, Any]:
    return {"error_code": 500, "error_message": message, "related_command_name": step}


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    store = RecordedStore(tmp_path)
    store.invocation("inv_1a", "Weather/run", created=-60)
    store.invocation("inv_1b", "Weather/run", created=-50)
    store.invocation("inv_1c", "Chat/ada/say", created=-40)
    asked = '[{"role":"user","parts":[{"type":"text","content":"How is Denver? [bold]"}]}]'
    store.chat(
        "inv_1a", "gpt-4o-mini", (1000, 100), agent="weather", start=-60,
        attributes={"gen_ai.input.messages": asked},
    )  # fmt: skip
    store.chat("inv_1b", "gpt-4o-mini", (2000, 100), agent="weather", start=-50)
    store.chat("inv_1c", "own-model", (5, 5), agent="chat", start=-40)
    store.failure("inv_1a", -59, error("ValueError('x')", "Get \x1b[31mweather"))
    store.failure("inv_1a", -58, error("ValueError('y')", "Get \x1b[31mweather"))
    store.failure("inv_1c", -39, error("KeyError('z')", "Say"))
    return store.write()


async def test_words_are_found_in_recorded_prompts(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("slash", *"denver", "enter")
        await s.until(lambda: [row.id for row in s.app.screen.listing.rows] == ["inv_1a"])
        await s.shows("1 of 3")


async def test_a_condition_that_is_being_typed_does_not_filter(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("slash", *"service:chat")
        await s.until(lambda: len(s.app.screen.listing.rows) == 1)
        await s.press(*" tokens>")
        assert s.app.screen.list_query.text == "service:chat"
        assert "tokens: Tokens of all LLM calls." in s.text
        await s.press(*"x")
        assert '"x" is not a whole number' in s.text
        await s.press("enter")
        assert s.app.screen.query(FilterBar)
        await s.press("backspace", *"9", "enter")
        await s.until(lambda: not s.app.screen.query(FilterBar))
        assert "/ service:chat tokens>9" in chips(s.app)
        await s.until(lambda: len(s.app.screen.listing.rows) == 1)


async def test_tab_completes_fields_and_values(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("slash", *"serv", "tab", *"we", "tab")
        assert s.app.screen.query_one(FilterBar).value == "service:Weather"
        await s.until(lambda: len(s.app.screen.listing.rows) == 2)
        await s.press("escape")
        await s.until(lambda: len(s.app.screen.listing.rows) == 3)


async def test_failures_lead_to_their_invocations(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("F")
        await s.shows("3 recorded, 2 groups")
        screen = s.app.screen
        assert isinstance(screen, FailuresScreen)
        assert [group.error for group in screen.listing.rows] == ["ValueError", "KeyError"]
        fingerprint = screen.listing.rows[0].fingerprint
        assert "\x1b" not in s.text
        await s.press("j", "o")
        await s.until(lambda: getattr(s.app.screen, "invocation_id", "") == "inv_1c")
        await s.press("escape", "k", "enter")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        await s.until(lambda: [row.id for row in s.app.screen.listing.rows] == ["inv_1a"])
        assert f"/ failure:{fingerprint}" in chips(s.app)
        # Esc goes back to the groups, with the filter from before.
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, FailuresScreen))
        await s.until(lambda: len(s.app.screen.listing.rows) == 2)
        assert s.app.screen.listing.current.fingerprint == fingerprint
        await s.press("escape")
        assert isinstance(s.app.screen, InvocationsScreen)
        assert s.app.screen.list_query.text == ""
        # It only removes a filter that was typed meanwhile.
        await s.press("F")
        await s.until(lambda: getattr(s.app.screen.listing, "current", None) is not None)
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        await s.press("slash", *" chat", "enter")
        await s.until(lambda: "chat" in s.app.screen.list_query.text)
        await s.press("escape")
        assert isinstance(s.app.screen, InvocationsScreen)
        assert s.app.screen.list_query.text == ""


async def test_the_filter_of_the_list_applies_to_failures(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("slash", *"service:chat", "enter", "F")
        await s.shows("1 recorded, 1 group")
        assert "/ service:chat" in chips(s.app)
        await s.press("escape")
        await s.shows("3 recorded, 2 groups")
        await s.press("slash", *"service:none", "enter")
        await s.shows("No failure is recorded.")
        await s.press("escape", "escape")
        assert isinstance(s.app.screen, InvocationsScreen)


async def test_agents_lead_to_the_calls_behind_a_figure(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("A")
        await s.shows("3 LLM calls, $0.0006, 1 of unknown price")
        assert isinstance(s.app.screen, AgentsScreen)
        line = next(line for line in s.text.splitlines() if "gpt-4o-mini" in line)
        assert line.split()[1:6] == ["weather", "model", "gpt-4o-mini", "2", "0"]
        await s.press("enter")
        await s.shows("Calls  gpt-4o-mini by weather  2 answered, newest first")
        screen: Any = s.app.screen
        assert [call.invocation_id for call in screen.listing.rows] == ["inv_1b", "inv_1a"]
        await s.press("s", "s", "s")
        await s.shows("most expensive first")
        await s.press("e")
        await s.shows("No call matches.")
        await s.press("e", "s")
        await s.shows("newest first")
        await s.until(lambda: len(s.app.screen.listing.rows) == 2)
        await s.press("j", "enter")
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        await s.until(lambda: "span:" in (s.app.screen.waterfall.cursor or ""))
        opened: Any = s.app.screen
        span = opened.waterfall.current.row.span
        assert span.attributes["gen_ai.response.model"] == "gpt-4o-mini"
        await s.press("escape", "escape", "i")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        await s.until(lambda: {r.id for r in s.app.screen.listing.rows} == {"inv_1a", "inv_1b"})
        assert "llm=gpt-4o-mini agent=weather" in chips(s.app)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (20, 5)])
async def test_narrow_screens_leave_columns_out(stage, reader: Reader, size) -> None:
    async with stage(reader, size=size) as s:
        await s.until(lambda: s.app.screen.reads)
        for key, name in (("F", "ERROR"), ("A", "NAME")):
            await s.press(key)
            await s.until(lambda: s.app.screen.listing.rows)
            shown = [column.heading for column, _ in s.app.screen.listing.widths(size[0] - 2)]
            assert name in shown
            assert name in s.text
            await s.press("escape")


async def test_number_keys_set_filters(stage, reader: Reader) -> None:
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("6")
        await s.until(lambda: {r.id for r in s.app.screen.listing.rows} == {"inv_1a", "inv_1c"})
        assert "/ failures>0" in chips(s.app)
        await s.press("5")
        await s.shows("No invocation matches the filter.")
        await s.press("5")
        await s.until(lambda: len(s.app.screen.listing.rows) == 3)


async def test_without_a_store_the_remedy_is_shown(stage) -> None:
    async with stage(Reader(None, None)) as s:
        for key in ("F", "A"):
            await s.press(key)
            cause = "No recorder is running, and there is no store"
            await s.shows(f"{cause}. Start `playhead record`")
            assert s.text.count(cause) == 1
            await s.press("escape")


async def test_failures_and_agents_are_opened_from_every_screen(stage, reader: Reader) -> None:
    """They keep the filter of a screen of invocations, and lead back to the list."""
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        s.app.open_invocation("inv_1b")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("F")
        await s.shows("3 recorded, 2 groups")
        await s.press("F")
        await s.shows("This screen is open already.")
        await s.press("slash", *"service:chat", "enter", "A")
        await s.until(lambda: isinstance(s.app.screen, AgentsScreen) and s.app.screen.listing.rows)
        assert [row.name for row in s.app.screen.listing.rows] == ["own-model"]
        await s.press("enter", "F")
        await s.until(lambda: isinstance(s.app.screen, FailuresScreen))
        await s.shows("1 recorded, 1 group")
        fingerprint = s.app.screen.listing.rows[0].fingerprint
        await s.press("enter")
        await s.until(lambda: len(s.app.screen_stack) == 1)
        assert chips(s.app).startswith(f"/ failure:{fingerprint} service:chat")
        await s.until(lambda: [row.id for row in s.app.screen.listing.rows] == ["inv_1c"])
        offered = [command.title for command in s.app.get_system_commands(s.app.screen)]
        assert {"Failures", "Agents"} <= set(offered)


async def test_calls_say_how_many_were_answered_and_how_many_failed(stage, tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_1a", "Weather/run", created=-60)
    for number in range(3):
        store.chat("inv_1a", "gpt-4o-mini", (10, 1), agent="weather", start=-60 + number)
    asked = {"gen_ai.operation.name": "chat", "gen_ai.agent.name": "weather",
             "gen_ai.request.model": "gpt-4o-mini"}  # fmt: skip
    store.span("inv_1a", asked, name="chat gpt-4o-mini", start=-50, status="error")
    async with stage(store.write()) as s:
        await s.shows("Weather/run")
        await s.press("A")
        await s.until(lambda: getattr(s.app.screen, "listing", None) and s.app.screen.listing.rows)
        row = s.app.screen.listing.rows[0]
        assert (row.calls, row.errors) == (3, 1)
        await s.press("enter")
        await s.shows("Calls  gpt-4o-mini by weather  3 answered, 1 failed, newest first")


async def test_enter_opens_the_first_group_once_it_is_read(
    stage, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = asyncio.Event()
    read = FailuresScreen.read_groups

    async def wait(screen: FailuresScreen, filter_: str) -> Any:
        await may.wait()
        return await read(screen, filter_)

    monkeypatch.setattr(FailuresScreen, "read_groups", wait)
    async with stage(reader) as s:
        await s.shows("Chat/ada/say")
        await s.press("F", "enter")
        await s.shows("Reading ...")
        may.set()
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        assert s.app.screen.list_query.text.startswith("failure:")


async def test_a_small_screen_shows_the_cause_below_the_failures(stage, reader: Reader) -> None:
    async with stage(reader, size=(40, 10)) as s:
        await s.shows("Chat/ada/say")
        await s.press("F")
        await s.shows("ValueError('y')")  # the latest of two
        await s.press("j")
        await s.shows("KeyError('z')")
        assert "ValueError('y')" not in s.text
        await s.press("slash", *"service:nothing", "enter")
        await s.shows("No failure is recorded.")
        assert "KeyError('z')" not in s.text


async def test_a_long_cause_is_shown_in_lines_as_plain_text(stage, tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_1a", "Weather/run", created=-60)
    told = "[bold]status_code: 429[/], body: " + "rate limit reached for requests " * 4
    store.failure("inv_1a", -59, error(f"\x1b[31m{told}\x1b[0mthe end", "Model call"))
    async with stage(store.write(), size=(80, 24)) as s:
        await s.shows("Weather/run")
        await s.press("F")
        await s.shows("the end")
        assert "[bold]status_code: 429[/]" in s.text
