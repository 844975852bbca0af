"""What is said of a source that did not answer."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest
from playhead.errors import RestateError
from playhead.reader.sources import try_read


async def test_a_hint_that_asks_ends_in_its_question_mark() -> None:
    async def fails() -> None:
        raise RestateError("It has no rows", "Is this the admin API?")

    missing: list[str] = []
    assert await try_read(fails(), missing) is None
    assert missing == ["It has no rows. Is this the admin API?"]


async def test_a_read_that_is_cancelled_before_it_begins_leaves_no_warning() -> None:
    async def read() -> int:
        return 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reads = asyncio.gather(try_read(read(), []), try_read(read(), []))
        reads.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reads
        del reads
        gc.collect()
    assert [str(one.message) for one in caught] == []


def test_a_read_in_a_cycle_of_garbage_leaves_no_warning() -> None:
    """An exception with its traceback makes one of a cancelled read."""

    async def read() -> int:
        return 1

    def leave_garbage() -> None:
        cycle: list[object] = [try_read(read(), [])]
        cycle.append(cycle)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(10):
            leave_garbage()
        gc.collect()
    assert [str(one.message) for one in caught] == []
