"""An editor of SQL that suggests keywords, tables and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import TextArea

__all__ = ["SqlEditor", "continuation"]

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING",
    "COUNT(*)", "DISTINCT", "DESC", "HAVING", "BETWEEN", "IS NOT NULL", "IS NULL", "LIKE", "AND",
)  # fmt: skip
_WORD = re.compile(r"[\w.]+$")
_NAME = re.compile(r"\w+")


def continuation(before: str, whole: str, tables: Mapping[str, Sequence[str]]) -> str:
    """Return how the last word continues: as a column of a table in the query, a table, a keyword.

    Args:
        before: the text before the cursor.
        whole: the whole query.
        tables: columns by table.
    """
    found = _WORD.search(before)
    if found is None:
        return ""
    table, dot, word = found.group().rpartition(".")
    if not word and not dot:
        return ""
    named = [name for name in dict.fromkeys(_NAME.findall(whole)) if name in tables]
    columns = [column for name in named for column in tables[name]]
    if dot:
        candidates: Sequence[str] = tables.get(table) or columns
    elif re.search(r"(?i)\b(from|join)\s+\w+$", before):
        candidates = list(tables)
    else:
        candidates = [*columns, *tables, *KEYWORDS]
    low = word.lower()
    fitting = [c for c in candidates if c.lower().startswith(low)]
    if not fitting or word in fitting:
        return ""
    rest = min(fitting, key=len)[len(word) :]
    return rest.lower() if rest.isupper() and word.islower() else rest


class SqlEditor(TextArea):
    """Tab takes the suggestion; without one, it moves the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(text, tab_behavior="focus", soft_wrap=True, id="query")
        self.tables: Mapping[str, Sequence[str]] = {}
        """Columns by table, for suggestions."""

    def update_suggestion(self) -> None:
        """Suggest how the word before the cursor continues."""
        row, column = self.cursor_location
        line = self.document.get_line(row)
        at_end = column == len(line) or not (line[column].isalnum() or line[column] in "_.")
        before = self.get_text_range((0, 0), (row, column))
        self.suggestion = continuation(before, self.text, self.tables) if at_end else ""

    def on_text_area_selection_changed(self) -> None:
        """Suggest at the new place of the cursor."""
        self.update_suggestion()

    def action_complete(self) -> None:
        """Insert the suggestion, or move to the results."""
        if self.suggestion:
            self.insert(self.suggestion)
        else:
            self.screen.focus_next()
