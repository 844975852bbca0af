"""Pipes and folders in place of Playhead's own files: nothing waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playhead.errors import ExportError
from playhead.export.files import new_file
from playhead.local import ManagedProcess
from playhead.record.endpoint import read_endpoint, read_token
from playhead.record.process import recorder_process
from playhead.settings import Settings
from playhead.store.texts.index import TextIndex

LOOK = """
import sys
from pathlib import Path
from playhead.errors import PlayheadError
folder = Path(sys.argv[1])
try:
    print({})
except (PlayheadError, OSError) as error:
    print(f"refused: {{error}}")
"""
STORE = "__import__('playhead.store.database').store.database.Store(folder)"
ENDPOINT = "__import__('playhead.record.endpoint').record.endpoint"
LOG = (
    "__import__('playhead.record.ingest.request_log').record.ingest.request_log"
    ".RequestLog(folder / 'requests')"
)
SETTINGS = "__import__('playhead.settings').settings._read(folder / 'config.toml')"
KEPT = "__import__('playhead.kept_values').kept_values.KeptValues(folder / 'kept.json').get('a')"
INDEX = "bool(__import__('playhead.store.texts.index').store.texts.index.TextIndex(folder))"


@pytest.mark.parametrize(
    ("name", "look", "said"),
    [
        ("playhead.duckdb", STORE, "refused: {path} is not a file"),
        ("playhead.duckdb.wal", STORE, "refused: {path} is not a file"),
        ("spill", STORE, "refused: {path} is not a folder"),
        ("recorder.token", f"{ENDPOINT}.read_token(folder)", "None"),
        ("recorder.json", f"{ENDPOINT}.read_endpoint(folder)", "None"),
        ("requests/00000001.log", LOG, "refused: {path} is not a file"),
        ("config.toml", SETTINGS, "refused: {path} cannot be read: {path} is not a file"),
        ("kept.json", KEPT, "None"),
        ("text-index/generation", INDEX, "True"),
        ("text-index/meta.json", INDEX, "True"),
        ("text-index/.tantivy-writer.lock", INDEX, "True"),
        ("text-index", INDEX, "refused: [Errno 17] File exists: '{path}'"),
    ],
)
def test_a_pipe_is_refused(tmp_path: Path, name: str, look: str, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if path.parent.name == "text-index" and path.name != "generation":
        (path.parent / "generation").write_text("1 5")
    os.mkfifo(path)
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(look), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == said.format(path=path), done.stderr


def test_a_text_index_is_not_written_over_files_of_others(tmp_path: Path) -> None:
    mine = tmp_path / "text-index" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep")
    with pytest.raises(OSError, match=f"{mine} is not a file of the text index"):
        TextIndex(tmp_path)
    mine.unlink()
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "mine.txt").write_text("keep")
    mine.parent.rmdir()
    mine.parent.symlink_to(linked)
    with pytest.raises(OSError, match="exists"):
        TextIndex(tmp_path)
    assert (linked / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("name", ["recorder.token", "recorder.json", "text-index/generation"])
def test_huge_files_are_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, 20 << 30)
    assert read_token(tmp_path) is None
    assert read_endpoint(tmp_path) is None
    assert TextIndex(tmp_path).generation >= 0


def test_an_export_does_not_write_through_a_link_of_another_user(tmp_path: Path) -> None:
    """The name of its temporary file can be guessed, and the folder can be /tmp."""
    other = tmp_path / "other"
    other.write_text("keep")
    link = tmp_path / f".spans.csv.{os.getpid()}"
    link.symlink_to(other)
    with new_file(tmp_path / "spans.csv") as file:
        file.write(b"spans")
    assert other.read_text() == "keep"
    assert (tmp_path / "spans.csv").read_bytes() == b"spans"
    with pytest.raises(ExportError, match="exists already"), new_file(tmp_path / "spans.csv"):
        pass


def test_a_new_store_and_its_logs_are_private(tmp_path: Path) -> None:
    store = tmp_path / "store"
    log = store / "logs" / "import.log"
    umask = os.umask(0o022)
    try:
        recorder_process(Settings(store=store), log)
        ManagedProcess("true", ["true"], log=log).start().stop()
    finally:
        os.umask(umask)
    assert [oct(p.stat().st_mode & 0o777) for p in (store, log)] == ["0o700", "0o600"]
