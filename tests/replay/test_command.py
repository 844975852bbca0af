"""`playhead replay` and the pytest plugin, in text and JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.replay import Recording, WhatIfResult, WhatIfRow
from playhead.replay.text import result_text, what_if_lines
from playhead.values import to_json_line

RECORDINGS = Path(__file__).parents[1] / "recordings"
TRIP = RECORDINGS / "v6" / "trip.journal.json"

ENTRIES = {4: 3, 6: 3, 9: 5, 10: 5}
"""Journal indexes in the recording of `trip`, with the ordinals of their commands."""


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Folder with `myapp.py`, in which one step is renamed and one argument is changed."""
    text = (RECORDINGS / "handlers.py").read_text()
    text = text.replace('"pay", pay', '"charge", pay').replace("city, 2)", "city.upper(), 2)")
    (tmp_path / "myapp.py").write_text(text)
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("trip", "run_ok", "approval_waiting"):
        shutil.copy(RECORDINGS / "v6" / f"{name}.journal.json", folder)
    return tmp_path


def run(*arguments: object, **env: str) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)], env=env)


def test_a_divergence_is_explained_and_exits_1(changed: Path):
    result = run(TRIP, "--app", "myapp:app", "--app-dir", changed)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "diverged: 1 difference that Restate would refuse; 4 of 9 commands replayed" in lines
    renamed = next(i for i, line in enumerate(lines) if "#9 Run pay: renamed" in line)
    assert "myapp.py:" in lines[renamed]
    assert lines[renamed + 1].split() == ["recorded:", "pay"]
    assert lines[renamed + 2].split() == ["now:", "charge"]
    assert "#2 Run fetch plan: arguments (Restate does not notice)" in result.output
    assert "args[0] = OSLO" in result.output
    assert "name: pay != charge" in result.output  # the message of the SDK
    assert "hint:" in result.output


def test_strict_gives_the_sdks_verdict_alone(changed: Path):
    arguments = (TRIP, "--app", "myapp:app", "--app-dir", changed, "--json", "--strict")
    result = run(*arguments)
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert document["verdict"] == "diverged"
    assert [d["kind"] for d in document["divergences"]] == ["mismatch"]


def test_a_folder_ends_with_a_summary(changed: Path):
    arguments = ("--app", "myapp:app", "--app-dir", changed)
    result = run(changed / "recordings", *arguments)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "1 same, 1 incomplete, 1 diverged"
    result = run(changed / "recordings", *arguments, "--json")
    document = json.loads(result.output)
    assert document["summary"] == {
        "same": 1, "incomplete": 1, "diverged": 1, "blocked": 0, "refused": 0, "invalid": 0,
    }  # fmt: skip
    assert {Path(name).name for name in document["reports"]} == {
        "trip.journal.json", "run_ok.journal.json", "approval_waiting.journal.json",
    }  # fmt: skip


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not JSON"),
    "null": (b"null", "is not a recording"),
    "list": (b"[]", "is not a recording"),
    "number": (b"1" * 10_000, "a number has too many digits"),
    "infinite": (b"1e999", "Number out of range"),
    "deep": (b"[" * 200_000, "nested too deeply"),
    "deep and closed": (b"[" * 100_000 + b"]" * 100_000, "cannot be read"),
    "not text": (b"\xff\xfe\x00", "cannot be read"),
    "surrogate": (b'{"format": "\\ud800"}', "cannot be read"),
}


