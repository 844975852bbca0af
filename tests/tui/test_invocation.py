"""The invocation screen: timeline, inspector, state and navigation."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playhead.model import Cost, Message, Phase, Step, Times, Tokens
from playhead_tui.inspector.step import overview as step_overview
from playhead_tui.screens import invocation_views
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.widgets.chips import Chips
from tui_fakes import NOW, FakeReader, ago
from tui_stories import attempts, details, span, span_row, step, step_row


@pytest.fixture
def source() -> FakeReader:
    found = FakeReader()
    found.details = details(found.rows)
    return found


async def opened(s, ident: str) -> InvocationScreen:
    s.app.open_invocation(ident)
    await s.until(lambda: isinstance(s.app.screen, InvocationScreen) and s.app.screen.detail)
    await s.until(lambda: s.app.screen.waterfall.rows)
    return s.app.screen


def test_an_awakeable_without_an_entry_has_no_place_in_the_journal() -> None:
    pending = Step(-1, None, "awakeable", "Awakeable", "awakeable", "pending", NOW, None)
    text = [line.text for line in step_overview(pending)]
    assert text[-1] == "No entry yet: the answer will be one."
    notified = replace(pending, index=4, raw_length=12)
    assert [line.text for line in step_overview(notified)][-1] == "#4 Awakeable (12 B)"


async def test_header_and_bars(stage, source) -> None:
    async with stage(source) as s:
        await opened(s, "inv_1aWeather")
        text = s.text
        assert "next retry in 3.4s" in text
        assert "3 attempts · 1 LLM call · 450 tokens (412 in, 38 out)" in text
        assert "✗ [500] WeatherUnavailable: 503" in text
        retried = next(line for line in text.splitlines() if "↻ Calling get_weather" in line)
        assert retried.count("▒") >= 3
        assert "┄" in retried
        assert "▸" in retried
        assert all(f"✗ attempt {number}" in text for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("cost", "shown"), [(Cost(None, 1), "· cost unknown"), (Cost(0.5, 0), "· $0.50")]
)
async def test_the_header_says_what_the_calls_cost(stage, source, cost: Cost, shown: str) -> None:
    row = replace(source.rows[0], cost=cost)
    source.details[row.id] = replace(source.details[row.id], summary=row)
    async with stage(source, size=(160, 24)) as s:
        await opened(s, row.id)
        assert shown in s.text.splitlines()[1]


async def test_the_header_keeps_the_tokens_and_lets_the_current_part_grow(stage, source) -> None:
    row = replace(
        source.rows[0], status="suspended", created_at=ago(100), next_retry_at=None,
        last_failure=None, cost=Cost(None, 1), times=Times(0, 0, 10, 60, 0),
    )  # fmt: skip
    phases = (
        Phase("running", ago(100), ago(90)), Phase("suspended", ago(90), None),
    )  # fmt: skip
    source.details[row.id] = replace(source.details[row.id], summary=row, phases=phases)
    async with stage(source, size=(90, 24)) as s:
        await opened(s, row.id)
        line = s.text.splitlines()[1]
        assert "running 10.0s, suspended 1m 30s" in line  # not 1m 00s, as when it was read
        assert "450 tokens" in line
        assert "412 in" not in line


async def test_the_header_shows_only_what_has_happened(stage, source) -> None:
    row = replace(source.rows[0], llm_calls=0, tokens=Tokens(0, 0), next_retry_at=ago(1))
    row = replace(row, last_failure="[500] Boom: x\nTraceback (most recent call last):\n  File")
    source.rows[0] = row
    source.details[row.id] = replace(source.details[row.id], summary=row)
    async with stage(source) as s:
        await s.until(lambda: "[500] Boom: x" in s.text)
        assert "Traceback" not in s.text
        await opened(s, row.id)
        header = s.text.splitlines()[:3]
        assert "backing-off  retrying now" in header[0]
        assert "0 LLM calls" in header[1]
        assert "token" not in header[1]
        assert header[2].rstrip() == " ✗ [500] Boom: x"


async def test_the_inspector_follows_the_cursor_and_keeps_its_tab(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1aWeather")
        screen.waterfall.go_to("step:2")
        await s.shows("gpt-4o-mini")
        assert list(screen.inspector.tabs) == ["Overview", "Messages", "Output", "Raw"]
        await s.press("right_square_bracket")
        await s.shows("You are a helpful agent.")
        assert "What is the weather in Paris and in 東京?" in s.text
        assert "calls get_weather" in s.text
        screen.waterfall.go_to("step:5")
        await s.shows('"city": "東京"')
        assert screen.inspector.tabs[screen.inspector.tab] == "Overview"
        screen.waterfall.go_to("step:2")
        await s.until(lambda: screen.inspector.tabs[screen.inspector.tab] == "Messages")


async def test_errors_show_every_failed_try_with_its_stack(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1aWeather")
        screen.waterfall.go_to("step:5")
        await s.press("2", "l", "l")
        await s.shows("3 failed attempts recorded by the server")
        assert 'File "agents/weather.py", line 41' in screen.inspector.text
        assert screen.inspector.text.count("TransientError 500") == 3


async def test_raw_entries_are_read_when_shown(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1aWeather")
        screen.waterfall.go_to("step:2")
        await s.press("left_square_bracket")
        await s.until(lambda: "Journal entry #2" in screen.inspector.text)
        await s.until(lambda: "Journal entry #3" in screen.inspector.text)
        assert screen.inspector.text.count("000000  0a 05 65 6e 74 72 79 20  ..entry") == 2
        for number in "23":
            assert re.search(rf"000008  3{number} +{number}\n", screen.inspector.text)
        assert "9 B: a message of the service protocol" in screen.inspector.text


async def test_enter_opens_the_child_and_escape_comes_back(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1cIntake")
        screen.waterfall.go_to("step:3")
        await s.press("enter")
        await s.until(lambda: s.app.screen is not screen)
        await s.shows("IntakeAgent/run › LegalSpecialist/ask")
        await s.press("escape")
        assert s.app.screen is screen
        assert screen.waterfall.cursor == "step:3"
        await s.press("escape", "escape", "escape")
        assert len(s.app.screen_stack) == 1
        assert s.app.is_running


async def test_the_caller_opens_with_u(stage, source) -> None:
    async with stage(source) as s:
        s.app.open_invocation("inv_1dBilling")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("u")
        await s.until(lambda: s.app.screen.invocation_id == "inv_1cIntake")


async def test_the_original_of_a_restart_opens_with_u(stage, source) -> None:
    place = next(n for n, row in enumerate(source.rows) if row.id == "inv_1eLegal")
    source.rows[place] = replace(source.rows[place], invoked_by=None, restarted_from="inv_1gChat")
    source.details = details(source.rows)
    async with stage(source) as s:
        s.app.open_invocation("inv_1eLegal")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("u")
        await s.until(lambda: s.app.screen.invocation_id == "inv_1gChat")


async def test_labels_of_the_ruler_are_whole_beside_a_cut(stage, source) -> None:
    row = source.rows[0] = replace(source.rows[0], status="succeeded", completed_at=ago(0))
    tries = attempts(row.created_at, (0.0, 1.1, "suspended"), (202.0, 0.115, "completed"))
    work = [step(row.created_at, at, took, "run", "work", number)
            for number, (at, took) in enumerate([(0.0, 0.19), (202.0, 0.115)])]  # fmt: skip
    source.details[row.id] = replace(
        source.details[row.id], summary=row, attempts=tries, steps=tuple(work),
        timeline=tuple(step_row(each, 0) for each in work),
    )  # fmt: skip
    async with stage(source, size=(120, 40)) as s:
        await opened(s, row.id)
        for width in range(80, 160):
            await s.pilot.resize_terminal(width, 40)
            await s.until(lambda width=width: s.app.screen.size.width == width)
            head = next(line for line in s.text.splitlines() if "TIMELINE" in line)
            ruler = head[head.index("TIMELINE") + len("TIMELINE") : head.rindex("TIME")]
            labels = ruler.replace("⋯", " ⋯").split()
            assert "⋯3m" in labels, head
            for label in labels:
                assert re.fullmatch(r"0|\d+ms|3m|22\.\ds|22s|⋯3m", label), head


async def test_folding_and_unfolding(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1aWeather")
        total = len(screen.waterfall.rows)
        await s.press("g", "h")
        assert len(screen.waterfall.rows) == 5
        screen.poller.wake()
        await s.press("l")
        assert len(screen.waterfall.rows) == total
        screen.waterfall.go_to("span:a2")
        await s.press("h")
        assert screen.waterfall.cursor == "step:2"


async def test_layers_of_the_invocation_screen(stage, source) -> None:
    async with stage(source, size=(80, 24)) as s:
        screen = await opened(s, "inv_1gChat")
        chips = screen.query_one(Chips)
        await s.press("slash", *"model", "enter", "e", "space", "3", "plus")
        assert chips.texts[:3] == ("/ model", "errors only", "held, +0")
        assert "messages" in s.text
        assert "TIMELINE" not in s.text
        await s.press("escape")
        assert "TIMELINE" in s.text
        for left in (2, 1, 0):
            await s.press("escape")
            assert len([t for t in chips.texts if " of " not in t]) == left
        assert screen.has_class("show-state")
        await s.press("escape")
        assert not screen.has_class("show-state")
        assert s.app.screen is screen
        await s.press("escape")
        assert s.app.screen is not screen


async def test_the_cursor_keeps_its_row_while_spans_arrive(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1aWeather")
        screen.waterfall.go_to("step:5")
        detail = source.details["inv_1aWeather"]
        start = detail.summary.created_at
        for n in range(30):
            late = span_row(span(start, n / 10, 0.01, f"late {n}", f"f{n:02}"), 2)
            detail = replace(
                detail, timeline=(*detail.timeline[: n % 9], late, *detail.timeline[n % 9 :])
            )
            source.details["inv_1aWeather"] = detail
            screen.poller.wake()
            await s.until(lambda d=detail: screen.detail == d)
            assert screen.waterfall.cursor == "step:5"
        assert len(screen.waterfall.rows) == 44


async def test_orphans_cycles_and_replays_are_labeled(stage, source) -> None:
    row = source.rows[0]
    rows = [span_row(span(row.created_at, n, 1, f"span {note}", f"c{n}"), 0, note=note)
            for n, note in enumerate(["orphan", "cycle", "interrupted", "replayed"])]  # fmt: skip
    source.details[row.id] = replace(source.details[row.id], timeline=tuple(rows))
    async with stage(source, size=(160, 40)) as s:
        await opened(s, row.id)
        for note in ("orphan", "cycle", "interrupted", "replayed"):
            assert f"span {note} {note}" in s.text
        await s.shows("Orphan: its parent span was never recorded.")


async def test_an_unknown_invocation_shows_why_it_is_empty(stage, source) -> None:
    async with stage(source) as s:
        s.app.open_invocation("inv_gone")
        await s.shows("Neither the server nor the store has inv_gone")
        await s.press("enter", "l", "h", "x", "y", "escape")
        assert len(s.app.screen_stack) == 1


HOSTILE = (
    "[bold]x[/bold] [/] \x1b[31mred\x1b]0;title\x07 \x9b2J \u202edlrow $primary "
    "[@click=app.quit]q[/]"
)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_untrusted_text_is_not_interpreted(stage, source, size) -> None:
    row = replace(source.rows[0], target=HOSTILE, service=HOSTILE, last_failure=HOSTILE)
    source.rows[0] = row
    bad = step(row.created_at, 1, 1, "run", HOSTILE, 1, input=HOSTILE, output={HOSTILE: HOSTILE},
               error=HOSTILE)  # fmt: skip
    source.details[row.id] = replace(
        source.details[row.id], summary=row, timeline=(step_row(bad, 0),),
        state={HOSTILE: HOSTILE}, missing=(HOSTILE,),
    )  # fmt: skip
    source.missing = (HOSTILE,)
    async with stage(source, size=size) as s:
        await s.shows("[bold]x[/bold]")
        check(s)
        screen = await opened(s, row.id)
        for _ in screen.inspector.tabs:
            await s.press("right_square_bracket")
            check(s)
        await s.press("slash", *"bold", "enter")
        check(s)
        s.app.notify(HOSTILE)
        await s.press("x")
        check(s)


def check(s) -> None:
    for line in s.text.splitlines():
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E
                       for c in line), line  # fmt: skip


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (109, 30), (110, 30), (200, 60)])
async def test_every_size_draws_full_lines(stage, source, size) -> None:
    async with stage(source, size=size) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        for ident in ("inv_1aWeather", "inv_1bApprove", "inv_1gChat"):
            await opened(s, ident)
            strips = s.app.screen._compositor.render_strips()
            assert len(strips) == size[1]
            assert {strip.cell_length for strip in strips} == {size[0]}
            await s.pilot.resize_terminal(80, 24)
            await s.until(lambda: s.app.screen.size == (80, 24))
            assert "TIMELINE" in s.text
            assert "Overview" in s.text
            await s.press("escape")
            await s.pilot.resize_terminal(*size)
            await s.until(lambda: s.app.size == size)


@pytest.mark.parametrize(
    ("ident", "key"),
    [("inv_1aWeather", "step:5"), ("inv_1gChat", "step:2"), ("inv_1cIntake", "step:1")],
)
async def test_it_opens_on_what_matters(stage, source, ident: str, key: str) -> None:
    async with stage(source) as s:
        screen = await opened(s, ident)
        assert screen.waterfall.cursor == key


async def test_model_rows_show_the_answer_and_tool_rows_the_result(stage, source) -> None:
    async with stage(source, size=(200, 40)) as s:
        await opened(s, "inv_1aWeather")
        await s.shows("get_weather(Paris, metric), get_w")
        await s.shows('Calling get_weather → {"city": "Par')


async def test_messages_of_earlier_calls_are_folded_until_m(stage, source) -> None:
    detail = source.details["inv_1gChat"]
    first = detail.steps[2]
    assert first.llm
    added = Message("user", ({"type": "text", "content": "And in Rome?"},))
    answer = Message("assistant", ({"type": "text", "content": "Nice to meet you"},))
    again = replace(first.llm, prompt=(*(first.llm.prompt or ()), answer, added), text="Sun")
    second = replace(first, index=6, command_index=6, llm=again)
    row = replace(detail.timeline[3], key="step:6", step=second)
    source.details["inv_1gChat"] = replace(
        detail, steps=(*detail.steps, second), timeline=(*detail.timeline, row)
    )
    async with stage(source) as s:
        await opened(s, "inv_1gChat")
        assert s.app.screen.waterfall.cursor == "step:6"
        await s.press("right_square_bracket")
        await s.shows("3 messages as in an earlier call; m")
        assert "And in Rome?" in s.text
        assert "You are a helpful agent" not in s.text
        await s.press("m")
        await s.shows("You are a helpful agent")


async def test_a_long_view_is_cut_and_says_so(stage, source, monkeypatch) -> None:
    monkeypatch.setattr(invocation_views, "MOST_LINES", 3)
    async with stage(source) as s:
        await opened(s, "inv_1aWeather")
        await s.press("v", "5")
        await s.shows("playhead show inv_1aWeather --view trace` writes all.")
        assert len(s.app.screen.pane.text.splitlines()) == 4


async def test_views_of_the_whole_invocation(stage, source) -> None:
    async with stage(source) as s:
        screen = await opened(s, "inv_1gChat")
        await s.press("v")
        await s.shows("#2")
        assert "What is the weather in Paris" in s.text
        await s.press("2")
        await s.shows("attempt 1")
        await s.press("3")
        await s.shows("set messages")
        await s.shows("before: unknown")
        await s.press("5")
        await s.shows("No span is recorded")
        await s.press("6")
        await s.shows("invocation  created")
        await s.press("escape", "escape")
        screen = await opened(s, "inv_1cIntake")
        await s.press("v", "4")
        await s.shows("BillingSpecialist/ask")
        await s.shows("in all 5 LLM calls, 3.8k/523 tokens")
        await s.press("v")
        await s.until(lambda: s.app.screen is screen)
        await s.press("escape")
        await opened(s, "inv_1aWeather")
        await s.press("v", "5")
        await s.shows("chat gpt-4o-mini  2.3s")
