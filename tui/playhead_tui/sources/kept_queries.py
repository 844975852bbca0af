"""Queries of the SQL console that are kept between runs: earlier ones, and saved ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from playhead.kept_values import KeptValues
from playhead.reader.console import Engine
from playhead.text import clean

__all__ = ["MOST_SAVED", "KeptQueries", "Query"]

MOST_EARLIER = 100
MOST_SAVED = 30
LONGEST_NAME = 60


@dataclass(frozen=True)
class Query:
    """A query and its engine."""

    engine: Engine
    sql: str


class KeptQueries:
    """What the console begins with, and what it keeps."""

    def __init__(self, kept: KeptValues, start: str) -> None:
        """Read what was kept.

        Args:
            kept: the values that are kept between runs.
            start: the query of the first run.
        """
        self._kept = kept
        found = _mapping(kept.get("sql"))
        self.engine: Engine = "server" if found.get("engine") == "server" else "store"
        text = found.get("text")
        self.text: str = text if isinstance(text, str) and text else start
        """Text of the editor."""
        self.earlier: list[Query] = [query for _, query in _entries(found.get("history"))]
        """Queries that were run, the newest first."""
        self.saved: dict[str, Query] = {
            name: query for name, query in _entries(found.get("saved")) if name
        }
        """Queries by name, the newest first."""

    def ran(self, query: Query) -> None:
        """Keep a query that was run, once."""
        self.earlier = [query, *(one for one in self.earlier if one != query)][:MOST_EARLIER]
        self.keep()

    def save(self, name: str, query: Query) -> None:
        """Save a query, in place of one with the same name."""
        others = {key: one for key, one in self.saved.items() if key != name}
        self.saved = {name: query, **others}
        self.keep()

    def rename(self, name: str, new: str) -> None:
        """Rename a query; its place stays."""
        self.saved = {
            new if key == name else key: query
            for key, query in self.saved.items()
            if key == name or key != new
        }
        self.keep()

    def delete(self, name: str) -> None:
        """Delete a query."""
        self.saved.pop(name, None)
        self.keep()

    def name_problem(self, name: str) -> str | None:
        """Return what is wrong with the name of a query, in one line."""
        if not name.strip():
            return "A query needs a name."
        if name != name.strip() or clean(name) != name or len(name) > LONGEST_NAME:
            return f"Use up to {LONGEST_NAME} visible characters, without spaces at the ends."
        if len(self.saved) >= MOST_SAVED and name not in self.saved:
            return f"{MOST_SAVED} queries are saved: delete one first."
        return None

    def keep(self) -> None:
        """Keep all of it for the next run."""
        saved = [{"name": name, **vars(query)} for name, query in self.saved.items()]
        self._kept.put("sql", {
            "engine": self.engine, "text": self.text, "saved": saved,
            "history": [{**vars(query)} for query in self.earlier],
        })  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _entries(value: Any) -> list[tuple[str, Query]]:
    """Return the names and queries of a list, without what is neither."""
    found: list[tuple[str, Query]] = []
    for one in cast("list[Any]", value) if isinstance(value, list) else []:
        entry = _mapping(one)
        engine = next((one for one in get_args(Engine) if one == entry.get("engine")), None)
        sql, name = entry.get("sql"), entry.get("name")
        if engine and isinstance(sql, str) and sql:
            found.append((name if isinstance(name, str) else "", Query(engine, sql)))
    return found
