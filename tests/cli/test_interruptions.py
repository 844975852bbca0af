"""Commands that a signal ends: one message, one exit code, and no file that is not complete."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from playhead.cli import cli
from playhead.cli.errors import CliError, Exit

ID = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
COMMANDS = [
    ("ls",),
    ("show", ID),
    ("stats",),
    ("services",),
    ("state", "Counter/a"),
    ("sql", "--server", "SELECT 1"),
    ("cancel", ID, "--yes"),
    ("recording", "save", ID, "file.journal.json"),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_waits_for_the_server(tmp_path: Path, number: signal.Signals) -> None:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in COMMANDS]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "playhead", *command],
            env={
                **os.environ,
                "PLAYHEAD_STORE": str(tmp_path / "store"),
                "RESTATE_ADMIN_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command, server in zip(COMMANDS, servers, strict=True)
    ]
    ended: list[tuple[str, int, str, str]] = []
    try:
        for command, server, process in zip(COMMANDS, servers, processes, strict=True):
            server.settimeout(60)
            connection, _ = server.accept()  # and never answers
            with connection:
                assert connection.recv(1)
                process.send_signal(number)
                out, err = process.communicate(timeout=60)
            ended.append((command[0], process.returncode, out, err))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        for server in servers:
            server.close()
    assert ended == [
        (command[0], Exit.INTERRUPTED, "", "playhead: Interrupted\n") for command in COMMANDS
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pressed", "raised"), [(KeyboardInterrupt, CliError), (EOFError, click.Abort)]
)
def test_a_question_that_ctrl_c_ends(
    monkeypatch: pytest.MonkeyPatch, pressed: type[BaseException], raised: type[Exception]
) -> None:
    @click.command()
    def asks() -> None:
        click.confirm("Sure?")

    def read(prompt: str) -> str:
        raise pressed

    monkeypatch.setattr(type(cli), "get_command", lambda self, ctx, name: asks)
    monkeypatch.setattr("click.termui.visible_prompt_func", read)
    with pytest.raises(raised) as found:
        cli.main(["asks"], standalone_mode=False)
    if isinstance(found.value, CliError):
        assert (found.value.message, found.value.exit_code) == ("Interrupted", Exit.INTERRUPTED)
