"""Ways around Python's audit hook: each is blocked, leaves nothing behind, and is in the report.

The tests run on whatever this system offers, and on less: without namespaces, and without a filter
of system calls. A system without a mechanism makes the tests that need it fail, not pass silently.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.errors import IsolationError
from playhead.replay import app_process, replay_all, what_if
from playhead.replay.sandbox import folders
from playhead.replay.sandbox.launch import Launcher
from playhead.replay.sandbox.system_calls import CompiledFilter
from playhead.replay.worker import measured_isolation
from sly_app import APP, FILE, RUN_OK, run
from waiting import until

NO_LAUNCHER = Launcher("", (), "switched off by a test")
NO_FILTER = CompiledFilter(why_not="switched off by a test")


@pytest.fixture(params=["everything", "no namespaces", "no filter"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the operating system offers."""
    offered: str = request.param
    if offered == "no namespaces":
        monkeypatch.setattr(app_process, "launcher", lambda: NO_LAUNCHER)
    if offered == "no filter":
        monkeypatch.setattr(app_process, "compiled_filter", lambda: NO_FILTER)
    return offered


@pytest.fixture
def audit_hook_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that offers neither namespaces nor a filter."""
    monkeypatch.setattr(app_process, "launcher", lambda: NO_LAUNCHER)
    monkeypatch.setattr(app_process, "compiled_filter", lambda: NO_FILTER)


# --- Python code that the audit hook does not see


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            """import multiprocessing
process = multiprocessing.get_context("spawn").Process(target=print)
try: process.start()
except PermissionError: pass""",
            "process fork_exec",
        ),
        (
            """from concurrent.futures import ProcessPoolExecutor
import multiprocessing
pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
try: pool.submit(print).result()
except PermissionError: pass""",
            "process fork_exec",
        ),
        (
            """from concurrent.futures import ProcessPoolExecutor
try: ProcessPoolExecutor(1).submit(print).result()
except PermissionError: pass""",
            "process fork",
        ),
        (
            """database = sqlite3.connect(":memory:")
try: database.execute("ATTACH '{left}' AS other")
except sqlite3.DatabaseError: pass""",
            "write file {left}",
        ),
        (
            """database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE t (x)")
try: database.execute("VACUUM INTO '{left}'")
except sqlite3.DatabaseError: pass""",
            "write file {left}",
        ),
        (
            """try: ssl.create_default_context().keylog_filename = "{left}"
except PermissionError: pass""",
            "write file {left}",
        ),
        (
            """try: os.mknod("{left}")
except PermissionError: pass""",
            "file mknod {left}",
        ),
        (
            """try: os.mkfifo("{left}")
except PermissionError: pass""",
            "file mkfifo {left}",
        ),
    ],
    ids=["spawn", "pool of spawn", "pool", "attach", "vacuum", "key log", "mknod", "mkfifo"],
)
@pytest.mark.usefixtures("audit_hook_only")
def test_the_audit_hook_sees_what_has_no_audit_event(tmp_path: Path, body: str, words: str):
    left = tmp_path / "left"
    report = run(tmp_path, body.replace("{left}", str(left)))
    assert report.verdict == "blocked", report
    assert any(words.replace("{left}", str(left)) in what for what in report.blocked)
    assert not left.exists()


def test_a_database_in_memory_still_works(tmp_path: Path):
    body = """database = sqlite3.connect(":memory:")
