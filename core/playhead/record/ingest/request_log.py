"""The request log: requests on disk, in order, between their acknowledgement and their commit.

A frame is a header of 20 bytes and a request. The header has a magic number, the length, weight and
CRC-32 of the request, and the CRC-32 of these 16 bytes, all little-endian. Segments are files with
ascending numbers. Reading skips damaged frames and continues with the next valid one.
"""

from __future__ import annotations

import asyncio
import os
import re
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playhead.errors import CommitError, StoreError
from playhead.regular_file import is_other, read_regular

__all__ = ["LogEntry", "RequestLog", "log_bytes", "read_entry"]

FOLDER = "requests"
SEGMENT_BYTES = 64 * 1024 * 1024
LARGEST_SEGMENT = 512 << 20
"""Size of a file that can be a segment: one ends with at most the requests that are being read."""
_SEGMENT = re.compile(r"[0-9]{1,18}\.(log|damaged)", re.ASCII)
MAGIC = b"PLH1"
_FIELDS = struct.Struct("<4sIII")
_CHECK = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CHECK.size
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Place of one request in the log."""

    path: str
    """Path of the segment."""
    offset: int
    """Offset of the request's bytes, behind the header."""
    length: int
    weight: int
    """Size of the request's rows, as `append` was told."""

    @property
    def end(self) -> int:
        """Return the offset behind the request."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class _Append:
    payload: bytes
    weight: int
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[LogEntry]

    def answer(self, result: LogEntry | Exception) -> None:
        if self.done.done():
            return  # its sender has disconnected
        if isinstance(result, Exception):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)


class RequestLog:
    """An append-only log in a folder. Requests that wait at the same time share one sync."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open the log; `recovered` has the requests that a previous process left.

        Args:
            folder: Folder of the segments; it is created if it does not exist.
            segment_bytes: Size from which the next request starts a new segment.

        Raises:
            OSError: The folder cannot be used.
            StoreError: What has the name of a segment is none.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self.damaged = 0
        """Number of bytes that recovery skipped because their checksum is wrong.

        They are kept in a file `.damaged` beside the segment.
        """
        self.recovered: list[LogEntry] = []
        paths = _segments(folder, "log")
        for path in paths:
            _require_segment(path)
        for path in paths:
            self.recovered.extend(self._scan(path))
        self.interrupted = bool(paths)
        """Whether the previous process did not close the log, or left requests in it."""
        # What is kept of damaged segments keeps its number, too.
        self._number = max(
            (int(path.stem) for path in (*paths, *_segments(folder, "damaged"))), default=0
        )
        self._sizes = {str(path): path.stat().st_size for path in paths}
        self._open = Counter(entry.path for entry in self.recovered)
        """Number of requests of each segment that are being written or are not committed."""
        self._file = -1
        self._path = ""
        self._waiting: list[_Append] = []
        self._condition = threading.Condition()
        self._closing = False
        self._start_segment()
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
        self._thread.start()

    @property
    def bytes(self) -> int:
        """Return the size of all segments."""
        return sum(self._sizes.values())

    async def append(self, payload: bytes, weight: int) -> LogEntry:
        """Append a request; it is on disk when this returns.

        Raises:
            CommitError: The disk refused the request, which is not in the log.
        """
        loop = asyncio.get_running_loop()
        waiting = _Append(payload, weight, loop, loop.create_future())
        with self._condition:
            if self._closing:
                raise CommitError("the request log is closed")
            self._waiting.append(waiting)
            self._condition.notify()
        return await waiting.done

    def cut(self, entries: Sequence[LogEntry]) -> None:
        """Note that requests are committed; delete the segments that hold no others."""
        with self._condition:
            self._open.subtract(entry.path for entry in entries)
            self._remove_committed()

    def trim(self) -> None:
        """Delete the current segment too, if its requests are committed."""
        with self._condition:
            if self._sizes[self._path] and not self._open[self._path]:
                self._start_segment()
            self._remove_committed()

    def close(self) -> None:
        """Write what waits, and close the current segment."""
        with self._condition:
            if self._closing:
                return
            self._closing = True
            self._condition.notify()
        self._thread.join()
        os.close(self._file)
        if self._sizes.get(self._path) == 0:
            self._remove(self._path)

    # The writer's thread.

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closing:
                    self._condition.wait()
                group, self._waiting = self._waiting, []
                if not group and self._closing:
                    return
            results = self._write(group)
            _answer(group, results)

    def _write(self, group: Sequence[_Append]) -> Sequence[LogEntry | Exception]:
        with self._condition:
            if self._sizes[self._path] >= self._segment_bytes:
                try:
                    self._start_segment()
                except OSError as error:
                    return [CommitError(f"the request log cannot grow: {error}")] * len(group)
            path, start = self._path, self._sizes[self._path]
            self._open[path] += len(group)
        parts: list[bytes] = []
        entries: list[LogEntry] = []
        at = start
        for one in group:
            parts += [_header(one), one.payload]
            entries.append(LogEntry(path, at + HEADER_BYTES, len(one.payload), one.weight))
            at = entries[-1].end
        try:
            _write_all(self._file, parts)
            _sync(self._file)
        except OSError as error:
            with self._condition:
                self._open[path] -= len(group)
                self._drop_tail(start)
            return [CommitError(f"the request log cannot be written: {error}")] * len(group)
        with self._condition:
            self._sizes[path] = at
        return entries

    def _drop_tail(self, size: int) -> None:
        """Remove a partly written group, so that the next one follows the last complete request."""
        try:
            os.ftruncate(self._file, size)
            os.lseek(self._file, size, os.SEEK_SET)
        except OSError:
            self._sizes[self._path] = self._segment_bytes  # the next group starts a new segment

    def _start_segment(self) -> None:
        path = self._folder / f"{self._number + 1:012}.log"
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        _sync_folder(self._folder)
        if self._file >= 0:
            os.close(self._file)
        self._number += 1
        self._file, self._path = file, str(path)
        self._sizes[self._path] = 0

    def _remove_committed(self) -> None:
        for path in [path for path in self._sizes if path != self._path]:
            if not self._open[path]:
                self._remove(path)

    def _remove(self, path: str) -> None:
        self._sizes.pop(path, None)
        self._open.pop(path, None)
        Path(path).unlink(missing_ok=True)

    # Recovery.

    def _scan(self, path: Path) -> Iterator[LogEntry]:
        content = read_regular(path)
        kept = path.with_suffix(".damaged")
        is_damaged = False
        at = 0
        while at < len(content):
            frame = _frame(content, at)
            if frame is not None:
                length, weight = frame
                yield LogEntry(str(path), at + HEADER_BYTES, length, weight)
                at += HEADER_BYTES + length
                continue
            following = content.find(MAGIC, at + 1)
            following = len(content) if following < 0 else following
            self.damaged += following - at
            if not is_damaged:
                kept.unlink(missing_ok=True)  # of an earlier scan of the same segment
                is_damaged = True
            with kept.open("ab") as file:
                file.write(content[at:following])
            at = following


