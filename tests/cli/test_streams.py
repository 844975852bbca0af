"""Standard streams that are closed, full, or lack characters: no traceback, a clear exit code."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playhead.cli.errors import Exit
from playhead.cli.streams import CleanStream

CLOSED = "http://127.0.0.1:9"
FULL = "playhead: Standard output cannot be written: No space left on device\n"


def run(folder: Path, redirected: str, *command: str) -> tuple[int, str]:
    """Run Python with redirected streams; return its exit code and its errors."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, *command],
        env={**os.environ, "PLAYHEAD_STORE": str(folder / "store"), "RESTATE_ADMIN_URL": CLOSED},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("redirected", "code", "errors"),
    [
        (">/dev/full", Exit.UNREACHABLE, FULL),
        (">&-", Exit.FINE, ""),
        ("<&-", Exit.FINE, ""),
        ("2>&-", Exit.FINE, ""),
        ("<&- >&- 2>&-", Exit.FINE, ""),
        (">/dev/full 2>/dev/full", Exit.UNREACHABLE, ""),
        (">/dev/full 2>&-", Exit.UNREACHABLE, ""),
    ],
)
def test_a_stream_that_cannot_be_written(
    tmp_path: Path, redirected: str, code: Exit, errors: str
) -> None:
    assert run(tmp_path, redirected, "-m", "playhead", "--help") == (code, errors)


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
def test_errors_that_nobody_can_read_do_not_change_the_exit_code(
    tmp_path: Path, redirected: str
) -> None:
    assert run(tmp_path, redirected, "-m", "playhead", "ls") == (Exit.UNREACHABLE, "")
    assert run(tmp_path, redirected, "-m", "playhead", "ls", "--nonsense") == (Exit.USAGE, "")


@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["doctor", "--json"]])
def test_an_output_that_nobody_reads_any_more(tmp_path: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "playhead", *arguments],
            env={
                **os.environ, "PLAYHEAD_STORE": str(tmp_path / "store"), "RESTATE_ADMIN_URL": CLOSED
            },
            stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (Exit.UNREAD, "")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from playhead.cli.streams import clean_streams\n"
        "with clean_streams():\n"
        "    print('lost', file=sys.stdout)\n"
        "    print('lost', file=sys.stderr)\n"
        "    sys.exit(os.open('/', os.O_RDONLY))\n"
    )
    assert run(tmp_path, "<&- >&- 2>&-", "-c", code)[0] > 2


def test_characters_that_an_encoding_does_not_have() -> None:
    raw = io.BytesIO()
    stream = CleanStream(io.TextIOWrapper(raw, "latin-1", write_through=True), is_essential=True)
    assert stream.write("ü ≥ 😀\n") == 6
    stream.buffer.write("≥\n".encode())
    assert raw.getvalue() == b"\xfc \\u2265 \\ud83d\\ude00\n\xe2\x89\xa5\n"
