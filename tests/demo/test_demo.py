"""`playhead demo` as a user runs it: a process of its own, real servers, its own folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import psutil
import pytest
from playhead_samples.demo_requests import REQUESTS

DEMO = [sys.executable, "-m", "playhead", "demo"]
ROOT = Path(__file__).parent.parent.parent


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


def related(folder: Path) -> list[psutil.Process]:
    """Every living process that names this folder: in its command, or in its environment."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            where = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(folder) in text for text in where):
            found.append(process)
    return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def stored(folder: Path, sql: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect(str(folder / "store" / "playhead.duckdb"), read_only=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@contextmanager
def demo(folder: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*DEMO, "--dir", str(folder), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_headless_runs_to_the_end_and_tells_the_truth(tmp_path: Path) -> None:
    with demo(tmp_path / "demo", "--json") as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    rows = json.loads(out)["invocations"]
    assert len(rows) == len(REQUESTS)
    assert {row["status"] for row in rows} == {"succeeded"}
    # The tool of Denver fails twice, the LLM refuses Berlin once. The approval suspends: once for
    # the person, and once more whenever the machine is so slow that an LLM call outlasts it.
    expected = {"Denver": 3, "Berlin": 2}
    by_id = {row["id"]: row for row in rows}
    sent = {line.split()[1]: line for line in err.splitlines() if line.startswith("demo: inv_")}
    assert set(sent) == set(by_id)
    for request, id_ in zip(REQUESTS, sent, strict=True):
        attempts = by_id[id_]["attempts"]
        if "roof" in request.message:
            assert attempts >= 2
            continue
        word = next((w for w in expected if w in request.message), "")
        assert attempts == expected.get(word, 1), request.what
    # Two LLM calls an answer with a tool, one without, five for the intake and its specialists.
    assert sum(row["llm_calls"] for row in rows) == 2 * 4 + 3 + 5
    assert all(row["tokens"]["input"] > 0 for row in rows)
    # The store holds it all, to be opened with DuckDB alone.
    folder = tmp_path / "demo"
    assert stored(folder, "SELECT count(*) FROM invocations") == [(len(REQUESTS),)]
    (journal,) = stored(folder, "SELECT count(*), count(DISTINCT id) FROM journal")
    assert journal[1] == len(REQUESTS)
    (spans,) = stored(folder, "SELECT count(*), count(DISTINCT span_id) FROM spans")
    assert spans[0] == spans[1]
    assert related(folder) == []


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
def test_an_interrupt_leaves_no_process_and_a_whole_store(
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
        with suppress(AssertionError):
            wait_for(lambda: related(folder) == [], seconds=20)
        assert related(folder) == []
    assert process.returncode != 0
    if (folder / "store" / "playhead.duckdb").exists():
        assert stored(folder, "SELECT count(*) FROM spans")


def test_a_second_demo_starts_clean(tmp_path: Path) -> None:
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
        assert "a demo runs in" in err
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with demo(tmp_path, "--headless") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "not made by the demo" in err
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTATE_ADMIN_URL", "http://127.0.0.1:1")
    with demo(tmp_path / "demo", "--headless") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "http://127.0.0.1:1 does not answer" in err
    assert "Traceback" not in err
    assert related(tmp_path) == []
