from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from playhead.errors import QueryError, QueryLimitError
from playhead.record import endpoint
from playhead.record.client import StoreClient, connect
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings
from playhead.store.calls.call_table import IS_BUILT
from playhead.store.calls.counts import COUNTS_OF
from prometheus_client.parser import text_string_to_metric_families
from waiting import until_async

from helpers import FREE  # isort: skip
from otlp import client, post, request  # isort: skip


async def ask(recorder: Recorder, content: bytes, **headers: str) -> httpx.Response:
    token = endpoint.read_token(recorder.store.folder)
    given = {"authorization": f"Bearer {token}", "accept": "application/json", **headers}
    async with client() as http:
        return await http.post(f"{recorder.endpoint.api_url}/query", content=content, headers=given)


async def test_arrow_and_json_hold_the_same(recorder: Recorder, settings: Settings) -> None:
    await post(recorder, request(30).SerializeToString())
    source = await connect(settings)
    assert source is not None
    assert recorder.endpoint.api_url in source.describe()
    sql = "SELECT name, start_unix_nano FROM spans WHERE name <> ? ORDER BY start_unix_nano"
    rows = await source.rows(sql, ["span 3"])
    table: pa.Table = await source.arrow(sql, ["span 3"])
    assert len(rows) == 29
    assert table.to_pylist() == rows
    health = await source.health()
    assert health is not None
    assert health["spans"] == 30
    assert health["ports"]["api"] == recorder.endpoint.api_port
    await source.close()


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", "Basic {token}", "bearer {token}x"]
)
async def test_the_token_is_needed(recorder: Recorder, given: str) -> None:
    token = endpoint.read_token(recorder.store.folder)
    header = given.format(token=token)
    response = await ask(recorder, b'{"sql": "SELECT 1"}', authorization=header)
    assert response.status_code == 401
    async with client() as http:
        response = await http.get(
            f"{recorder.endpoint.api_url}/health", headers={"authorization": header}
        )
    assert response.status_code == 401


async def test_the_token_is_private_and_new_at_each_start(settings: Settings) -> None:
    path = settings.store / endpoint.TOKEN_FILE
    async with open_recorder(settings, FREE):
        first = path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    async with open_recorder(settings, FREE):
        assert path.read_text() != first
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_foreign_host_name_is_refused(recorder: Recorder) -> None:
    response = await ask(recorder, b'{"sql": "SELECT 1"}', host="evil.example:4319")
    assert response.status_code == 400
    for host in ("localhost:1", "127.0.0.1"):
        assert (await ask(recorder, b'{"sql": "SELECT 1"}', host=host)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"{}", b'{"sql": 1}', b'{"sql": "SELECT 1", "params": {"a": 1}}',
     b'{"sql": null}', b"\xff"],
)  # fmt: skip
async def test_malformed_requests(recorder: Recorder, body: bytes) -> None:
    response = await ask(recorder, body)
    assert response.status_code == 400
    assert "sql" in response.json()["error"]


async def test_errors_of_queries(recorder: Recorder, settings: Settings) -> None:
    source = await connect(settings)
    assert source is not None
    for sql, params in (
        ("SELECT * FROM nowhere", []),
        ("DROP TABLE spans", []),
        ("SELECT ?", []),
        ("SELECT 1", [1]),
        ("SELECT ?", [{"a": object}.keys() and {"a": 1}]),
    ):
        run: Any
        for run in (source.rows, source.arrow):
            if params == [{"a": 1}]:
                await run(sql, params)
            else:
                with pytest.raises(QueryError):
                    await run(sql, params)
    with pytest.raises(QueryLimitError, match="more than 1000000 rows") as caught:
        await source.rows("SELECT * FROM range(1000001)")
    assert "LIMIT" in caught.value.hint
    await source.close()


