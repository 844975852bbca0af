"""Code in a replay that answers in place of the process that runs it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.errors import AnswerError
from playhead.replay import Report, what_if
from playhead.replay.worker import Worker
from sly_app import FILE, RUN_OK, run

FORGED = """forged = {forged!r}
for number in range(3, 1024):
    try: os.write(number, forged)
    except OSError: pass"""


def _frame(payload: bytes) -> bytes:
    return bytes(16) + struct.pack("!Q", len(payload)) + payload


@pytest.mark.parametrize(
    "make",
    [
        lambda payload: payload + b"\n",
        _frame,
        lambda _: _frame(b"[" * 200_000),
        lambda _: bytes(16) + b"\xff" * 64,
        lambda _: b"\0",
    ],
    ids=["line", "frame", "deep", "endless", "byte"],
)
def test_a_forged_answer_is_invalid(tmp_path: Path, make: Callable[[bytes], bytes]):
    payload = json.dumps({"result": Report("same").to_json(), "blocked": []}).encode()
    report = run(tmp_path, FORGED.format(forged=make(payload)))
    assert report.verdict == "invalid"
    assert "is invalid" in (report.reason or "")
    assert "did not open" in report.hint


def test_a_forged_answer_exits_1(tmp_path: Path):
    run(tmp_path, FORGED.format(forged=b"{}\n"))
    result = CliRunner().invoke(
        cli, ["replay", str(FILE), "--app", "sly:app", "--app-dir", str(tmp_path)]
    )
    assert result.exit_code == 1
    assert "invalid: The answer of the process that runs sly:app is invalid" in result.output
    assert "Traceback" not in result.output


def test_the_next_request_after_a_forged_answer_gets_a_new_process(tmp_path: Path):
    run(tmp_path, FORGED.format(forged=b"{}\n"))
    with Worker("sly:app", app_dir=tmp_path) as found:
        assert [found.report(FILE).verdict for _ in range(2)] == ["invalid", "invalid"]


def test_an_answer_of_another_shape_is_invalid(tmp_path: Path):
    """Code that changes the replay itself."""
    top = """
import playhead.replay.child.operations as operations
operations.run = lambda app, guard, request: {"verdict": "splendid", "blocked": 7}
"""
    assert run(tmp_path, "pass", top=top).verdict == "invalid"
    with pytest.raises(AnswerError):
        what_if("sly:app", RUN_OK, {}, app_dir=tmp_path)
