"""Targets of exports that are not files or folders: the error names them, nothing is replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.errors import RecordingError
from playhead.journal.recording import Recording
from recorded_store import RecordedStore

ID = "inv_1" + "0" * 33
MINE = "mine"
RECORDING = Path(__file__).parents[1] / "recordings" / "v7" / "run_ok.journal.json"
Make = Callable[[Path], object]


def linked(path: Path) -> None:
    """Make a link to a file of the same folder."""
    other = path.with_name("other")
    other.write_text(MINE)
    path.symlink_to(other)


def in_a_closed_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text(MINE)


ODD: dict[str, Make] = {
    "pipe": os.mkfifo,
    "link": linked,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "file": lambda path: path.write_text(MINE),
    "below a file": in_a_closed_folder,
}


def playhead(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--store", str(store), *arguments])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    recorded = RecordedStore(folder)
    recorded.chat(recorded.invocation(ID), "gpt-4o", (1, 2))
    recorded.write()
    return folder


COMMANDS = {
    "spans": ("export", "traces", "--to", "file"),
    "parquet": ("export", "traces", "--to", "parquet"),
    "page": ("--admin-url", "http://127.0.0.1:1", "export", "html", ID),
    "backup": ("store", "backup"),
    "sql": ("sql", "SELECT 1 AS one", "--output"),
}


def what_is(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_text() if path.is_file() else path.lstat().st_mode


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_is_there_stays(
    store: Path, tmp_path: Path, command: tuple[str, ...], make: Make
) -> None:
    path = tmp_path / "folder" / "out.csv"
    path.parent.mkdir()
    make(path)
    before = {one: what_is(one) for one in tmp_path.rglob("*")}
    done = playhead(store, *command, str(path))
    assert done.exit_code == 3, done.output
    title, *hint = done.stderr.splitlines()
    assert str(path) in title
    assert hint, "what to do next"
    assert {one: what_is(one) for one in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["l" * 300 + ".csv", "no/out.csv"], ids=["long", "no folder"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_names_that_no_file_can_have(
    store: Path, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    done = playhead(store, *command, str(tmp_path / name))
    if "parquet" in command and "/" in name:
        assert done.exit_code == 0  # it makes folders
        return
    assert (done.exit_code, len(done.stderr.splitlines()) > 1) == (3, True), done.output
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_utf_8_is_refused_for_parquet(store: Path, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    done = playhead(store, *COMMANDS["parquet"], folder)
    assert done.exit_code == 3
    assert "is not a name in UTF-8" in done.stderr


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, Path.mkdir, lambda path: path.write_text(MINE), lambda path: path.symlink_to("no")],
)
def test_a_file_of_an_earlier_export_that_is_none_is_named(
    store: Path, tmp_path: Path, make: Make
) -> None:
    path = tmp_path / "day=2026-03-14" / "spans-000001.parquet"
    path.parent.mkdir()
    make(path)
    done = playhead(store, *COMMANDS["parquet"], str(tmp_path))
    assert done.exit_code == 3
    assert str(path) in done.stderr
    assert [*path.parent.iterdir()] == [path]


def test_a_pipe_in_place_of_the_sent_spans_is_refused(store: Path, tmp_path: Path) -> None:
    target = ("--to", "otlp", "--endpoint", "http://127.0.0.1:1", "--retry-for", "0")
    assert playhead(store, "export", "traces", *target).exit_code == 3
    [sent] = (store / "exports").iterdir()
    sent.unlink()
    os.mkfifo(sent)
    done = playhead(store, "export", "traces", *target)
    assert f"{sent} cannot be used" in done.stderr
    sent.unlink()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, in_a_closed_folder])
def test_a_recording_replaces_only_files(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "folder" / "a.journal.json"
    path.parent.mkdir()
    others = [path.with_name(f"{path.name}.part"), path.with_name(f".{path.name}")]
    for other in others:
        other.write_text(MINE)
    if make is in_a_closed_folder:
        for other in others:
            other.unlink()
        others = [path.parent]
    make(path)
    with pytest.raises(RecordingError, match=str(path)) as caught:
        Recording.load(RECORDING).save(path)
    assert caught.value.hint
    assert [other.read_text() for other in others] == [MINE] * len(others)
    assert len(list(tmp_path.rglob("*"))) == (1 if make is in_a_closed_folder else 4)


def test_a_backup_leaves_files_beside_it(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "copy.duckdb.writing"
    other.write_text(MINE)
    assert playhead(store, "store", "backup", str(tmp_path / "copy.duckdb")).exit_code == 0
    assert other.read_text() == MINE
    assert len(list(tmp_path.iterdir())) == 2
