"""A store with files that are not what they should be: a clear sentence, and nothing is deleted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from playhead.errors import StoreError
from playhead.record.ingest.committer import Committer
from playhead.record.ingest.queue import Ingest
from playhead.record.ingest.request_log import LogEntry
from playhead.record.log_recovery import complete_store
from playhead.record.recorder import open_recorder
from playhead.settings import Settings
from playhead.store.database import Store

from helpers import FREE  # isort: skip
from otlp import post, request  # isort: skip


def random_database(folder: Path) -> None:
    (folder / "playhead.duckdb").write_bytes(bytes(range(256)) * 200)


def other_database(folder: Path) -> None:
    with duckdb.connect(folder / "playhead.duckdb") as connection:
        connection.execute("CREATE TABLE spans (a INT)")


def a_folder(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).mkdir()


def a_file(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text("mine")

    return write


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (random_database, "playhead.duckdb"),
        (other_database, "playhead.duckdb"),
        (a_folder("playhead.duckdb"), "playhead.duckdb"),
        (a_folder("recorder.lock"), "recorder.lock"),
        (a_folder("recorder.token"), "recorder.token"),
        (a_folder("recorder.json"), "recorder.json"),
        (a_file("requests"), "requests"),
    ],
)
def test_the_recorder_names_the_file_and_leaves_it(
    tmp_path: Path, spoil: Callable[[Path], None], name: str
) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    spoil(store)
    path = store / name
    before = path.read_bytes() if path.is_file() else None
    command = [sys.executable, "-m", "playhead", "--store", str(store), "record", "--no-journal"]
    ports = ["--otlp-grpc-port", "0", "--otlp-http-port", "0", "--api-port", "0"]
    done = subprocess.run(
        [*command, *ports], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.strip().splitlines()) > 1, "a hint follows"
    assert path.exists()
    if spoil is other_database:
        with duckdb.connect(path, read_only=True) as connection:
            assert connection.execute("SHOW TABLES").fetchall() == [("spans",)]
    elif before is not None:
        assert path.read_bytes() == before


async def test_files_that_can_be_replaced_or_kept_do_not_stop_the_recorder(
    settings: Settings,
) -> None:
    settings.store.mkdir(mode=0o700)
    (settings.store / "recorder.token").write_bytes(b"\xff\xfe\x00")
    (settings.store / "recorder.json").write_bytes(b"\xff[")
    log = settings.store / "requests"
    log.mkdir()
    (log / "000001.log").write_bytes(b"not a log" * 100)
    async with open_recorder(settings, FREE) as recorder:
        assert (await post(recorder, request(3).SerializeToString())).status_code == 200
        assert recorder.health()["damaged_log_bytes"] == 900
    assert [path.read_bytes() for path in log.glob("*.damaged")] == [b"not a log" * 100]


def larger_than_a_segment(path: Path) -> None:
    path.touch()
    os.truncate(path, 40 << 30)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("requests/000000000001.log", os.mkfifo),
        ("requests/000000000001.log", Path.mkdir),
        ("requests/000000000001.log", lambda path: path.symlink_to("/nowhere")),
        ("requests/000000000001.log", lambda path: path.symlink_to("/dev/zero")),
        ("requests/000000000001.log", larger_than_a_segment),
        ("set-aside", os.mkfifo),
        ("set-aside", Path.touch),
        ("set-aside", lambda path: path.symlink_to("/nowhere")),
    ],
)
def test_what_cannot_be_the_log_is_named(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    store = Store(tmp_path / "store")
    path = store.folder / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    try:
        with pytest.raises(StoreError, match=str(path)) as caught:
            Ingest(store)
        assert "ove it away" in caught.value.hint
    finally:
        store.close()
    assert os.path.lexists(path)


@pytest.mark.parametrize("name", ["mine.log", "-1.log", "1.5.log", f"{'9' * 200}.log", "a.damaged"])
async def test_other_files_beside_the_log_are_left(settings: Settings, name: str) -> None:
    path = settings.store / "requests" / name
    path.parent.mkdir(parents=True, mode=0o700)
    settings.store.chmod(0o700)
    path.write_bytes(b"mine")
    async with open_recorder(settings, FREE) as recorder:
        assert (await post(recorder, request(3).SerializeToString())).status_code == 200
        assert recorder.health()["damaged_log_bytes"] == 0
    assert path.read_bytes() == b"mine"
    await complete_store(settings.store)


async def test_what_was_kept_of_a_damaged_segment_is_kept_for_good(settings: Settings) -> None:
    """Numbers of segments begin again with an empty log."""
    log = settings.store / "requests"
    log.mkdir(parents=True, mode=0o700)
    settings.store.chmod(0o700)
    kept = log / "000000000001.damaged"
    kept.write_bytes(b"first")
    async with open_recorder(settings, FREE) as recorder:
        assert (await post(recorder, request(3).SerializeToString())).status_code == 200
        assert [path.name for path in log.glob("*.log")] == ["000000000002.log"]
    assert kept.read_bytes() == b"first"


async def test_a_request_that_was_set_aside_is_not_replaced_by_another(settings: Settings) -> None:
    settings.store.mkdir(mode=0o700)
    aside = settings.store / "set-aside"
    entry = LogEntry(str(settings.store / "requests" / "000000000001.log"), 20, 4, 4)
    store = Store(settings.store)
    try:
        for body in (b"one", b"two"):
            Committer(store)._put_aside(entry, body, ValueError("wrong"))
    finally:
        store.close()
    assert sorted(path.read_bytes() for path in aside.iterdir()) == [b"one", b"two"]
