"""The differences that a replay reports for changed code."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path

import pytest
from changes import CHANGES, Change
from playhead.replay import Recording
from playhead.replay.engine.app import App, load_app
from playhead.replay.verdict import replay_here as replay_report

RECORDINGS = Path(__file__).parents[1] / "recordings"
_numbers = itertools.count()


def changed_app(folder: Path, *edits: tuple[str, str]) -> App:
    """`handlers.py` with the edits, as a separate module."""
    text = (RECORDINGS / "handlers.py").read_text()
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    name = f"changed_handlers_{next(_numbers)}"
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    return load_app(f"{name}:app", str(folder))


def line_of(where: str | None) -> str:
    assert where is not None
    file, _, line = where.rpartition(":")
    return Path(file).read_text().splitlines()[int(line) - 1]


def executed_by(app: App) -> list[str]:
    return sys.modules[app.name.partition(":")[0]].EXECUTED


@pytest.mark.parametrize("version", ["v6", "v7"])
@pytest.mark.parametrize("change", CHANGES, ids=[c.name for c in CHANGES])
def test_a_change_produces_its_difference(change: Change, version: str, tmp_path: Path):
    app = changed_app(tmp_path, (change.old, change.new))
    recording = Recording.load(RECORDINGS / version / "trip.journal.json")
    report = replay_report(app, recording)

    assert report.verdict == ("diverged" if change.refused else "same"), report.sdk_message
    assert executed_by(app) == []
    if change.kind is None:
        assert report.divergences == ()
        return
    found = [d for d in report.divergences if d.kind == change.kind]
    assert len(found) == 1, report.divergences
    difference = found[0]
    assert difference.command_index == change.command
    recorded = recording.journal().commands[change.command].index
    assert difference.journal_index == (None if change.kind == "added" else recorded)
    assert difference.fatal == change.refused
    for wanted, shown in (
        (change.recorded, difference.recorded),
        (change.current, difference.current),
    ):
        assert wanted is None or wanted in (shown or ""), (wanted, shown)
    assert change.at
    assert change.at in line_of(difference.where)


def test_all_differences_are_found_at_once(tmp_path: Path):
    app = changed_app(
        tmp_path,
        ('"fetch plan"', '"fetch the plan"'),
        ('f"hotel in {city}"', 'f"hostel in {city}"'),
        ("milliseconds=30), name", "minutes=1), name"),
        ('ctx.set("visits", visits + 1)', 'ctx.set("visits", visits + 7)'),
    )
    report = replay_report(app, Recording.load(RECORDINGS / "v6" / "trip.journal.json"))
    assert report.verdict == "diverged"
    assert [(d.command_index, d.kind) for d in report.divergences] == [
        (2, "renamed"), (3, "parameter"), (4, "duration"), (8, "value"),
    ]  # fmt: skip