def test_bad_files_of_a_folder_are_rows_with_their_reasons(
    changed: Path, record_property: Callable[[str, object], None]
):
    folder = changed / "recordings"
    good = json.loads((folder / "run_ok.journal.json").read_text())
    for name, (data, _) in BAD_FILES.items():
        (folder / f"{name}.journal.json").write_bytes(data)
    for name, change in {
        "huge index": {"entries": [good["entries"][0] | {"index": 10**30}]},
        "null entry": {"entries": [None]},
        "missing handler": {"invocation": good["invocation"] | {"target_handler_name": "gone"}},
        "missing service": {"invocation": good["invocation"] | {"target_service_name": "Gone"}},
        "not an id": {"invocation": good["invocation"] | {"id": "inv_"}},
        "huge seed": {"random_seed": 10**300},
        "deep state": {"events": [json.loads("[" * 500 + "]" * 500)]},
        "not base64": {"state": {"a": "%"}},
        "bytes of another": {"entries": [good["entries"][0] | {"raw": "////"}]},
    }.items():
        (folder / f"{name}.journal.json").write_text(json.dumps(good | change))
    os.mkfifo(folder / "pipe.journal.json")
    (folder / "folder.journal.json").mkdir()
    (folder / "dangling.journal.json").symlink_to("nowhere")
    (folder / "loop.journal.json").symlink_to("loop.journal.json")
    (folder / "device.journal.json").symlink_to("/dev/zero")
    arguments = (folder, "--app", "myapp:app", "--app-dir", changed)
    document = json.loads(run(*arguments, "--json").output)
    found = {Path(path).name.partition(".")[0]: r for path, r in document["reports"].items()}
    assert found["run_ok"]["verdict"] == "same"
    bad = {n: r for n, r in found.items() if n not in ("trip", "run_ok", "approval_waiting")}
    assert len(bad) == len(BAD_FILES) + 9 + 5
    record_property("cases", len(bad))
    assert {r["verdict"] for r in bad.values()} == {"refused"}, bad
    assert all(r["reason"] for r in bad.values())
    classes = {n: r["reason"] for n, r in bad.items() if "Error:" in r["reason"]}
    assert classes == {}  # a reason, not a class
    for name, (_, words) in BAD_FILES.items():
        assert words in bad[name]["reason"]
    assert "is not a file" in bad["pipe"]["reason"]
    result = run(*arguments)
    assert result.exit_code == 1  # `trip` diverged
    summary = f"1 same, 1 incomplete, 1 diverged, {len(bad)} refused"
    assert result.output.splitlines()[-1] == summary


def test_a_bad_file_in_a_folder_does_not_hide_the_others(changed: Path):
    (changed / "recordings" / "bad.journal.json").write_text("{")
    (changed / "recordings" / "trip.journal.json").unlink()
    result = run(changed / "recordings", "--app", "myapp:app", "--app-dir", changed)
    assert result.exit_code == 3
    assert "1 same, 1 incomplete, 1 refused" in result.output
    assert "bad.journal.json is not JSON" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("missing.json", "--app", "handlers:app"), 3, "missing.json: no such file"),
        ((TRIP,), 2, "Give --app module:attribute, or set PLAYHEAD_APP"),
        ((TRIP, "--app", "handlers"), 3, "Write module:attribute"),
        ((TRIP, "--app", "nowhere:app"), 3, "No module 'nowhere'"),
        ((TRIP, "--app", "handlers:app", "--at", "99", "--app-dir", RECORDINGS), 2, "1 to 9"),
        ((TRIP, "--app", "handlers:ap", "--app-dir", RECORDINGS), 3, "Did you mean handlers:app?"),
        ((RECORDINGS, "--app", "handlers:app", "--at", "#1"), 2, "--at needs one recording"),
        ((TRIP, "--app", "a:b", "--restart-from", "two"), 2, "'two' is not a journal index"),
        ((RECORDINGS, "--app", "a:b", "--restart-from", "0"), 2, "--restart-from needs one"),
        ((RECORDINGS, "--app", "a:b", "--set", "1=2"), 2, "--set needs one recording"),
    ],
)
def test_usage_errors(arguments: tuple[object, ...], code: int, words: str):
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.output


def test_at_shows_the_line_the_variables_and_the_state():
    result = run(TRIP, "--app", "handlers:app", "--app-dir", RECORDINGS, "--at", "#9")
    assert result.exit_code == 0, result.output
    assert result.output.startswith('#9 Run pay  command 5 of 9\n  result #10: "paid"\n')
    assert "> " in result.output
    assert 'receipt = await ctx.run_typed("pay", pay)' in result.output
    assert "hotel = 'echo hotel in Oslo'" in result.output
    assert "visits = null" in result.output


@pytest.mark.parametrize(
    ("at", "command"),
    [("pay", 5), ("'hotel' in locals()", 4), ("visits == 7", None), ("command 3", 3)]
    + [(f"#{index}", command) for index, command in ENTRIES.items()]
    + [(str(index), command) for index, command in ENTRIES.items()]
    + [("#999", None), ("command 10", None)],
)
def test_at_takes_a_journal_index_an_ordinal_a_step_or_an_expression(at: str, command: int | None):
    result = run(TRIP, "--app", "handlers:app", "--app-dir", RECORDINGS, "--at", at, "--json")
    if command is None:
        assert result.exit_code == 2
        assert f"The run does not stop at {at}" in result.output
    else:
        assert json.loads(result.output)["command_index"] == command


