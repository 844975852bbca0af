"""One hostile string through every command and option: nothing of it reaches the terminal.

The tests look at the raw bytes of both streams, behind the same edge as the `playhead` program.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hostile_store import FORBIDDEN, HOSTILE, hostile_store
from playhead.cli import cli, streams
from playhead.text import clean, clean_output, escape_json

# Bytes of an argument that are not UTF-8 become \udc80 to \udcff, and no argument has others.
ARGUMENT = HOSTILE.replace("\ud800", "")
COLORS = re.compile(r"\x1b\[[0-9;]*[mK]")
"""What commands write themselves: colors, and the line of a progress bar."""
CLOSED = "http://127.0.0.1:9"


def leaves(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves(cli, ()))
STARTS_PROCESSES = {("demo",), ("record",), ("scenario", "run")}


def calls() -> Iterator[list[str]]:
    """Yield a call for each argument and option of each command."""
    for path, command in COMMANDS.items():
        start = [*path]
        # An argument too many ends these before they start anything.
        end = ["x", "y", ARGUMENT] if path in STARTS_PROCESSES - {("scenario", "run")} else []
        yield [*start, f"--{ARGUMENT}"]
        yield [*start, *[ARGUMENT] * 4]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag:
                values = [ARGUMENT] * parameter.nargs
                required = ["inv_1"] * sum(isinstance(p, click.Argument) for p in command.params)
                yield [*start, *required, max(parameter.opts, key=len), *values, *end]
            if isinstance(parameter, click.Argument) and path not in STARTS_PROCESSES:
                yield [*start, ARGUMENT, *end]
    yield [ARGUMENT]
    yield [f"--{ARGUMENT}"]
    yield ["--store", f"/nowhere/{ARGUMENT}", "ls"]
    yield ["--admin-url", ARGUMENT, "ls"]
    yield ["--admin-url", f"http://{ARGUMENT}/", "ls"]


def output(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, *, terminal: bool = False
) -> tuple[int, str, str]:
    """Run a command behind the program's edge; return the exit code and both raw outputs."""
    raw = io.BytesIO(), io.BytesIO()
    written = [io.TextIOWrapper(one, "utf-8", errors="strict", write_through=True) for one in raw]
    for stream in written:
        stream.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", written[0])
    monkeypatch.setattr(sys, "stderr", written[1])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    try:
        with streams.clean_streams():
            cli(arguments, prog_name="playhead")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        monkeypatch.undo()
    out, err = (one.getvalue().decode() for one in raw)
    return code, out, err


def assert_clean(text: str) -> None:
    without_colors = COLORS.sub("", text)
    assert "\x1b" not in without_colors, re.findall(r"\x1b.{0,8}", without_colors)
    assert not set(text) & set(FORBIDDEN), sorted(set(text) & set(FORBIDDEN))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("hostile")
    return folder, hostile_store(folder)


