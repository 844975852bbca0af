"""Odd and damaged files in the archive: nothing is deleted, no rows are left out in silence."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from playhead.errors import ArchivedFileError, StoreError
from playhead.record.file_client import FileClient
from playhead.store.database import DATABASE, Store
from playhead.store.span_writer import SpanWriter, span_table
from playhead.store.upkeep import perform
from recorded_store import RecordedStore

FIRST = "archive/spans/day=2026-03-14"


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a closed store: two days in the archive, one span in the table."""
    folder = tmp_path_factory.mktemp("archived") / "store"
    recorded = RecordedStore(folder)
    for number in range(3):
        start = number * 86_400.0
        id_ = recorded.invocation(f"inv_1{number:033}", created=start)
        recorded.chat(id_, "gpt-4o", (1, 2), start=start + 1)
    recorded.write()
    store = Store(folder)
    perform(store, {"task": "archive", "before": "2026-03-16"})
    store.close()
    return folder


@pytest.fixture
def folder(archived: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(archived, tmp_path / "copy", symlinks=True)


def spans(folder: Path) -> int:
    """Count all spans, without a recorder."""
    client = FileClient(folder / DATABASE)
    return asyncio.run(client.rows("SELECT count(*) AS n FROM all_spans"))[0]["n"]


def part(folder: Path) -> Path:
    return next((folder / FIRST).glob("part-*"))


def in_its_place(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


SPOILED: dict[str, Callable[[Path], object]] = {
    "pipe": in_its_place(os.mkfifo),
    "folder": in_its_place(Path.mkdir),
    "broken link": in_its_place(lambda path: path.symlink_to("nowhere")),
    "link to itself": in_its_place(lambda path: path.symlink_to(path.name)),
    "device": in_its_place(lambda path: path.symlink_to("/dev/zero")),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"garbage" * 99),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 9),
    "20 GiB": lambda path: os.truncate(path, 20 << 30),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_file_is_named_and_the_store_works_on(
    folder: Path, spoil: Callable[[Path], object]
) -> None:
    spoiled = part(folder)
    spoil(spoiled)
    with pytest.raises(ArchivedFileError, match=f"{spoiled}.*Move it away"):
        spans(folder)
    store = Store(folder)
    try:
        for sql in ("SELECT count(*) FROM all_spans", "SELECT name FROM all_spans WHERE kind = ''"):
            with pytest.raises(duckdb.Error, match=str(spoiled)):
                store.cursor().execute(sql).fetchall()
        assert store.cursor().execute("SELECT count(*) FROM all_invocations").fetchall() == [(3,)]
        [problem] = perform(store, {"task": "verify"})["problems"]
        assert str(spoiled) in problem
        assert perform(store, {"task": "summary"})["archive"]["files"] >= 3
        # A span as old as those of the archive is stored, and the next run moves on.
        old = RecordedStore(folder)
        old.spans = [("0" * 32,)]
        old.span(None, {}, start=1.0)
        assert SpanWriter(store).write_table(span_table([old.spans[1]])).new == 1
        assert perform(store, {"task": "archive", "before": "2026-12-01"})["days"] > 0
    finally:
        store.close()
    assert os.path.lexists(spoiled)
    spoiled.rmdir() if spoiled.is_dir() else spoiled.unlink()
    assert spans(folder) == 3


@pytest.mark.parametrize("spoil", [*SPOILED.values(), Path.unlink], ids=[*SPOILED, "nothing"])
def test_a_file_that_is_spoiled_while_the_store_is_open_is_named(
    folder: Path, spoil: Callable[[Path], object]
) -> None:
    spoiled = part(folder)
    store = Store(folder)
    try:
        assert store.cursor().execute("SELECT count(*) FROM all_spans").fetchall() == [(3,)]
        kept = spoiled.rename(folder / "kept")
        shutil.copyfile(kept, spoiled)
        spoil(spoiled)
        for sql in (
            "SELECT count(*) FROM all_spans",
            "SELECT name FROM all_spans WHERE kind = ''",
            "SELECT max(start_unix_nano) FROM all_spans",
            "SELECT invocation_id FROM all_invocation_attempts",
        ):
            with pytest.raises(duckdb.Error, match=str(spoiled)):
                store.cursor().execute(sql).fetchall()
        assert store.cursor().execute("SELECT count(*) FROM all_invocations").fetchall() == [(3,)]
        if os.path.lexists(spoiled):
            spoiled.rmdir() if spoiled.is_dir() else spoiled.unlink()
        kept.rename(spoiled)
        assert store.cursor().execute("SELECT count(*) FROM all_spans").fetchall() == [(3,)]
    finally:
        store.close()


@pytest.mark.parametrize(
    "name",
    [
        "spans/day=2026-03-14/part-00000-7f.snappy.parquet",
        "spans/day=2026-03-14/part-x.parquet",
        "spans/day=2026-03-14/mine.parquet",
        "state/day=2026-03-14/mine.parquet",
        "journal/day=2026-03-14/mine.parquet",
        "notes.txt",
    ],
)
@pytest.mark.parametrize("make", [lambda p: p.write_bytes(b"mine"), os.mkfifo, Path.mkdir])
def test_files_of_others_are_neither_read_nor_changed(
    folder: Path, name: str, make: Callable[[Path], object]
) -> None:
    path = folder / "archive" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    Store(folder).close()
    assert path.exists()
    assert spans(folder) == 3


def test_files_of_another_database_are_kept(folder: Path) -> None:
    """As after the advice to move a damaged database away: the archive is all that is left."""
    rows = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("part-*")}
    (folder / DATABASE).rename(folder / "damaged.duckdb")
    store = Store(folder)
    assert store.set_aside_files == len(rows)
    store.close()
    assert spans(folder) == 0
    kept = {path.read_bytes() for path in folder.rglob("_part-*.set-aside")}
    assert kept == set(rows.values())


def test_a_run_without_files_is_reported(folder: Path) -> None:
    shutil.rmtree(folder / "archive")
    store = Store(folder)
    try:
        [problem] = perform(store, {"task": "verify"})["problems"]
        assert "no file of run" in problem
    finally:
        store.close()


def test_an_archive_is_read_where_it_is_now(folder: Path, tmp_path: Path) -> None:
    """Views of a file name the place where it was written last."""
    moved = folder.rename(tmp_path / "moved [1] 'x'")
    assert spans(moved) == 3


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.write_text("mine")])
@pytest.mark.parametrize("place", ["archive", "archive/spans"])
def test_something_else_in_place_of_the_folder_is_named(
    folder: Path, place: str, make: Callable[[Path], object]
) -> None:
    shutil.rmtree(folder / place)
    make(folder / place)
    store = Store(folder)
    try:
        with pytest.raises(StoreError, match=f"{folder / place}.* cannot be written"):
            perform(store, {"task": "archive", "before": "2026-12-01"})
        assert store.cursor().execute("SELECT count(*) FROM spans").fetchall() == [(1,)]
    finally:
        store.close()
    assert os.path.lexists(folder / place)
