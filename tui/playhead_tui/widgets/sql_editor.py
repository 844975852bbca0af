"""An editor of SQL that suggests keywords, tables and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from playhead_tui.widgets.wrapped_editor import WrappedEditor

__all__ = ["SqlEditor", "candidates", "continuation"]

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING",
    "COUNT(*)", "DISTINCT", "DESC", "HAVING", "BETWEEN", "IS NOT NULL", "IS NULL", "LIKE", "AND",
)  # fmt: skip
_WORD = re.compile(r"[\w.]+$")
_TABLE = re.compile(r"(?i)\b(from|join|describe)\s+\w*$")
_NEW_NAME = re.compile(r"(?i)\bas\s+\w*$")
"""The user makes up the name after AS."""
_NAME = re.compile(r"\w+")


def candidates(before: str, whole: str, tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names and keywords that the last word can become; after a space, the names.

    Args:
        before: the text before the cursor.
        whole: the whole query.
        tables: columns by table.
    """
    if before.count("'") % 2 or _NEW_NAME.search(before):
        return []
    found = _WORD.search(before)
    path = found.group() if found else ""
    table, dot, word = path.rpartition(".")
    if path[:1].isdigit():
        return []
    named = [name for name in dict.fromkeys(_NAME.findall(whole)) if name in tables]
    columns = list(dict.fromkeys(column for name in named for column in tables[name]))
    if dot:
        possible: Sequence[str] = tables.get(table) or columns
    elif _TABLE.search(before):
        possible = list(tables)
    elif word:
        possible = [*columns, *tables, *KEYWORDS]
    else:
        possible = columns
    low = word.lower()
    return [one for one in possible if one.lower().startswith(low)]


def continuation(before: str, whole: str, tables: Mapping[str, Sequence[str]]) -> str:
    """Return how the last word continues, in the shortest way; empty after a space.

    Args:
        before: the text before the cursor.
        whole: the whole query.
        tables: columns by table.
    """
    found = _WORD.search(before)
    word = found.group().rpartition(".")[2] if found else ""
    fitting = candidates(before, whole, tables) if found else []
    if not fitting or word in fitting:
        return ""
    rest = min(fitting, key=len)[len(word) :]
    return rest.lower() if rest.isupper() and word.islower() else rest


class SqlEditor(WrappedEditor):
    """Tab takes the suggestion, or lists what the word can become; it never leaves the editor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete, or list names", show=False),
        Binding("shift+tab", "app.focus_previous", "To the result, and back", show=False),
    ]

    class Listed(Message):
        """Posted when Tab has nothing to insert."""

        def __init__(self, names: Sequence[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, text: str) -> None:
        super().__init__(text, widget_id="query")
        self.tables: Mapping[str, Sequence[str]] = {}
        """Columns by table, for suggestions."""

    @property
    def _before(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)

    def update_suggestion(self) -> None:
        """Suggest how the word before the cursor continues."""
        row, column = self.cursor_location
        line = self.document.get_line(row)
        at_end = column == len(line) or not (line[column].isalnum() or line[column] in "_.")
        self.suggestion = continuation(self._before, self.text, self.tables) if at_end else ""

    def on_text_area_selection_changed(self) -> None:
        """Suggest at the new place of the cursor."""
        self.update_suggestion()

    def action_complete(self) -> None:
        """Insert the suggestion, or list the names that are possible here."""
        if self.suggestion:
            self.insert(self.suggestion)
        else:
            self.post_message(self.Listed(candidates(self._before, self.text, self.tables)))
