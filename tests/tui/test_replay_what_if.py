"""What-if runs: editor, comparison, and confirmation before a step runs for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playhead.replay import Failure
from playhead_tui.dialogs.dialog import Menu, Prompt
from playhead_tui.dialogs.result_editor import ResultEditor, editable
from playhead_tui.interfaces import AppLocation
from playhead_tui.screens.replay.what_if import WhatIfScreen
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.replay.comparison import Comparison
from playhead_tui.widgets.text_pane import TextPane
from textual.widgets import Input, TextArea
from tui_replays import RECORDINGS, connecting, opened, until


async def editing(s: Any, *keys: str) -> TextArea:
    """The editor of a result, after these keys."""
    await s.press(*keys)
    await s.until(lambda: isinstance(s.app.screen, ResultEditor))
    found: TextArea = s.app.screen.query_one(TextArea)
    return found


async def what_if_of(s: Any) -> WhatIfScreen:
    await until(s, lambda: isinstance(s.app.screen, WhatIfScreen))
    await s.until(lambda: s.app.screen.query_one(Comparison).rows)
    found: WhatIfScreen = s.app.screen
    return found


async def test_a_changed_result_is_compared_with_the_original(stage) -> None:
    async with stage(None, connect=connecting("run_ok")) as s:
        replay = await opened(s)
        area = await editing(s, "e")
        assert json.loads(area.text) == {"hello": "Ada"}
        area.text = '{"hello": '
        await s.press("ctrl+s")
        await s.shows("Not valid JSON")
        assert isinstance(s.app.screen, ResultEditor)
        area.text = '{"hello": "[b]Eve[/]"}'
        await s.press("ctrl+s")
        screen = await what_if_of(s)
        rows = screen.query_one(Comparison)
        assert [row.source for _, row in rows.rows] == ["changed", "recorded"]
        assert (rows.first_difference, rows.place) == (0, 0)
        assert screen.query_one(Chips).texts[-1] == "1 of 2 steps differ"
        text = screen.query_one(TextPane).text
        assert '"hello": "[b]Eve[/]"' in text
        isolation = screen.result.isolation
        assert isolation is not None
        assert isolation.sentence in " ".join(text.split())
        assert replay.report.isolation == isolation
        await s.press("right_square_bracket")
        about = screen.query_one(TextPane).text
        assert "the result that you changed" in about
        assert '"hello": "Ada"' in about
        await s.press("y")
        assert json.loads(s.app.clipboard)["output"]["one"] == {"hello": "[b]Eve[/]"}
        await s.press("e")
        area = await editing(s)
        assert json.loads(area.text) == {"hello": "[b]Eve[/]"}
        await s.press("escape")
        assert s.app.screen is replay


async def test_a_dry_run_waits_and_takes_answers(stage) -> None:
    async with stage(None, connect=connecting("trip")) as s:
        await opened(s)
        await s.press("l", "e")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        assert "answer to awakeable 1" in s.text
        await editing(s, "1")
        await s.press("ctrl+o")
        await s.shows("no step is answered (dry)")
        await s.press("ctrl+s")
        screen = await what_if_of(s)
        await s.shows("The new run is blocked")
        assert "a  Answer Helper/echo" in s.text
        await s.press("a")
        await s.until(lambda: isinstance(s.app.screen, Prompt))
        s.app.screen.query_one(Input).value = '"a tent"'
        await s.press("enter")
        await until(
            s, lambda: s.app.screen is not screen and isinstance(s.app.screen, WhatIfScreen)
        )
        screen = await what_if_of(s)
        call = next(row for row in screen.result.rows if row.new == "Call Helper/echo")
        assert (call.source, call.new_result) == ("answered", "a tent")


async def test_an_approval_is_answered_differently(stage) -> None:
    async with stage(None, connect=connecting("approval")) as s:
        await opened(s)
        area = await editing(s, "G", "e")
        assert json.loads(area.text) == "approved"
        area.text = '"denied"'
        await s.press("ctrl+s")
        screen = await what_if_of(s)
        assert screen.result.original_output == "Ada: approved"
        assert screen.result.output == "Ada: denied"


async def test_a_result_becomes_an_error_and_back(stage) -> None:
    async with stage(None, connect=connecting("run_terminal")) as s:
        await opened(s)
        area = await editing(s, "e")
        assert area.text == "cannot greet Ada"
        area.text = "no time"
        await s.press("ctrl+s")
        assert (await what_if_of(s)).result.output == "422: no time"
        await s.press("e")
        area = await editing(s)
        area.text = '"Hello"'
        await s.press("ctrl+t", "ctrl+s")
        assert (await what_if_of(s)).result.output == "Hello"


async def test_no_step_runs_for_real_without_confirmation(stage, tmp_path: Path) -> None:
    proof = tmp_path / "paid"
    text = (RECORDINGS / "handlers.py").read_text()
    paying = 'note("pay")\n        return "paid"'
    assert paying in text
    live = f'open({str(proof)!r}, "a").write("x")\n        return "paid for real"'
    (tmp_path / "live.py").write_text(text.replace(paying, live))
    async with stage(None, connect=connecting("trip", AppLocation("live:app", str(tmp_path)))) as s:
        await opened(s)
        for key in ("n", "y"):
            assert not proof.exists()
            await s.press("l", "e")
            await s.until(lambda: isinstance(s.app.screen, Menu))
            await editing(s, "1")
            s.app.screen.query_one("#live", Input).value = "pay"
            await s.press("ctrl+s")
            await s.shows("Run these steps for real?")
            await s.press(key, "g")
        screen = await what_if_of(s)
        assert proof.read_text() == "x"
        paid = next(row for row in screen.result.rows if row.new == "Run pay")
        assert (paid.source, paid.new_result) == ("live", "paid for real")


async def test_a_step_without_a_result_has_nothing_to_change(stage) -> None:
    async with stage(None, connect=connecting("run_ok")) as s:
        screen = await opened(s)
        await s.press("G", "e")
        await s.shows("Nothing to change")
        assert s.app.screen is screen


def test_editable_text_cannot_act_on_a_terminal() -> None:
    value = {"a": "\x1b[31m\x9b1m\u202e\x7f", "東": "🗼\n"}
    text = editable(value)
    assert json.loads(text) == value
    assert not set(text) & set("\x1b\x9b\u202e\x7f")
    assert "東" in text
    assert Failure("x").code == 500
