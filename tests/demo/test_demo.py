"""Run `playhead demo` as a process, with real servers and a folder."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from playhead_samples.demo_requests import CALLED, REQUESTS
from running_processes import processes_of
from waiting import until

DEMO = [sys.executable, "-m", "playhead", "demo"]
ROOT = Path(__file__).parent.parent.parent


def stored(folder: Path, sql: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect(str(folder / "store" / "playhead.duckdb"), read_only=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


DIVERTING = {
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_SDK_DISABLED": "true",
}
"""Variables of a shell whose own services send their spans elsewhere, or none."""


@contextmanager
def demo(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*DEMO, "--dir", str(folder), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_dashboard_of_a_demo_begins_without_what_was_kept_before(tmp_path: Path) -> None:
    kept = tmp_path / "state" / "playhead" / "dashboard.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"list": {"filter": "service:NoSuchAgent"}}))
    main, side = pty.openpty()
    termios.tcsetwinsize(main, (40, 120))
    process = subprocess.Popen(
        [*DEMO, "--dir", str(tmp_path / "demo")],
        stdin=side, stdout=side, stderr=side, cwd=ROOT, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(tmp_path / "state")},
    )  # fmt: skip
    shown = ""

    def shows(text: str) -> bool:
        nonlocal shown
        while select.select([main], [], [], 0)[0]:
            shown += os.read(main, 1 << 16).decode(errors="replace")
        return text in shown

    try:
        until(lambda: shows("WeatherAgent"), "the requests of the demo are listed", seconds=100)
        assert "NoSuchAgent" not in shown
        os.write(main, b"q")
        until(lambda: shows("demo: stopping") and process.poll() is not None, "the demo has ended")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        os.close(main)
        os.close(side)
    assert process.returncode == 0
    assert json.loads(kept.read_text()) == {"list": {"filter": "service:NoSuchAgent"}}


def test_headless_demo_lists_what_happened(tmp_path: Path) -> None:
    with demo(tmp_path / "demo", "--json", env=DIVERTING) as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    rows = json.loads(out)["invocations"]
    assert len(rows) == len(REQUESTS) + CALLED
    assert {row["status"] for row in rows} == {"succeeded"}
    # The tool fails twice for Denver, the LLM rejects Berlin once. The approval suspends once for
    # the decision, and again when an LLM call takes longer than the inactivity timeout.
    expected = {"Denver": 3, "Berlin": 2}
    by_id = {row["id"]: row for row in rows}
    sent = {line.split()[1]: line for line in err.splitlines() if line.startswith("demo: inv_")}
    desk = next(id_ for id_ in sent if by_id[id_]["service"] == "ClaimsDesk")
    called = {row["id"]: row for row in rows if row["invoked_by"] == desk}
    assert {row["service"] for row in called.values()} == {"HealthDesk", "MotorDesk"}
    assert {row["attempts"] for row in called.values()} == {1}
    assert {*sent, *called} == set(by_id)
    for request, id_ in zip(REQUESTS, sent, strict=True):
        attempts = by_id[id_]["attempts"]
        if "roof" in request.message:
            assert attempts >= 2
            continue
        word = next((w for w in expected if w in request.message), "")
        assert attempts == expected.get(word, 1), request.title
    # Two LLM calls per answer with a tool, one without, five for the intake and its specialists,
    # and for the claims desk and the services that it calls.
    assert sum(row["llm_calls"] for row in rows) == 2 * 4 + 3 + 5 + 5
    assert all(row["tokens"]["input"] > 0 for row in rows)
    # The store contains all spans and can be opened with DuckDB alone.
    folder = tmp_path / "demo"
    assert stored(folder, "SELECT count(*) FROM invocations") == [(len(rows),)]
    (journal,) = stored(folder, "SELECT count(*), count(DISTINCT id) FROM journal")
    assert journal[1] == len(rows)
    (spans,) = stored(folder, "SELECT count(*), count(DISTINCT span_id) FROM spans")
    assert spans[0] == spans[1]
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "starting the sample agents"),
        (signal.SIGINT, "registering"),
        (signal.SIGINT, "inv_"),
        (signal.SIGTERM, "starting restate-server"),
        (signal.SIGKILL, "inv_"),
    ],
)
def test_interrupted_demo_leaves_no_process_and_a_readable_store(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--headless") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if moment in line:
                break
        process.send_signal(number)
        process.wait(timeout=30)
        until(lambda: processes_of(folder) == [], "all processes have ended", seconds=20)
    assert process.returncode != 0
    if (folder / "store" / "playhead.duckdb").exists():
        assert len(stored(folder, "SELECT count(*) FROM spans")) == 1


def test_demo_empties_its_folder_and_refuses_a_second_one(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / ".playhead-demo").touch()
    (folder / "store").mkdir()
    (folder / "store" / "old").touch()
    with demo(folder, "--headless") as process:
        assert process.stderr is not None
        assert "starting" in process.stderr.readline()
        assert not (folder / "store" / "old").exists()
        with demo(folder, "--headless") as second:
            _, err = second.communicate(timeout=30)
        assert second.returncode == 3
        assert "Another demo is already running in" in err
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_folder_that_the_demo_did_not_create_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with demo(tmp_path, "--headless") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "was not created by the demo" in err
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_unreachable_server_exits_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTATE_ADMIN_URL", "http://127.0.0.1:1")
    with demo(tmp_path / "demo", "--headless") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "No Restate server answers at http://127.0.0.1:1" in err
    assert "Traceback" not in err
    assert processes_of(tmp_path) == []
