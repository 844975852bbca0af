"""The SQL console: results, names to complete, history, saved queries and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playhead.kept_values import KeptValues
from playhead.reader.reader import Reader
from playhead_tui.dialogs.pane_dialog import PaneDialog
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.sql import SqlScreen, with_hint
from playhead_tui.widgets.sql_editor import continuation
from recorded_store import RecordedStore
from textual.widgets import Static

TABLES = {
    "spans": ["trace_id", "status_code"],
    "invocations": ["id", "target", "status"],
    "inv": ["x"],
}
ID = "inv_1" + "0" * 33


@pytest.mark.parametrize(
    ("before", "rest"),
    [
        ("SELECT ta", "rget"),  # a column of a table that the query names
        ("SELECT * FROM invo", "cations"),
        ("select * from invocations wh", "ere"),
        ("SELECT * FROM invocations i WHERE invocations.st", "atus"),
        ("SELECT invocations.", "id"),
        ("SELECT * FROM inv", ""),  # a whole name
        ("SELECT zz", ""),
        ("SELECT ", ""),
        ("", ""),
    ],
)
def test_a_word_continues_as_a_name(before: str, rest: str) -> None:
    whole = before if "FROM" in before else f"{before} FROM invocations"
    assert continuation(before, whole, TABLES) == (rest or "")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    store = RecordedStore(tmp_path / "store")
    store.invocation(ID, "Weather/run\x1b[2J", created=-60)
    store.invocation("inv_2", "Chat/[b]ada/say", created=-50)
    return store.write()


def status(screen: SqlScreen) -> str:
    return str(screen.query_one("#status", Static).content)


async def test_a_query_gives_a_table_and_files(reader: Reader, stage, tmp_path: Path) -> None:
    kept = tmp_path / "state" / "dashboard.json"
    async with stage(reader, keep_in=kept) as s:
        await s.until(lambda: s.app.screen.reads)
        await s.press("Q")
        await s.until(lambda: isinstance(s.app.screen, SqlScreen))
        screen = s.app.screen
        await s.until(lambda: "invocations" in screen.editor.tables)
        screen.editor.text = ""
        await s.press(*"SELECT ta", "tab")
        assert screen.editor.text == "SELECT ta"  # no table is named yet
        screen.editor.focus()
        screen.editor.text = "SELECT id, target, status FROM invo"
        screen.editor.move_cursor(screen.editor.document.end)
        await s.until(lambda: screen.editor.suggestion == "cations")
        await s.press("tab", *" ORDER BY id")
        await s.press("ctrl+s")
        await s.until(lambda: len(screen.listing.rows) == 2)
        assert status(screen).startswith("2 rows in ")
        assert "Chat/[b]ada/say" in s.text
        assert "\x1b" not in s.text
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, PaneDialog))
        await s.press("escape", "f9")
        for name, size in (("a.csv", 3), ("a.json", None)):
            await s.until(lambda: s.app.screen.query("Input"))
            s.app.screen.query_one("Input").value = str(tmp_path / name)
            await s.press("enter")
            await s.until((tmp_path / name).exists)
            if size:
                assert len((tmp_path / name).read_text().splitlines()) == size
                await s.press("f9")
        assert [row["id"] for row in json.loads((tmp_path / "a.json").read_text())] == [ID, "inv_2"]
        await s.press("o")
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        await s.press("escape", "f8")
        await s.until(lambda: s.app.screen.query("Input"))
        await s.press(*"all", "enter")
        await s.until(lambda: screen.saved)
        await s.press("escape")
        await s.until(lambda: screen.editor.has_focus)
        screen.editor.text = "SELEC 1"
        await s.press("ctrl+s")
        await s.until(lambda: "SELEC" in status(screen))
        assert screen.query_one("#status").has_class("bad")
        assert len(screen.listing.rows) == 2
        await s.press("ctrl+t", "ctrl+s")
        await s.until(lambda: "No Restate server is connected" in status(screen))
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
    assert kept.stat().st_mode & 0o077 == 0

    async with stage(reader, keep_in=kept, size=(40, 10)) as s:
        await s.press("Q")
        await s.until(lambda: isinstance(s.app.screen, SqlScreen))
        screen = s.app.screen
        assert (screen.engine, screen.editor.text) == ("server", "SELEC 1")
        await s.press("ctrl+o", "1")
        await s.until(lambda: screen.engine == "store")
        assert screen.editor.text == "SELECT id, target, status FROM invocations ORDER BY id"
        await s.press("ctrl+s")
        await s.until(lambda: len(screen.listing.rows) == 2)
        await s.press("l")
        await s.until(lambda: "columns 2" in status(screen))


def test_a_file_of_kept_values_that_is_not_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    for content in ("[1]", "{", "\x00"):
        path.write_text(content)
        kept = KeptValues(path)
        assert kept.get("x") is None
        kept.put("x", {"n": 1})
        assert KeptValues(path).get("x") == {"n": 1}
    nowhere = KeptValues(tmp_path / "dashboard.json" / "below" / "x.json")
    nowhere.put("x", 1)
    assert nowhere.get("x") == 1


def test_what_is_wrong_and_what_to_do_are_sentences() -> None:
    class WrongError(Exception):
        hint = "Start it."

    assert with_hint(WrongError("It is not running")) == "It is not running. Start it."
    assert with_hint(WrongError("It is not running.")) == "It is not running. Start it."
    assert with_hint(ValueError("It is not SQL")) == "It is not SQL"
    assert with_hint(ValueError()) == "ValueError"
