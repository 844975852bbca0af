"""The SQL console: results, names to complete, history, saved queries and files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playhead.errors import QueryError
from playhead.kept_values import KeptValues
from playhead.reader.reader import Reader
from playhead_tui.dialogs.pane_dialog import PaneDialog
from playhead_tui.drawing.sql_error import error_lines
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.sql import SqlScreen
from playhead_tui.widgets.sql_editor import candidates, continuation
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
        ("SELECT 1 AS ta", ""),  # a name that the user makes up
        ("SELECT 1", ""),
        ("SELECT id FROM invocations WHERE status = 'ta", ""),  # inside a text
    ],
)
def test_a_word_continues_as_a_name(before: str, rest: str) -> None:
    whole = before if "FROM" in before else f"{before} FROM invocations"
    assert continuation(before, whole, TABLES) == (rest or "")


def test_what_a_word_can_become_is_listed() -> None:
    whole = "SELECT  FROM invocations"
    assert candidates("SELECT ", whole, TABLES) == ["id", "target", "status"]
    assert candidates("SELECT id FROM ", whole, TABLES) == list(TABLES)
    assert candidates("SELECT id FROM inv", whole, TABLES) == ["invocations", "inv"]
    assert candidates("SELECT 'a ", whole, TABLES) == []


def test_a_syntax_error_keeps_its_lines_and_its_mark() -> None:
    sql = f"SELECT {'x, ' * 30}FROM FROM"
    error = QueryError(f"Parser Error: near FROM\n\nLINE 1: {sql}\n{' ' * 110}^^^^", "Correct it.")
    lines = [line.text for line in error_lines(error, 200)]
    assert lines == [
        "Parser Error: near FROM",
        "",
        f"LINE 1: {sql}",
        f"{' ' * 110}^^^^",
        "Correct it.",
    ]
    for width in (10, 40, 80):
        *_, marked, mark, _ = (line.text for line in error_lines(error, width))
        assert max(len(marked), len(mark)) <= width
        assert marked[mark.index("^") :][:4] == "FROM"


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
        assert screen.editor.has_focus
        assert status(screen).startswith("Nothing completes here")
        await s.press("ctrl+a", *"SELECT * FROM ", "tab")
        assert screen.editor.text == "SELECT * FROM "
        assert {"invocations", "llm_calls"} < set(status(screen).split())
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
        await s.until(lambda: screen.queries.saved)
        await s.press("escape")
        await s.until(lambda: screen.editor.has_focus)
        screen.editor.text = "SELEC 1"
        await s.press("ctrl+s")
        await s.until(lambda: "LINE 1: SELEC 1" in s.text)
        assert status(screen).startswith("Failed after ")
        lines = s.text.splitlines()
        [marked] = [place for place, line in enumerate(lines) if "LINE 1: SELEC" in line]
        assert lines[marked + 1].index("^^^^^") == lines[marked].index("SELEC")
        assert "Chat/[b]ada/say" not in s.text  # no rows of another query
        await s.press("ctrl+t", "ctrl+s")
        await s.until(lambda: "No Restate server is connected" in s.text)
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


HOSTILE = '[red]a\x1b[2J\x00\n日本語, "שלום" '


async def test_results_are_shown_and_written_as_they_are(
    reader: Reader, stage, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = " || ".join(f"chr({ord(one)})" for one in HOSTILE)
    async with stage(reader, size=(80, 24), keep_in=tmp_path / "dashboard.json") as s:
        await s.press("Q")
        await s.until(lambda: isinstance(s.app.screen, SqlScreen))
        screen = s.app.screen

        async def run(sql: str) -> None:
            screen.editor.text = sql
            await s.press("ctrl+s")
            await s.until(lambda: screen.listing.result.sql == sql)
            await s.until(lambda: " row" in status(screen))

        await run("SELECT range AS n, '' AS text FROM range(1500)")
        await s.press("G")
        await s.until(lambda: "\u258c 1499" in s.text)  # rows that are wider than the first ones
        assert "? Help" in s.text.splitlines()[-1]  # the keys of the result, not of the editor
        assert "NULL" not in s.text
        await run("SELECT id, target, NULL AS nothing FROM invocations WHERE false")
        assert status(screen).startswith("0 rows")
        assert "id  target  nothing" in s.text
        columns = (
            "1e300::DOUBLE AS f, 170141183460469231731687303715884105727 AS h, NULL AS nothing"
        )
        lists = (
            "[1, NULL] AS l, {'a': 'x'} AS s, 'ab'::BLOB AS b, TIMESTAMP '2026-11-23 01:02:03' AS t"
        )
        sql = f"SELECT {hostile} AS hostile, '' AS empty, {columns}, {lists}"
        await run(sql)
        assert "[red]a" in s.text
        assert not {"\x1b", "\x00"} & set(s.text)
        first = status(screen)
        assert "columns 1 to" in first
        await s.press("l")
        await s.until(lambda: status(screen) != first)
        screen.editor.text = "SELECT 1"  # what is exported is the result
        (tmp_path / "taken.csv").touch()
        await s.press("f9")
        await s.until(lambda: s.app.screen.query("Input"))
        prompt = s.app.screen
        for wrong in ("", "x.xls", "taken.csv", "nowhere/x.csv", "~nobody-at-all/x.csv"):
            prompt.query_one("Input").value = wrong
            await s.press("enter")
            assert prompt.query_one(".error").has_class("some")
        for ending in ("csv", "json", "parquet"):
            await s.until(lambda: s.app.screen.query("Input"))
            s.app.screen.query_one("Input").value = f"out.{ending}"
            await s.press("enter")
            await s.until(lambda ending=ending: (tmp_path / f"out.{ending}").exists())
            await s.until(lambda: s.app.screen is screen)
            await s.press("f9")
        await s.until(lambda: s.app.screen.query("Input"))
        await s.press("escape")
        [row] = json.loads((tmp_path / "out.json").read_text())
        assert (row["hostile"], row["empty"], row["nothing"]) == (HOSTILE, "", None)
        assert (row["h"], row["l"], row["s"]) == (2**127 - 1, [1, None], {"a": "x"})
        with (tmp_path / "out.csv").open(newline="") as file:
            [written] = csv.DictReader(file)
        assert written["hostile"] == HOSTILE
        assert (written["h"], json.loads(written["s"])) == (str(2**127 - 1), {"a": "x"})
        assert ',"",' in (tmp_path / "out.csv").read_text()
        [exact] = pq.read_table(tmp_path / "out.parquet").to_pylist()
        assert (exact["hostile"], exact["empty"], exact["nothing"]) == (HOSTILE, "", None)
        assert (exact["b"], exact["f"], exact["l"]) == (b"ab", 1e300, [1, None])

        await s.until(lambda: s.app.screen is screen)
        screen.editor.text = "SELECT count(*) FROM range(9000000) a, range(9000000) b"
        await s.press("ctrl+s")
        await s.until(lambda: "Running for 1" in status(screen))
        await s.press("escape")
        assert status(screen).startswith("Cancelled. Below are the rows of the query before it.")


async def test_a_query_is_whole_after_the_terminal_was_resized(reader: Reader, stage) -> None:
    """With as many lines as before, Textual does not draw it again."""
    names = ", ".join(f"column_{number}" for number in range(10, 20))
    sql = f"SELECT {names} FROM invocations ORDER BY created_at"
    async with stage(reader, size=(80, 24)) as s:
        await s.press("Q")
        await s.until(lambda: isinstance(s.app.screen, SqlScreen))
        screen = s.app.screen
        screen.editor.text = sql
        screen.listing.focus()

        def is_whole(width: int) -> bool:
            box = screen.editor.region
            top = "".join(s.text.splitlines()[box.y : box.bottom])
            return box.width == width and top.replace(" ", "") == sql.replace(" ", "")

        await s.until(lambda: is_whole(80))
        height = screen.editor.wrapped_document.height
        await s.pilot.resize_terminal(70, 24)
        await s.until(lambda: is_whole(70))
        assert screen.editor.wrapped_document.height == height


async def test_saved_queries_are_renamed_and_deleted(reader: Reader, stage, tmp_path: Path) -> None:
    kept = tmp_path / "dashboard.json"
    async with stage(reader, keep_in=kept) as s:
        await s.press("Q")
        await s.until(lambda: isinstance(s.app.screen, SqlScreen))
        screen = s.app.screen

        async def answer(*keys: str) -> None:
            await s.until(lambda: s.app.screen is not screen)
            await s.press(*keys)

        for number, name in enumerate(("[red]日本", "b", "b")):
            screen.editor.text = f"SELECT {number}"
            await s.press("f8")
            await answer(*name, "enter")
            if number == 2:
                await s.until(lambda: "Replace the query b?" in s.text)
                await answer("y")
            await s.until(lambda n=number: f"SELECT {n}" in str(screen.queries.saved))
        assert list(screen.queries.saved) == ["b", "[red]日本"]
        await s.press("ctrl+o", "n", "2")
        await s.until(lambda: s.app.screen.query("Input"))
        s.app.screen.query_one("Input").value = "b"
        await s.press("enter")
        assert "There is a query b." in s.text
        s.app.screen.query_one("Input").value = "c"
        await s.press("enter")
        await s.until(lambda: "c" in screen.queries.saved)
        await s.press("ctrl+o", "d", "1")
        await s.until(lambda: list(screen.queries.saved) == ["c"])
    async with stage(reader, keep_in=kept) as s:
        await s.press("Q")
        await s.until(lambda: isinstance(s.app.screen, SqlScreen))
        await s.press("ctrl+o", "1")
        await s.until(lambda: s.app.screen.editor.text == "SELECT 0")
        await s.press(*" AS unsent", "ctrl+q")
        await s.until(lambda: not s.app.is_running)
    assert KeptValues(kept).get("sql")["text"] == "SELECT 0 AS unsent"


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
