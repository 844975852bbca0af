"""Spans in files: OTLP/JSON lines, OTLP protobuf, Jaeger JSON; each may be packed with gzip."""

from __future__ import annotations

import gzip
import os
import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from playhead.errors import ImportFileError, MalformedRequestError
from playhead.imports.jaeger_json import jaeger_request
from playhead.record.otlp.json_encoding import EncodedRequest, encoded_request
from playhead.record.otlp.json_requests import TracesDocument, parse_traces
from playhead.record.otlp.requests import request_from_json

__all__ = ["Problem", "Source", "follow", "read_file"]

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LENGTH = struct.Struct(">I")
_MESSAGE_START = 0x0A
"""First byte of an ExportTraceServiceRequest, and a line break in text."""
_START_BYTES = 1024
_SKIPPED_BYTES = 1 << 20
LARGEST_DOCUMENT = 256 * 1024 * 1024
"""Size of the largest line, document or message: packed files may hold any number of bytes."""
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a file that has no readable spans, and was skipped."""

    place: str
    """File and line, or file and message."""
    reason: str


Source = Iterator[EncodedRequest | Problem | None]
"""Spans and problems of a file in its order; None when there is nothing new at the moment."""


def read_file(path: Path) -> Source:
    """Yield the spans of a file; its format is recognized by its contents.

    Raises:
        ImportFileError: The file cannot be read, or has none of the formats.
    """
    try:
        with _open(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(_START_BYTES)
            file.seek(0)
            if start and (start[0] == _MESSAGE_START or _is_framed(start, file)):
                yield from _protobuf(path, file)
            elif start:
                yield from _json(path, file, start)
            if os.fstat(file.fileno()).st_size < size:
                yield Problem(str(path), "the file became shorter while it was read")
    except (OSError, EOFError, zlib.error) as error:
        raise ImportFileError(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(_ZSTD):
        raise ImportFileError(f"{path} is packed with zstd", f"Unpack it: zstd -d {path}")
    if start.startswith(_GZIP):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _json(path: Path, file: IO[bytes], start: bytes) -> Source:
    """Yield the spans of lines, or of one document that spans several lines."""
    if b"\0" in start or "\ufffd" in start[:-4].decode(errors="replace"):
        raise ImportFileError(
            f"{path} has no spans in a known format",
            "Known formats: OTLP/JSON lines, OTLP protobuf, Jaeger JSON.",
        )
    first = file.readline(LARGEST_DOCUMENT)
    try:
        parse_traces(first)
    except MalformedRequestError:
        rest = file.read(LARGEST_DOCUMENT + 1 - len(first))
        if not rest.strip():
            yield from _line(first, f"{path}:1")
            return
        if len(first) + len(rest) <= LARGEST_DOCUMENT:
            try:
                yield from _document(first + rest, str(path))
            except MalformedRequestError:
                pass  # lines, of which the first one is bad
            else:
                return
        del rest
    file.seek(0)
    for number, line in enumerate(_lines(file), 1):
        if line is None:
            yield _too_large(f"{path}:{number}")
        else:
            yield from _line(line, f"{path}:{number}")


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines; None for those that are too large."""
    while line := file.readline(LARGEST_DOCUMENT + 1):
        if len(line) <= LARGEST_DOCUMENT:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_SKIPPED_BYTES)
        yield None


def _too_large(place: str) -> Problem:
    return Problem(place, f"larger than {LARGEST_DOCUMENT >> 20} MiB")


def _line(line: bytes, place: str) -> Source:
    if not line.strip():
        return
    try:
        yield from _document(line, place)
    except MalformedRequestError as error:
        yield Problem(place, error.title.replace("the body", "the line"))


def _document(text: bytes, place: str) -> Source:
    """Yield the spans of a document. Raises MalformedRequestError if it is none."""
    try:
        document = parse_traces(text)
    except MalformedRequestError:
        yield _encoded(request_from_json(text))
    else:
        yield from _spans(document, place)


