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
from playhead.replay.engine.transcript import Transcript
from playhead.replay.verdict import judged
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
operations.Operations.run = lambda self, request: {"verdict": "splendid", "blocked": 7}
"""
    assert run(tmp_path, "pass", top=top).verdict == "invalid"
    with pytest.raises(AnswerError):
        what_if("sly:app", RUN_OK, {}, app_dir=tmp_path)


# --- code that forges the verdict of a handler that differs from its journal

CHANGED = 'await ctx.run_typed("another", lambda: 1)'
LIES = """
import playhead.replay.child.operations as operations
import playhead.replay.differences.compare as compare
import playhead.replay.differences.explain as explain
import playhead.replay.engine.strict as strict
import playhead.replay.report as reports
import playhead.replay.verdict as verdict

def same(*_, **__):
    return reports.Report("same")
"""
CHANNEL = """frame = sys._getframe()
while "served" not in frame.f_locals: frame = frame.f_back
channel, token = frame.f_locals["channel"], frame.f_locals["token"]
"""
EMPTY = {
    "calls": [],
    "payload_checks": False,
    "refused_at": None,
    "raised_at": None,
    "waiting_at": None,
    "blocked": False,
    "certain": True,
}


def forged_by_replaced_functions(folder: Path) -> Report:
    top = LIES + "verdict.judged = verdict.report = verdict.strict = same\n"
    top += "compare.compare = explain.compare = lambda *_: ()\n"
    top += "explain.explained = explain.all_differences = same\n"
    return run(folder, CHANGED, top=top)


def forged_by_another_state_machine(folder: Path) -> Report:
    top = LIES + "strict.WatchedVM.sys_run = lambda self, name: strict.VMWrapper.sys_run(\n"
    top += "    self, 'first' if name == 'another' else name)\n"
    top += "strict.WatchedVM._watched = lambda self, call, type_: getattr(\n"
    top += "    super(strict.WatchedVM, self), call)\n"
    return run(folder, CHANGED, top=top)


def forged_by_a_transcript_without_the_command(folder: Path) -> Report:
    top = (
        LIES
        + """
def noted(self, call, args, kwargs):
    if args[:1] != ("another",):
        self._calls.append((call, [a if isinstance(a, (bytes, str)) else 17 for a in args], kwargs))

strict.StrictRun.called = noted
"""
    )
    return run(folder, CHANGED, top=top)


def forged_by_an_empty_transcript(folder: Path) -> Report:
    top = (
        LIES
        + f"""
play = operations.Operations.run
operations.Operations.run = lambda self, request: (
    (play(self, request), {EMPTY!r})[request["op"] == "strict"]
)
"""
    )
    return run(folder, CHANGED, top=top)


def forged_by_an_answer_with_the_token(folder: Path) -> Report:
    answer = {"result": Report("same").to_json(), "blocked": []}
    return run(folder, f"{CHANNEL}channel.send(token, {answer!r})\n{CHANGED}")


def forged_by_a_transcript_with_the_token(folder: Path) -> Report:
    answer = {"result": EMPTY, "blocked": []}
    return run(folder, f"{CHANNEL}channel.send(token, {answer!r})\nos._exit(0)")


def forged_by_a_reset_of_the_guard(folder: Path) -> Report:
    top = LIES + "from playhead.replay.child.guard import Guard\n"
    top += "Guard.has_blocked = property(lambda self: False)\n"
    top += "Guard.take = lambda self: ()\n"
    return run(folder, CHANGED, top=top)


def forged_by_an_early_end(folder: Path) -> Report:
    return run(folder, "os._exit(0)")


def forged_by_an_exit(folder: Path) -> Report:
    return run(folder, "raise SystemExit(0)")


def forged_by_another_module(folder: Path) -> Report:
    top = (
        LIES
        + """
import types
liar = types.ModuleType("playhead.replay.verdict")
liar.judged = liar.report = liar.strict = same
sys.modules["playhead.replay.verdict"] = sys.modules["playhead.replay.worker"] = liar
main = sys.modules["__main__"]
main._error = main._failed = lambda *_, **__: {"result": same().to_json(), "blocked": []}
"""
    )
    return run(folder, CHANGED, top="import sys\n" + top)


FORGERIES = [
    forged_by_replaced_functions,
    forged_by_another_state_machine,
    forged_by_a_transcript_without_the_command,
    forged_by_an_empty_transcript,
    forged_by_an_answer_with_the_token,
    forged_by_a_transcript_with_the_token,
    forged_by_a_reset_of_the_guard,
    forged_by_an_early_end,
    forged_by_an_exit,
    forged_by_another_module,
]


@pytest.mark.parametrize("forged", FORGERIES, ids=lambda f: f.__name__.removeprefix("forged_by_"))
def test_a_verdict_cannot_be_forged(tmp_path: Path, forged: Callable[[Path], Report]):
    report = forged(tmp_path)
    assert report.verdict in ("diverged", "refused", "invalid")
    assert report.output is None


@pytest.mark.parametrize(
    "call",
    [
        ("vm", [], {}),
        ("__class__", [], {}),
        ("sys_run", [], {}),
        ("sys_run", [{"base64": "?"}], {}),
        ("sys_write_output_success", ["text"], {}),
        ("sys_write_output_failure", [{"code": "x", "message": 1}], {}),
        ("do_progress", [[]], {}),
        ("do_progress", [["first", ["any", 1]]], {}),
        ("take_notification", [-1], {}),
        ("take_notification", [1 << 70], {}),
        ("sys_sleep", [1, 2, 3, 4], {}),
        ("sys_run", ["x"], {"name": "y"}),
    ],
)
def test_a_transcript_that_no_sdk_writes_is_refused(call: tuple[str, list[object], object]):
    """In this process: each is an error that the worker reports as invalid."""
    document = {**EMPTY, "calls": [("sys_input", [], {}), call]}
    with pytest.raises((ValueError, TypeError, ArithmeticError, LookupError)):
        judged(RUN_OK, Transcript.from_json(document))
