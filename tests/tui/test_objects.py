"""The screens of virtual objects: values, edits with a confirmation, and the history of a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from journal_fixtures import Handlers
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from playhead.restate.control import Control
from playhead_tui.dialogs.dialog import Menu
from playhead_tui.dialogs.value_editor import ValueEditor
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.objects import HistoryScreen, ObjectScreen, ObjectsScreen
from playhead_tui.widgets.text_pane import TextPane
from recorded_store import RecordedStore
from textual.widgets import TextArea


@pytest.fixture
async def server(handlers: Handlers) -> AsyncIterator[RestateClient]:
    async with RestateClient(handlers.server.admin_url) as found:
        yield found


async def open_object(s: Any, name: str) -> ObjectScreen:
    """Open the screen of one object, from the first screen."""
    await s.until(lambda: s.app.screen.reads)
    await s.press("O")
    await s.until(lambda: isinstance(s.app.screen, ObjectsScreen) and s.app.screen.listing.rows)
    assert s.app.screen.listing.go_to(name)
    await s.press("enter")
    await s.until(lambda: isinstance(s.app.screen, ObjectScreen) and s.app.screen.listing.rows)
    found = s.app.screen
    assert isinstance(found, ObjectScreen)
    return found


async def test_a_value_is_edited_after_its_difference_was_confirmed(
    handlers: Handlers, server: RestateClient, stage
) -> None:
    handlers.call("box/screen/put", {"value": {"n": 1, "t": "[b]x\u009b31m"}})
    raw = "SELECT value_utf8 FROM state WHERE service_key = 'screen' AND key = 'value'"

    def stored() -> str:
        return handlers.sql(raw)[0]["value_utf8"]

    async with stage(Reader(server, None), Control(server)) as s:
        screen = await open_object(s, "box/screen")
        assert "box/screen  2 keys" in s.text
        assert screen.listing.go_to("state\nvalue")
        await s.until(lambda: '"n": 1' in screen.query_one(TextPane).text)
        before = stored()
        await s.press("e")
        await s.until(lambda: isinstance(s.app.screen, ValueEditor))
        area = s.app.screen.query_one(TextArea)
        assert "\\u009b31m" in area.text
        await s.press("ctrl+a")
        assert area.selected_text == area.text
        area.text = area.text.replace("1,", "2")
        await s.press("ctrl+s")
        await s.shows("Not JSON")
        area.text = area.text.replace("2", "2,")
        await s.press("ctrl+s")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        assert '-  "n": 1,' in s.text
        assert '+  "n": 2,' in s.text
        await s.press("n")
        assert stored() == before
        await s.press("e")
        await s.until(lambda: isinstance(s.app.screen, ValueEditor))
        area = s.app.screen.query_one(TextArea)
        area.text = area.text.replace("1,", "2,")
        await s.press("ctrl+s")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press("y")
        await s.until(lambda: '"n": 2' in screen.query_one(TextPane).text)
        assert stored() == '{"n":2,"t":"[b]x\u009b31m"}'
        assert screen.listing.go_to("state\nnote")
        await s.press("d")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press("y")
        await s.until(lambda: [row.name for row in screen.listing.rows] == ["value"])


async def test_the_history_of_a_key_leads_to_its_steps(
    handlers: Handlers, server: RestateClient, stage
) -> None:
    for value in (1, {"n": 2}):
        handlers.call("box/traced/put", {"value": value})
    async with stage(Reader(server, None), Control(server)) as s:
        screen = await open_object(s, "box/traced")
        assert screen.listing.go_to("state\nvalue")
        await s.press("h")
        await s.until(lambda: isinstance(s.app.screen, HistoryScreen))
        history = s.app.screen
        await s.until(lambda: len(history.listing.rows) == 2)
        assert "box/traced value  2 changes" in s.text
        await s.until(lambda: "-1" in history.query_one(TextPane).text)
        newest = history.listing.rows[0]
        assert newest.value == {"n": 2}
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        await s.until(lambda: s.app.screen.waterfall.cursor == f"step:{newest.index}")
        assert s.app.screen.invocation_id == newest.invocation_id
        await s.press("escape", "escape", "i")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        assert s.app.screen.list_query.text == "service=box key=traced"
        await s.until(lambda: len(s.app.screen.listing.rows) == 2)


async def test_read_only_forbids_edits(handlers: Handlers, server: RestateClient, stage) -> None:
    handlers.call("box/safe/put", {"value": 1})
    async with stage(Reader(server, None), Control(server), read_only=True) as s:
        await open_object(s, "box/safe")
        for key in ("e", "d"):
            await s.press(key)
            await s.shows("Read-only: start Playhead without --read-only")
            s.app.clear_notifications()
            assert isinstance(s.app.screen, ObjectScreen)
            assert key not in s.app.screen.active_bindings
            assert "Edit" not in s.text


@pytest.mark.parametrize("size", [(20, 5), (80, 24)])
async def test_a_copy_of_the_store_is_shown_and_cannot_be_edited(
    tmp_path: Path, server: RestateClient, stage, size: tuple[int, int]
) -> None:
    recorded = RecordedStore(tmp_path)
    recorded.state = [
        {"service_name": "box", "service_key": "\x1b[31mred[/b]", "key": "k\x1b[2J",
         "value": b"\xff\x00\x1b[31m", "value_length": 7},
    ]  # fmt: skip
    async with stage(recorded.write(), Control(server), size=size) as s:
        await s.until(lambda: s.app.screen.reads)
        await s.press("O")
        await s.until(lambda: getattr(s.app.screen, "listing", None) and s.app.screen.listing.rows)
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, ObjectScreen) and s.app.screen.listing.rows)
        assert "\x1b" not in s.text
        await s.press("e")
        assert isinstance(s.app.screen, ObjectScreen)
        await s.press("escape", "slash", *"none", "enter")
        await s.until(lambda: not s.app.screen.listing.rows)
        await s.press("escape")
        await s.until(lambda: s.app.screen.listing.rows)


async def test_without_any_source_the_remedy_is_shown(stage) -> None:
    async with stage(Reader(None, None)) as s:
        await s.press("O")
        await s.shows("Neither a Restate server nor a store can be read")
        await s.press("escape")
        assert isinstance(s.app.screen, InvocationsScreen)


async def test_objects_of_two_clusters_have_their_own_screens(tmp_path: Path, stage) -> None:
    recorded = RecordedStore(tmp_path)
    recorded.state = [
        {"service_name": "box", "service_key": "a", "key": "k", "value": value,
         "value_length": 3, "cluster": cluster}
        for cluster, value in (("east", b"111"), ("west", b"222"))
    ]  # fmt: skip
    async with stage(recorded.write()) as s:
        await open_object(s, "box/a (west)")
        await s.shows("222")
        assert "111" not in s.text
        await s.press("h")
        await s.until(lambda: isinstance(s.app.screen, HistoryScreen))
        await s.shows("The current value of k is not")
        await s.press("escape", "escape")
        await s.until(lambda: isinstance(s.app.screen, ObjectsScreen))
        await s.shows("box/a (east)")
