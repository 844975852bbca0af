"""Generated requests to a recorder: each is accepted or refused as malformed, and it goes on."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pyarrow as pa
import pytest
from generated import changed_bytes, changed_document, for_each, json_values, texts
from google.protobuf import json_format
from hypothesis import strategies as st
from playhead.record.endpoint import RecorderEndpoint, read_endpoint, read_token
from playhead.record.process import start_recorder
from playhead.settings import Settings

from otlp import JSON, PROTOBUF, request  # isort: skip

GOOD = request(4, padding=3)
BODY = GOOD.SerializeToString()
PACKED = {
    "gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "zstd": pa.compress(BODY, "zstd", asbytes=True),
}
DOCUMENT = json_format.MessageToDict(GOOD)
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
QUERY = {
    "sql": "SELECT name, ? AS x FROM spans WHERE start_unix_nano > ? LIMIT 3",
    "params": ["a", 1, [1, 2.5, None], {"a": True}],
}
BATCH = {
    "queries": [
        QUERY,
        {"sql": "SELECT invocation_id AS id FROM spans LIMIT 2"},
        {"sql": "SELECT len(?::VARCHAR[]) AS n", "ids_of": 1},
        {"health": True},
    ]
}
SEARCH = {"texts": ["span 2", "x"], "until_us": 1_790_000_000_000_000, "limit": 5}
WORDS = (
    "SELECT FROM spans invocations WHERE ? , ( ) [ ] { } * 1 1e999 'a' -- /* ; $1 :a CASE UNION "
    "ALL LIMIT ORDER BY NULL repeat range x'00' INTERVAL COPY"
)
SQL = st.lists(st.sampled_from([*WORDS.split(), "\u202e", "\x00", '"b"']), max_size=25).map(
    " ".join
)


class Running:
    """A recorder in a process of its own, and a client of its ports."""

    def __init__(self, settings: Settings, pid: int) -> None:
        endpoint = read_endpoint(settings.store)
        assert endpoint is not None
        self.endpoint: RecorderEndpoint = endpoint
        self.process = psutil.Process(pid)
        self.http = httpx.Client(trust_env=False, verify=False, timeout=60)
        self.authorization = {"authorization": f"Bearer {read_token(settings.store)}"}

    def post(self, body: bytes, kind: str, **headers: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.endpoint.otlp_http_port}/v1/traces"
        return self.http.post(url, content=body, headers={"content-type": kind, **headers})

    def query(self, body: bytes, path: str = "/query") -> httpx.Response:
        headers = {**self.authorization, "accept": "application/json"}
        return self.http.post(f"{self.endpoint.api_url}{path}", content=body, headers=headers)

    def problems(self) -> int:
        """Return how often a commit failed; what was accepted must be storable."""
        found = self.http.get(f"{self.endpoint.api_url}/health", headers=self.authorization)
        health = found.raise_for_status().json()
        return int(health["set_aside_requests"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("generated")
    settings = Settings(admin_url="http://127.0.0.1:1", store=folder / "store")
    child = start_recorder(settings, folder / "log", free_ports=True, journals=False)
    try:
        assert child.pid is not None
        found = Running(settings, child.pid)
        yield found
        # Whatever was sent: the recorder runs, stores, and was never large.
        answered = found.post(request(3, seed=9).SerializeToString(), PROTOBUF)
        assert answered.status_code == 200
        rows = found.query(b'{"sql": "SELECT count(*) AS n FROM spans WHERE name = \'span 2\'"}')
        assert rows.json()["rows"][0]["n"] >= 1
        assert found.problems() == 0
        assert found.process.memory_info().rss < 1 << 30
        found.http.close()
    finally:
        child.stop()


def write(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_json_is_accepted_or_malformed(running: Running, record_property: Any) -> None:
    @for_each(record_property, document=changed_document(DOCUMENT) | json_values)
    def check(document: Any) -> None:
        response = running.post(write(document), JSON)
        assert response.status_code in (200, 400), response.text
        if response.status_code == 400:
            assert response.json()["message"]


def test_protobuf_is_accepted_or_malformed(running: Running, record_property: Any) -> None:
    @for_each(record_property, body=changed_bytes(BODY))
    def check(body: bytes) -> None:
        assert running.post(body, PROTOBUF).status_code in (200, 400)


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_bodies_are_accepted_or_malformed(
    running: Running, record_property: Any, encoding: str
) -> None:
    packed = PACKED[encoding]
    assert running.post(packed, PROTOBUF, **{"content-encoding": encoding}).status_code == 200

    @for_each(record_property, body=changed_bytes(packed))
    def check(body: bytes) -> None:
        answered = running.post(body, PROTOBUF, **{"content-encoding": encoding})
        assert answered.status_code in (200, 400, 413)


def test_grpc_is_accepted_or_malformed(running: Running, record_property: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{running.endpoint.otlp_grpc_port}") as channel:
        export: Any = channel.unary_unary(EXPORT)

        @for_each(record_property, body=changed_bytes(BODY))
        def check(body: bytes) -> None:
            try:
                export(body, timeout=60)
            except grpc.RpcError as error:
                status: Any = error
                assert status.code() == grpc.StatusCode.INVALID_ARGUMENT, status


def test_queries_are_answered_or_refused(running: Running, record_property: Any) -> None:
    @for_each(
        record_property,
        document=changed_document(QUERY)
        | json_values
        | st.fixed_dictionaries({"sql": texts | SQL, "params": st.lists(json_values, max_size=3)}),
    )
    def check(document: Any) -> None:
        response = running.query(write(document))
        assert response.status_code in (200, 400, 413), response.text
        if response.status_code != 200:
            assert response.json()["error"]


@pytest.mark.parametrize(
    ("path", "document"),
    [("/queries", BATCH), ("/search", SEARCH), ("/store", {"task": "summary", "before": "2026"})],
)
def test_other_requests_are_answered_or_refused(
    running: Running, record_property: Any, path: str, document: Any
) -> None:
    assert running.query(write(document), path).status_code == 200

    @for_each(record_property, document=changed_document(document) | json_values)
    def check(document: Any) -> None:
        response = running.query(write(document), path)
        assert response.status_code in (200, 400, 413), response.text
        for one in response.json().get("results", [response.json()]):
            assert one.get("error") or response.status_code == 200


@pytest.mark.parametrize(
    ("path", "document"), [("/query", QUERY), ("/queries", BATCH), ("/search", SEARCH)]
)
def test_changed_bytes_are_answered_or_refused(
    running: Running, record_property: Any, path: str, document: Any
) -> None:
    @for_each(record_property, body=changed_bytes(write(document)))
    def check(body: bytes) -> None:
        assert running.query(body, path).status_code in (200, 400, 413)


def test_positions_of_the_change_feed_are_answered_or_refused(
    running: Running, record_property: Any
) -> None:
    @for_each(record_property, since=st.text(max_size=20), wait=st.text(max_size=8))
    def check(since: str, wait: str) -> None:
        response = running.http.get(
            f"{running.endpoint.api_url}/changes",
            params={"since": since, "wait": f"0{wait}" if wait[:1].isdigit() else wait},
            headers=running.authorization,
        )
        assert response.status_code in (200, 400), response.text


def test_the_store_is_whole_afterwards(running: Running, tmp_path: Path) -> None:
    """All accepted spans can be read, in every column."""
    response = running.query(b'{"sql": "SELECT * FROM spans"}')
    assert response.status_code == 200
    for row in response.json()["rows"]:
        for column in ("attributes", "resource", "events", "links"):
            json.loads(row[column])