def test_a_journal_index_stops_at_its_command():
    journal = Recording.load(TRIP).journal()
    for index, command in ENTRIES.items():
        owner = journal.commands[command]
        result = journal.result_of(owner)
        assert index in (owner.index, result and result.index)


def test_the_app_of_the_settings_is_the_default():
    result = run(TRIP, PLAYHEAD_APP="handlers:app", PLAYHEAD_APP_DIR=str(RECORDINGS))
    assert result.exit_code == 0, result.output
    assert "same" in result.output


def test_restart_from_replays_what_a_restart_keeps(changed: Path):
    """The renamed step is the fifth command. A restart from before it is accepted."""
    app = ("--app", "myapp:app", "--app-dir", changed)
    before = Recording.load(TRIP).journal().commands[4].index
    assert run(TRIP, *app).exit_code == 1
    result = run(TRIP, *app, "--restart-from", before)
    assert result.exit_code == 0, result.output
    assert run(TRIP, *app, "--restart-from", f"#{before}").output == result.output
    assert "incomplete: 4 of 4 commands replayed" in result.output
    result = run(TRIP, *app, "--restart-from", before + 20)
    assert result.exit_code == 1


def test_a_changed_result_is_run_on_beside_the_original():
    app = (TRIP, "--app", "handlers:app", "--app-dir", RECORDINGS)
    arguments = (*app, "--set", '#2=["rain"]')
    result = run(*arguments)
    for name in ("2", "3", "#3", "command 2"):
        assert run(*app, "--set", f'{name}=["rain"]').output == result.output
    assert result.exit_code == 0, result.output
    assert '["rain"]' in result.output
    assert "ended" in result.output
    document = json.loads(run(*arguments, "--json").output)
    assert document["output"]["plan"] == ["rain"]
    assert document["original_output"]["plan"] == ["Oslo day 0", "Oslo day 1"]
    dry = json.loads(run(*arguments, "--dry", "--json").output)
    assert not dry["ended"]
    assert "Call Helper/echo" in dry["stopped"]
    bad = run(TRIP, "--app", "handlers:app", "--app-dir", RECORDINGS, "--set", "two")
    assert bad.exit_code == 2


def test_results_of_model_calls_are_what_the_model_answered():
    call = {"tool_name": "book", "args": {"item": "lamp"}, "part_kind": "tool-call"}
    text = {"content": "No \x1b[31mthanks.", "part_kind": "text"}
    rest = {"model_name": "m", "kind": "response", "usage": {}}
    assert result_text("Run Model call", {"parts": [call], **rest}) == "book(lamp)"
    assert result_text("Run Model call", {"parts": [text], **rest}) == "No thanks."
    assert result_text("Run Model call", {"parts": ["yes"]}) == '{"parts": ["yes"]}'
    assert result_text("Run Look up", {"parts": [text]}) == to_json_line({"parts": [text]})
    assert result_text("Sleep", None) == ""
    row = WhatIfRow("Run Model call", {"parts": [call], **rest}, None, None, "", journal_index=1)
    [_, line, *_] = what_if_lines(WhatIfResult((row,), ended=True))
    assert line == " - #1 Run Model call → book(lamp)"


def test_a_recording_without_an_end_has_no_result_to_compare():
    waiting = RECORDINGS / "v6" / "approval_waiting.journal.json"
    app = (waiting, "--app", "handlers:app", "--app-dir", RECORDINGS)
    result = run(*app, "--answer", "awakeable:1=true")
    assert result.exit_code == 0, result.output
    assert "recorded: had not ended" in result.output
    assert "not used" not in result.output
    document = json.loads(run(*app, "--answer", "awakeable:1=true", "--json").output)
    assert not document["original_ended"]


def test_an_answer_that_no_command_took_is_named():
    app = ("--app", "handlers:app", "--app-dir", RECORDINGS, "--answer", "awakeable:1=false")
    result = run(RECORDINGS / "v6" / "approval.journal.json", *app)
    assert result.exit_code == 0, result.output
    assert "not used: the answer to awakeable:1" in result.output
    unused = json.loads(run(TRIP, *app, "--answer", "Nothing=1", "--json").output)["unused"]
    assert unused == ["Nothing", "awakeable:1"]


