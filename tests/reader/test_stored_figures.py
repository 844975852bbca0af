"""Attempts and counts of listed invocations, read from the store in one request."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playhead.model import Tokens
from playhead.reader.listing.stored import StoredInvocations
from playhead.reader.reader import Reader
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.database import DATABASE, Store
from playhead.store.upkeep import perform
from recorded_store import ClosedStore, RecordedStore, nano


class CountingStore(ClosedStore):
    """A client that counts its queries."""

    queries = 0

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT."""
        self.queries += 1
        return await super().rows(sql, params)


@pytest.mark.parametrize("built", [True, False])
async def test_figures_in_one_request_are_those_of_separate_ones(
    tmp_path: Path, built: bool
) -> None:
    recorded = RecordedStore(tmp_path / "store")
    first = recorded.invocation("inv_1first")
    second = recorded.invocation("inv_1second")
    recorded.invocation("inv_1third")
    recorded.chat(first, "gpt-4o", (100, 20), agent="main")
    recorded.chat(first, "gpt-4o", (200, 30), agent="main")
    recorded.chat(second, "unknown-model", (7, 8))
    recorded.failure(second, 2.0, {"error_message": "rate limit"})
    await recorded.write(built=built).close()
    client = CountingStore(recorded.folder / DATABASE)
    stored = StoredInvocations(client)
    ids = [first, second, "inv_1third", "inv_1unknown"]
    attempts, counts = await stored.figures(ids)
    if built:
        assert client.queries == 1
    assert counts == await stored.counts(ids)
    assert (counts[first].llm_calls, counts[first].tokens) == (2, Tokens(300, 50))
    apart = await stored.attempts(ids)
    assert [attempts.of(id_) for id_ in ids] == [apart.of(id_) for id_ in ids]
    assert attempts.watched == apart.watched
    assert attempts.found[second]["failures"] == 1
    await client.close()


async def test_spans_that_lost_their_start_are_left_out(tmp_path: Path) -> None:
    recorded = RecordedStore(tmp_path / "store")
    id_ = recorded.invocation("inv_1damaged")
    for start in (1.0, 4.0):
        recorded.span(id_, {}, name="invocation-attempt Agent/run", start=start, seconds=2.0)
    recorded.chat(id_, "gpt-4o", (100, 20), start=1.5)
    await recorded.write().close()
    store = Store(recorded.folder)
    with store.transaction() as connection:
        connection.execute("UPDATE spans SET start_unix_nano = NULL WHERE span_id LIKE '%2'")
    assert perform(store, {"task": "verify"}) == {
        "problems": ["Spans that have lost their start or another value: 1"]
    }
    rebuild_calls(store, threading.Event())
    store.close()
    client = ClosedStore(recorded.folder / DATABASE)
    reader = Reader(None, client)
    [row] = (await reader.invocations()).rows
    assert row.llm_calls == 1
    assert (await reader.invocation(id_)).summary.id == id_
    attempts = await StoredInvocations(client).attempts([id_])
    assert [one["started"] for one in attempts.found[id_]["attempts"]] == [nano(1.0) // 1000]
    await client.close()