database.execute("ATTACH ':memory:' AS other")
database.execute("CREATE TABLE other.t AS SELECT 1 AS x")
assert database.execute("SELECT x FROM other.t").fetchone() == (1,)"""
    assert run(tmp_path, body).verdict == "same"
    assert sqlite3.sqlite_version_info > (3, 27)  # VACUUM INTO exists


def test_a_key_log_named_by_the_environment_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    assert run(tmp_path, "ssl.create_default_context()").verdict == "same"
    assert not log.exists()


# --- native code


@pytest.fixture
def unix_socket(tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """A Unix socket as of ssh-agent, and what it received."""
    path, received = tmp_path / "agent.sock", list[bytes]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))

        def serve() -> None:
            while (data := server.recv(100)) != b"end":
                received.append(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path, received
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", str(path))
        thread.join()


NATIVE_FILES = {
    "open": 'libc.open(b"{left}", os.O_CREAT | os.O_WRONLY, 0o600)',
    "openat": 'libc.openat(-100, b"left", os.O_CREAT | os.O_RDWR, 0o600)',
    "creat": 'libc.creat(b"{left}", 0o600)',
    "mknod": 'libc.mknod(b"{left}", 0o100600, 0)',
    "mkdir": 'libc.mkdir(b"{left}", 0o700)',
    "symlink": 'libc.symlink(b"/etc", b"{left}")',
    "link": 'libc.link(b"{kept}", b"{left}")',
    "rename": 'libc.rename(b"{kept}", b"{left}")',
    "unlink": 'libc.unlink(b"{kept}")',
    "truncate": 'libc.truncate(b"{kept}", 0)',
}


@pytest.mark.parametrize("call", NATIVE_FILES)
def test_native_code_changes_no_file(tmp_path: Path, system: str, call: str):
    left, kept = tmp_path / "left", tmp_path / "kept"
    kept.write_text("kept")
    body = NATIVE_FILES[call].replace("{left}", str(left)).replace("{kept}", str(kept))
    report = run(tmp_path, body)
    assert not os.path.lexists(left)
    assert kept.read_text() == "kept"
    if system != "no filter":
        assert report.verdict == "blocked", report
        assert any(f"{tmp_path}/" in w and "native code" in w for w in report.blocked)


def test_native_code_reaches_no_unix_socket(
    tmp_path: Path, unix_socket: tuple[Path, list[bytes]], system: str
):
    path, received = unix_socket
    folders._sockets.cache_clear()
    address = struct.pack("=H", socket.AF_UNIX) + os.fsencode(path) + b"\0"
    body = f"""address = {address!r}
number = libc.socket(1, 2, 0)
libc.sendto(number, b"signed", 6, 0, address, len(address))
libc.connect(number, address, len(address))
libc.send(number, b"signed", 6, 0)"""
    report = run(tmp_path, body)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"mine", str(path))
    until(lambda: received, "the socket receives")
    assert received == [b"mine"]
    if system != "no filter":
        assert {w.split()[1] for w in report.blocked} == {"sendto", "connect"}
        assert all(str(path) in what for what in report.blocked)


def test_native_code_sends_no_datagram(tmp_path: Path, system: str):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        port = server.getsockname()[1]
        address = b"\x02\x00" + port.to_bytes(2, "big") + b"\x7f\x00\x00\x01" + bytes(8)
        body = f"""address = ctypes.create_string_buffer({address!r})
data = ctypes.create_string_buffer(b"stolen")
part = struct.pack("@PN", ctypes.addressof(data), 6)
parts = ctypes.create_string_buffer(part)
head = struct.pack("@PIPNPNi", ctypes.addressof(address), 16, ctypes.addressof(parts), 1, 0, 0, 0)
number = libc.socket(2, 2, 0)
libc.sendmsg(number, ctypes.create_string_buffer(head), 0)
libc.sendto(number, b"stolen", 6, 0, address, 16)"""
        report = run(tmp_path, body)
        with pytest.raises(BlockingIOError):
            server.recv(100)
    if system != "no filter":
        assert {w.split()[1] for w in report.blocked} == {"sendto", "sendmsg"}
        assert all(f"127.0.0.1:{port}" in what for what in report.blocked)


def test_no_daemon_outlives_the_replay(tmp_path: Path, system: str):
    """With namespaces, the daemon ends with the replay; with a filter, it does not start."""
    body = """if libc.fork() == 0:
    libc.setsid()
    if libc.fork() == 0:
        while True:
            libc.sleep(1)
    os._exit(0)"""
    before = {process.pid for process in psutil.process_iter()}
    report = run(tmp_path, body)

    def is_left(process: psutil.Process) -> bool:
        try:
            ours = "playhead.replay.child" in process.cmdline()
        except psutil.Error:
            return False
        try:
            return ours and Path(process.cwd()) == tmp_path
        except psutil.NoSuchProcess:  # one of another test has just ended
            return False

    def left() -> list[int]:
        found = psutil.process_iter()
        return [each.pid for each in found if each.pid not in before and is_left(each)]

    until(lambda: not left(), "no process is left")
    if system != "no filter":
        assert any("process" in w and "native code" in w for w in report.blocked), report


def test_native_code_starts_no_program(tmp_path: Path):
    report = run(tmp_path, f'libc.system(b"touch {tmp_path}/left")')
    assert not (tmp_path / "left").exists()
    assert report.verdict == "blocked"
    assert any("native code" in what for what in report.blocked)


def test_native_code_ends_no_other_process(tmp_path: Path, system: str):
    victim = psutil.Popen(["sleep", "600"])
    try:
        run(tmp_path, f"libc.kill({victim.pid}, 9)")
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
    assert system


def test_what_native_code_tries_while_it_is_imported_is_a_note(tmp_path: Path):
    top = f"import ctypes\nctypes.CDLL(None).open(b'{tmp_path}/left', 0o101, 0o600)\n"
    report = run(tmp_path, "pass", top=top)
    assert report.verdict == "same"
    assert any("blocked while importing" in n and "native code" in n for n in report.notes)


def test_the_scratch_folder_takes_files_of_native_code_and_is_gone_after(tmp_path: Path):
    body = """path = os.environ["TMPDIR"] + "/scratch"