def test_code_that_is_blocked_before_its_first_step_has_no_stop(changed: Path):
    text = (changed / "myapp.py").read_text()
    body = text.index("async def trip(")
    start = text.index(":\n", body) + 2
    (changed / "myapp.py").write_text(text[:start] + '    open("log", "w")\n' + text[start:])
    result = run(TRIP, "--app", "myapp:app", "--app-dir", changed, "--at", "#2")
    assert result.exit_code == 2
    assert "It has no command. A side effect was blocked: write file" in result.output


def test_a_live_step_runs_only_when_it_is_confirmed():
    arguments = (TRIP, "--app", "handlers:app", "--app-dir", RECORDINGS)
    live = (*arguments, "--set", '2=["rain"]', "--live", "pay")
    refused = CliRunner().invoke(cli, ["replay", *map(str, live)], input="n\n")
    assert refused.exit_code == 1
    assert "Aborted" in refused.output
    agreed = run(*live, "--yes", "--json")
    assert agreed.exit_code == 0, agreed.output
    sources = {row["new"]: row["source"] for row in json.loads(agreed.stdout)["rows"]}
    assert sources["Run pay"] == "live"
    assert sources["Call Helper/echo"] == "recorded"


def test_pdb_opens_in_the_users_frame():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "playhead", "replay", str(TRIP), "--app", "handlers:app"]
    done = subprocess.run(
        [*command, "--app-dir", str(RECORDINGS), "--pdb", "--at", "#4"],
        input="p city, plan\nn\np hotel\nc\n",
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=True,
    )
    assert "('Oslo', ['Oslo day 0', 'Oslo day 1'])" in done.stdout
    assert "'echo hotel in Oslo'" in done.stdout


def test_text_from_the_app_cannot_control_the_terminal(changed: Path):
    text = (changed / "myapp.py").read_text()
    evil = r'"\x1b]0;owned\x07\x1b[2J"'
    (changed / "myapp.py").write_text(text.replace('"charge", pay', f"{evil}, pay"))
    result = run(TRIP, "--app", "myapp:app", "--app-dir", changed)
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


def pytest_run(
    folder: Path, *arguments: str, installed: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run pytest; with all installed plugins, found by their entry points, or only Playhead's."""
    plugin = "no:asyncio" if installed else "playhead.replay.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-p", plugin, "-q", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    if not installed:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_pytest_makes_one_test_of_a_recording(changed: Path):
    options = ("--playhead-app", "myapp:app", "--playhead-recordings", "recordings")
    done = pytest_run(changed, *options, installed=True)
    assert done.returncode == 1, done.stderr
    assert "1 failed, 2 passed" in done.stdout
    assert "#9 Run pay: renamed  myapp.py:" in done.stdout
    assert "recorded: pay" in done.stdout
    assert "trip.journal.json::replay - diverged: " in done.stdout  # the summary
    assert "hint: " in done.stdout
    assert "Traceback" not in done.stdout
    assert "1 passed, 2 deselected" in pytest_run(changed, *options, "-k", "run_ok").stdout


def test_pytest_runs_recordings_beside_ordinary_tests(changed: Path):
    (changed / "test_mine.py").write_text("def test_mine(): pass\n")
    (changed / "recordings" / "trip.journal.json").unlink()
    options = ("--playhead-app", "myapp:app", "--playhead-recordings", "recordings")
    assert "3 passed" in pytest_run(changed, "test_mine.py", *options).stdout
    assert "1 passed" in pytest_run(changed, "test_mine.py").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--playhead-app", "myapp:app"), "must be given together"),
        (("--playhead-app", "a:b", "--playhead-recordings", "nowhere"), "nowhere is not a folder"),
        (
            ("--playhead-app", "a:b", "--playhead-recordings", "empty"),
            "has no *.journal.json files",
        ),
    ],
)
def test_pytest_usage_errors(arguments: tuple[str, ...], words: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = pytest_run(tmp_path, *arguments)
    assert done.returncode == 4
    assert words in done.stderr


def test_pytest_shows_an_app_that_cannot_be_imported(changed: Path):
    (changed / "myapp.py").write_text("import nothing_of_this_name\n")
    done = pytest_run(changed, "--playhead-app", "myapp:app", "--playhead-recordings", "recordings")
    assert done.returncode == 1
    assert "nothing_of_this_name" in done.stdout
    assert "worker.py" not in done.stdout
