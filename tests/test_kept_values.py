"""The dashboard's file that others have prepared or damaged: it is kept, and said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generated import for_each, json_values, texts
from hypothesis import strategies as st
from playhead.kept_values import LARGEST, KeptValues
from playhead.saved_views import SavedView, SavedViews
from playhead_tui.sources.list_query import ListQuery


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 20 << 30)


def _identity(path: Path) -> tuple[int, ...]:
    """Return what a reader does not change: everything but the time of the last access."""
    found = path.lstat()
    return (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns)


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        huge,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path.name),
    ],
)
def test_what_cannot_be_the_file_stays(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "dashboard.json"
    make(path)
    before = _identity(path)
    kept = KeptValues(path)
    assert kept.problem is not None
    assert kept.problem.startswith(f"{path} cannot be read: ")
    assert kept.unwritten is None
    kept.put("x", 1)
    assert kept.get("x") == 1
    assert kept.unwritten == kept.problem
    assert _identity(path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"views": ' + b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_cannot_be_read_is_kept_beside_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dashboard.json"
    path.write_bytes(content)
    kept = KeptValues(path)
    assert kept.problem is not None
    assert path.read_bytes() == content, "until something is to be kept"
    SavedViews(kept).save("mine", SavedView("status:failed"))
    assert (tmp_path / "dashboard.json.damaged").read_bytes() == content
    again = KeptValues(path)
    assert (again.problem, list(SavedViews(again).all())) == (None, ["mine"])


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    """Such as that of a folder with settings that is kept in git."""
    path, real = tmp_path / "dashboard.json", tmp_path / "mine.json"
    real.write_text("{}")
    path.symlink_to(real)
    KeptValues(path).put("x", 1)
    assert path.is_symlink()
    assert json.loads(real.read_text()) == {"x": 1}


def test_a_file_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    kept = KeptValues(path)
    kept.put("x", 1)
    assert kept.unwritten is None
    kept.put("y", "y" * LARGEST)
    assert kept.unwritten == f"{path} cannot be written: it would be too large to be read again."
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    kept.put("z", deep)
    assert KeptValues(path).get("x") == 1


VIEW = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("filter", "sort", "reverse", "group_by", "columns"), json_values),
)


def test_generated_values_are_read_as_far_as_possible(tmp_path: Path, record_property: Any) -> None:
    path = tmp_path / "dashboard.json"

    @for_each(
        record_property,
        views=json_values | st.dictionaries(texts, VIEW | json_values, max_size=3),
        listing=json_values | VIEW,
        rows=json_values,
    )
    def check(views: Any, listing: Any, rows: Any) -> None:
        path.write_text(json.dumps({"views": views, "list": listing, "rows": rows}))
        kept = KeptValues(path)
        assert kept.problem is None
        for view in SavedViews(kept).all().values():
            assert isinstance(view.filter, str)
            assert isinstance(view.summary, str)
        assert isinstance(ListQuery.kept(kept).text, str)
        assert all(isinstance(text, str) for text in kept.texts("rows").values())
