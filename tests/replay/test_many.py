"""`replay_all`: its processes and their folders end with the iterator."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
from playhead.errors import AppError
from playhead.replay import replay_all
from running_processes import processes_below

RECORDINGS = Path(__file__).parents[1] / "recordings"
FILES = [RECORDINGS / "v6" / f"{name}.journal.json" for name in ("trip", "run_ok")]
ENDLESS = """
import restate
items = restate.VirtualObject('Counter')
@items.handler()
async def trip(ctx, city: str) -> str:
    while True: pass
app = restate.app([items])
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files of the replays are there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def earlier() -> set[object]:
    """Threads and processes of other tests, which share this process."""
    return _running()


def _running() -> set[object]:
    children = (one for one in processes_below() if "playhead.replay.child" in one.command)
    threads = (one for one in threading.enumerate() if one.name.startswith("replay"))
    return {*(one.process.pid for one in children), *threads}


def _is_over(folder: Path, earlier: set[object]) -> bool:
    return list(folder.iterdir()) == [] and _running() <= earlier


def test_nothing_is_left_after_the_last_report(folder: Path, earlier: set[object]) -> None:
    reports = replay_all("handlers:app", FILES * 3, app_dir=RECORDINGS, jobs=2)
    assert next(reports)[1].verdict == "same"
    assert not _is_over(folder, earlier)
    assert [report.verdict for _, report in reports] == ["same"] * 5
    assert _is_over(folder, earlier)


def test_nothing_is_left_when_the_iterator_is_closed(folder: Path, earlier: set[object]) -> None:
    reports = replay_all("handlers:app", FILES * 50, app_dir=RECORDINGS, jobs=2)
    next(reports)
    reports.close()
    assert _is_over(folder, earlier)


def test_a_replay_under_way_ends_when_the_iterator_is_closed(
    tmp_path: Path, folder: Path, earlier: set[object]
) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    bad = tmp_path / "bad.journal.json"
    bad.write_text("{")
    reports = replay_all("endless:app", [bad, FILES[0]], app_dir=tmp_path, jobs=2, timeout=600)
    assert next(reports)[1].verdict == "refused"
    reports.close()
    assert _is_over(folder, earlier)


def test_nothing_is_left_after_an_error(folder: Path, earlier: set[object]) -> None:
    with pytest.raises(AppError):
        list(replay_all("nothing_here:app", FILES, app_dir=RECORDINGS, jobs=2))
    assert _is_over(folder, earlier)
