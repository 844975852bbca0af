"""The description of the store's tables and views, compared with the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playhead.store.schema import describe


def test_every_column_is_described_with_its_type(
    select: Callable[..., list[dict[str, Any]]],
) -> None:
    actual = {
        (row["table_name"], row["column_name"]): row["data_type"]
        for row in select("SELECT table_name, column_name, data_type FROM duckdb_columns()"
                          " WHERE NOT internal")
    }  # fmt: skip
    described = {
        (table, column): kind for table, _, columns in describe() for column, kind, _ in columns
    }
    short = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    assert {key: short.get(kind, kind) for key, kind in actual.items()} == described


def test_every_description_is_a_sentence() -> None:
    for table, description, columns in describe():
        for text in (description, *(text for _, _, text in columns)):
            assert text.strip(), table
            assert text[-1] in ".…", text
