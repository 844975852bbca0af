"""Pages of 50,000 invocations: none is lost at a border, and none is repeated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playhead import AsyncClient
from playhead.reader.listing import pages
from situations import Situation, sql

PAGE = 17_777


@pytest.mark.parametrize("sources", ["server and recorder", "server", "file"])
async def test_pages_have_every_invocation_once(
    situation: Callable[[str, int], Situation], sources: str
) -> None:
    there = situation(sources, 50_000)
    server = situation("server", 50_000).settings.admin_url
    truth = sql(server, "SELECT id, created_at FROM sys_invocation_status")
    times = [row["created_at"] for row in truth]
    assert len(set(times)) < len(times), "some were created in the same millisecond"
    async with AsyncClient(settings=there.settings) as client:
        read: list[Any] = []
        before = None
        while True:
            # Figures take most of the time; `stats` reads them for all rows of a file.
            page = await client.invocations(limit=PAGE, before=before, figures=sources != "file")
            read += page.rows
            before = page.rows[-1]
            if not page.more:
                break
            assert len(page.rows) == PAGE
    assert len(read) == len(truth)
    assert {row.id for row in read} == {row["id"] for row in truth}
    assert all((a.created_at, a.id) > (b.created_at, b.id) for a, b in pairwise(read))


async def test_blocks_of_any_size_give_the_same_list(
    situation: Callable[[str, int], Situation], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = situation("server and recorder", 10)
    async with AsyncClient(settings=there.settings) as client:
        whole = await client.invocations()
        for size in (1, 2, 3, 7):
            monkeypatch.setattr(pages, "BLOCK", size)
            monkeypatch.setattr(pages, "PLACES", size + 1)
            for limit in (1, 4, 9, 10, 11):
                page = await client.invocations(limit=limit)
                assert page.rows == whole.rows[:limit]
                assert page.more == (limit < 10)
            found = await client.invocations(text="EVERY succ")
            wanted = [r for r in whole.rows if r.status == "succeeded" and "every" in r.target]
            assert found.rows == tuple(wanted)
