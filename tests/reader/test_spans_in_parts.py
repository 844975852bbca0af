"""The spans of an invocation are read in parts: each once, in order, and with shared texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.reader.listing import stored_spans
from playhead.reader.listing.stored_spans import StoredSpans
from playhead.store.database import DATABASE
from recorded_store import ClosedStore, RecordedStore


@pytest.mark.parametrize(
    ("few", "part"), [(0, 1), (0, 3), (0, 10), (9, 11), (0, 5000), (10, 5000), (1000, 5000)]
)
async def test_each_span_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, part: int
) -> None:
    """Ten spans, of which four start at the same time."""
    recorded = RecordedStore(tmp_path)
    invocation = recorded.invocation("inv_1")
    for number in (3, 1, 2, 2, 2, 2, 9, 8, 7, 4):
        recorded.span(invocation, {"gen_ai.request.model": "gpt-4o"}, start=number)
    recorded.span(recorded.invocation("inv_2"), {}, start=2)
    recorded.write()
    monkeypatch.setattr(stored_spans, "FEW", few)
    monkeypatch.setattr(stored_spans, "SPANS_AT_ONCE", part)
    client = ClosedStore(tmp_path / DATABASE)
    try:
        spans = await StoredSpans(client).read(invocation)
    finally:
        await client.close()
    order = sorted((row[7], row[1]) for row in recorded.spans if invocation in row)
    assert [span.span_id for span in spans] == [span_id for _, span_id in order]
    assert len(spans) == 10
    [model] = {id(span.attributes["gen_ai.request.model"]) for span in spans}
    assert model
    assert len({id(span.trace_id) for span in spans}) == 1