number = libc.open(path.encode(), os.O_CREAT | os.O_RDWR, 0o600)
assert libc.write(number, b"x", 1) == 1
await ctx.run_typed(path, lambda: 1)"""
    report = run(tmp_path, body)
    assert report.blocked == ()
    name = next(d.current for d in report.divergences if d.current)
    assert not Path(name.removeprefix("Run ")).parent.exists()


# --- the environment


def test_secrets_of_the_environment_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "RESTATE_AUTH_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(name, "s3cret")
    body = """found = repr([name for name, value in os.environ.items() if "s3cret" in value])
await ctx.run_typed(found, lambda: 1)"""
    assert "Run []" in {d.current for d in run(tmp_path, body).divergences}
    path = run(tmp_path, "await ctx.run_typed(os.environ['PATH'], lambda: 1)")
    assert f"Run {os.environ['PATH']}" in {d.current for d in path.divergences}


def test_a_variable_that_is_named_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CITY", "Oslo")
    (tmp_path / "sly.py").write_text("import os\nos.environ['CITY']\n" + APP.format(body=""))
    arguments = ["replay", str(FILE), "--app", "sly:app", "--app-dir", str(tmp_path)]
    refused = CliRunner().invoke(cli, arguments)
    assert refused.exit_code == 3
    assert "add --env CITY" in refused.output
    assert CliRunner().invoke(cli, [*arguments, "--env", "CITY"]).exit_code == 0
    monkeypatch.setenv("PLAYHEAD_REPLAY_ENV", "OTHER, CITY")
    assert CliRunner().invoke(cli, arguments).exit_code == 0


def test_only_a_live_step_has_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    text = APP.format(body="").replace("lambda: 1", 'lambda: os.environ["OPENAI_API_KEY"]')
    (tmp_path / "sly.py").write_text(text)
    changes = {1: {"name": "Eve"}}
    dry = what_if("sly:app", RUN_OK, changes, app_dir=tmp_path, recorded=False)
    assert not any(row.new_result == "s3cret" for row in dry.rows)
    live = what_if("sly:app", RUN_OK, changes, app_dir=tmp_path, recorded=False, live=("second",))
    assert any(row.new_result == "s3cret" for row in live.rows)


# --- what holds


def test_this_system_isolates_completely_and_the_report_says_so(tmp_path: Path):
    report = run(tmp_path, "pass")
    assert report.verdict == "same"
    assert report.isolation is not None
    assert report.isolation.complete, report.isolation
    assert {"seccomp", "Landlock"} <= set(report.isolation.mechanisms), report.isolation
    arguments = ["replay", str(FILE), "--app", "sly:app", "--app-dir", str(tmp_path)]
    result = CliRunner().invoke(cli, [*arguments, "--json", "--require-isolation"])
    assert result.exit_code == 0
    assert json.loads(result.output)["isolation"] == report.isolation.to_json()


@pytest.mark.usefixtures("audit_hook_only")
def test_required_isolation_fails_without_it(tmp_path: Path):
    (tmp_path / "sly.py").write_text("raise SystemExit('imported')")
    arguments = ["replay", str(FILE), "--app", "sly:app", "--app-dir", str(tmp_path)]
    result = CliRunner().invoke(cli, [*arguments, "--require-isolation"])
    assert result.exit_code == 3
    assert "The replay is not isolated" in result.output
    assert "switched off by a test" in result.output
    assert "imported" not in result.output  # the app did not run
    with pytest.raises(IsolationError):
        list(replay_all("sly:app", [FILE, FILE], app_dir=tmp_path, require_isolation=True))
    assert not measured_isolation().complete
