"""What is said of a source that did not answer."""

from __future__ import annotations

from playhead.errors import RestateError
from playhead.reader.sources import try_read


async def test_a_hint_that_asks_ends_in_its_question_mark() -> None:
    async def fails() -> None:
        raise RestateError("It has no rows", "Is this the admin API?")

    missing: list[str] = []
    assert await try_read(fails(), missing) is None
    assert missing == ["It has no rows. Is this the admin API?"]
