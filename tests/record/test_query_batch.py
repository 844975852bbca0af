"""Queries that start at the same moment share a request, and end as if each had its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from playhead.errors import ArchivedFileError, QueryError, QueryLimitError
from playhead.http_client import HttpClient
from playhead.model import Tokens
from playhead.reader.reader import Reader
from playhead.record import api, endpoint, shared_requests
from playhead.record.client import StoreClient, connect
from playhead.record.queries import batch as query_batch
from playhead.record.recorder import Recorder, open_recorder
from playhead.record.shared_requests import SharedRequests, together
from playhead.settings import Settings
from playhead.store import kept_rows
from playhead.store.attempt_counts import PERIODS
from playhead.store.calls.call_table import IS_BUILT
from playhead.store.kept_queries import NEWEST_IDS
from playhead.store.kept_rows import INVOCATIONS_OF
from playhead.store.query_limits import Limits
from playhead.store.stale_figures import note_stale
from playhead.store.upkeep import perform
from starlette.applications import Starlette

from helpers import FREE  # isort: skip
from otlp import client  # isort: skip
from waiting import until_async  # isort: skip

NUMBERS = "SELECT range AS number FROM range(3) WHERE range > ?"
INVOCATIONS = "INSERT INTO invocations (id, target) VALUES ('inv_1', 'A/a'), ('inv_2', 'B/b')"


@pytest.fixture
async def source(recorder: Recorder, settings: Settings) -> AsyncIterator[StoreClient]:
    with recorder.store.transaction() as connection:
        connection.execute(INVOCATIONS)
    found = await connect(settings)
    assert found is not None
    yield found
    await found.close()


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the requests that clients send."""
    sent: list[str] = []
    send = HttpClient.send

    async def note(self: HttpClient, request: httpx.Request, **options: Any) -> httpx.Response:
        sent.append(request.url.path)
        return await send(self, request, **options)

    monkeypatch.setattr(HttpClient, "send", note)
    return sent


