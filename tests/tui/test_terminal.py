"""The dashboard in a real terminal: its raw bytes, its signals, and the state that it leaves."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hostile_store import FORBIDDEN, hostile_store
from playhead_tui import terminal_driver
from playhead_tui.terminal_driver import InputOrExit, LostTerminal
from textual.drivers._writer_thread import WriterThread
from waiting import until

ROWS, COLUMNS = 40, 120
LEAVES_SCREEN, SHOWS_CURSOR = "\x1b[?1049l", "\x1b[?25h"
ESCAPE = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]"  # CSI: colors, cursor, modes
    r"|[=>78MH]|\([0B])"
)


class Terminal:
    """The dashboard on a pseudo terminal."""

    def __init__(self, *arguments: str) -> None:
        self.main, self.side = pty.openpty()
        termios.tcsetwinsize(self.main, (ROWS, COLUMNS))
        self.before = termios.tcgetattr(self.side)
        self.raw = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "playhead", *arguments],
            stdin=self.side,
            stdout=self.side,
            stderr=self.side,
            env={**os.environ, "TERM": "xterm-256color", "RESTATE_ADMIN_URL": "http://127.0.0.1:9"},
            start_new_session=True,
        )

    def read(self) -> str:
        """Read what is there."""
        while select.select([self.main], [], [], 0)[0]:
            self.raw += os.read(self.main, 1 << 16).decode(errors="backslashreplace")
        return self.raw

    def shows(self, text: str, since: int = 0) -> None:
        until(lambda: text in ESCAPE.sub("", self.read()[since:]), f"{text!r} is shown")

    def press(self, keys: str) -> None:
        """Send keys, and wait until the screen is still; a blinking cursor may go on."""
        os.write(self.main, keys.encode())
        sent = time.monotonic()
        size, since = len(self.read()), sent

        def quiet() -> bool:
            nonlocal size, since
            if len(self.read()) != size:
                size, since = len(self.raw), time.monotonic()
            return time.monotonic() - since > 0.15 or time.monotonic() - sent > 0.75

        until(quiet, "the screen is still")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.main)
        os.close(self.side)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    hostile_store(folder)
    return folder


@pytest.fixture
def terminal(store: Path) -> Iterator[Terminal]:
    found = Terminal("--store", str(store), "--read-only")
    try:
        found.shows("Counterred")
        yield found
    finally:
        found.close()


def assert_obeys_nobody(raw: str) -> None:
    left = ESCAPE.sub("", raw)
    assert "\x1b" not in left, re.findall(r"\x1b.{0,12}", left)
    assert not set(left) & set(FORBIDDEN), sorted(set(left) & set(FORBIDDEN))


def test_no_screen_obeys_the_data(terminal: Terminal) -> None:
    terminal.press("?")
    terminal.press("\x1b")
    terminal.press("/")
    terminal.press("bold\r")
    for _ in range(3):
        terminal.press("\r")  # an invocation, and what is in it
    for key in "]]]]]]jjjj+e\t\t":
        terminal.press(key)
    for key in ("x", "\x1b", ":", "\x1b", "y", "r", "\x1b", "\x1b", "\x1b", "\x1b"):
        terminal.press(key)
    assert terminal.process.poll() is None
    # Textual sets the pointer; copying writes base64, which no data can leave.
    raw = re.sub(r"\x1b\](?:22;[a-z]*|52;c;[A-Za-z0-9+/=]*)\x07", "", terminal.read())
    assert_obeys_nobody(raw)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(terminal: Terminal, number: signal.Signals) -> None:
    during: list[Any] = termios.tcgetattr(terminal.side)
    assert during != terminal.before
    os.kill(terminal.process.pid, number)
    assert terminal.process.wait(20) == 128 + number
    assert termios.tcgetattr(terminal.side) == terminal.before
    raw = terminal.read()
    assert raw.rindex(LEAVES_SCREEN) > raw.rindex("Counter")
    assert SHOWS_CURSOR in raw[raw.rindex(LEAVES_SCREEN) - 20 :]
    assert "Traceback" not in raw
    assert "crashed" not in raw
    assert "leaked" not in raw


def test_ctrl_c_names_the_key_that_quits_without_markup(terminal: Terminal) -> None:
    terminal.press("\x03")
    terminal.shows("Press q to quit.")
    assert "[b]" not in terminal.read()
    terminal.press("q")
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.side) == terminal.before
    raw = terminal.read()
    assert ESCAPE.sub("", raw[raw.rindex(LEAVES_SCREEN) :]).strip() == ""


def test_the_thread_that_writes_outlives_the_terminal() -> None:
    main, side = pty.openpty()
    with os.fdopen(side, "w") as file:
        writer = WriterThread(cast("Any", LostTerminal(file)))
        writer.start()
        os.close(main)
        for _ in range(100):  # more than its queue holds
            writer.write("x" * 10_000)
        writer.stop()
        assert not writer.is_alive()


def test_the_thread_that_reads_sleeps_while_no_key_is_pressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminal_driver, "BUSY_SECONDS", 0.0)
    keys, press = os.pipe()
    exit_event = InputOrExit(keys)
    rounds: list[bytes] = []

    def read() -> None:
        while not exit_event.is_set():
            there = select.select([keys], [], [], 0)[0]
            rounds.append(os.read(keys, 1) if there else b"")

    for number in (1, 2):  # again after the terminal was given to another program
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        for _ in range(2):
            os.write(press, b"j")
        until(lambda number=number: len(rounds) == 2 * number, "the keys are read")
        assert not exit_event.is_set()
        exit_event.set()
        thread.join(20)
        assert not thread.is_alive()
        exit_event.clear()
    assert rounds == [b"j"] * 4
    os.close(keys)
    os.close(press)


@pytest.mark.parametrize("signaled", [True, False])
def test_a_closed_terminal_ends_the_dashboard(terminal: Terminal, signaled: bool) -> None:
    for file in (terminal.main, terminal.side):
        os.close(file)
    terminal.main, terminal.side = pty.openpty()  # which `close` closes
    if signaled:  # not if the terminal's leading process is `make`, which waits for its child
        os.kill(terminal.process.pid, signal.SIGHUP)
    assert terminal.process.wait(20) == 128 + signal.SIGHUP