def log_bytes(folder: Path) -> int:
    """Return the size of the log in a folder, as far as its segments are files."""
    return sum(
        path.stat().st_size
        for path in _segments(folder, "log")
        if path.exists() and not is_other(path)
    )


def _segments(folder: Path, suffix: str) -> list[Path]:
    """Return the segments of a folder by their numbers; other names are of other programs."""
    found = (path for path in folder.glob(f"*.{suffix}") if _SEGMENT.fullmatch(path.name))
    return sorted(found, key=lambda path: int(path.stem))


def _require_segment(path: Path) -> None:
    """Raise StoreError for a pipe, a device, a folder, a broken link, or a file too large."""
    for part in (path, path.with_suffix(".damaged")):
        if is_other(part) or (part == path and not part.exists()):
            raise StoreError(
                f"{part} is not a file", "It is none of the request log's: move it away."
            )
    if path.stat().st_size > LARGEST_SEGMENT:
        raise StoreError(
            f"{path} is larger than {LARGEST_SEGMENT >> 20} MiB",
            "No segment of the request log is: move it away.",
        )


def read_entry(entry: LogEntry) -> bytes:
    """Return the request at a place of the log. Raises OSError."""
    file = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(file, entry.length, entry.offset)
    finally:
        os.close(file)


def _answer(group: Sequence[_Append], results: Sequence[LogEntry | Exception]) -> None:
    """Resolve the futures in the thread of their event loop, which one call wakes."""

    def answer_all() -> None:
        for one, result in zip(group, results, strict=True):
            one.answer(result)

    if group:
        try:
            group[0].loop.call_soon_threadsafe(answer_all)
        except RuntimeError:
            return  # the loop is closed: no sender waits any more


def _header(one: _Append) -> bytes:
    payload = one.payload
    fields = _FIELDS.pack(MAGIC, len(payload), one.weight, zlib.crc32(payload))
    return fields + _CHECK.pack(zlib.crc32(fields))


def _frame(content: bytes, at: int) -> tuple[int, int] | None:
    """Return length and weight of the request at this offset; None when its frame is damaged."""
    header = content[at : at + HEADER_BYTES]
    if len(header) < HEADER_BYTES:
        return None
    magic, length, weight, check = _FIELDS.unpack_from(header)
    (own_check,) = _CHECK.unpack_from(header, _FIELDS.size)
    if magic != MAGIC or own_check != zlib.crc32(header[: _FIELDS.size]):
        return None
    payload = memoryview(content)[at + HEADER_BYTES : at + HEADER_BYTES + length]
    whole = len(payload) == length and zlib.crc32(payload) == check
    return (length, weight) if whole else None


def _write_all(file: int, parts: Sequence[bytes]) -> None:
    """Write all parts, in groups that one `writev` accepts."""
    for start in range(0, len(parts), 512):
        left = [memoryview(part) for part in parts[start : start + 512] if part]
        while left:
            written = os.writev(file, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