def _spans(document: TracesDocument, place: str) -> Source:
    try:
        if bytes(document.data):
            yield _encoded(jaeger_request(document.data))
        elif document.result is not None:
            yield encoded_request(document.result)
        elif document.resource_spans:
            yield encoded_request(document)
        else:
            yield Problem(place, "no spans: neither resourceSpans nor Jaeger's data")
    except MalformedRequestError as error:
        yield Problem(place, error.title.replace("the body", "the line"))


def _protobuf_request(body: bytes) -> EncodedRequest:
    """Check an encoded request, and count its spans. Raises DecodeError."""
    return EncodedRequest(body, _count(ExportTraceServiceRequest.FromString(body)))


def _encoded(request: ExportTraceServiceRequest) -> EncodedRequest:
    return EncodedRequest(request.SerializeToString(), _count(request))


def _count(request: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)


def _is_framed(start: bytes, file: IO[bytes]) -> bool:
    """Return whether the file may begin with the length of a message."""
    length = _LENGTH.unpack(start[: _LENGTH.size].ljust(_LENGTH.size, b"\xff"))[0]
    if not 0 < length <= LARGEST_DOCUMENT:  # text is read as a larger number
        return False
    file.seek(length + _LENGTH.size - 1)
    is_long = bool(file.read(1))
    file.seek(0)
    return is_long


def _protobuf(path: Path, file: IO[bytes]) -> Source:
    """Yield a single message, or messages behind their lengths, as the Collector writes them."""
    if _first_byte(file) != bytes([_MESSAGE_START]):
        yield from _messages(path, file)
        return
    body = file.read(LARGEST_DOCUMENT + 1)
    try:
        if len(body) > LARGEST_DOCUMENT:
            raise DecodeError
        yield _protobuf_request(body)
    except DecodeError:
        # Text may begin with a line break, which is also the first byte of a message.
        file.seek(0)
        yield from _json(path, file, body[:_START_BYTES])


def _first_byte(file: IO[bytes]) -> bytes:
    first = file.read(1)
    file.seek(0)
    return first


def _messages(path: Path, file: IO[bytes]) -> Source:
    number = 0
    while header := file.read(_LENGTH.size):
        number += 1
        place = f"{path}: message {number}"
        size = _LENGTH.unpack(header)[0] if len(header) == _LENGTH.size else None
        if size == 0:
            yield Problem(place, "it is empty, and what follows is not read")
            return
        if size is not None and size > LARGEST_DOCUMENT:
            yield _too_large(place)  # what follows is not found
            return
        body = file.read(size) if size is not None else b""
        if size is None or len(body) < size:
            yield Problem(place, "the file ends in the middle of a message")
            return
        try:
            yield _protobuf_request(body)
        except DecodeError as error:
            yield Problem(place, f"not an ExportTraceServiceRequest: {error}")


def follow(
    path: Path, *, sleep: Callable[[float], None] = time.sleep, poll: float = POLL_SECONDS
) -> Source:
    """Yield the spans of a file of OTLP/JSON lines as it grows; never ends.

    When the file is rotated, the rest of the old file is read first. The file need not exist yet.

    Args:
        path: The file.
        sleep: Waits between two reads.
        poll: Seconds between two reads.
    """
    file: IO[bytes] | None = None
    number, rest = 0, b""
    try:
        while True:
            if file is None:
                file = _open_if_there(path)
                number, rest = 0, b""
            rotated = file is not None and _rotated(path, file)
            while file is not None and (chunk := file.read(1 << 20)):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    number += 1
                    yield from _line(line, f"{path}:{number}")
                if len(rest) > LARGEST_DOCUMENT:
                    yield _too_large(f"{path}:{number + 1}")
                    rest = b""  # its end is reported as a line that cannot be read
            if file is not None and rotated:
                # Read after it was seen under another name: nothing can follow.
                yield from _line(rest, f"{path}:{number + 1}")
                file.close()
                file = None
                continue
            yield None
            sleep(poll)
    finally:
        if file is not None:
            file.close()


def _open_if_there(path: Path) -> IO[bytes] | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its writer
            raise ImportFileError(f"{path} is not a file", "Check the path.")
        return path.open("rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error}") from error


def _rotated(path: Path, file: IO[bytes]) -> bool:
    """Return whether the path names another file, or the file was emptied."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return True
    own = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino) or own.st_size < file.tell()
