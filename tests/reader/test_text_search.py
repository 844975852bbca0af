"""The text index, parts of the store and a scan of everything find the same invocations."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.filters.language import Filter, Term, parse
from playhead.filters.store import indexed_texts, store_condition, stored_ids
from playhead.reader.listing import text_search
from playhead.reader.listing.stored import StoredInvocations
from playhead.record import text_indexer
from playhead.record.text_indexer import IndexerPace, TextIndexer
from playhead.restate.protocol import service_protocol_pb2 as messages
from playhead.restate.rows import parse_time
from playhead.store.database import Store
from playhead.store.query import to_rows
from playhead.store.texts.documents import read_documents
from playhead.store.texts.index import FOLDER, Found, TextIndex
from recorded_store import RecordedStore
from waiting import until_async

INVOCATIONS = 40
NOW = datetime(2026, 3, 15, tzinfo=UTC)
WORDS = [
    "refund", "Rate limit", "order-4711", "東京都", "猫", "Straße", "STRASSE", "naïve café",
    "a/b/c",
    'say "hi"', "C:\\temp\\new", "line one\nline two", "tab\there", "😀 smile", "ΣΊΣΥΦΟΣ",
    "istanbul",
    "İstanbul", "<tag>", "it's", "user", "role", "x41", "5c", "0a", "ﬁne", "Kelvin \u212a", "don't",
    "50%", "under_score", "\u4f60\u597d world", "e\u0301 accent", "ſharp", "(brackets) [x]", "ok",
]  # fmt: skip


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 3)))


def recorded(folder: Path) -> list[str]:
    """Write invocations with texts in every place that is searched; return the texts."""
    rng = random.Random(5)
    store = RecordedStore(folder)
    texts: list[str] = []
    for number in range(INVOCATIONS):
        texts.append(text := sentence(rng) + (" often 東京都" if number % 4 == 0 else ""))
        id_ = store.invocation(f"inv_{number:04d}", f"Agent{number % 3}/run", created=number // 3)
        if number % 10 == 9:
            store.invocations[-1] |= {"status": "running", "completion_result": None}
        ascii_only = rng.random() < 0.5
        encoded = json.dumps(text, ensure_ascii=ascii_only)
        message = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
        match number % 8:
            case 0:
                store.span(id_, {"gen_ai.input.messages": json.dumps(message)})
            case 1:
                arguments = json.dumps({"query": text}, ensure_ascii=ascii_only)
                part = {"type": "tool_call", "name": "f", "arguments": arguments}
                answer = [{"role": "assistant", "parts": [part]}]
                store.span(id_, {"gen_ai.output.messages": json.dumps(answer)})
            case 2:
                store.span(id_, {"llm.input_messages.0.message.content": text})
            case 3:
                store.span(id_, {"gen_ai.tool.call.arguments": encoded}, status="error",
                           message=sentence(rng))  # fmt: skip
                texts.append(str(store.spans[-1]))
            case 4:
                store.span(id_, {"other": "not searched"}, events=[
                    {"name": "exception", "attributes": {"exception.message": text}},
                ])  # fmt: skip
            case 5:
                store.failure(id_, number, {"error_message": text, "error_stacktrace": encoded})
            case 6:
                value = messages.Value(content=encoded.encode())
                raw = messages.OutputCommandMessage(value=value).SerializeToString()
                store.journal.append({"id": id_, "index": 1, "entry_type": "Command: Output",
                                      "raw": raw, "raw_length": len(raw)})  # fmt: skip
            case _:
                store.invocations[-1]["completion_failure"] = text
                store.invocations[-1]["completion_result"] = "failure"
    store.write()
    return texts


def queries(texts: Sequence[str]) -> list[str]:
    """Return parts of the texts in several forms, and texts that do not occur."""
    rng = random.Random(7)
    found = [*WORDS, "no-such-word", "failed", "succeeded", "Agent1", "INV_001", "{", "zz"]
    for text in texts[::3]:
        start = rng.randrange(len(text))
        part = text[start : start + rng.randint(1, 9)]
        found.append(rng.choice([part, part.upper(), part.lower(), part.swapcase()]))
    return [text for text in dict.fromkeys(found) if text.strip()]


class OpenStore:
    """A client of a store in this process."""

    recording = True
    keeps_rows = True

    def __init__(self, store: Store, index: TextIndex | None = None) -> None:
        self.store = store
        self.index = index
        self.found: list[Found | None] = []

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with contextlib.closing(self.store.cursor()) as cursor:
            return to_rows(cursor, sql, params)

    async def rows_of(
        self, sql: str, params: Sequence[Any], of_ids: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        heads = await self.rows(sql, params)
        return heads, await self.rows(of_ids, [[head["id"] for head in heads]])

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Any:
        self.found.append(self.index and self.index.search(texts, until_us, limit))
        return self.found[-1]


async def index_all(store: Store) -> None:
    """Index the store at once."""
    indexer = TextIndexer(store, pace=IndexerPace(quiet=0.0, rest=0.0), failed=pytest.fail)
    running = asyncio.create_task(indexer.run())
    await until_async(lambda: indexer.behind == 0)
    indexer.stop()
    await running


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[str]]]:
    folder = tmp_path_factory.mktemp("texts")
    texts = recorded(folder)
    store = Store(folder)
    asyncio.run(index_all(store))
    yield store, texts
    store.close()


async def test_the_index_finds_all_that_a_scan_finds(built: tuple[Store, list[str]]) -> None:
    store, texts = built
    index, scan = TextIndex(store.folder), OpenStore(store)
    missed: list[Any] = []
    hits = excluded = 0
    for query in queries(texts):
        wanted = Filter((Term(None, ":", (query,)),))
        scanned = {row["id"] for row in await scan.rows(*stored_ids(wanted, NOW))}
        found = index.search(indexed_texts(wanted), None, 1000)
        if found is not None:
            missed += [(query, id_) for id_ in scanned - set(found.ids)]
            hits += len(scanned)
            excluded += INVOCATIONS - len(found.ids)
    assert not missed
    assert hits > INVOCATIONS
    assert excluded > 20 * INVOCATIONS


@pytest.mark.parametrize(("text", "live"), [("often", False), ("東京都 -zzz", True)])
async def test_parts_of_the_store_are_the_whole(
    built: tuple[Store, list[str]], monkeypatch: pytest.MonkeyPatch, text: str, live: bool
) -> None:
    monkeypatch.setattr(text_search, "CANDIDATES", (2, 4))
    monkeypatch.setattr(text_search, "INVOCATIONS", (5,))
    store, _ = built
    wanted = parse(text)
    everything = store_condition(wanted, NOW, live=live).select("i.id AS id")
    scanned = {row["id"] for row in await OpenStore(store).rows(*everything)}
    assert len(scanned) > 5
    for index in (TextIndex(store.folder), None):
        client = OpenStore(store, index)
        source: Any = client
        rows = await StoredInvocations(source).newest(200, wanted, NOW, None, live=live)
        places = [(row["created_at"], row["id"]) for row in rows]
        assert {id_ for _, id_ in places} == scanned
        assert len(places) == len(scanned)
        assert places == sorted(places, reverse=True)
        last = parse_time(rows[1]["created_at"]) or NOW, str(rows[1]["id"])
        older = await StoredInvocations(source).newest(1, wanted, NOW, last, live=live)
        assert [row["id"] for row in older] == [places[2][1]]
        assert any(client.found) == (index is not None)


async def test_what_is_not_indexed_yet_is_in_every_answer(tmp_path: Path) -> None:
    RecordedStore(tmp_path, invocations=[]).write()
    store = Store(tmp_path)
    try:
        indexer = TextIndexer(store, failed=pytest.fail)
        assert indexer.search(["refund"], None, 10) is None, "not open"
        running = asyncio.create_task(indexer.run())
        await until_async(lambda: indexer.behind == 0)
        indexer.changed(["inv_new"])
        found = indexer.search(["refund"], None, 10)
        assert found is not None
        assert found.ids == ("inv_new",)
        assert indexer.search(["ab"], None, 10) is None, "too short"
        indexer.changed([f"inv_{n}" for n in range(6000)])
        assert indexer.search(["refund"], None, 10) is None, "too far behind"
        indexer.stop()
        await running
    finally:
        store.close()


async def test_a_busy_recorder_is_left_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_indexer, "BUSY_SECONDS", 0.0)
    recorded_store = RecordedStore(tmp_path)
    recorded_store.invocation("inv_0")
    recorded_store.write()
    store = Store(tmp_path)
    now = looks = 0

    def busy() -> bool:
        nonlocal looks
        looks += 1
        return True

    try:
        pace = IndexerPace(quiet=0.0, rest=0.0, busy_rest=0.0)
        indexer = TextIndexer(
            store, busy=busy, pace=pace, failed=pytest.fail, clock=lambda: float(now)
        )
        running = asyncio.create_task(indexer.run())
        await until_async(lambda: looks > 3)
        assert indexer.behind == 1
        found = indexer.search(["refund"], None, 10)
        assert found is not None
        assert found.ids == ("inv_0",)
        now = 61
        await until_async(lambda: indexer.behind == 0)
        indexer.stop()
        await running
    finally:
        store.close()


async def test_more_changes_than_are_remembered_are_found_by_comparing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_indexer, "MOST_CHANGES", 2)
    monkeypatch.setattr(text_indexer, "BATCH", 2)
    RecordedStore(tmp_path, invocations=[]).write()
    store = Store(tmp_path)
    try:
        indexer = TextIndexer(store, pace=IndexerPace(quiet=0.0, rest=0.0), failed=pytest.fail)
        running = asyncio.create_task(indexer.run())
        await until_async(lambda: indexer.behind == 0)
        ids = [f"inv_{number}" for number in range(7)]
        with store.transaction() as connection:
            connection.execute(
                "INSERT INTO invocations (id, created_at, last_failure)"
                " SELECT unnest(?::VARCHAR[]), now(), 'needle'",
                [ids],
            )
        indexer.changed(ids)
        assert indexer.search(["needle"], None, 10) is None
        await until_async(lambda: indexer.behind == 0)
        found = indexer.search(["needle"], None, 10)
        assert found is not None
        assert set(found.ids) == set(ids)
        indexer.stop()
        await running
    finally:
        store.close()


async def test_what_cannot_be_read_is_put_off_and_stays_in_every_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_documents

    def fail(cursor: Any, ids: Sequence[str]) -> Any:
        if "inv_1" in ids:
            raise duckdb.OutOfMemoryException("too large")
        return read(cursor, ids)

    monkeypatch.setattr(text_indexer, "read_documents", fail)
    monkeypatch.setattr(text_indexer, "RETRY_SECONDS", 0.01)
    recorded_store = RecordedStore(tmp_path)
    for number in range(3):
        recorded_store.invocation(f"inv_{number}", last_failure="needle")
    recorded_store.write()
    store = Store(tmp_path)
    failures: list[str] = []
    try:
        indexer = TextIndexer(store, pace=IndexerPace(quiet=0.0, rest=0.0), failed=failures.append)
        running = asyncio.create_task(indexer.run())
        await until_async(lambda: indexer.behind == 1)
        assert "too large" in failures[0]
        found = indexer.search(["needle"], None, 10)
        assert found is not None
        assert set(found.ids) == {"inv_0", "inv_1", "inv_2"}
        monkeypatch.setattr(text_indexer, "read_documents", read)
        await until_async(lambda: indexer.behind == 0)
        indexer.stop()
        await running
    finally:
        store.close()


async def test_a_lost_and_a_damaged_index_and_one_that_is_behind_are_made_whole(
    tmp_path: Path,
) -> None:
    recorded_store = RecordedStore(tmp_path)
    for number in range(3):
        id_ = recorded_store.invocation(f"inv_{number}")
        recorded_store.span(id_, {"gen_ai.tool.call.arguments": f"needle {number}"})
    recorded_store.write()
    store = Store(tmp_path)
    try:

        def found() -> set[str]:
            answer = TextIndex(tmp_path).search(["needle"], None, 10)
            assert answer is not None
            return set(answer.ids)

        await index_all(store)
        assert found() == {"inv_0", "inv_1", "inv_2"}
        shutil.rmtree(tmp_path / FOLDER)
        await index_all(store)
        assert found() == {"inv_0", "inv_1", "inv_2"}
        (tmp_path / FOLDER / "meta.json").write_text("{")
        await index_all(store)
        assert found() == {"inv_0", "inv_1", "inv_2"}
        with store.transaction() as connection:
            connection.execute("DELETE FROM invocations WHERE id = 'inv_0'")
            connection.execute("UPDATE invocations SET last_failure = 'other' WHERE id = 'inv_1'")
            connection.execute("DELETE FROM spans WHERE invocation_id <> 'inv_2'")
        await index_all(store)
        assert found() == {"inv_2"}
    finally:
        store.close()


async def test_a_page_is_read_again_when_rows_are_deleted_meanwhile(tmp_path: Path) -> None:
    recorded = RecordedStore(tmp_path)
    for number in range(4):
        recorded.invocation(f"inv_{number}", created=number)
    recorded.write()
    store = Store(tmp_path)

    class Deleting(OpenStore):
        async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
            found = await super().rows(sql, params)
            with store.transaction() as connection:
                connection.execute("DELETE FROM invocations WHERE id = 'inv_3'")
            return found

    for client in (Deleting(store), OpenStore(store)):
        found = await StoredInvocations(client).newest(2, Filter(), NOW, None, live=False)  # type: ignore[arg-type]
        assert [row["id"] for row in found] == ["inv_2", "inv_1"]
    store.close()


async def test_the_newest_rows_without_a_filter(tmp_path: Path) -> None:
    recorded = RecordedStore(tmp_path)
    for number in range(12):
        recorded.invocation(f"inv_{number:02d}", created=number // 4)
    recorded.write()
    store = Store(tmp_path)
    with store.transaction() as connection:
        connection.execute("UPDATE invocations SET created_at = NULL WHERE id IN ('inv_00')")
    source: Any = OpenStore(store)
    sql = "SELECT id FROM invocations ORDER BY created_at DESC, id DESC"
    ids = [row["id"] for row in await source.rows(sql)]
    assert ids[0] == "inv_11"
    assert ids[-1] == "inv_00"
    for limit in range(1, 15):
        found = await StoredInvocations(source).newest(limit, Filter(), NOW, None, live=False)
        assert [row["id"] for row in found] == ids[:limit]
    store.close()


async def test_the_newest_rows_of_a_later_list(tmp_path: Path) -> None:
    recorded = RecordedStore(tmp_path)
    for number in range(30):
        recorded.invocation(f"inv_{number:02d}", created=number // 4)
    recorded.write()
    store = Store(tmp_path)

    class Counting(OpenStore):
        asked = 0

        async def rows_of(
            self, sql: str, params: Sequence[Any], of_ids: str
        ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            self.asked += 1
            return await super().rows_of(sql, params, of_ids)

    source: Any = Counting(store)
    stored = StoredInvocations(source)

    async def reads(limit: int) -> int:
        """Compare a list with all rows; return the number of its queries."""
        source.asked = 0
        found = await stored.newest(limit, Filter(), NOW, None, live=False)
        asked = source.asked
        sql = "SELECT id FROM invocations ORDER BY created_at DESC, id DESC"
        assert [row["id"] for row in found] == [row["id"] for row in await source.rows(sql)][:limit]
        return asked

    def change(sql: str) -> None:
        with store.transaction() as connection:
            connection.execute(sql)

    assert [await reads(limit) for limit in (10, 10, 3, 20, 10, 20)] == [1] * 6
    change("UPDATE invocations SET created_at = now() WHERE id IN ('inv_00', 'inv_20')")
    assert [await reads(limit) for limit in (10, 20)] == [1, 1]
    change("DELETE FROM invocations WHERE id BETWEEN 'inv_20' AND 'inv_24'")
    assert [await reads(limit) for limit in (20, 10, 20)] == [2, 1, 1]
    change("DELETE FROM invocations WHERE id < 'inv_25'")
    assert [await reads(limit) for limit in (20, 20, 4, 4)] == [2, 1, 1, 1]
    change("UPDATE invocations SET created_at = NULL WHERE id > 'inv_25'")
    assert [await reads(limit) for limit in (4, 4, 1, 1)] == [2, 1, 1, 1]
    store.close()
