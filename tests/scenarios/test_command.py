"""`playhead scenario`: errors, exit codes, and no process left behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.errors import ServerNotFoundError
from playhead.local import server
from playhead.text import clean
from playhead_samples import stack as stack_module
from playhead_samples.scenarios import registry
from running_processes import processes_of
from waiting import until

SECONDS = 60.0


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["scenario", *arguments])


def test_list_shows_every_scenario() -> None:
    result = invoke("list")
    assert result.exit_code == 0
    for name, scenario in registry.all_scenarios().items():
        assert name in result.output
        assert scenario.title in result.output
    rows = json.loads(invoke("list", "--json").output)
    assert [row["name"] for row in rows] == list(registry.all_scenarios())
    assert set(rows[0]) == {"name", "title", "family"}


def test_scenarios_are_listed_without_the_libraries_of_the_agents() -> None:
    """Their import takes seconds."""
    code = (
        "import sys; from playhead.cli import cli;"
        "cli(['scenario', 'list'], standalone_mode=False);"
        "print([m for m in ('pydantic_ai', 'openai', 'restate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["llm-rate-limit"], "Did you mean llm-rate-limited"),
        (["weather-api-down", "nonsense"], "No scenario is named 'nonsense'"),
        ([], "Pass one or more names, or --all"),
        (["weather-api-down", "--all"], "Pass one or more names, or --all"),
        (["weather-api-down", "bad-input", "--open"], "--open works with a single scenario"),
        (["weather-api-down", "--open", "--json"], "--open works with a single scenario"),
        (["weather-api-down", "--open"], "--open needs a terminal"),
    ],
)
def test_wrong_usage_exits_with_2_and_explains(arguments: list[str], message: str) -> None:
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_folder_that_is_not_empty_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep")
    result = invoke("run", "weather-api-down", "--dir", str(tmp_path))
    assert result.exit_code == 2
    assert "is not empty" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_missing_server_exits_with_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def not_found() -> Path:
        raise ServerNotFoundError("No restate-server was found", "Run `npm install`.")

    monkeypatch.setattr(server, "find_server", not_found)
    result = invoke("run", "weather-api-down", "--dir", str(tmp_path / "new"))
    assert result.exit_code == 3
    assert "No restate-server was found" in result.output
    assert "npm install" in result.output


def test_port_in_use_exits_with_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(stack_module, "free_port", lambda: port)
        result = invoke("run", "weather-api-down", "--dir", str(tmp_path / "new"))
    assert result.exit_code == 3
    assert "Stop the other recorder or collector, or choose another port" in result.output
    assert str(port) in result.output


def test_json_is_one_document_and_the_store_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    command = [sys.executable, "-m", "playhead", "scenario", "run", "tool-refuses-for-good"]
    done = subprocess.run(
        [*command, "--json", "--dir", folder], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    (scenario,) = document["scenarios"]
    assert scenario["name"] == "tool-refuses-for-good"
    assert all(check["ok"] for check in scenario["checks"])
    assert "send 'run' to OrderDesk/run" in done.stderr
    assert list(folder.glob("*/store/playhead.duckdb"))
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("number", "when"),
    [(signal.SIGINT, "wait until 'run'"), (signal.SIGTERM, "starting restate-server")],
)
def test_interrupted_command_leaves_no_process(number: int, when: str, tmp_path: Path) -> None:
    folder = tmp_path / "interrupted"
    command = [sys.executable, "-m", "playhead", "scenario", "run", "llm-timeout"]
    with subprocess.Popen(
        [*command, "--dir", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        progress = ""
        for line in running.stderr:
            progress += line
            if when in line:
                break
        assert len(processes_of(folder)) >= 3, progress
        running.send_signal(number)
        out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130, err
    assert "Interrupted" in err
    assert out == ""
    assert processes_of(folder) == []


def test_a_signal_in_generated_code_leaves_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text("""
import sys
from playhead.cli.signals import interruptible
try:
    with interruptible():
        exec("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
except KeyboardInterrupt:
    sys.exit(130)
""")
    done = subprocess.run([sys.executable, "-m", "command"], cwd=tmp_path, timeout=SECONDS)
    assert done.returncode == 130


def test_open_shows_the_invocation_while_its_servers_are_running() -> None:
    command = [sys.executable, "-m", "playhead", "scenario", "run", "tool-asks-again", "--open"]
    terminal, process_end = pty.openpty()
    fcntl.ioctl(process_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        command,
        stdin=process_end,
        stdout=process_end,
        stderr=process_end,
        env={**env, "TERM": "xterm-256color"},
    ) as running:
        os.close(process_end)
        try:
            before = read_until(terminal, "Query orders")
            assert "OrderDesk" in before
            os.write(terminal, b"q")
            after = read_until(terminal, "tool-asks-again: passed")
            assert "Traceback" not in after
            assert running.wait(SECONDS) == 0
        finally:
            running.terminate()
            os.close(terminal)


def read_until(terminal: int, text: str) -> str:
    """Read a terminal until a text appears; return the output without escape sequences."""
    data = b""

    def output() -> str:
        return clean(data.decode(errors="replace"))

    def appeared() -> bool:
        nonlocal data
        if select.select([terminal], [], [], 0.2)[0]:
            data += os.read(terminal, 65536)
        return text in output()

    until(appeared, f"{text!r} appears on the terminal", seconds=SECONDS)
    return output()
