"""The SQL console: queries on the store and on the server, and tables of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from playhead.formatting import count, duration
from playhead.text import clean
from playhead.values import as_json as as_json_value
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker

from playhead_tui.actions.copy import as_json
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.dialogs.pane_dialog import PaneDialog
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.interfaces import Dashboard
from playhead_tui.widgets.group_list import Column, GroupList
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.sql_editor import SqlEditor
from playhead_tui.widgets.title_line import TitleLine

__all__ = ["SqlScreen", "with_hint"]

START = "SELECT target, status, created_at FROM invocations ORDER BY created_at DESC LIMIT 20"
HISTORY = 100
"""Queries that are kept."""
MENU = 30
"""Queries that the menu of the history shows."""
SAMPLE = 200
"""Rows that determine the widths of the columns."""
WIDEST = 40
"""Cells of the widest column."""
LETTERS = "123456789abcdefghijklmnopqrstuvwxyz"
ENGINES = {"store": "store (DuckDB)", "server": "Restate server"}


@dataclass(frozen=True)
class Row:
    """One row of a result."""

    number: int
    values: Mapping[str, Any]


class Answered(Message):
    """Posted when a query has ended."""

    def __init__(self, number: int, rows: Sequence[Row], seconds: float, error: str) -> None:
        super().__init__()
        self.number = number
        self.rows = rows
        self.seconds = seconds
        self.error = error


class TablesRead(Message):
    """Posted when the tables of an engine were read."""

    def __init__(self, engine: str, tables: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.engine = engine
        self.tables = tables


class SqlScreen(Screen[None]):
    """A query, and its result as a table."""

    DEFAULT_CSS = """
    SqlScreen #title { height: 1; background: $panel; padding: 0 1; }
    SqlScreen SqlEditor { height: 30%; min-height: 2; max-height: 12; border: none; padding: 0 1;
        background: $surface; }
    SqlScreen SqlEditor:focus { border: none; }
    SqlScreen #status { height: auto; max-height: 4; padding: 0 1; color: $foreground 70%; }
    SqlScreen.-tiny #status { max-height: 1; }
    SqlScreen.-tiny SqlEditor { min-height: 1; }
    SqlScreen #status.bad { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+s,f5", "run", "Run", priority=True),
        Binding("ctrl+t,f6", "engine", "Store or server", priority=True),
        Binding("ctrl+o,f7", "history", "History", priority=True),
        Binding("f8", "save", "Save query", show=False, priority=True),
        Binding("f9", "export", "Export", priority=True),
        Binding("l,right", "columns(1)", "Next columns", show=False),
        Binding("h,left", "columns(-1)", "Previous columns", show=False),
        Binding("o", "open_invocation", "Open invocation", show=False),
        Binding("y", "copy", "Copy as JSON", show=False),
    ]

    def __init__(self, dashboard: Dashboard) -> None:
        super().__init__()
        self.dashboard = dashboard
        kept = dashboard.kept.get("sql")
        place = cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
        self.engine: Any = "server" if place.get("engine") == "server" else "store"
        self.history = _queries(place.get("history"))
        self.saved = _queries(place.get("saved"))
        text = place.get("text")
        self._text = text if isinstance(text, str) and text else START
        self._number = 0
        self._running = False
        self._worker: Worker[None] | None = None
        self._columns: list[Column[Row]] = []
        self._first = 0
        """Position of the first column on screen."""

    def compose(self) -> ComposeResult:
        """Lay out the title, the editor, the status, the result and the keys."""
        yield TitleLine("SQL")
        yield SqlEditor(self._text)
        yield Static("ctrl+s runs the query.", id="status", markup=False)
        yield GroupList[Row]((), lambda row: str(row.number), glyphs=self.dashboard.glyphs)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Focus the editor, and read the names to suggest."""
        self.editor.focus()
        self._show_title()
        self.start_polling()

    def start_polling(self) -> None:
        """Read the names to suggest, once the connections are open."""
        if self.dashboard.connection:
            self._read_tables(self.engine)

    @property
    def editor(self) -> SqlEditor:
        """The editor."""
        return self.query_one(SqlEditor)

    @property
    def listing(self) -> GroupList[Row]:
        """The result."""
        return self.query_one(GroupList)  # pyright: ignore[reportUnknownVariableType]

    def _show_title(self) -> None:
        other = "server" if self.engine == "store" else "store"
        title = f"SQL  {ENGINES[self.engine]}, ctrl+t: {ENGINES[other]}"
        self.query_one(TitleLine).show_text(title)

    def _show_status(self, text: str, *, bad: bool = False) -> None:
        status = self.query_one("#status", Static)
        status.update(clean(text))
        status.set_class(bad, "bad")

    # Queries.

    def action_run(self) -> None:
        """Run the query in the editor."""
        sql = self.editor.text.strip().rstrip(";")
        if not sql or not self.dashboard.connection:
            self._show_status("Write a query first." if not sql else "Connecting ...")
            return
        self._number += 1
        self._running = True
        self._show_status("Running ...")
        entry = {"engine": self.engine, "sql": sql}
        self.history = [entry, *(one for one in self.history if one != entry)][:HISTORY]
        self._keep()
        self._worker = self._query(self._number, self.engine, sql)

    @work(group="sql", exclusive=True)
    async def _query(self, number: int, engine: Any, sql: str) -> None:
        import time

        started = time.monotonic()
        rows: list[Row] = []
        problem = ""
        try:
            found = await self.dashboard.reader.console.query(engine, sql)
            rows = [Row(place, values) for place, values in enumerate(found, 1)]
        except Exception as error:
            problem = with_hint(error)
        self.post_message(Answered(number, rows, time.monotonic() - started, problem))

    def on_answered(self, message: Answered) -> None:
        """Show the result, or why there is none."""
        if message.number != self._number:
            return
        self._running = False
        if message.error:
            self._show_status(message.error, bad=True)
            return
        self._columns = _columns(message.rows)
        self._first = 0
        self._show_columns()
        self.listing.show_rows(message.rows)
        text = f"{self._rows_text()} in {duration(message.seconds)}"
        self._show_status(f"{text}{self._columns_text()}")
        if message.rows:
            self.listing.focus()

    @work(group="tables", exclusive=True)
    async def _read_tables(self, engine: Any) -> None:
        try:
            tables = await self.dashboard.reader.console.tables(engine)
        except Exception:
            return  # a query says what is wrong
        self.post_message(TablesRead(engine, tables))

    def on_tables_read(self, message: TablesRead) -> None:
        """Suggest the names of the engine."""
        if message.engine == self.engine:
            self.editor.tables = message.tables
            self.editor.update_suggestion()

    def action_engine(self) -> None:
        """Query the store instead of the server, or the server instead of the store."""
        self.engine = "server" if self.engine == "store" else "store"
        self.editor.tables = {}
        self._show_title()
        self._keep()
        self.start_polling()

    # Columns of the result.

    def _show_columns(self) -> None:
        self.listing.columns = [
            Column(c.heading, c.width, c.text, c.style, c.right, importance=-place)
            for place, c in enumerate(self._columns[self._first :])
        ]
        self.listing.refresh()

    def _rows_text(self) -> str:
        number = len(self.listing.rows)
        return f"{number:,} row{'' if number == 1 else 's'}"

    def _columns_text(self) -> str:
        shown = len(self.listing.widths(max(20, self.listing.size.width - 3)))
        total = len(self._columns)
        if shown >= total:
            return ""
        last = min(total, self._first + shown)
        return f", columns {self._first + 1} to {last} of {total}: h and l show others"

    def action_columns(self, step: int) -> None:
        """Show later or earlier columns."""
        shown = len(self.listing.widths(max(20, self.listing.size.width - 3)))
        most = max(0, len(self._columns) - 1)
        if shown < len(self._columns) or self._first:
            self._first = max(0, min(self._first + step, most))
            self._show_columns()
            self._show_status(f"{self._rows_text()}{self._columns_text()}")

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Show the whole row."""
        if (row := self.listing.current) is not None:
            lines: list[Line] = []
            for name, value in row.values.items():
                lines += [Line(name, "accent"), *value_lines(as_json_value(value), indent=2)]
            self.dashboard.push_screen(PaneDialog(f"Row {row.number}", lines))

    def on_rows_view_moved(self, message: RowsView.Moved) -> None:
        """Do nothing: no other part of the screen follows the cursor."""

    def action_open_invocation(self) -> None:
        """Open the invocation that the row names."""
        from playhead.restate.ids import is_invocation_id

        row = self.listing.current
        values = map(str, row.values.values()) if row else ()
        found = next((value for value in values if is_invocation_id(value)), None)
        if found:
            self.dashboard.open_invocation(found)
        else:
            self.dashboard.notify("The row has no invocation id.")

    def action_copy(self) -> None:
        """Copy the row as JSON."""
        if (row := self.listing.current) is not None:
            self.dashboard.copy_text(as_json(dict(row.values)))

    # History, saved queries, export.

    def _keep(self) -> None:
        self.dashboard.kept.put("sql", {
            "engine": self.engine, "text": self.editor.text, "history": self.history,
            "saved": self.saved,
        })  # fmt: skip

    def action_history(self) -> None:
        """Choose a saved or an earlier query."""
        self.dashboard.run_dialog(self._choose_query())

    async def _choose_query(self) -> None:
        entries = [*self.saved, *self.history][:MENU]
        if not entries:
            self.dashboard.notify("No query was run or saved yet.")
            return
        choices = [
            Choice(letter, clip(one["sql"], 46), one.get("name", "") or one["engine"])
            for letter, one in zip(LETTERS, entries, strict=False)
        ]
        key = await self.dashboard.push_screen_wait(Menu("Saved and earlier queries", choices))
        if key is None:
            return
        chosen = entries[LETTERS.index(key)]
        if chosen["engine"] != self.engine:
            self.action_engine()
        self.editor.text = chosen["sql"]
        self.editor.move_cursor(self.editor.document.end)
        self.editor.focus()

    def action_save(self) -> None:
        """Keep the query under a name."""
        self.dashboard.run_dialog(self._save())

    async def _save(self) -> None:
        sql = self.editor.text.strip()
        if not sql:
            self.dashboard.notify("Write a query first.")
            return
        prompt = Prompt("Save the query under which name?", placeholder="Name",
                        check=lambda text: None if text.strip() else "Type a name.")  # fmt: skip
        name = await self.dashboard.push_screen_wait(prompt)
        if name is not None:
            entry = {"engine": self.engine, "sql": sql, "name": clip(name, 40)}
            others = [one for one in self.saved if one.get("name") != entry["name"]]
            self.saved = [entry, *others]
            self._keep()
            self.dashboard.notify(f"Saved as {entry['name']}.")

    def action_export(self) -> None:
        """Write the result of the query into a file."""
        self.dashboard.run_dialog(self._export())

    async def _export(self) -> None:
        sql = self.editor.text.strip().rstrip(";")
        if not sql or not self.dashboard.connection:
            self.dashboard.notify("Write a query first.")
            return
        body = [
            Line("The query runs again; its rows are written into a new file.", "dim"),
            Line("The ending of the name is the format: .csv, .json or .parquet.", "dim"),
        ]
        prompt = Prompt("Export into which file?", body, value="result.csv")
        name = await self.dashboard.push_screen_wait(prompt)
        if name is None:
            return
        path = Path(name.strip())
        try:
            number = await self.dashboard.reader.console.export(self.engine, sql, path)
        except Exception as error:
            text = clip(with_hint(error))
            self.dashboard.notify(text, title="Export failed", severity="error")
            return
        self.dashboard.notify(f"Wrote {count(number)} rows to {path}.")

    def action_back(self) -> None:
        """Undo one layer: the running query, the result's focus, or the screen."""
        if self._running:
            if self._worker:
                self._worker.cancel()
            self._number += 1
            self._running = False
            self._show_status("Cancelled.")
        elif self.listing.has_focus:
            self.editor.focus()
        else:
            self._keep()
            self.dismiss()