async def test_the_file_is_queried_without_a_recorder(settings: Settings) -> None:
    assert await connect(settings) is None
    async with open_recorder(settings, FREE) as recorder:
        await post(recorder, request(5).SerializeToString())
        via_recorder = await connect(settings)
        assert via_recorder is not None
        rows = await via_recorder.rows("SELECT * FROM spans ORDER BY ALL")
    assert via_recorder.recording
    assert await via_recorder.rows("SELECT * FROM spans ORDER BY ALL") == rows
    assert not via_recorder.recording  # now it reads the file
    await via_recorder.close()
    source = await connect(settings)
    assert source is not None
    assert "playhead.duckdb" in source.describe()
    assert await source.rows("SELECT * FROM spans ORDER BY ALL") == rows
    assert (await source.arrow("SELECT name FROM spans")).num_rows == 5
    await refuses_to_write(source)
    # The client does not keep the file open: a recorder can start.
    async with open_recorder(settings, FREE):
        assert await source.rows("SELECT 1 AS one") == [{"one": 1}]
        assert source.recording  # it follows the recorder that started
        await source.close()
        again = await connect(settings)
        assert again is not None
        assert "recorder at" in again.describe()
        await again.close()


async def test_the_file_answers_queries_at_the_same_time(settings: Settings) -> None:
    async with open_recorder(settings, FREE) as recorder:
        await post(recorder, request(5).SerializeToString())
    source = await connect(settings)
    assert source is not None
    answers = await asyncio.gather(
        *(source.rows("SELECT count(*) AS n FROM spans") for _ in "abcd")
    )
    assert answers == [[{"n": 5}]] * 4


async def refuses_to_write(source: StoreClient) -> None:
    for sql in ("DELETE FROM spans", "SELECT * FROM read_text('/etc/hostname')"):
        with pytest.raises(QueryError):
            await source.rows(sql)


async def test_the_endpoint_of_a_killed_recorder_is_ignored(
    settings: Settings, tmp_path: Path
) -> None:
    async with open_recorder(settings, FREE):
        note = (settings.store / endpoint.ENDPOINT_FILE).read_text()
    assert not (settings.store / endpoint.ENDPOINT_FILE).exists()
    (settings.store / endpoint.ENDPOINT_FILE).write_text(note)
    source = await connect(settings)
    assert source is not None
    assert source.describe().startswith("file")
    (settings.store / endpoint.ENDPOINT_FILE).write_text("{")
    assert await connect(settings) is not None


