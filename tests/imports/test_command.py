"""`playhead import`: output, exit codes and --follow."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
from click.testing import CliRunner, Result
from playhead.cli import cli
from waiting import until


def playhead(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--store", str(store), *arguments])


def line(number: int) -> str:
    span = {"traceId": "ab" * 16, "spanId": f"{number + 1:016x}", "name": f"span {number}"}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n"


def test_bad_lines_are_told_with_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line(1) + "\x1b[31m\n" * 30 + line(2).replace("ab" * 16, "00" * 16))
    result = playhead(tmp_path / "store", "import", str(file))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith(f"{file}:2: the line is not OTLP/JSON")
    assert "\x1b" not in result.output
    assert len(result.stderr.splitlines()) == 20
    assert "Imported 1 span." in result.stdout
    assert "1 was rejected: a trace id is not 16 bytes long" in result.stdout
    assert "30 unreadable lines or messages were skipped, 10 of them not shown." in result.stdout
    document = json.loads(playhead(tmp_path / "store", "import", str(file), "--json").stdout)
    assert (document["spans"], document["rejected"], document["skipped"]) == (1, 1, 30)


def test_a_single_bad_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line(1) + line(2).replace("ab" * 16, "zz" * 16))
    result = playhead(tmp_path / "store", "import", str(file))
    assert result.stderr.endswith("the line is not OTLP/JSON: an id is not hexadecimal\n")
    assert "1 unreadable line or message was skipped." in result.stdout


def test_wrong_usage(tmp_path: Path) -> None:
    missing = playhead(tmp_path / "store", "import", str(tmp_path / "missing"))
    assert missing.exit_code == 2
    assert "is not a file" in missing.stderr
    assert playhead(tmp_path / "store", "import", "--follow", "a", "b").exit_code == 2
    assert not (tmp_path / "store").exists()


def test_follow_until_interrupted(tmp_path: Path) -> None:
    file, store = tmp_path / "a.jsonl", tmp_path / "store"
    file.write_text(line(1))
    command = [sys.executable, "-m", "playhead", "--store", str(store)]
    process = subprocess.Popen(
        [*command, "import", "--follow", str(file), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip

    def stored() -> int:
        query = "SELECT count(*) AS n FROM spans"
        found: int = json.loads(playhead(store, "sql", "--json", query).stdout)[0]["n"]
        return found

    try:
        assert process.stderr is not None
        assert "Following" in process.stderr.readline()
        until(lambda: stored() == 1, "the first span is stored")
        file.rename(tmp_path / "a-1.jsonl")
        file.write_text(line(2))
        until(lambda: stored() == 2, "both spans are stored")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["spans"] == 2
    connection = duckdb.connect(str(store / "playhead.duckdb"), read_only=True)
    assert connection.execute("SELECT count(*) FROM spans").fetchall() == [(2,)]
    connection.close()