@pytest.mark.parametrize("arguments", list(calls()), ids=lambda a: clean(" ".join(a))[:80])
def test_arguments_are_never_obeyed(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYHEAD_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RESTATE_ADMIN_URL", CLOSED)
    code, out, err = output(arguments, monkeypatch)
    assert code != 0 or out, (code, out, err)
    assert "Traceback" not in err, err
    assert_clean(out)
    assert_clean(err)


READS = [
    ["ls"], ["stats"], ["agents"], ["calls"], ["show", "{0}"], ["show", "{1}"], ["show", "{2}"],
    ["show", "{0}", "--children"],
    *(["show", "{0}", "--view", view]
      for view in ("conversation", "attempts", "state", "trace", "events")),
    ["show", "{0}", "--step", "#2"], ["diff", "{0}", "{1}"], ["doctor"],
    ["sql", "SELECT * FROM invocations"], ["sql", "SELECT * FROM spans"],
    ["sql", "SELECT name AS \"{hostile}\", * FROM journal"],
    ["sql", "SELECT '{hostile}' FROM nowhere"],
    ["state"], ["state", "hostile/key"], ["state", "hostile/key", "--history"],
    ["services"], ["services", "--deployments"], ["open", "{0}#0", "--json"],
    ["tail", "--count", "3"],
    ["recording", "save", "{0}", "{folder}/{hostile}.journal.json"],
    ["export", "html", "{0}", "{folder}/{hostile}.html"],
    ["replay", "{0}", "--app", "handlers:app", "--app-dir", "{recordings}"],
    ["replay", "{1}", "--app", "{hostile}:app"],
    ["replay", "{1}", "--app", "hostile_app:app", "--app-dir", "{folder}"],
    ["replay", "{0}", "--app", "handlers:app", "--app-dir", "{recordings}", "--at", "#2"],
    ["replay", "{0}", "--app", "handlers:app", "--app-dir", "{recordings}", "--set", "#4=\"x\""],
    ["replay", "{folder}", "--app", "handlers:app", "--app-dir", "{recordings}"],
    ["import", "{folder}/{hostile}.jsonl"],
]  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "terminal", "json"])
@pytest.mark.parametrize("call", READS, ids=" ".join)
def test_data_is_never_obeyed(
    call: list[str],
    kind: str,
    store: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, ids = store
    hostile = HOSTILE.encode("utf-8", "ignore").decode().replace("/", "|")
    (tmp_path / "hostile_app.py").write_text(f"raise RuntimeError({HOSTILE!r})")
    (tmp_path / f"{hostile}.jsonl").write_text(hostile)
    bad = {"format": HOSTILE, "entries": [{HOSTILE: HOSTILE}]}
    (tmp_path / f"{hostile}bad.journal.json").write_text(json.dumps(bad))
    values = {
        "{hostile}": hostile, "{folder}": str(tmp_path), "{0}": ids[0], "{1}": ids[1],
        "{2}": ids[2], "{recordings}": str(Path(__file__).parents[1] / "recordings"),
    }  # fmt: skip
    for name, value in values.items():
        call = [part.replace(name, value) for part in call]
    monkeypatch.setenv("PLAYHEAD_STORE", str(folder))
    monkeypatch.setenv("RESTATE_ADMIN_URL", CLOSED)
    if kind == "json":
        call = [*call, "--json"]
    code, out, err = output(call, monkeypatch, terminal=kind == "terminal")
    assert out or err, code
    assert "Traceback" not in err, err
    assert_clean(out)
    assert_clean(err)
    if kind == "json" and out and code in (0, 1):
        documents = out.splitlines() if call[0] == "tail" else [out]
        assert [json.loads(document) for document in documents]


def test_json_keeps_the_value(
    store: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYHEAD_STORE", str(store[0]))
    monkeypatch.setenv("RESTATE_ADMIN_URL", CLOSED)
    _, out, _ = output(["ls", "--json"], monkeypatch)
    text = HOSTILE.encode("utf-8", "ignore").decode()
    rows = json.loads(out)["invocations"]
    assert len(rows) == 3
    assert all(text in row["target"] for row in rows)
    assert json.loads(escape_json(json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False))) == {
        HOSTILE: HOSTILE
    }


def test_a_traceback_is_clean() -> None:
    code = (
        "import sys, playhead.cli as c; from hostile_store import HOSTILE\n"
        "def fail(**_): raise RuntimeError(HOSTILE)\n"
        "c.cli.callback = fail; sys.argv = ['playhead', 'ls']; c.main()"
    )
    support = Path(__file__).parents[1] / "support"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONPATH": str(support)}
    )
    assert done.returncode == 1
    assert b"RuntimeError: " in done.stderr
    assert_clean(done.stderr.decode())


def test_colors_and_progress_pass_the_edge() -> None:
    own = "\x1b[31mred\x1b[0m\r\x1b[2K3/7\x1b[1A\x1b[?25l\x1b[?25h\n\tend"
    assert clean_output(own) == own
    assert_clean(clean_output(HOSTILE))
    assert clean(HOSTILE) == clean(clean(HOSTILE))


@pytest.mark.parametrize("start", ["\x1b]", "\x1bP", "\x9b", "\x1b[", "\x1b[0;", "\x1b]0;\x1b"])
def test_cleaning_takes_linear_time(start: str) -> None:
    """Unterminated sequences made the search quadratic: a megabyte took minutes."""
    assert len(clean(start * 300_000)) <= 300_000 * len(start)
