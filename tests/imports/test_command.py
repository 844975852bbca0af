"""`playhead import`: output, exit codes and --follow."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.cli.span_import import _imported
from playhead.imports.repeats import Repeats, count_repeats
from playhead.store.database import Store
from playhead.store.upkeep import perform
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


def test_spans_that_were_stored_already_are_counted(tmp_path: Path) -> None:
    file, store = tmp_path / "a.jsonl", tmp_path / "store"

    def imported(*numbers: int) -> tuple[str, int]:
        """Import these spans; return what is said, and the number of spans in both places."""
        file.write_text("".join(map(line, numbers)))
        text = playhead(store, "import", str(file)).stdout.strip()
        with contextlib.closing(Store(store)) as opened, opened.reading() as cursor:
            [(count,)] = cursor.execute("SELECT count(*) FROM all_spans").fetchall()
        return text, count

    assert imported(1, 2) == ("Imported 2 spans.", 2)
    assert imported(1, 2, 3) == ("Imported 1 new span; 2 were stored already.", 3)
    assert imported(3) == ("Imported no spans: 1 span was stored already.", 3)
    opened = Store(store)
    perform(opened, {"task": "archive", "before": "2026-01-01"})
    opened.close()
    assert imported(2, 3, 4) == ("Imported 1 new span; 2 were stored already.", 4)
    document = json.loads(playhead(store, "import", str(file), "--json").stdout)
    assert (document["spans"], document["new"], document["repeated"]) == (3, 0, 3)


def test_what_others_send_meanwhile_is_not_taken_for_the_import() -> None:
    def health(**changed: object) -> dict[str, object]:
        usual = {"started_at": "now", "received_spans": 10, "repeated_spans": 5}
        return {**usual, "set_aside_requests": 0, **changed}

    def counted(**changed: object) -> Repeats | None:
        return count_repeats(health(), health(**changed), accepted=4)

    assert counted(received_spans=14, repeated_spans=7) == Repeats(2, 2)
    assert counted(received_spans=20, repeated_spans=5) == Repeats(0, 0)
    assert counted(received_spans=20, repeated_spans=8) == Repeats(0, 3)
    assert counted(received_spans=15, repeated_spans=10) == Repeats(4, 4)
    assert counted(started_at="later") is None
    assert counted(set_aside_requests=1) is None
    assert count_repeats(None, health(), accepted=4) is None
    assert "up to 3 were stored already" in _imported(4, Repeats(0, 3))
    assert _imported(4, None) == "Imported 4 spans, without those that were stored already."


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
