"""The user's code has no side effects, and cannot end or block Playhead."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playhead.replay import AppError, Recording, Report, replay
from playhead.replay.worker import Worker
from waiting import until

RECORDINGS = Path(__file__).parents[1] / "recordings"
RUN_OK = Recording.load(RECORDINGS / "v6" / "run_ok.journal.json")

HARMFUL = """
import os, pathlib, socket, subprocess, sys, threading, time
import restate

things = restate.Service("Things")

@things.handler()
async def run_ok(ctx, name: str) -> dict:
{body}
    one = await ctx.run_typed("first", lambda: {{}})
    two = await ctx.run_typed("second", lambda: 1)
    return {{"one": one, "two": two}}

app = restate.app([things])
"""


def run(folder: Path, body: str, *, top: str = "", timeout: float = 20.0) -> Report:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "harmful.py").write_text(top + HARMFUL.format(body=lines))
    return replay("harmful:app", RUN_OK, app_dir=folder, timeout=timeout)


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A TCP server on the loopback interface, and the addresses that connected to it."""
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                connections.append(address)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_the_network_is_blocked(tmp_path: Path, listener: tuple[int, list[object]]):
    port, connections = listener
    body = f"""try:
    socket.create_connection(("127.0.0.1", {port}), 2)
except OSError as error:
    print(error)"""
    report = run(tmp_path, body)
    assert report.verdict == "blocked"
    assert any("127.0.0.1" in what and "network" in what for what in report.blocked)
    assert connections == []
    socket.create_connection(("127.0.0.1", port), 2).close()
    until(lambda: connections, "the listener sees connections")


def test_native_code_cannot_reach_the_network(tmp_path: Path, listener: tuple[int, list[object]]):
    port, connections = listener
    address = b"\x02\x00" + port.to_bytes(2, "big") + b"\x7f\x00\x00\x01" + bytes(8)
    body = f"""import ctypes
libc = ctypes.CDLL(None, use_errno=True)
name = str(libc.connect(libc.socket(2, 1, 0), {address!r}, 16)) + "/" + str(ctypes.get_errno())
await ctx.run_typed(name, lambda: 1)"""
    report = run(tmp_path, body)
    added = next(d for d in report.divergences if d.current)
    assert added.current == "Run -1/101"  # ENETUNREACH: not even the loopback interface is up
    assert connections == []


def test_files_are_not_written_or_removed(tmp_path: Path):
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    body = f"""for attempt in (
    lambda: pathlib.Path("{tmp_path}/new.txt").write_text("x"),
    lambda: pathlib.Path("{kept}").unlink(),
    lambda: os.open("{tmp_path}/other.txt", os.O_CREAT | os.O_WRONLY),
    lambda: os.mkdir("{tmp_path}/folder"),
):
    try:
        attempt()
    except PermissionError:
        pass"""
    report = run(tmp_path, body)
    assert report.verdict == "blocked"
    assert len(report.blocked) == 4, report.blocked
    assert kept.read_text() == "kept"
    assert {p.name for p in tmp_path.iterdir()} == {"kept.txt", "harmful.py"}


def test_no_other_process_starts_or_ends(tmp_path: Path):
    body = f"""for attempt in (
    lambda: subprocess.run(["touch", "{tmp_path}/touched"]),
    lambda: os.system("touch {tmp_path}/touched"),
    lambda: os.kill({os.getpid()}, 0),
    os.fork,
):
    try:
        attempt()
    except PermissionError:
        pass"""
    report = run(tmp_path, body)
    assert report.verdict == "blocked"
    assert len(report.blocked) == 4, report.blocked
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("while True: pass", "did not finish within 1 s"),
        ("time.sleep(60)", "did not finish within 1 s"),
        ("os._exit(7)", "exit code 7"),
        ("import ctypes; ctypes.string_at(0)", "signal 11"),
        ("sys.stdout.write('{}\\n'); sys.stdout.flush(); sys.exit(3)", "exit code"),
    ],
    ids=["endless loop", "blocking sleep", "exit", "crash", "sys.exit"],
)
def test_code_that_ends_or_blocks_the_process_is_refused(tmp_path: Path, body: str, words: str):
    timeout = 1.0 if "finish" in words else 20.0
    report = run(tmp_path, body, timeout=timeout)
    assert report.verdict == "refused"
    assert words in (report.reason or "")


def test_a_handler_cannot_fill_the_disk_with_what_it_prints(tmp_path: Path):
    report = run(tmp_path, "while True: print('x' * 10_000_000)")
    assert report.verdict == "diverged"
    assert any("File too large" in (d.current or "") for d in report.divergences)


def test_a_handler_cannot_use_all_memory(tmp_path: Path):
    report = run(tmp_path, "hoard = bytearray(1 << 36)")
    assert report.verdict == "diverged"
    assert any("MemoryError" in (d.current or "") for d in report.divergences)


def test_an_endless_loop_does_not_outlive_a_parent_that_was_killed(tmp_path: Path):
    (tmp_path / "harmful.py").write_text(HARMFUL.format(body="    while True: pass\n"))
    script = f"""
import sys, threading
from playhead.replay import Recording
from playhead.replay.worker import Worker
worker = Worker("harmful:app", app_dir={str(tmp_path)!r}, timeout=60)
worker.start()
print(worker.pid, flush=True)
worker.report(Recording.load({str(RECORDINGS / "v6" / "run_ok.journal.json")!r}))
"""
    # A process that is killed leaves its temporary folder.
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until(lambda: not psutil.pid_exists(child), "the child ends")


def test_the_next_request_after_a_crash_gets_a_new_process(tmp_path: Path):
    (tmp_path / "harmful.py").write_text(HARMFUL.format(body="    if name == 'Ada': os._exit(1)\n"))
    with Worker("harmful:app", app_dir=tmp_path) as worker:
        for _ in range(2):
            assert "exit code 1" in (worker.report(RUN_OK).reason or "")


def test_the_error_of_an_import_names_what_was_blocked(tmp_path: Path):
    top = "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)\n"
    with pytest.raises(AppError) as caught:
        run(tmp_path, "pass", top=top)
    assert re.search(r"blocked while importing it: network \w+ 192\.0\.2\.1:80", caught.value.hint)


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("handlers", "Write module:attribute"),
        ("nothing_here:app", "No module 'nothing_here'"),
        ("handlers:missing", "has no attribute 'missing'"),
        ("handlers:EXECUTED", "is a list, not an app"),
        ("json:dumps", "is not an ASGI app"),
        ("playhead_samples.app:create_app", r"write playhead_samples\.app:create_app\(\)"),
    ],
)
def test_the_error_for_an_unusable_app_names_what_is_wrong(app: str, words: str):
    with pytest.raises(AppError) as caught:
        replay(app, RUN_OK, app_dir=RECORDINGS)
    assert re.search(words, f"{caught.value.title}\n{caught.value.hint}")


def test_a_removed_handler_is_refused():
    report = replay("handlers:app", _renamed("Gone"), app_dir=RECORDINGS)
    assert report.verdict == "refused"
    assert "does not serve Gone/run_ok" in (report.reason or "")


def _renamed(service: str) -> Recording:
    document = RUN_OK.to_json()
    document["invocation"] |= {"target_service_name": service}
    return Recording.from_json(document)