def with_hint(error: Exception) -> str:
    """Return what is wrong and what to do, as sentences."""
    text, hint = str(error) or type(error).__name__, getattr(error, "hint", "")
    return f"{text.rstrip('.')}. {hint}" if hint else text


def _queries(value: Any) -> list[dict[str, str]]:
    """Return the entries of a kept list that are queries."""
    found: list[dict[str, str]] = []
    for one in cast("list[Any]", value) if isinstance(value, list) else []:
        if isinstance(one, dict):
            values = cast("dict[str, Any]", one)
            entry = {name: text for name, text in values.items() if isinstance(text, str)}
            if entry.get("sql") and entry.get("engine") in ENGINES:
                found.append(entry)
    return found


def _columns(rows: Sequence[Row]) -> list[Column[Row]]:
    from playhead.reader.console import cell_text, columns_of
    from rich.cells import cell_len

    def column(name: str) -> Column[Row]:
        texts = [cell_text(row.values.get(name))[: WIDEST * 2] for row in rows[:SAMPLE]]
        width = max([cell_len(clean(name)), *map(cell_len, texts)], default=1)
        values = [row.values.get(name) for row in rows[:SAMPLE]]
        numeric = all(
            value is None or (isinstance(value, int | float) and not isinstance(value, bool))
            for value in values
        )
        return Column(
            clean(name), min(WIDEST, max(1, width)),
            lambda row: cell_text(row.values.get(name))[: WIDEST * 8],
            lambda row, palette: palette.text, numeric,
        )  # fmt: skip

    return [column(name) for name in columns_of(row.values for row in rows)]
