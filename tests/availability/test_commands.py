"""Every command, whichever of server, recorder and store are available.

With `WHOLE_MATRIX=1`, texts are read at every width in every cell, and thousands of rows from every
source, which takes several times as long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from command_calls import CALLS, Call, Said, commands
from playhead.cli import cli, output, tail
from situations import SIZES, SOURCES, Situation

NO_SERVER = "No Restate server answers"
START_SERVER = "Start restate-server, or set RESTATE_ADMIN_URL"
NO_RECORDER = "No recorder is running"
START_RECORDER = "`playhead record`"
WIDTHS = (None, 40, 80)
WHOLE_MATRIX = bool(os.environ.get("WHOLE_MATRIX"))
LONG_LISTS = SOURCES if WHOLE_MATRIX else ("server and recorder", "file")
"""Where thousands of rows are printed. test_pages.py also reads them all from the server."""


def test_every_command_has_a_call() -> None:
    assert {call.command for call in CALLS} == set(commands())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt  # as Ctrl+C after the first poll

    monkeypatch.setattr(tail, "time", SimpleNamespace(sleep=stop, monotonic=time.monotonic))

    def run(situation: Situation, *arguments: str, width: int | None = None) -> Said:
        """Call `playhead` in this process; with a width, as on a terminal that wide."""
        with monkeypatch.context() as patch:
            environment = {**situation.environment, "TERM": "xterm"}
            if width:
                environment["COLUMNS"] = str(width)
                patch.setattr(output, "is_terminal", lambda: True)
            done = CliRunner().invoke(cli, arguments, env=environment, prog_name="playhead")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise AssertionError(f"playhead {arguments}: {done.output}") from done.exception
        assert "Traceback" not in done.output
        return Said(done.exit_code, done.stdout, done.stderr)

    return run


def cells() -> Iterator[Any]:
    for rows in SIZES:
        for sources in SOURCES:
            if sources == "nothing" and rows:
                continue
            for call in CALLS:
                if rows not in call.sizes and sources != "nothing":
                    continue
                if is_long(call, rows) and sources not in LONG_LISTS:
                    continue
                yield pytest.param(rows, sources, call, id=f"{rows}-{sources}-{name(call)}")


def is_long(call: Call, rows: int) -> bool:
    """Return whether a call prints thousands of rows, which takes seconds."""
    return rows > 10 and "--limit" in call.arguments(SimpleNamespace(ids={}), Path())


def name(call: Call) -> str:
    return " ".join([call.command, *call.arguments(SimpleNamespace(ids={}), Path())])[:40]


@pytest.mark.parametrize(("rows", "sources", "call"), list(cells()))
def test_a_command(
    situation: Callable[[str, int], Situation],
    run: Callable[..., Said],
    tmp_path: Path,
    rows: int,
    sources: str,
    call: Call,
) -> None:
    there = situation(sources, rows)
    words = [*call.command.split(), *call.arguments(there, tmp_path)]
    code, reason = expected(there, call)
    if code is not None:
        for said in (run(there, *words), run(there, *words, *["--json"] * call.json)):
            assert said.code == code
            assert said.out == ""
            assert reason in said.err
            if not there.readable:
                says_what_to_do(there, said.err)
        return
    if call.json:
        said = run(there, *words, "--json")
        assert said.code in ((0, 1) if call.finding else (0,)), said.err
        call.check(there, said)
        if call.missing:
            lines = said.out.splitlines() if call.command == "tail" else [said.out]
            for line in lines:
                says_what_is_missing(there, Said(0, line, "").document["missing"])
        succeeded = said.code
    else:
        succeeded = 0
    for width in widths(call, words, rows, sources):
        text = run(there, *words, width=width)
        assert text.code == succeeded
        assert text.out or text.err
        if call.missing and call.json and call.needs == "a source":
            says_what_is_missing(there, [text.err])


def widths(call: Call, words: list[str], rows: int, sources: str) -> tuple[int | None, ...]:
    """Return the terminals to call a command on; None is no terminal."""
    if call.command in ("export html", "store backup"):
        return (80,)  # the file must not exist
    if "--limit" in words or call.needs == "the server":
        return ()  # long lists take seconds
    if WHOLE_MATRIX or (rows == 10 and sources == "server and recorder"):
        return WIDTHS
    if rows == 10:
        # The same reports with other notes: each source has every width, with some commands.
        return (WIDTHS[(CALLS.index(call) + SOURCES.index(sources)) % len(WIDTHS)],)
    if rows > 10 and call.json and sources != "server and recorder":
        return ()  # the text looks as with 10 rows
    return (40,)


def expected(situation: Situation, call: Call) -> tuple[int | None, str]:
    """Return the exit code and a part of the error, when the command cannot do its work."""
    if call.needs == "nothing":
        return None, ""
    if call.needs == "the store" and not situation.stored:
        return 3, NO_RECORDER
    if not situation.readable:
        return 3, "Neither a Restate server nor a store can be read"
    if call.needs == "the server" and not situation.server:
        return 3, "The Restate server cannot be read"
    if call.by_id and not situation.rows:
        return 2, "inv_1"
    return None, ""


def says_what_is_missing(situation: Situation, missing: list[str]) -> None:
    text = " ".join(missing)
    assert (NO_SERVER in text) == (not situation.server)
    assert (START_SERVER in text) == (not situation.server)
    assert (NO_RECORDER in text) == (not situation.recorder)
    assert (START_RECORDER in text) == (not situation.recorder)


def says_what_to_do(situation: Situation, text: str) -> None:
    assert START_RECORDER in text
    if "Neither" in text:
        assert NO_SERVER in text
        assert START_SERVER in text
