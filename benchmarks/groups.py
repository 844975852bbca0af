"""Compare searches, groups of failures and figures of agents with one scan of a typed column.

    python -m benchmarks.groups [--invocations 100000] [--no-search]

Writes invocations into a store: two LLM calls each, in durable steps that have spans and journal
entries, and a failure in every twentieth. Prints the shortest of three times of each query, its
processor time, and its ratio to the floor: a count of calls by model.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from playhead.errors import QueryLimitError
from playhead.model import CallChoice, CallOrder, GroupKey
from playhead.reader.reader import Reader
from playhead.record.text_indexer import IndexerPace, TextIndexer
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.database import Store
from playhead.store.figures import begin_figures, update_figures
from playhead.store.query import to_rows
from playhead.store.texts.index import FOLDER, Found

ROUNDS = 3
FLOOR = "SELECT name, count(*) AS calls FROM calls GROUP BY name"
TEXTS = ('"question 777"', "no-such-word", "lorem")
FILTERS = ("status:failed", *TEXTS, "tokens>1500", "cost>0.005",
           "llm:gpt-4o-mini", "agent:agent3", "failures>0")  # fmt: skip

INVOCATIONS = """
INSERT INTO invocations BY NAME
SELECT 'inv_1' || lpad(i::VARCHAR, 33, '0') AS id, 'Agent' || (i % 7) || '/run' AS target,
  'Agent' || (i % 7) AS target_service_name, 'run' AS target_handler_name, 'completed' AS status,
  CASE WHEN i % 50 = 0 THEN 'failure' ELSE 'success' END AS completion_result,
  CASE WHEN i % 50 = 0 THEN '[500] ValueError: bad ' || i END AS completion_failure,
  TIMESTAMPTZ '2026-03-14 00:00:00+00' + INTERVAL 1 SECOND * (i // 50) AS created_at,
  created_at AS running_at, created_at + INTERVAL 3 SECOND AS completed_at,
  completed_at AS modified_at
FROM range(?) rows(i)
"""
FAILURES = """
INSERT INTO journal_events BY NAME
SELECT 'inv_1' || lpad(i::VARCHAR, 33, '0') AS id, 0 AS after_journal_entry_index,
  TIMESTAMPTZ '2026-03-14 00:00:00+00' + INTERVAL 1 SECOND * (i // 50) AS appended_at,
  'TransientError' AS event_type, json_object('ty', 'TransientError', 'error_code', 500,
    'error_message', 'ConnectError(' || i || ')', 'error_stacktrace', ? || i,
    'related_command_name', 'Step ' || (i % 9), 'related_command_type', 'Run') AS event_json
FROM range(0, ?, 20) rows(i)
"""
SPANS = """
INSERT INTO spans BY NAME
SELECT md5((i // 2)::VARCHAR) AS trace_id, lpad(printf('%x', i), 16, '0') AS span_id,
  'chat' AS name, 'client' AS kind, 'agents' AS service_name, 'pydantic-ai' AS scope_name,
  (1773446400000000000 + (i // 2) * 20000000)::UBIGINT AS start_unix_nano,
  (start_unix_nano + 500000000 + (i % 997) * 1000000)::UBIGINT AS end_unix_nano,
  'unset' AS status_code, '' AS status_message, '{}' AS resource, '[]' AS events, '[]' AS links,
  'inv_1' || lpad((i // 2)::VARCHAR, 33, '0') AS invocation_id,
  json_object('gen_ai.operation.name', 'chat', 'gen_ai.agent.name', 'agent' || (i % 14),
    'gen_ai.provider.name', 'openai', 'gen_ai.usage.input_tokens', i % 1000,
    'gen_ai.response.model', CASE WHEN i % 3 = 0 THEN 'gpt-4o' ELSE 'gpt-4o-mini' END,
    'gen_ai.usage.output_tokens', 10, 'playhead.logical_span_id', i::VARCHAR,
    'gen_ai.input.messages',
    '[{"role":"user","parts":[{"type":"text","content":"Question ' || i || ' ' || ? || '"}]}]')
    AS attributes
FROM range(?) rows(i)
"""
STEPS = """
INSERT INTO spans BY NAME
SELECT md5((i // 2)::VARCHAR) AS trace_id,
  lpad(printf('%x', 1099511627776 + i), 16, '0') AS span_id,
  'run Model call' AS name, 'internal' AS kind, 'agents' AS service_name, 'bridge' AS scope_name,
  (1773446400000000000 + (i // 2) * 20000000)::UBIGINT AS start_unix_nano,
  (start_unix_nano + 500000000)::UBIGINT AS end_unix_nano, 'unset' AS status_code,
  '' AS status_message, '{}' AS resource, '[]' AS events, '[]' AS links,
  'inv_1' || lpad((i // 2)::VARCHAR, 33, '0') AS invocation_id,
  json_object('restate.journal.command.type', 'Run',
    'restate.journal.command.name', 'Step ' || (i % 9), 'playhead.journal.command_index', 1 + i % 2)
    AS attributes
FROM range(?) rows(i)
"""
JOURNAL = """
INSERT INTO journal BY NAME
SELECT 'inv_1' || lpad((i // 4)::VARCHAR, 33, '0') AS id, 1 + i % 4 AS "index",
  CASE WHEN i % 2 = 0 THEN 'Command: Run' ELSE 'Notification: Run' END AS entry_type,
  CASE WHEN i % 2 = 0 THEN 'Step ' || (i // 2 % 9) END AS name, '' AS raw,
  CASE WHEN i % 2 = 0 THEN '{"Command":{"Run":{"completion_id":' || (1 + i % 4 // 2) || '}}}'
    ELSE '{"Notification":{"ty":"Run","id":{"CompletionId":' || (1 + i % 4 // 2)
      || '},"result":"Success"}}' END AS entry_lite_json,
  TIMESTAMPTZ '2026-03-14 00:00:00+00' + INTERVAL 1 SECOND * (i // 200)
    + INTERVAL 1 MILLISECOND * (i % 2 * (i % 997)) AS appended_at
FROM range(?) rows(i)
"""
TRACE = (
    "Traceback (most recent call last):\n"
    + "".join(f'  File "/srv/app/m{n}.py", line {n}, in f{n}\n    call()\n' for n in range(6))
    + '  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 9, in send\n    raise\n'
    "httpx.ConnectError: refused "
)


class OpenStore:
    """A client of a store in this process, as a recorder has it open."""

    recording = True
    keeps_rows = False

    def __init__(self, store: Store, indexer: TextIndexer | None = None) -> None:
        self.store = store
        self.indexer = indexer

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return the candidates of the text index."""
        if self.indexer is None:
            return None
        return await asyncio.to_thread(self.indexer.search, texts, until_us, limit)

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT."""

        def run() -> list[dict[str, Any]]:
            cursor = self.store.cursor()
            try:
                return to_rows(cursor, sql, params)
            finally:
                cursor.close()

        return await asyncio.to_thread(run)

    async def health(self) -> None:
        """Return None."""


def fill(store: Store, invocations: int) -> None:
    """Write the rows."""
    with store.transaction() as connection:
        connection.execute(INVOCATIONS, [invocations])
        connection.execute(FAILURES, [TRACE, invocations])
        connection.execute(SPANS, ["lorem ipsum dolor sit amet " * 12, 2 * invocations])
        connection.execute(STEPS, [2 * invocations])
        connection.execute(JOURNAL, [4 * invocations])
    rebuild_calls(store, threading.Event())
    store.checkpoint()


def derive(store: Store) -> None:
    """Compute the figures of the invocations, and print what it took."""
    begin_figures(store)
    begun, used = time.perf_counter(), time.process_time()
    updated = 0
    while some := update_figures(store):
        updated += some
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    print(
        f"figures: {cpu:.1f} s CPU, {seconds:.0f} s, {cpu / max(updated, 1) * 1e6:.0f} us CPU each"
    )
    store.checkpoint()


async def measure(what: str, query: Callable[[], Awaitable[Any]], floor: float = 0.0) -> float:
    """Print and return the shortest time."""
    times: list[float] = []
    used: list[float] = []
    for _ in range(ROUNDS):
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            await query()
        except QueryLimitError as error:
            print(f"{what:<28} {error.title}", flush=True)
            return math.inf
        times.append(time.perf_counter() - begun)
        used.append(time.process_time() - cpu)
    ratio = f"{min(times) / floor:8.1f} x" if floor else ""
    print(
        f"{what:<28} {min(times) * 1000:8.0f} ms {min(used) * 1000:8.0f} ms CPU {ratio}", flush=True
    )
    return min(times)


async def index(store: Store) -> TextIndexer:
    """Build the text index, and print what it took."""
    indexer = TextIndexer(store, pace=IndexerPace(quiet=0.0, rest=0.0))
    begun, used = time.perf_counter(), time.process_time()
    running = asyncio.create_task(indexer.run())
    while indexer.behind != 0:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    indexer.stop()
    await running
    size = sum(path.stat().st_size for path in (store.folder / FOLDER).iterdir())
    print(f"text index: {cpu:.1f} s CPU, {seconds:.0f} s, {size / 1e6:.1f} MB"
          f" (database {store.bytes() / 1e6:.0f} MB)", flush=True)  # fmt: skip
    return indexer


async def run(store: Store, *, search: bool) -> None:
    """Measure the queries; `search`: also those of the list, with and without the text index."""
    client: Any = OpenStore(store)
    reader = Reader(None, client)
    floor = await measure("floor: calls by model", lambda: client.rows(FLOOR))
    if search:
        reader, floor = await searches(store, floor)
    await measure("failures, from all rows", reader.failures, floor)
    await measure("agents, from all rows", reader.agents, floor)
    derive(store)
    await measure("failures", reader.failures, floor)
    await measure("agents", reader.agents, floor)
    for by in get_args(GroupKey):
        await measure(f"groups by {by}", lambda by=by: reader.groups(by), floor)
    one = CallChoice("model", "agent3", "gpt-4o-mini")
    for order in get_args(CallOrder):
        await measure(f"calls, {order}", lambda order=order: reader.agent_calls(order=order), floor)
        await measure(
            f"calls of one agent, {order}",
            lambda order=order: reader.agent_calls(one, order=order),
            floor,
        )


async def searches(store: Store, floor: float) -> tuple[Reader, float]:
    """Measure the list and its filters; return a reader with the text index, and the floor."""
    client: Any = OpenStore(store)
    reader = Reader(None, client)
    for text in TEXTS:
        await measure(
            f"{text} (scan)", lambda text=text: reader.invocations(filter=text, limit=100), floor
        )
    client = OpenStore(store, await index(store))
    reader = Reader(None, client)
    floor = await measure("floor: calls by model", lambda: client.rows(FLOOR))
    await measure("list, newest 100", lambda: reader.invocations(limit=100), floor)
    for text in FILTERS:
        await measure(text, lambda text=text: reader.invocations(filter=text, limit=100), floor)
    return reader, floor


def main() -> int:
    """Fill a store and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=100_000)
    parser.add_argument(
        "--no-search", dest="search", action="store_false",
        help="without the list and its text index, which takes most of the time",
    )  # fmt: skip
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            begun = time.perf_counter()
            fill(store, arguments.invocations)
            print(f"{arguments.invocations} invocations in {time.perf_counter() - begun:.0f} s")
            asyncio.run(run(store, search=arguments.search))
        finally:
            store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
