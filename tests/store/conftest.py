from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playhead.store.database import Store
from playhead.store.query import to_rows
from playhead.store.span_writer import UNSET, SpanRow

TRACE = "a" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def select(store: Store) -> Callable[..., list[dict[str, Any]]]:
    def run(sql: str, *params: Any) -> list[dict[str, Any]]:
        cursor = store.cursor()
        try:
            return to_rows(cursor, sql, params)
        finally:
            cursor.close()

    return run


@pytest.fixture
def span() -> Callable[..., SpanRow]:
    """Build rows; `span(id, parent, invocation=…, end=None)` returns a pending span."""
    counter = itertools.count(1)

    def make(
        number: int | None = None,
        parent: int | None = None,
        *,
        trace: str = TRACE,
        invocation: str | None = None,
        end: int | None = 20,
        name: str = "span",
    ) -> SpanRow:
        number = next(counter) if number is None else number
        return (
            trace, f"{number:016x}", None if parent is None else f"{parent:016x}", name,
            "internal", "service", "scope", 10, end, "unset", "", '{"n":1}', "{}", "[]", "[]",
            invocation, *UNSET,
        )  # fmt: skip

    return make
