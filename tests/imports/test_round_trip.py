"""What was exported comes back equal: export, import, export."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from exported_rows import recording, rich_rows, row
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.cli import cli
from playhead.record.otlp.requests import inspect_json
from playhead.store.database import Store
from playhead.store.span_writer import SpanRow, SpanWriter


def playhead(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--store", str(store), *arguments])


def make_store(folder: Path, rows: list[SpanRow]) -> Path:
    store = Store(folder)
    SpanWriter(store).write(rows)
    store.close()
    return folder


def spans(folder: Path) -> list[tuple[object, ...]]:
    connection = duckdb.connect(str(folder / "playhead.duckdb"), read_only=True)
    try:
        found = connection.execute("SELECT * FROM spans ORDER BY trace_id, span_id").fetchall()
    finally:
        connection.close()
    return [(*r[:11], *map(json.loads, r[11:15])) for r in found]


def test_lines_come_back_equal(tmp_path: Path) -> None:
    first = make_store(tmp_path / "first", rich_rows())
    file, second, again = tmp_path / "a.jsonl", tmp_path / "second", tmp_path / "b.jsonl"
    assert playhead(first, "export", "traces", "--to", "file", str(file)).exit_code == 0
    result = playhead(second, "import", str(file))
    assert result.exit_code == 0, result.output
    assert "Imported 4 spans." in result.stdout
    assert spans(second) == spans(first)
    assert playhead(second, "export", "traces", "--to", "file", str(again)).exit_code == 0
    assert again.read_bytes() == file.read_bytes()


def test_imports_can_be_repeated_and_go_to_a_running_recorder(tmp_path: Path) -> None:
    first = make_store(tmp_path / "first", rich_rows())
    file, second = tmp_path / "a.jsonl", tmp_path / "second"
    playhead(first, "export", "traces", "--to", "file", str(file))
    with recording(second):
        assert playhead(second, "import", str(file)).exit_code == 0
        assert playhead(second, "import", str(file), str(file)).exit_code == 0
    assert spans(second) == spans(first)


@pytest.mark.parametrize("framed", [True, False])
def test_protobuf_dumps(tmp_path: Path, framed: bool) -> None:
    first = make_store(tmp_path / "first", rich_rows())
    lines, dump = tmp_path / "a.jsonl", tmp_path / "dump"
    playhead(first, "export", "traces", "--to", "file", str(lines))
    body = inspect_json(lines.read_bytes()).body
    # The Collector's file exporter writes the length before each message.
    dump.write_bytes(len(body).to_bytes(4, "big") + body if framed else body)
    assert "Imported 4 spans." in playhead(tmp_path / "second", "import", str(dump)).stdout
    assert spans(tmp_path / "second") == spans(first)


def test_large_requests_are_divided(tmp_path: Path) -> None:
    request = ExportTraceServiceRequest()
    members = request.resource_spans.add().scope_spans.add().spans
    for number in range(3000):
        span = members.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big") + b"")
        span.span_id = (number + 1).to_bytes(8, "big")
        span.attributes.add(key="text").value.string_value = "x" * 20_000
    dump = tmp_path / "dump"
    dump.write_bytes(request.SerializeToString())
    assert "Imported 3,000 spans." in playhead(tmp_path / "store", "import", str(dump)).stdout


def test_packed_files(tmp_path: Path) -> None:
    import gzip

    first = make_store(tmp_path / "first", [row(1)])
    file, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    playhead(first, "export", "traces", "--to", "file", str(file))
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert "Imported 1 span." in playhead(tmp_path / "second", "import", str(packed)).stdout
    zstd = tmp_path / "a.zst"
    zstd.write_bytes(b"\x28\xb5\x2f\xfd rest")
    result = playhead(tmp_path / "second", "import", str(zstd))
    assert result.exit_code == 3
    assert "is packed with zstd" in result.stderr
