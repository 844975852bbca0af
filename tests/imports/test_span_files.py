"""Files of spans: formats, bad lines, and files that grow."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import cast

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.errors import ImportFileError
from playhead.imports import span_files
from playhead.imports.jaeger_json import jaeger_request
from playhead.imports.span_files import Problem, follow, read_file
from playhead.record.otlp.json_encoding import EncodedRequest


def line(name: str, **more: object) -> str:
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": name, **more}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def names(found: Iterator[object]) -> list[str]:
    """Return the names of spans, and the places of problems in brackets."""
    out: list[str] = []
    for item in found:
        if isinstance(item, Problem):
            out.append(f"[{item.place.rpartition('/')[2]}]")
        elif isinstance(item, EncodedRequest):
            request = ExportTraceServiceRequest.FromString(item.body)
            names = [s.name for r in request.resource_spans for c in r.scope_spans for s in c.spans]
            assert item.spans == len(names)
            out += names
    return out


def test_bad_lines_are_named_and_skipped(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    wrong_id = line("wrong").replace("ab" * 16, "not hex")
    nulls = line("nulls", attributes=None, events=None)
    rows = [line("one"), "", "{broken", line("two"), "[]", wrong_id, '{"logs":[]}', nulls]
    file.write_text("\n".join(rows))
    assert names(read_file(file)) == [
        "one", "[a.jsonl:3]", "two", "[a.jsonl:5]", "[a.jsonl:6]", "[a.jsonl:7]", "nulls",
    ]  # fmt: skip


@pytest.mark.parametrize("first", ["{broken", "{", '{"resourceSpans": 7}'])
def test_the_first_line_may_be_bad(tmp_path: Path, first: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"{first}\n{line('two')}\n")
    assert names(read_file(file)) == ["[a.jsonl:1]", "two"]


def test_one_document_over_several_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(json.loads(line("one")), indent=2))
    assert names(read_file(file)) == ["one"]
    file.write_text(json.dumps(json.loads(line("nulls", attributes=None)), indent=2))
    assert names(read_file(file)) == ["nulls"]
    file.write_text(json.dumps({"resourceLogs": [{}]}, indent=2))
    assert names(read_file(file)) == ["[a.json]"]
    file.write_text(json.dumps({"result": json.loads(line("of jaeger"))}))
    assert names(read_file(file)) == ["of jaeger"]


def test_a_single_line_is_read_as_one_of_many(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(line("nulls", attributes=None))
    assert names(read_file(file)) == ["nulls"]
    file.write_text("\n")
    assert names(read_file(file)) == []


def test_an_empty_file_and_an_unknown_format(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    assert names(read_file(file)) == []
    file.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ImportFileError, match="no spans in a known format"):
        list(read_file(file))
    with pytest.raises(ImportFileError, match="cannot be read"):
        list(read_file(tmp_path))


def test_a_dump_that_ends_early(tmp_path: Path) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="whole")
    body = request.SerializeToString()
    frame = len(body).to_bytes(4, "big") + body
    file = tmp_path / "dump"
    file.write_bytes(frame + frame[:-3])
    assert names(read_file(file)) == ["whole", "[dump: message 2]"]


def test_a_file_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = f"{line('one')}\n" * 2000
    file.write_text(rows)
    found = read_file(file)
    first = names(itertools.islice(found, 1))
    os.truncate(file, len(rows) // 2)
    rest = names(found)
    assert len(first + rest) < 2000
    assert (first, rest[-1]) == (["one"], "[a.jsonl]")


class Follower:
    """`follow` of a file, where each pause runs the next step of a test."""

    def __init__(self, path: Path, steps: list[Callable[[], object]]) -> None:
        self.steps = steps
        self.source = follow(path, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()

    def names(self) -> list[str]:
        found: list[object] = []
        with pytest.raises(KeyboardInterrupt):
            found.extend(item for item in self.until_interrupted(found))
        return names(iter(found))

    def until_interrupted(self, found: list[object]) -> Iterator[object]:
        for item in self.source:
            found.append(item)
            if False:
                yield


def append(path: Path, text: str) -> Callable[[], object]:
    def run() -> None:
        with path.open("a") as file:
            file.write(text)

    return run


def test_a_growing_file_is_followed_through_rotation(tmp_path: Path) -> None:
    file, old = tmp_path / "a.jsonl", tmp_path / "a-1.jsonl"
    one = line("one")
    follower = Follower(
        file,
        [
            append(file, one[:10]),  # the file appears, and a line arrives in two parts
            append(file, one[10:] + "\n"),
            append(file, line("two") + "\n"),
            lambda: (append(file, line("last of the old") + "\n")(), file.rename(old)),
            append(file, line("first of the new") + "\n"),
            lambda: file.write_text(""),  # emptied in place
            append(file, line("after") + "\n{bad\n"),
        ],
    )
    assert follower.names() == [
        "one", "two", "last of the old", "first of the new", "after", "[a.jsonl:2]",
    ]  # fmt: skip


def test_a_file_renamed_between_two_reads_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"

    def rotate() -> None:
        append(file, line("late") + "\n")()
        file.rename(tmp_path / "old")
        append(file, line("new") + "\n")()

    assert Follower(file, [append(file, line("one") + "\n"), rotate]).names() == [
        "one", "late", "new",
    ]  # fmt: skip


JAEGER = {
    "data": [
        {
            "traceID": "ab",
            "spans": [
                {
                    "traceID": "ab",
                    "spanID": "1",
                    "operationName": "GET /",
                    "references": [],
                    "startTime": 1_700_000_000_000_001,
                    "duration": 5,
                    "tags": [
                        {"key": "span.kind", "type": "string", "value": "server"},
                        {"key": "n", "type": "int64", "value": 9007199254740993},
                        {"key": "x", "type": "float64", "value": 1.5},
                        {"key": "yes", "type": "bool", "value": True},
                        {"key": "raw", "type": "binary", "value": "AAE="},
                        {"key": "otel.scope.name", "type": "string", "value": "scope"},
                    ],
                    "logs": [],
                    "processID": "p1",
                    "warnings": None,
                },
                {
                    "traceID": "ab",
                    "spanID": "2",
                    "operationName": "child",
                    "references": [
                        {"refType": "CHILD_OF", "traceID": "ab", "spanID": "1"},
                        {"refType": "FOLLOWS_FROM", "traceID": "cd", "spanID": "9"},
                    ],
                    "startTime": 1_700_000_000_000_002,
                    "duration": 1,
                    "tags": [
                        {"key": "error", "type": "bool", "value": True},
                        {"key": "otel.status_code", "type": "string", "value": "ERROR"},
                        {"key": "otel.status_description", "type": "string", "value": "broken"},
                    ],
                    "logs": [
                        {
                            "timestamp": 1_700_000_000_000_003,
                            "fields": [
                                {"key": "event", "type": "string", "value": "exception"},
                                {"key": "exception.message", "type": "string", "value": "why"},
                            ],
                        }
                    ],
                    "processID": "p2",
                },
            ],
            "processes": {
                "p1": {
                    "serviceName": "web",
                    "tags": [{"key": "host.name", "type": "string", "value": "h"}],
                },
                "p2": {"serviceName": "agents"},
            },
        }
    ]
}


def test_jaeger_json(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(JAEGER, indent=2))
    (found,) = read_file(file)
    assert isinstance(found, EncodedRequest)
    assert found.spans == 2
    request = ExportTraceServiceRequest.FromString(found.body)
    web, agents = request.resource_spans
    assert {a.key: a.value.string_value for a in web.resource.attributes} == {
        "service.name": "web", "host.name": "h",
    }  # fmt: skip
    assert web.scope_spans[0].scope.name == "scope"
    root, child = web.scope_spans[0].spans[0], agents.scope_spans[0].spans[0]
    assert (root.trace_id.hex(), root.span_id.hex()) == ("ab".rjust(32, "0"), "1".rjust(16, "0"))
    assert (root.name, root.kind, root.parent_span_id) == ("GET /", 2, b"")
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (
        1_700_000_000_000_001_000, 1_700_000_000_000_006_000,
    )  # fmt: skip
    values = {a.key: a.value for a in root.attributes}
    assert set(values) == {"n", "x", "yes", "raw"}
    assert values["n"].int_value == 9007199254740993
    assert (values["x"].double_value, values["yes"].bool_value) == (1.5, True)
    assert values["raw"].bytes_value == b"\x00\x01"
    assert child.parent_span_id == root.span_id
    assert [link.trace_id.hex() for link in child.links] == ["cd".rjust(32, "0")]
    assert (child.status.code, child.status.message) == (2, "broken")
    assert not child.attributes
    (event,) = child.events
    assert (event.name, event.time_unix_nano) == ("exception", 1_700_000_000_000_003_000)
    assert [a.key for a in event.attributes] == ["exception.message"]
    assert jaeger_request(b"[]") == ExportTraceServiceRequest()


def test_files_of_any_size_take_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packed file of some megabytes took 6 GB."""
    most = 200_000
    monkeypatch.setattr(span_files, "LARGEST_DOCUMENT", most)
    monkeypatch.setattr(span_files, "_SKIPPED_BYTES", 1000)
    good = line("good").encode() + b"\n"
    endless = b"x" * (2 * most + 7)
    path = tmp_path / "large.gz"
    for content, found in (
        (good + endless + b"\n" + good, ["good", "[large.gz:2]", "good"]),
        (good + endless, ["good", "[large.gz:2]"]),
        (endless + b"\n" + good, ["[large.gz:1]", "good"]),
        (b"\n" + endless + b"\n" + good, ["[large.gz:2]", "good"]),
        (b"x" * (most - 1) + b"\n" + good, ["[large.gz:1]", "good"]),
    ):
        path.write_bytes(gzip.compress(content))
        sizes: list[int] = []
        monkeypatch.setattr(span_files, "_open", lambda p, s=sizes: counted(p, s))
        assert names(read_file(path)) == found
        assert max(sizes) <= most + 1


