"""The request log keeps what it acknowledged, whatever happened to its files."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest
from playhead.errors import CommitError
from playhead.record.ingest.request_log import RequestLog, read_entry


def payloads(count: int, seed: int = 0) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.randrange(1, 2000)) for _ in range(count)]


async def append(log: RequestLog, bodies: list[bytes]) -> None:
    await asyncio.gather(*(log.append(body, len(body)) for body in bodies))


def recovered(folder: Path) -> list[bytes]:
    log = RequestLog(folder)
    try:
        return [read_entry(entry) for entry in log.recovered]
    finally:
        log.close()


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.log") if path.stat().st_size)


async def test_what_was_appended_is_recovered_in_order(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, segment_bytes=50_000)
    bodies = payloads(300)
    for body in bodies:
        entry = await log.append(body, 7)
        assert (read_entry(entry), entry.weight) == (body, 7)
    log.close()
    assert len(segments(tmp_path)) > 3
    assert recovered(tmp_path) == bodies
    assert recovered(tmp_path) == bodies


async def test_requests_at_the_same_time_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = 0

    def count(file: int) -> None:
        nonlocal syncs
        syncs += 1
        os.fsync(file)

    log = RequestLog(tmp_path)
    monkeypatch.setattr("playhead.record.ingest.request_log._sync", count)
    await append(log, payloads(500))
    log.close()
    assert 1 <= syncs < 100


async def test_committed_segments_are_deleted(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, segment_bytes=10_000)
    entries = [await log.append(body, 1) for body in payloads(200)]
    log.cut(entries[:100])
    log.cut(entries[100:])
    assert len(segments(tmp_path)) <= 1  # the current one
    log.trim()
    assert segments(tmp_path) == []
    assert log.bytes == 0
    last = await log.append(b"after", 1)
    assert read_entry(last) == b"after"
    log.close()
    assert recovered(tmp_path) == [b"after"]


async def test_a_segment_that_was_committed_while_current_is_deleted_later(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, segment_bytes=1000)
    first = await log.append(b"x" * 2000, 1)
    log.cut([first])
    second = await log.append(b"y" * 2000, 1)
    log.cut([second])
    assert [path.read_bytes()[-1:] for path in segments(tmp_path)] == [b"y"]
    log.close()


@pytest.mark.parametrize("seed", range(30))
async def test_a_torn_tail_loses_only_the_last_request(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    bodies = payloads(20, seed)
    log = RequestLog(tmp_path)
    entries = [await log.append(body, 1) for body in bodies]
    log.close()
    [path] = segments(tmp_path)
    cut = rng.randrange(path.stat().st_size)
    os.truncate(path, cut)
    whole = [body for body, entry in zip(bodies, entries, strict=True) if entry.end <= cut]
    assert recovered(tmp_path) == whole


@pytest.mark.parametrize("seed", range(30))
async def test_a_flipped_bit_loses_only_its_request(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    bodies = payloads(20, seed)
    log = RequestLog(tmp_path)
    entries = [await log.append(body, 1) for body in bodies]
    log.close()
    [path] = segments(tmp_path)
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content))
    content[at] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    hit = next(n for n, entry in enumerate(entries) if at < entry.end)
    opened = RequestLog(tmp_path)
    assert [read_entry(entry) for entry in opened.recovered] == bodies[:hit] + bodies[hit + 1 :]
    kept = path.with_suffix(".damaged").read_bytes()
    assert len(kept) == opened.damaged > 0
    assert kept in bytes(content)
    opened.close()


async def test_a_full_disk_refuses_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RequestLog(tmp_path)
    await log.append(b"before", 1)
    with monkeypatch.context() as patch:

        def half(file: int, parts: list[bytes]) -> None:
            os.write(file, b"".join(parts)[:11])
            raise OSError(28, "No space left on device")

        patch.setattr("playhead.record.ingest.request_log._write_all", half)
        with pytest.raises(CommitError, match="No space left"):
            await log.append(b"refused", 1)
    await log.append(b"after", 1)
    log.close()
    assert recovered(tmp_path) == [b"before", b"after"]


async def test_after_close_nothing_is_accepted(tmp_path: Path) -> None:
    log = RequestLog(tmp_path)
    log.close()
    with pytest.raises(CommitError, match="closed"):
        await log.append(b"late", 1)