async def test_queries_wait_for_what_is_acknowledged(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store cannot be written, answers say that they are not complete."""
    sql = b'{"sql": "SELECT count(*) AS n FROM spans"}'

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("playhead.store.span_writer._insert", fail)
        await post(recorder, request(30).SerializeToString())
        for wait in ({}, {"playhead-wait": "0"}, {"playhead-wait": "0.01"}):
            response = await ask(recorder, sql, **wait)
            assert response.headers["playhead-complete"] == "false"
            assert response.json() == {"rows": [{"n": 0}]}
    response = await ask(recorder, sql, **{"playhead-wait": "30"})
    assert response.headers["playhead-complete"] == "true"
    assert response.json() == {"rows": [{"n": 30}]}
    for wrong in ("soon", "nan"):
        assert (await ask(recorder, sql, **{"playhead-wait": wrong})).status_code == 400


async def test_queries_do_not_wait_for_a_busy_recorder(recorder: Recorder) -> None:
    ingest = recorder.ingest
    assert not ingest.busy
    now = ingest._commits._clock()
    for second in range(10):
        ingest._commits.load.add(now - 10 + second, now - 9.5 + second)
    assert ingest.busy
    assert ingest._commits.load.share(now + 60) < 0.01


async def test_metrics_agree_with_health(recorder: Recorder) -> None:
    message = request(30)
    message.resource_spans[0].scope_spans[0].spans[3].trace_id = b"short"
    await post(recorder, message.SerializeToString())
    assert await recorder.ingest.settled(30)
    token = endpoint.read_token(recorder.store.folder)
    url = f"{recorder.endpoint.api_url}/metrics"

    async def read() -> dict[str, float]:
        response = await http.get(url, headers={"authorization": f"Bearer {token}"})
        assert response.headers["content-type"].startswith("text/plain; version=")
        return {
            sample.name: sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    async with client() as http:
        assert (await http.get(url)).status_code == 401
        # A commit or a checkpoint in the background can change the size between the two reads.
        await until_async(
            lambda: _equal_sizes(read, recorder), "the sizes of /metrics and /health are equal"
        )
        values = await read()
    assert values["playhead_received_spans_total"] == 29
    assert values["playhead_stored_spans"] == 29
    assert values["playhead_rejected_spans_total"] == 1
    assert values["playhead_waiting_requests"] == 0
    assert values["playhead_commit_seconds_count"] == 1


async def _equal_sizes(read: Callable[[], Awaitable[dict[str, float]]], recorder: Recorder) -> bool:
    return (await read())["playhead_store_bytes"] == recorder.health()["bytes"]


async def test_alive_needs_no_token(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client() as http:
        url = f"{recorder.endpoint.api_url}/healthz"
        response = await http.get(url)
        assert (response.status_code, response.text) == (200, "ok\n")

        def fail(_: object) -> None:
            raise RuntimeError("database has been invalidated")

        monkeypatch.setattr(type(recorder.store), "check", fail)
        response = await http.get(url)
        assert response.status_code == 503
        assert "database has been invalidated" in response.text


async def test_texts_are_found_when_they_are_acknowledged_and_when_they_are_indexed(
    recorder: Recorder, settings: Settings
) -> None:
    with recorder.store.transaction() as connection:
        connection.execute("INSERT INTO invocations (id, created_at) VALUES ('inv_1', now())")
    source = await connect(settings)
    assert source is not None
    sent = request(2)
    for span in sent.resource_spans[0].scope_spans[0].spans:
        span.attributes.add(key="restate.invocation.id").value.string_value = "inv_1"
        span.attributes.add(key="input.value").value.string_value = "東京 Refund"
    await until_async(lambda: recorder.indexer.behind == 0)
    await post(recorder, sent.SerializeToString())
    for text in ("REFUND", "東京"):
        found = await source.search([text], None, 10)
        assert found is not None
        assert found.ids == ("inv_1",)
    await until_async(lambda: recorder.indexer.behind == 0)
    assert recorder.health()["text_index_behind"] == 0
    for text, ids in (("REFUND", ("inv_1",)), ("東京", ("inv_1",)), ("京東", ())):
        found = await source.search([text], None, 10)
        assert found is not None
        assert found.ids == ids
    assert await source.search(["ab"], None, 10) is None
    await source.close()
    token = endpoint.read_token(recorder.store.folder)
    headers = {"authorization": f"Bearer {token}"}
    async with client() as http:
        for body in (b"", b"{}", b'{"texts": []}', b'{"texts": ["a"], "limit": 1e99}', b"[]",
                     b'{"texts": ["a"], "until_us": 1e999}'):  # fmt: skip
            url = f"{recorder.endpoint.api_url}/search"
            response = await http.post(url, content=body, headers=headers)
            assert response.status_code == 400, body
        # The index would need gigabytes for a million texts.
        for texts, ids in (
            (["REFUND"] * 50, ["inv_1"]),
            (["REFUND"] * 51, None),
            (["x" * 9999], None),
        ):
            response = await http.post(url, json={"texts": texts, "limit": 9}, headers=headers)
            assert response.json()["ids"] == ids


async def test_rows_that_are_kept_are_read_again_after_a_change(recorder: Recorder) -> None:
    content = json.dumps({"sql": COUNTS_OF, "params": [["inv_1"]]}).encode()

    async def rows() -> Any:
        return (await ask(recorder, content)).raise_for_status().json()["rows"]

    with recorder.store.reading() as cursor:
        await until_async(lambda: cursor.execute(IS_BUILT).fetchall())
    for _ in range(3):
        assert await rows() == []
    with recorder.store.transaction() as connection:
        connection.execute("INSERT INTO journal (id, \"index\") VALUES ('inv_1', 0)")
    for _ in range(3):
        [row] = await rows()
        assert (row["id"], row["journaled"]) == ("inv_1", True)
