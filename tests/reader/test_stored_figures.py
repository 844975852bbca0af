"""Attempts and counts of listed invocations, read from the store in one request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playhead.model import Tokens
from playhead.reader.listing.stored import StoredInvocations
from playhead.store.database import DATABASE
from recorded_store import ClosedStore, RecordedStore


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