@pytest.fixture(params=["this version", "an earlier version"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of the recorder. An earlier one does not know the path."""
    app = api.app

    def without_queries(*args: Any) -> Starlette:
        made = app(*args)
        made.router.routes = [one for one in made.routes if getattr(one, "path", "") != "/queries"]
        return made

    if request.param == "an earlier version":
        monkeypatch.setattr(api, "app", without_queries)
    return str(request.param)


async def test_queries_of_one_moment_share_a_request(
    version: str, source: StoreClient, paths: list[str]
) -> None:
    with together():
        first, wrong, health, second = await asyncio.gather(
            source.rows(NUMBERS, [0]),
            source.rows("SELECT nothing"),
            source.health(),
            source.rows(NUMBERS, [1]),
            return_exceptions=True,
        )
    assert first == [{"number": 1}, {"number": 2}]
    assert second == [{"number": 2}]
    assert isinstance(health, dict)
    assert health["spans"] == 0
    assert type(wrong) is QueryError
    assert "nothing" in wrong.title
    if version == "this version":
        assert paths == ["/queries"]
    assert await source.rows(NUMBERS, [1]) == second
    assert paths[-1] == "/query"


async def test_rows_of_the_ids_that_a_query_finds(version: str, source: StoreClient) -> None:
    sql = "SELECT id FROM invocations WHERE target <> ? ORDER BY id DESC"
    for _ in range(2):  # the second time, the rows are kept
        with together():
            _, (heads, rows) = await asyncio.gather(
                source.rows(NUMBERS, [0]), source.rows_of(sql, ["C/c"], INVOCATIONS_OF)
            )
        assert [row["id"] for row in heads] == ["inv_2", "inv_1"]
        assert {row["id"]: row["target"] for row in rows} == {"inv_1": "A/a", "inv_2": "B/b"}
    heads, rows = await source.rows_of(sql, ["B/b"], INVOCATIONS_OF)
    assert ([row["id"] for row in heads], [row["id"] for row in rows]) == (["inv_1"], ["inv_1"])
    with pytest.raises(QueryError, match="nothing"):
        await source.rows_of("SELECT nothing", [], INVOCATIONS_OF)


async def test_answers_of_memory_alone_are_those_of_the_tables(
    recorder: Recorder, source: StoreClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = query_batch.run_batch, list[object]()
    monkeypatch.setattr(api, "run_batch", lambda *args: (reads.append(args), read(*args))[1])
    change = "UPDATE invocations SET created_at = now() WHERE id = ?"

    async def listed(limit: int = 2) -> list[str]:
        with together():
            health, periods, (heads, rows) = await asyncio.gather(
                source.health(),
                source.rows(PERIODS),
                source.rows_of(f"{NEWEST_IDS}{limit}", ["2000-01-01"], INVOCATIONS_OF),
            )
        assert health is not None
        assert len(periods) == recordings
        assert sorted(row["id"] for row in rows) == sorted(head["id"] for head in heads)
        return [head["id"] for head in heads]

    recordings = 0
    with contextlib.closing(recorder.store.cursor()) as cursor:
        built = "SELECT 1 FROM derived WHERE name = 'figures'"
        await until_async(lambda: cursor.execute(built).fetchall(), "all tables are built")
    assert await listed() == []
    for id_, expected in (("inv_1", ["inv_1"]), ("inv_2", ["inv_2", "inv_1"])):
        with recorder.store.transaction(noted=True) as connection:
            connection.execute(change, [id_])
            note_stale(connection, [id_])
        reads.clear()
        assert await listed() == expected
        assert len(reads) == 1
        assert await listed() == expected
        with recorder.store.transaction(noted=True, heads=False) as connection:
            connection.execute("DELETE FROM spans")
        assert await listed() == expected
        assert len(reads) == 1, "the second time, nothing is read"
    assert await listed(1) == ["inv_2"]
    with recorder.store.transaction(noted=True) as connection:
        connection.execute("INSERT INTO recordings VALUES (now(), now(), 'one')")
    recordings = 1
    assert await listed() == ["inv_2", "inv_1"]
    with recorder.store.transaction() as connection:
        connection.execute("DELETE FROM invocations")
    assert await listed() == []


async def test_a_list_of_the_store_alone_takes_one_request(
    version: str, recorder: Recorder, source: StoreClient, paths: list[str]
) -> None:
    with contextlib.closing(recorder.store.cursor()) as cursor:
        await until_async(lambda: cursor.execute(IS_BUILT).fetchall(), "the calls are built")
    with recorder.store.transaction() as connection:
        connection.execute("UPDATE invocations SET created_at = now(), status = 'completed'")
        connection.execute(
            "INSERT INTO calls BY NAME SELECT 'inv_1' AS invocation_id, 'a' AS trace_id,"
            " 'b' AS span_id, 'model' AS kind, 'gpt-5' AS name, 1 AS started_us,"
            " true AS succeeded, 70 AS input_tokens, 7 AS output_tokens"
        )
        connection.execute(
            "INSERT INTO journal_events (id, event_type, appended_at) VALUES"
            " ('inv_1', 'TransientError', now())"
        )
    reader, apart = Reader(None, source), Reader(None, source)
    assert apart._stored is not None
    apart._stored._counts_of_ids = False  # as with a recorder that refuses this
    for _ in range(3):  # the later times, the rows are kept
        paths.clear()
        page = await reader.invocations(limit=1)
        assert page.more
        assert paths == ["/queries"] or version == "an earlier version"
        page = await reader.invocations(limit=10)
        assert page.rows == (await apart.invocations(limit=10)).rows
        found = {row.id: (row.llm_calls, row.tokens, row.models) for row in page.rows}
        assert found == {
            "inv_1": (1, Tokens(70, 7), ("gpt-5",)), "inv_2": (None, None, ())
        }  # fmt: skip
        assert page.missing == (await apart.invocations(limit=10)).missing


async def test_an_invocation_of_the_store_alone_takes_one_request(
    recorder: Recorder, source: StoreClient, paths: list[str]
) -> None:
    with recorder.store.transaction() as connection:
        connection.execute(
            "UPDATE invocations SET created_at = now(), modified_at = now(), status = 'completed'"
        )
        connection.execute(
            "INSERT INTO journal_events (id, event_type, appended_at) VALUES"
            " ('inv_1', 'TransientError', now())"
        )
    detail = await Reader(None, source).invocation("inv_1")
    assert detail is not None
    assert detail.summary.target == "A/a"
    assert paths == ["/queries"]


async def test_a_large_result_fails_alone(source: StoreClient) -> None:
    with together():
        large, small = await asyncio.gather(
            source.rows("SELECT 1 FROM range(1_000_001)"), source.rows(NUMBERS, [1]),
            return_exceptions=True,
        )  # fmt: skip
    assert type(large) is QueryLimitError
    assert small == [{"number": 2}]


async def test_a_damaged_archive_is_no_wrong_query(
    version: str, recorder: Recorder, source: StoreClient
) -> None:
    old = "SELECT 'a' AS trace_id, 'b' AS span_id, 'old' AS name, 1 AS start_unix_nano"
    with recorder.store.transaction() as connection:
        connection.execute(f"INSERT INTO spans BY NAME {old}")
    perform(recorder.store, {"task": "archive", "before": "1999-01-01"})
    [part] = (recorder.store.folder / "archive").rglob("part-*")
    kept = part.rename(recorder.store.folder / "kept")
    for spoil in (lambda: None, lambda: part.write_bytes(b"garbage" * 9)):
        spoil()
        with pytest.raises(ArchivedFileError, match=str(part.parents[1])):
            await source.rows("SELECT name FROM all_spans")
    with pytest.raises(QueryError) as caught:
        await source.rows("SELECT nonsense FROM spans")
    assert not isinstance(caught.value, ArchivedFileError)
    kept.replace(part)
    assert {"name": "old"} in await source.rows("SELECT name FROM all_spans")


async def test_other_documents_are_refused(recorder: Recorder) -> None:
    documents: list[Any] = [
        [], {}, {"queries": []}, {"queries": [{}]}, {"queries": [{"sql": 1}]},
        {"queries": [{"sql": "SELECT 1", "params": {"a": 1}}]}, {"queries": [{"health": False}]},
        {"queries": [{"sql": INVOCATIONS_OF, "ids_of": 0}]},
        {"queries": [{"sql": "SELECT 1"}, {"sql": INVOCATIONS_OF, "ids_of": -1}]},
        {"queries": [{"sql": "SELECT 1"}] * 21},
    ]  # fmt: skip
    headers = {"authorization": f"Bearer {endpoint.read_token(recorder.store.folder)}"}
    url = f"{recorder.endpoint.api_url}/queries"
    async with client() as http:
        for document in documents:
            refused = await http.post(url, content=json.dumps(document), headers=headers)
            assert refused.status_code == 400, document
        assert (await http.post(url, content=b'{"queries": ')).status_code == 401


async def test_a_large_document_does_not_hold_up_other_requests(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse, began, may_go_on = query_batch.parse_batch, threading.Event(), threading.Event()

    def slow(body: bytes) -> Any:
        began.set()
        assert may_go_on.wait(60)
        return parse(body)

    monkeypatch.setattr(api, "parse_batch", slow)
    headers = {"authorization": f"Bearer {endpoint.read_token(recorder.store.folder)}"}
    body = b'{"queries":[' + b",".join([b'{"sql":"SELECT 1"}'] * 10_000) + b"]}"
    url = recorder.endpoint.api_url
    async with client() as http:
        large = asyncio.create_task(http.post(f"{url}/queries", content=body, headers=headers))
        await until_async(began.is_set)
        assert (await http.get(f"{url}/healthz")).status_code == 200
        assert not large.done()
        may_go_on.set()
        assert (await large).json()["error"] == "expected 1 to 20 queries"


def test_rows_are_written_in_parts_between_which_other_threads_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"id": f"inv_{n}", "text": 'é"]['} for n in range(250)]
    dumped, sizes = kept_rows._dumped, list[int]()
    monkeypatch.setattr(
        kept_rows, "_dumped", lambda part: (sizes.append(len(part)), dumped(part))[1]
    )
    for count in (0, 1, 100, 101, 250):
        assert json.loads(kept_rows.to_json(rows[:count])) == rows[:count]
    assert max(sizes) == 100


async def test_the_queries_of_a_request_have_the_time_of_one(
    settings: Settings,
) -> None:
    endless = "SELECT count(*) AS n FROM range(1000000000000)"
    options = replace(FREE, limits=Limits(seconds=2))
    async with open_recorder(settings, options) as recorder, client() as http:
        headers = {"authorization": f"Bearer {endpoint.read_token(recorder.store.folder)}"}
        answered = await http.post(
            f"{recorder.endpoint.api_url}/queries",
            json={"queries": [{"sql": "SELECT 1 AS n"}, *[{"sql": endless}] * 19]},
            headers=headers,
        )
    first, *others = answered.json()["results"]
    assert first == {"rows": [{"n": 1}]}
    assert {one["status"] for one in others} == {413}
    assert "longer than" in others[0]["error"]
    assert {one["error"] for one in others[1:]} == {"The queries took longer than 2 s"}


class Sends:
    """Keeps the queries of each request, and answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Sequence[Mapping[str, Any]]] = []
        self.answered = asyncio.Event()
        self.cancelled = False

    async def __call__(self, queries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        self.sent.append(queries)
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return [{"rows": [query]} for query in queries]


async def test_a_request_ends_when_nobody_waits_for_it() -> None:
    send = Sends()
    shared = SharedRequests(send)
    one, two = (asyncio.create_task(shared.ask({"sql": text})) for text in "ab")
    await until_async(lambda: bool(send.sent))
    assert [len(queries) for queries in send.sent] == [2]
    one.cancel()
    await asyncio.wait([one])
    assert not send.cancelled
    two.cancel()
    await asyncio.wait([two])
    await asyncio.sleep(0)
    assert send.cancelled


async def test_many_queries_are_sent_in_several_requests() -> None:
    send = Sends()
    send.answered.set()
    shared = SharedRequests(send)
    pairs = [({"sql": f"{n}"}, {"sql": "of", "ids_of": 0}) for n in range(25)]
    found = await asyncio.gather(*(shared.ask(*pair) for pair in pairs))
    assert [result[0]["rows"][0]["sql"] for result in found] == [f"{n}" for n in range(25)]
    assert [len(queries) for queries in send.sent] == [20, 20, 10]
    assert [query["ids_of"] for query in send.sent[1] if "ids_of" in query] == list(range(0, 20, 2))


def test_clients_send_as_many_queries_as_the_recorder_accepts() -> None:
    assert shared_requests.MOST_QUERIES == query_batch.MOST_QUERIES


async def test_totals_take_few_requests(
    version: str, recorder: Recorder, source: StoreClient, paths: list[str]
) -> None:
    """A list reads them every few seconds while something changes."""
    with recorder.store.transaction() as connection:
        connection.execute("UPDATE invocations SET created_at = now()")
    with recorder.store.cursor() as cursor:
        await until_async(
            lambda: cursor.execute(IS_BUILT).fetchall(), "the table of calls is built"
        )
    totals = await Reader(None, source).totals()
    assert totals.invocations == 2
    if version == "this version":
        assert paths == ["/queries", "/queries", "/query"], "the copy, the models, the totals"
