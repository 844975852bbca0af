"""Outlines of a trace are read again in parts: those with other rows, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from playhead.model import Span
from playhead.reader.listing import span_outlines
from playhead.reader.listing.shared_names import SharedNames
from playhead.reader.listing.span_outlines import SpanOutlines
from playhead.reader.listing.stored_spans import StoredSpans
from playhead.record.client import StoreClient
from playhead.store.database import Store
from playhead.store.query import to_rows
from playhead.store.span_writer import SpanWriter
from playhead.store.tables import SPAN_COLUMNS
from recorded_store import nano


class CountingClient:
    """A client of an open store that counts the rows of spans that it returns."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.read = 0

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self.store.cursor()
        try:
            rows = to_rows(cursor, sql, params)
        finally:
            cursor.close()
        self.read += sum("span_id" in row for row in rows)
        return rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    yield opened
    opened.close()


def row(number: int, start: float, *, end: float | None = None, **more: Any) -> Any:
    """Return the row of a span of `inv_a`."""
    values: dict[str, Any] = {
        "trace_id": f"{1:032x}", "span_id": f"{number:016x}", "parent_span_id": None,
        "name": f"span {number}", "kind": "internal", "service_name": "agents",
        "scope_name": "test", "start_unix_nano": nano(start),
        "end_unix_nano": None if end is None else nano(end), "status_code": "unset",
        "status_message": "",
        "attributes": json.dumps({"gen_ai.tool.name": "t", "long": "x" * 500}),
        "resource": "{}", "events": "[]", "links": "[]", "invocation_id": "inv_a", **more,
    }  # fmt: skip
    return tuple(values.get(column) for column in SPAN_COLUMNS)


async def test_only_parts_with_other_rows_are_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_outlines, "PART_SPANS", 4)
    monkeypatch.setattr(span_outlines, "SPANS_AT_ONCE", 3)
    writer = SpanWriter(store)
    writer.write([row(n, n // 2, end=30) for n in range(1, 20)])  # two of each start
    writer.write([row(20, 10.0)])
    client = CountingClient(store)
    outlines = SpanOutlines(cast("StoreClient", client))
    whole = StoredSpans(cast("StoreClient", client))

    async def reread() -> tuple[list[Span], int]:
        before, client.read = await outlines.read("inv_a"), 0
        found = await outlines.read("inv_a")
        assert all(map(lambda one, other: one is other, before, found))
        assert client.read == 0, "nothing has changed"
        expected = [span.span_id for span in await whole.read("inv_a")]
        assert [span.span_id for span in found] == expected
        return found, len(found)

    first, number = await reread()
    assert number == 20
    assert first[0].truncated
    assert dict(first[0].attributes) == {"gen_ai.tool.name": "t"}

    changes = [
        [row(20, 10.0, end=12)],  # the pending one has ended
        [row(21, 3.25, end=4)],  # a late span
        [row(number, 40 + number, end=99) for number in range(30, 45)],  # the trace grows
        [row(22, 0.0, end=1)],  # now the first one
    ]
    before = first
    for change in changes:
        writer.write(change)
        client.read = 0
        found = await outlines.read("inv_a")
        assert 0 < client.read <= len(change) + 12, "more than the changed parts were read"
        by_id = {span.span_id: span for span in found}
        written = {one[1] for one in change}
        kept = [span for span in before if span.span_id not in written]
        assert all(by_id[span.span_id] is span for span in kept)
        before, _ = await reread()
    assert len(before) == 37
    ended = next(span for span in before if span.span_id == f"{20:016x}")
    assert ended.end is not None

    with store.transaction() as connection:
        connection.execute("DELETE FROM spans WHERE start_unix_nano < ?", [nano(5)])
    assert [span.start >= before[0].start for span in await outlines.read("inv_a")]
    assert len(await outlines.read("inv_a")) == len(await whole.read("inv_a")) < 37

    outlines.forget("inv_a")
    assert "inv_a" not in outlines
    client.read = 0
    again = await outlines.read("inv_a")
    assert client.read == len(again)


async def test_spans_of_one_moment_are_read_in_several_queries(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_outlines, "PART_SPANS", 4)
    monkeypatch.setattr(span_outlines, "SPANS_AT_ONCE", 3)
    SpanWriter(store).write([row(n, 1.0, end=2) for n in range(1, 15)])
    client = CountingClient(store)
    found = await SpanOutlines(cast("StoreClient", client)).read("inv_a")
    assert [int(span.span_id, 16) for span in found] == list(range(1, 15))


async def test_attributes_of_an_outline_are_a_mapping(store: Store) -> None:
    listed = {"gen_ai.tool.name": "t", "gen_ai.response.finish_reasons": ["stop"]}
    SpanWriter(store).write([
        row(1, 1.0, end=2, attributes=json.dumps({**listed, "other": 1})),
        row(2, 2.0, end=3, attributes="{}"),
        row(3, 3.0, end=3, attributes=json.dumps({"gen_ai.tool.name": None})),
    ])  # fmt: skip
    client = CountingClient(store)
    found = await SpanOutlines(cast("StoreClient", client)).read("inv_a")
    assert [span.attributes for span in found] == [listed, {}, {}]
    attributes = found[0].attributes
    assert attributes.get("gen_ai.tool.name") == "t"
    assert attributes.get("other") is None
    assert "other" not in attributes
    assert {**attributes} == listed
    assert list(attributes) == ["gen_ai.tool.name", "gen_ai.response.finish_reasons"]
    with pytest.raises(KeyError):
        attributes["other"]


def test_names_are_in_memory_once() -> None:
    names = SharedNames(["a", "b"])
    one, two, other = (names.attributes(values) for values in ([1, None], [2, None], [1, 2]))
    assert one != two
    assert one == names.attributes([1, None]) == {"a": 1}
    assert (dict(one), dict(two), dict(other)) == ({"a": 1}, {"a": 2}, {"a": 1, "b": 2})
