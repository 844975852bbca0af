"""The SQL console: queries on the store and on the server, and tables of their results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from playhead.formatting import duration
from playhead.reader.console import Engine
from playhead.text import clean
from playhead.values import as_json as as_json_value
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker

from playhead_tui.actions.copy import as_json
from playhead_tui.actions.export_result import export_result
from playhead_tui.actions.queries import choose_query, save_query
from playhead_tui.dialogs.pane_dialog import PaneDialog
from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.drawing.sql_error import error_lines
from playhead_tui.interfaces import Dashboard
from playhead_tui.sources.kept_queries import KeptQueries, Query
from playhead_tui.widgets.key_footer import KeyFooter
from playhead_tui.widgets.result_table import Result, ResultTable
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.sql_editor import SqlEditor
from playhead_tui.widgets.text_pane import TextPane
from playhead_tui.widgets.title_line import TitleLine

__all__ = ["SqlScreen"]

START = "SELECT target, status, created_at FROM invocations ORDER BY created_at DESC LIMIT 20"
LISTED = 60
"""Names that the status lists."""
MARGIN = 4
"""Cells beside a line of an error, one of them for the scroll bar."""
NAMES = {"store": "store (DuckDB)", "server": "Restate server"}


class Answered(Message):
    """Posted when a query has ended."""

    def __init__(self, number: int, result: Result | Exception, seconds: float) -> None:
        super().__init__()
        self.number = number
        self.result = result
        self.seconds = seconds


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
    SqlScreen.-tiny #title, SqlScreen.-tiny.failed #status { display: none; }
    SqlScreen.-tiny SqlEditor { min-height: 1; }
    SqlScreen #error { display: none; }
    SqlScreen.failed #error { display: block; }
    SqlScreen.failed ResultTable { display: none; }
    SqlScreen.failed #status { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+s,f5", "run", "Run", key_display="^s", priority=True),
        Binding("ctrl+t,f6", "engine", "Store or server", key_display="^t", priority=True),
        Binding("ctrl+o,f7", "history", "Queries", key_display="^o", priority=True),
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
        self.queries = KeptQueries(dashboard.kept, START)
        self._number = 0
        """Number of the last query; answers of earlier ones are late."""
        self._started: float | None = None
        """When the query began that runs now, by the monotonic clock."""
        self._ticks: Timer | None = None
        self._worker: Worker[None] | None = None
        self._error: Exception | None = None
        """Why the last query failed."""
        self._outcome = ""
        """How the query on screen ended."""

    def compose(self) -> ComposeResult:
        """Lay out the title, the editor, the status, the result or the error, and the keys."""
        yield TitleLine("SQL")
        yield SqlEditor(self.queries.text)
        yield Static("ctrl+s runs the query.", id="status", markup=False)
        yield ResultTable(glyphs=self.dashboard.glyphs)
        yield TextPane("Why it failed", glyphs=self.dashboard.glyphs, widget_id="error")
        yield KeyFooter()

    def on_mount(self) -> None:
        """Focus the editor, and read the names to suggest."""
        self._ticks = self.set_interval(1, self._show_progress, pause=True)
        self.editor.focus()
        self._show_title()
        self.start_polling()

    def start_polling(self) -> None:
        """Read the names to suggest, once the connections are open."""
        if self.dashboard.connection:
            self._read_tables(self.engine)

    @property
    def engine(self) -> Engine:
        """What is queried."""
        return self.queries.engine

    @property
    def editor(self) -> SqlEditor:
        """The editor."""
        return self.query_one(SqlEditor)

    @property
    def listing(self) -> ResultTable:
        """The result."""
        return self.query_one(ResultTable)

    @property
    def present(self) -> Query:
        """The query in the editor."""
        return Query(self.engine, self.editor.text.strip().rstrip(";").rstrip())

    def _show_title(self) -> None:
        other = "server" if self.engine == "store" else "store"
        title = f"SQL  {NAMES[self.engine]}, ctrl+t: {NAMES[other]}"
        self.query_one(TitleLine).show_text(title)

    def _show_status(self, text: str) -> None:
        self.query_one("#status", Static).update(clean(text))

    # Queries.

    def action_run(self) -> None:
        """Run the query in the editor."""
        query = self.present
        if not query.sql or not self.dashboard.connection:
            self._show_status("Write a query first." if not query.sql else "Connecting ...")
            return
        self._number += 1
        self._started = time.monotonic()
        self._show_progress()
        if self._ticks:
            self._ticks.resume()
        self.queries.ran(query)
        self._worker = self._query(self._number, query, self._started)

    def _show_progress(self) -> None:
        """Say how long the query has run."""
        if self._started is None:
            return
        seconds = int(time.monotonic() - self._started)
        self._show_status(f"Running{f' for {duration(seconds)}' if seconds else ''}: esc cancels.")

    @work(group="sql", exclusive=True)
    async def _query(self, number: int, query: Query, started: float) -> None:
        result: Result | Exception
        try:
            names, rows = await self.dashboard.reader.console.result(query.engine, query.sql)
            result = await asyncio.to_thread(Result.of, query.engine, query.sql, names, rows)
        except Exception as error:
            result = error
        self.post_message(Answered(number, result, time.monotonic() - started))

    def _end_query(self) -> None:
        self._started = None
        if self._ticks:
            self._ticks.pause()

    def on_answered(self, message: Answered) -> None:
        """Show the result, or why there is none."""
        if message.number != self._number:
            return
        self._end_query()
        took = duration(message.seconds)
        is_failed = isinstance(message.result, Exception)
        self.set_class(is_failed, "failed")
        if isinstance(message.result, Exception):
            self._error = message.result
            self._show_status(f"Failed after {took}.")
            self._show_error()
            return
        self.listing.show_result(message.result)
        number = len(message.result.rows)
        self._outcome = f"{number:,} row{'' if number == 1 else 's'} in {took}"
        self.call_after_refresh(self._show_outcome)  # then the table has its size
        if message.result.rows:
            self.listing.focus()

    def _show_outcome(self) -> None:
        if self._started is not None:
            return
        shown, every = self.listing.shown, self.listing.result.columns
        text = self._outcome
        if len(shown) < len(every):
            first = self.listing.first
            text += f", columns {first + 1} to {first + len(shown)} of {len(every)}: h and l move"
        self._show_status(text)

    def _show_error(self) -> None:
        if self._error is not None:
            lines = error_lines(self._error, max(4, self.size.width - MARGIN))
            self.query_one("#error", TextPane).show_lines(lines, stay=False)

    def on_resize(self, event: events.Resize) -> None:
        """Cut the lines of an error again, and count the columns in view."""
        if self.has_class("failed"):
            self._show_error()
        elif self._outcome:
            self.call_after_refresh(self._show_outcome)

    @work(group="tables", exclusive=True)
    async def _read_tables(self, engine: Engine) -> None:
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

    def on_sql_editor_listed(self, message: SqlEditor.Listed) -> None:
        """List the names that are possible at the cursor."""
        more = len(message.names) - LISTED
        text = "  ".join(message.names[:LISTED]) + (f"  and {more} more" if more > 0 else "")
        self._show_status(text or "Nothing completes here; shift+tab goes to the result.")

    def action_engine(self) -> None:
        """Query the store instead of the server, or the server instead of the store."""
        self.queries.engine = "server" if self.engine == "store" else "store"
        self.editor.tables = {}
        self.editor.update_suggestion()
        self._show_title()
        self.start_polling()

    # The result.

    def action_columns(self, step: int) -> None:
        """Show later or earlier columns."""
        if self.listing.move_columns(step):
            self._show_outcome()

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
        """Copy the row as JSON, or the error."""
        if self.has_class("failed"):
            self.dashboard.copy_text(self.query_one("#error", TextPane).text)
        elif (row := self.listing.current) is not None:
            self.dashboard.copy_text(as_json(dict(row.values)))
        else:
            self.dashboard.notify("There is no row to copy.")

    def action_export(self) -> None:
        """Write the result, or the rows of the query in the editor, into a file."""
        result = self.listing.result
        if result.sql and not self.has_class("failed"):
            query, shown = Query(result.engine, result.sql), len(result.rows)
        else:
            query, shown = self.present, None
        if not query.sql or not self.dashboard.connection:
            self.dashboard.notify("Write a query first.")
            return
        self.dashboard.run_dialog(export_result(self.dashboard, query, shown))

    # Saved and earlier queries.

    def on_text_area_changed(self) -> None:
        """Remember what is being written."""
        self.queries.text = self.editor.text

    def on_unmount(self) -> None:
        """Keep what was written, also when the dashboard is quit from here."""
        self.queries.keep()

    def action_history(self) -> None:
        """Open, save, rename or delete a query."""
        self.dashboard.run_dialog(
            choose_query(self.dashboard, self.queries, self.present, self._show_query)
        )

    def _show_query(self, query: Query) -> None:
        if query.engine != self.engine:
            self.action_engine()
        self.editor.text = query.sql
        self.editor.move_cursor(self.editor.document.end)
        self.editor.focus()

    def action_save(self) -> None:
        """Keep the query under a name."""
        if self.present.sql:
            self.dashboard.run_dialog(save_query(self.dashboard, self.queries, self.present))
        else:
            self.dashboard.notify("Write a query first.")

    def action_back(self) -> None:
        """Undo one layer: the running query, the result's focus, or the screen."""
        if self._started is not None:
            if self._worker:
                self._worker.cancel()
            self._number += 1
            self._end_query()
            before = " Below are the rows of the query before it." if self.listing.rows else ""
            self._show_status(f"Cancelled.{'' if self.has_class('failed') else before}")
        elif not self.editor.has_focus:
            self.editor.focus()
        else:
            self.dismiss()
