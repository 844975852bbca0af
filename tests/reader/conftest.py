"""A recorded stack of sample agents with the demo's traffic, shared by this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from journal_fixtures import handlers, restate
from playhead.conventions import END_SPAN, name_sql
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient, connect
from playhead.restate.client import RestateClient
from playhead_samples import demo_requests as demo
from playhead_samples.stack import Stack
from waiting import until_async

__all__ = ["handlers", "restate"]

SECONDS = 60.0


ALONE = demo.REQUESTS[:-1]
"""The requests that lead to one invocation each."""


@dataclass(frozen=True)
class Ran:
    """The stack after the demo's requests. Only the approval has not ended."""

    stack: Stack
    ids: dict[str, str]
    """Invocation ids by the purpose of the request."""


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with Stack(tmp_path_factory.mktemp("stack"), only=demo.AGENTS) as stack:
        demo.inject_faults(stack)
        ids = {sent.request.title: sent.invocation_id for sent in demo.send(stack, ALONE)}
        waiting = ids["an approval that waits for you"]
        demo.wait_for_status(stack, [id_ for id_ in ids.values() if id_ != waiting], "completed")
        demo.wait_for_status(stack, [waiting], "suspended")
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
    """A reader of both sources; the store has spans and journals of all ended invocations."""
    ended = len(ran.ids) - 1

    async def recorded() -> bool:
        [count] = await source.rows(
            f"SELECT (SELECT count(*) FROM spans WHERE {name_sql(END_SPAN)}) AS ends,"
            " (SELECT count(*) FROM attempts) AS attempts,"
            " (SELECT count(*) FROM invocations) AS invocations,"
            " (SELECT count(*) FROM journal WHERE entry_type = 'Command: Output') AS outputs,"
            # Answers whose spans arrive later than the journal have no agent until then.
            " (SELECT count(*) FROM journal_llm_calls WHERE NOT copied) AS without_spans"
        )
        return (
            min(count["ends"], count["outputs"], count["invocations"] - 1) >= ended
            and count["attempts"] >= ended + 4
            and count["without_spans"] == 0
        )

    await until_async(recorded, seconds=SECONDS)
    return Reader(client, source)
