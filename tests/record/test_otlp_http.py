from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
import time
import zlib
from typing import Any

import pytest
import zstandard
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from playhead.errors import MalformedRequestError
from playhead.record.ingest.queue import IngestLimits
from playhead.record.otlp.columns import SpanDecoder
from playhead.record.otlp.requests import Inspection, inspect_json, inspect_protobuf
from playhead.record.otlp.rows import span_rows
from playhead.record.recorder import Recorder
from playhead.record.request_body import _unzip
from waiting import until_async

from otlp import client, JSON, PROTOBUF, answer, post, request, select, spans  # isort: skip

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def document(**changes: Any) -> dict[str, Any]:
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        **changes,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}
        ]
    }


@pytest.mark.parametrize("compression", list(Compression))
async def test_the_real_exporter(recorder: Recorder, compression: Compression) -> None:
    exporter = OTLPSpanExporter(
        f"http://127.0.0.1:{recorder.endpoint.otlp_http_port}/v1/traces", compression=compression
    )
    provider = TracerProvider(resource=Resource({"service.name": "agent"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def work() -> None:
        tracer = provider.get_tracer("tests")
        with (
            tracer.start_as_current_span(
                "outer", kind=trace.SpanKind.SERVER, attributes={"restate.invocation.id": "inv_1"}
            ),
            tracer.start_as_current_span("inner [red]") as inner,
        ):
            inner.set_attribute("list", ["a", "ä\x00\u2028"])
            inner.set_attribute("float", 1.5)
            inner.set_attribute("big", 2**62)
            inner.add_event("event", {"n": 1})
            inner.set_status(trace.StatusCode.ERROR, "no")
        provider.shutdown()

    await asyncio.to_thread(work)
    outer, inner = await spans(recorder)
    assert (outer["name"], outer["kind"], outer["parent_span_id"]) == ("outer", "server", None)
    assert inner["name"] == "inner [red]"
    assert inner["parent_span_id"] == outer["span_id"]
    assert inner["attributes"] == {"list": ["a", "ä\x00\u2028"], "float": 1.5, "big": 2**62}
    assert (inner["status_code"], inner["status_message"]) == ("error", "no")
    assert inner["events"][0]["name"] == "event"
    assert inner["events"][0]["attributes"] == {"n": 1}
    assert (inner["service_name"], inner["scope_name"]) == ("agent", "tests")
    assert inner["end_unix_nano"] > inner["start_unix_nano"] > 10**18


async def test_an_agents_whole_tree_is_found_by_invocation(recorder: Recorder) -> None:
    message = request(14)
    tree = message.resource_spans[0].scope_spans[0].spans
    for number, span in enumerate(tree):
        if number:
            span.parent_span_id = tree[(number - 1) // 2].span_id
    tree[0].attributes.add(key="restate.invocation.id").value.string_value = "inv_1"
    # Children first, each in its own request, as exporters send them.
    for span in reversed(tree):
        one = request(0)
        one.resource_spans[0].scope_spans[0].spans.append(span)
        answer(await post(recorder, one.SerializeToString()))
    sql = "SELECT count(*) AS n FROM spans WHERE invocation_id = 'inv_1'"
    assert await recorder.ingest.settled(30)
    assert select(recorder, sql) == [{"n": 14}]


async def test_json(recorder: Recorder) -> None:
    body = document(
        kind=3,
        traceId=TRACE.upper(),
        startTimeUnixNano=1700000000000000000,
        unknownField={"a": [1]},
        flags=257,
        status={"code": 2, "message": "no"},
        attributes=[
            {"key": "int", "value": {"intValue": str(2**53 + 1)}},
            {"key": "int number", "value": {"intValue": 7}},
            {"key": "double", "value": {"doubleValue": 0.5}},
            {"key": "bytes", "value": {"bytesValue": base64.b64encode(b"\0\xff").decode()}},
            {"key": "map", "value": {"kvlistValue": {"values": [
                {"key": "a", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}}]}}},
        ],
        links=[{"traceId": TRACE, "spanId": SPAN}],
    )  # fmt: skip
    response = await post(recorder, json.dumps(body).encode(), JSON)
    assert response.status_code == 200
    assert response.headers["content-type"] == JSON
    assert response.json() == {}
    [span] = await spans(recorder)
    assert (span["trace_id"], span["span_id"], span["kind"]) == (TRACE, SPAN, "client")
    assert span["start_unix_nano"] == 1700000000000000000
    assert span["attributes"] == {
        "int": 2**53 + 1, "int number": 7, "double": 0.5, "bytes": "AP8=",
        "map": {"a": [True, None]},
    }  # fmt: skip
    assert span["links"] == [{"trace_id": TRACE, "span_id": SPAN, "attributes": {}}]
    assert span["status_code"] == "error"


def test_protobuf_and_json_of_the_same_request_give_the_same_rows() -> None:
    from google.protobuf import json_format

    message = request(30, padding=10)
    as_json = json_format.MessageToDict(message)
    for resource in as_json["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64decode(span[name]).hex()
    body = message.SerializeToString()
    logged = inspect_json(json.dumps(as_json).encode()).body
    assert list(span_rows([logged])) == list(span_rows([body]))
    assert len(list(span_rows([body]))) == 30


async def test_unusable_spans_are_rejected_and_the_others_kept(recorder: Recorder) -> None:
    message = request(10)
    batch = message.resource_spans[0].scope_spans[0].spans
    batch[0].trace_id = bytes(16)
    batch[1].span_id = bytes(8)
    batch[2].trace_id = b"short"
    batch[3].span_id = b""
    batch[4].parent_span_id = b"x"
    result = answer(await post(recorder, message.SerializeToString()))
    assert result.partial_success.rejected_spans == 5
    assert "trace id" in result.partial_success.error_message
    assert len(await spans(recorder)) == 5
    body = document(traceId="0" * 32)
    response = await post(recorder, json.dumps(body).encode(), JSON)
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert recorder.health()["rejected_spans"] == 6


async def test_a_request_without_rejected_spans_gets_an_empty_answer(recorder: Recorder) -> None:
    assert (await post(recorder, b"")).content == b""
    assert (await post(recorder, request(3).SerializeToString())).content == b""


_WIDE = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
_STREAM = zstandard.ZstdCompressor(compression_params=_WIDE).compressobj()
WIDE_WINDOW = _STREAM.compress(b"x") + _STREAM.flush()
"""A frame for which a receiver has to keep 128 MiB."""

MALFORMED: list[tuple[bytes, str, dict[str, str], int]] = [
    (b"\xff\xff\xff", PROTOBUF, {}, 400),
    (b"hello", PROTOBUF, {}, 400),
    (request(5).SerializeToString()[:-3], PROTOBUF, {}, 400),
    (b"", JSON, {}, 400),
    (b"{", JSON, {}, 400),
    (b"[]", JSON, {}, 400),
    (b"null", JSON, {}, 400),
    (b'"x"', JSON, {}, 400),
    (b"\xff\xfe", JSON, {}, 400),
    (b'{"resourceSpans": 1}', JSON, {}, 400),
    (b'{"resourceSpans": [1]}', JSON, {}, 400),
    (b'{"resourceSpans": [{"scopeSpans": {"spans": 3}}]}', JSON, {}, 400),
    (json.dumps(document(traceId="xyz")).encode(), JSON, {}, 400),
    (json.dumps(document(traceId=7)).encode(), JSON, {}, 400),
    (json.dumps(document(startTimeUnixNano="soon")).encode(), JSON, {}, 400),
    (json.dumps(document(startTimeUnixNano=-1)).encode(), JSON, {}, 400),
    (json.dumps(document(startTimeUnixNano=2**70)).encode(), JSON, {}, 400),
    (json.dumps(document(name={"a": 1})).encode(), JSON, {}, 400),
    (json.dumps(document(name="\ud800")).encode(), JSON, {}, 400),
    (json.dumps({"\ud800": None}).encode(), JSON, {}, 400),
    (json.dumps({"resourceSpans": [{"\ud800": 1}]}).encode(), JSON, {}, 400),
    (json.dumps(document(attributes=[{"key": "a", "value": 1}])).encode(), JSON, {}, 400),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON, {}, 400),
    (b'{"resourceSpans":' + b"[" * 100_000, JSON, {}, 400),
    (request(1).SerializeToString(), PROTOBUF, {"content_encoding": "gzip"}, 400),
    (gzip.compress(b"x" * 100)[:-4], PROTOBUF, {"content_encoding": "gzip"}, 400),
    (gzip.compress(b"\xff\xff"), PROTOBUF, {"content_encoding": "gzip"}, 400),
    (b"x", PROTOBUF, {"content_encoding": "br"}, 415),
    (b"x", PROTOBUF, {"content_encoding": "deflate"}, 400),
    (zlib.compress(b"x" * 100)[:-4], PROTOBUF, {"content_encoding": "deflate"}, 400),
    (b"x" * 100, PROTOBUF, {"content_encoding": "zstd"}, 400),
    (zstandard.compress(b"x" * 100)[:-4], PROTOBUF, {"content_encoding": "zstd"}, 400),
    (zstandard.compress(b"\xff\xff"), PROTOBUF, {"content_encoding": "zstd"}, 400),
    (zstandard.compress(b"\0" * (65 * 1024 * 1024)), PROTOBUF, {"content_encoding": "zstd"}, 413),
    (WIDE_WINDOW, PROTOBUF, {"content_encoding": "zstd"}, 400),
    (b"x", "text/plain", {}, 415),
    (b"x", "", {}, 415),
    (b"x" * (65 * 1024 * 1024), PROTOBUF, {}, 413),
    (gzip.compress(b"\0" * (65 * 1024 * 1024)), PROTOBUF, {"content_encoding": "gzip"}, 413),
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
async def test_malformed_input(recorder: Recorder, number: int) -> None:
    body, kind, headers, status = MALFORMED[number]
    response = await post(recorder, body, kind, **headers)
    assert response.status_code == status
    assert len(response.content) > 10
    if kind != PROTOBUF:
        assert response.json()["message"]
    assert await spans(recorder) == []
    answer(await post(recorder, request(2).SerializeToString()))
    assert len(await spans(recorder)) == 2


def test_any_bytes_decode_or_are_malformed() -> None:
    rng = random.Random(11)
    good = request(6, padding=5).SerializeToString()
    good_json = json.dumps(document(attributes=[{"key": "a", "value": {"intValue": "1"}}])).encode()
    outcomes = {"decoded": 0, "malformed": 0}
    accepted: list[Inspection] = []
    for round_number in range(3000):
        inspect, source = (
            (inspect_json, good_json) if round_number % 2 else (inspect_protobuf, good)
        )
        body = bytearray(source)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            match rng.randrange(4):
                case 0:
                    body[at] = rng.randrange(256)
                case 1:
                    del body[at : at + rng.randint(1, 10)]
                case 2:
                    body[at:at] = rng.randbytes(rng.randint(1, 6))
                case _:
                    body[at] ^= 1 << rng.randrange(8)
        try:
            inspection = inspect(bytes(body))
        except MalformedRequestError:
            outcomes["malformed"] += 1
        else:
            outcomes["decoded"] += 1
            accepted.append(inspection)
    for inspection in accepted:
        rows = list(span_rows([inspection.body]))
        assert len(rows) == inspection.spans
        for row in rows:
            json.loads(row[11])
            "".join(value for value in row if isinstance(value, str)).encode()
    # What passes the check can be committed, in any group.
    total = sum(inspection.spans for inspection in accepted)
    assert SpanDecoder().decode([one.body for one in accepted]).num_rows == total
    assert min(outcomes.values()) > 100


async def test_a_foreign_host_name_is_refused(recorder: Recorder) -> None:
    response = await post(recorder, request(1).SerializeToString(), host="evil.example")
    assert response.status_code == 400
    assert await spans(recorder) == []


async def test_other_paths_and_methods(recorder: Recorder) -> None:
    base = f"http://127.0.0.1:{recorder.endpoint.otlp_http_port}"
    async with client() as http:
        assert (await http.get(base + "/v1/traces")).status_code == 405
        assert (await http.post(base + "/v1/profiles", content=b"")).status_code == 404
        assert (await http.get(base + "/v1/metrics")).status_code == 405


async def test_many_senders_at_once(recorder: Recorder) -> None:
    bodies = [request(50, seed=n).SerializeToString() for n in range(40)]
    # Each request is sent twice, at any time: the store holds its spans once.
    responses = await asyncio.gather(*(post(recorder, body) for body in bodies * 2))
    assert {r.status_code for r in responses} == {200}
    assert await recorder.ingest.settled(30)
    assert select(
        recorder, "SELECT count(*) AS n, count(DISTINCT (trace_id, span_id)) AS d FROM spans"
    ) == [{"n": 2000, "d": 2000}]
    assert recorder.health()["spans"] == 2000


async def test_a_log_that_is_full_is_said(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.ingest, "_limits", IngestLimits(log=200_000))
    bodies = [request(100, seed=n, padding=1000).SerializeToString() for n in range(12)]
    with recorder.store._turn:  # the writer cannot commit
        responses = [await post(recorder, body) for body in bodies]
    accepted = [r.status_code for r in responses].count(200)
    assert 2 <= accepted <= 4
    refused = [r for r in responses if r.status_code != 200]
    assert {r.status_code for r in refused} == {503}
    assert {r.headers["retry-after"] for r in refused} == {"1"}
    assert len(await spans(recorder)) == accepted * 100
    answer(await post(recorder, bodies[5]))


async def test_requests_in_memory_are_limited(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder.ingest, "_limits", IngestLimits(memory=100_000))
    recorder.ingest.reserve(90_000)
    body = request(100, padding=1000).SerializeToString()
    for content, headers in (
        (body, {}),
        (gzip.compress(body), {"content_encoding": "gzip"}),
        (zstandard.compress(body), {"content_encoding": "zstd"}),
    ):
        response = await post(recorder, content, **headers)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    recorder.ingest.release(90_000)
    answer(await post(recorder, body))
    assert recorder.ingest._memory == 0


async def test_zstd_bodies_are_unpacked(recorder: Recorder) -> None:
    body = request(500, padding=1000).SerializeToString()
    frames = [zstandard.compress(body[at : at + 70_000]) for at in range(0, len(body), 70_000)]
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    for content in (zstandard.compress(body), b"".join(frames), skipped + zstandard.compress(body)):
        answer(await post(recorder, content, content_encoding="zstd"))
        assert len(await spans(recorder)) == 500


async def test_a_resource_that_is_copied_to_many_spans_is_too_large(recorder: Recorder) -> None:
    message = request(5000)
    attributes = message.resource_spans[0].resource.attributes
    attributes.add(key="large").value.string_value = "x" * 100_000
    response = await post(recorder, message.SerializeToString())
    assert response.status_code == 413
    assert b"resource" in response.content


async def test_many_gzip_members_are_unpacked_in_linear_time(recorder: Recorder) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        assert len(_unzip(gzip.compress(b"x") * count, 10_000_000, "gzip") or b"") == count
        return time.process_time() - started

    assert seconds(40_000) < 12 * seconds(10_000)
    body = request(3).SerializeToString()
    members = b"".join(gzip.compress(body[n : n + 7]) for n in range(0, len(body), 7))
    answer(await post(recorder, members, content_encoding="gzip"))
    assert len(await spans(recorder)) == 3


async def test_a_log_that_cannot_be_written_acknowledges_nothing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("playhead.record.ingest.request_log._write_all", fail)
        response = await post(recorder, request(3).SerializeToString())
        assert response.status_code == 503
        assert b"disk full" in response.content
    assert "disk full" in recorder.health()["last_error"]
    answer(await post(recorder, request(3).SerializeToString()))
    assert len(await spans(recorder)) == 3


async def test_a_store_that_fails_is_written_later(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("playhead.store.span_writer._insert", fail)
        answer(await post(recorder, request(3).SerializeToString()))
        await until_async(lambda: recorder.health()["last_error"] == "disk full")
        assert recorder.health()["waiting_requests"] == 1
    assert len(await spans(recorder)) == 3
    assert recorder.health()["waiting_requests"] == 0
