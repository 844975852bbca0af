"""Copies of the database: private from their first byte on, and complete or not there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playhead.store.durable_copy import copy_durably


def test_a_copy_is_private_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("prompts")
    source.chmod(0o644)
    modes: list[int] = []
    copyfile = shutil.copyfile

    def watched(old: Path, new: Path) -> Path:
        modes.append(new.stat().st_mode & 0o077)
        return copyfile(old, new)

    monkeypatch.setattr(shutil, "copyfile", watched)
    left = target.with_name(".target.writing")
    left.write_text("left by a killed process")
    left.chmod(0o644)
    umask = os.umask(0)
    try:
        copy_durably(source, target)
    finally:
        os.umask(umask)
    assert target.read_text() == "prompts"
    assert [*modes, target.stat().st_mode & 0o077] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_durably(tmp_path / "missing", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []
