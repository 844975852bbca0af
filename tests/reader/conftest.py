"""The sample agents with the demo's traffic, recorded: one stack for the folder."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient, connect
from playhead.restate.client import RestateClient
from playhead_samples import demo_requests as demo
from playhead_samples.stack import Stack

SECONDS = 60.0


@dataclass(frozen=True)
class Ran:
    """The stack after the demo's traffic has ended; the approval still waits."""

    stack: Stack
    ids: dict[str, str]
    """Invocation id by what the request shows."""


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with Stack(tmp_path_factory.mktemp("stack"), only=demo.AGENTS) as stack:
        demo.arm(stack)
        ids = {sent.request.what: sent.invocation_id for sent in demo.send(stack)}
        deadline = time.monotonic() + SECONDS
        waiting = ids["an approval that waits for you"]
        while True:
            words = demo.statuses(stack, list(ids.values()))
            if all(
                word == ("suspended" if id_ == waiting else "completed")
                for id_, word in words.items()
            ):
                break
            assert time.monotonic() < deadline, words
            time.sleep(0.1)
        yield Ran(stack, ids)


@pytest.fixture
async def source(ran: Ran) -> AsyncIterator[StoreClient]:
    found = await connect(ran.stack.settings)
    assert found is not None
    yield found
    await found.close()


@pytest.fixture
async def client(ran: Ran) -> AsyncIterator[RestateClient]:
    async with RestateClient(ran.stack.settings.admin_url) as found:
        yield found


@pytest.fixture
async def reader(client: RestateClient, source: StoreClient, ran: Ran) -> Reader:
    """Both sources, after the recorder has every attempt of what ended, and its copy."""
    import asyncio

    found = Reader(client, source)
    deadline = time.monotonic() + SECONDS
    while True:
        [count] = await source.rows(
            "SELECT (SELECT count(*) FROM spans WHERE starts_with(name, 'invocation-end')) AS ends,"
            " (SELECT count(*) FROM attempts) AS attempts,"
            " (SELECT count(*) FROM invocations) AS invocations,"
            " (SELECT count(*) FROM journal WHERE entry_type = 'Command: Output') AS outputs"
        )
        ended = len(ran.ids) - 1
        if (
            count["ends"] >= ended
            and count["outputs"] >= ended
            and count["invocations"] >= ended + 1
            and count["attempts"] >= ended + 4
        ):
            return found
        assert time.monotonic() < deadline, count
        await asyncio.sleep(0.1)
