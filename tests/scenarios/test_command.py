"""`playhead scenario`: clear errors, exit codes, and nothing left behind."""

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
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.errors import ServerNotFoundError
from playhead.local import server
from playhead.text import clean
from playhead_samples import stack as stack_module
from playhead_samples.scenarios import registry as catalogue

SECONDS = 60.0


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["scenario", *arguments])


def test_list_names_every_scenario() -> None:
    result = invoke("list")
    assert result.exit_code == 0
    for name, scenario in catalogue.everything().items():
        assert name in result.output
        assert scenario.title in result.output
    rows = json.loads(invoke("list", "--json").output)
    assert [row["name"] for row in rows] == list(catalogue.everything())
    assert set(rows[0]) == {"name", "title", "family"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["llm-rate-limit"], "Do you mean llm-rate-limited"),
        (["weather-api-down", "nonsense"], "no scenario is called 'nonsense'"),
        ([], "Give one or more names, or --all"),
        (["weather-api-down", "--all"], "Give one or more names, or --all"),
        (["weather-api-down", "bad-input", "--open"], "--open is for one scenario"),
        (["weather-api-down", "--open", "--json"], "--open is for one scenario"),
        (["weather-api-down", "--open"], "--open needs a terminal"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_do(arguments: list[str], says: str) -> None:
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = invoke("run", "weather-api-down", "--dir", str(tmp_path))
    assert result.exit_code == 2
    assert "is not empty" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_without_a_server_it_is_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nowhere() -> Path:
        raise ServerNotFoundError("Run `npm install @restatedev/restate-server` here.")

    monkeypatch.setattr(server, "find_server", nowhere)
    result = invoke("run", "weather-api-down", "--dir", str(tmp_path / "new"))
    assert result.exit_code == 3
    assert "no restate-server" in result.output
    assert "npm install" in result.output


def test_a_port_in_use_is_3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(stack_module, "free_port", lambda: port)
        result = invoke("run", "weather-api-down", "--dir", str(tmp_path / "new"))
    assert result.exit_code == 3
    assert "could not run" in result.output
    assert "may run; stop it, or choose another port" in result.output
    assert str(port) in result.output


def test_json_is_one_document_and_the_recording_is_kept(tmp_path: Path) -> None:
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
    assert "send run to OrderDesk/run" in done.stderr
    assert list(folder.glob("*/store/playhead.duckdb"))
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("number", "when"),
    [(signal.SIGINT, "wait until run"), (signal.SIGTERM, "starting restate-server")],
)
def test_interrupted_it_leaves_no_process(number: int, when: str, tmp_path: Path) -> None:
    folder = tmp_path / "interrupted"
    command = [sys.executable, "-m", "playhead", "scenario", "run", "llm-timeout"]
    with subprocess.Popen(
        [*command, "--dir", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        said = ""
        for line in running.stderr:
            said += line
            if when in line:
                break
        assert len(processes_of(folder)) >= 3, said
        running.send_signal(number)
        out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130, err
    assert "interrupted" in err
    assert out == ""
    assert processes_of(folder) == []


def test_open_shows_the_invocation_while_its_servers_run() -> None:
    command = [sys.executable, "-m", "playhead", "scenario", "run", "tool-asks-again", "--open"]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**env, "TERM": "xterm-256color"},
    ) as running:
        os.close(theirs)
        try:
            before = read_until(ours, "Query orders")
            assert "OrderDesk" in before
            os.write(ours, b"q")
            after = read_until(ours, "tool-asks-again: as expected")
            assert "Traceback" not in after
            assert running.wait(SECONDS) == 0
        finally:
            running.terminate()
            os.close(ours)


def read_until(terminal: int, text: str) -> str:
    """What appears on a terminal, without escape sequences, until this does."""
    seen, deadline = b"", time.monotonic() + SECONDS
    while text not in clean(seen.decode(errors="replace")):
        assert time.monotonic() < deadline, clean(seen.decode(errors="replace"))[-2000:]
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536)
    return clean(seen.decode(errors="replace"))


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that has to do with this folder: by its command, or by its variables."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in words):
            found.append(process)
    return found