def counted(path: Path, sizes: list[int]) -> io.BufferedReader:
    """Open a packed file, and note how much is read of it at once."""

    class Counted(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            sizes.append(len(data))
            return data

        def readline(self, size: int | None = -1, /) -> bytes:
            data = super().readline(size)
            sizes.append(len(data))
            return data

    return Counted(gzip.GzipFile(path))  # pyright: ignore[reportArgumentType]


def test_messages_without_a_usable_length_end_the_file(tmp_path: Path) -> None:
    """Zeros were as many empty messages."""
    body = next(read_file(written(tmp_path / "one.jsonl", line("one").encode())))
    assert isinstance(body, EncodedRequest)
    framed = len(body.body).to_bytes(4, "big") + body.body
    path = written(tmp_path / "spans.pb", framed + bytes(1000) + framed)
    [_, problem] = read_file(path)
    assert problem == Problem(f"{path}: message 2", "it is empty, and what follows is not read")
    written(path, framed + b"\x10\0\0\1" + framed)
    [_, problem] = read_file(path)
    assert problem == Problem(f"{path}: message 2", "larger than 256 MiB")
    written(path, bytes(1000))
    with pytest.raises(ImportFileError, match="no spans in a known format"):
        list(read_file(path))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_text_of_gigabytes_is_no_protobuf(tmp_path: Path) -> None:
    """Its first characters were read as the length of a message."""
    path = written(tmp_path / "large.jsonl", line("one" * 500).encode() + b"\n")
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    found = read_file(path)
    assert isinstance(next(found), EncodedRequest)
    cast("Generator[object]", found).close()


def test_a_pipe_is_not_followed(tmp_path: Path) -> None:
    """To open one waits for its writer."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ImportFileError, match="is not a file"):
        next(follow(path))
