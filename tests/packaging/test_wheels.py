"""The built wheels are complete, and work in an environment without the checkout."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_environment import FreshEnvironment
from playhead.local import find_server, free_port
from waiting import until

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "recordings"
PACKAGES = {
    "playhead": ("core/playhead", "tui/playhead_tui", "sample_agents/playhead_samples"),
    "playhead-tracing": ("tracing/playhead_tracing",),
}


def environ(**more: str) -> dict[str, str]:
    """Environment variables without any of Playhead's."""
    inherited = {"HOME", "PATH", "LANG", "TMPDIR"}
    return {**{k: v for k, v in os.environ.items() if k in inherited}, "TERM": "xterm", **more}


KEYED = (f"playhead_samples/otel-collector/{path.name}" for path in ROOT.glob("otel-collector/*"))
ADDED = {"playhead": {"playhead_samples/otel-collector.yaml", *KEYED}}
"""Files from outside the packages: the demo starts a Collector with this configuration."""


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_holds_every_file_of_its_packages(name: str, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[name]) as archive:
        names = archive.namelist()
    assert any(file.endswith(".dist-info/licenses/LICENSE") for file in names)
    packed = {file for file in names if ".dist-info/" not in file}
    source = set(ADDED.get(name, ()))
    for package in PACKAGES[name]:
        folder = ROOT / package
        source |= {
            f"{folder.name}/{path.relative_to(folder)}"
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert f"{folder.name}/py.typed" in packed
    assert packed == source


def test_nothing_comes_from_the_checkout(full: FreshEnvironment) -> None:
    code = (
        "import sys, playhead, playhead_tui, playhead_samples, playhead_tracing as t;"
        "print(*sys.path, *(m.__file__ for m in (playhead, playhead_tui, playhead_samples, t)))"
    )
    assert str(ROOT) not in full.run("python", "-c", code, env=environ()).stdout


def test_version_and_help(plain: FreshEnvironment, full: FreshEnvironment) -> None:
    metadata = plain.run("python", "-c", "import playhead; print(playhead.__version__)").stdout
    assert plain.run("playhead", "--version").stdout == f"playhead, version {metadata}"
    for environment in (plain, full):
        text = environment.run("playhead", "--help").stdout
        for command in ("ls", "record", "replay", "demo", "scenario"):
            assert f"\n  {command} " in text
    listed = full.run("playhead", "scenario", "list", env=environ()).stdout
    assert "tool" in listed


def test_samples_that_are_not_installed_are_named(plain: FreshEnvironment) -> None:
    for command in (("demo", "--headless"), ("scenario", "list")):
        error = plain.run("playhead", *command, code=3, env=environ()).stderr
        assert "pip install 'playhead[samples]'" in error


@pytest.fixture
def recorder(plain: FreshEnvironment, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment variables for a recorder from the wheel, without a Restate server."""
    variables = environ(
        PLAYHEAD_STORE=str(tmp_path / "store"),
        PLAYHEAD_OTLP_GRPC_PORT=str(free_port()),
        PLAYHEAD_OTLP_HTTP_PORT=str(free_port()),
        PLAYHEAD_API_PORT=str(free_port()),
        RESTATE_ADMIN_URL=f"http://127.0.0.1:{free_port()}",
    )
    log = tmp_path / "recorder.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [plain.bin / "playhead", "record"],
            env=variables,
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: "query API" in log.read_text() or process.poll(), "the recorder is ready")
        yield variables
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()


def test_the_recorder_and_the_commands_that_read_it(
    plain: FreshEnvironment, recorder: dict[str, str]
) -> None:
    listed = plain.run("playhead", "ls", env=recorder)
    assert listed.stdout == ""
    assert "No invocations yet" in listed.stderr
    rows = plain.run("playhead", "sql", "--json", "SELECT count(*) AS n FROM spans", env=recorder)
    assert json.loads(rows.stdout) == [{"n": 0}]
    checks = json.loads(plain.run("playhead", "doctor", "--json", env=recorder, code=1).stdout)
    states = {check["name"]: check["state"] for check in checks["checks"]}
    assert (states["restate"], states["recorder"]) == ("failed", "passed")


def test_the_dashboard_opens_and_quits(plain: FreshEnvironment, tmp_path: Path) -> None:
    variables = environ(
        PLAYHEAD_STORE=str(tmp_path / "store"),
        RESTATE_ADMIN_URL=f"http://127.0.0.1:{free_port()}",
        COLUMNS="100",
        LINES="30",
    )
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [plain.bin / "playhead", "--read-only"],
        env=variables,
        cwd=tmp_path,
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = b""

    def read() -> bytes:
        """Read the output of the dashboard, which is blocked if the terminal is not read."""
        nonlocal shown
        while select.select([terminal], [], [], 0)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the dashboard has closed the terminal
                break
        return shown

    try:
        until(lambda: b"STATUS" in read(), "the list is drawn")
        os.write(terminal, b"q")
        until(lambda: read() and process.poll() is not None, "the dashboard has quit")
        assert process.returncode == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_replay_and_the_pytest_plugin(full: FreshEnvironment, tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    shutil.copy(RECORDINGS / "v6" / "trip.journal.json", recordings)
    shutil.copy(RECORDINGS / "handlers.py", tmp_path)
    replayed = full.run(
        "playhead", "replay", recordings, "--app", "handlers:app", "--json",
        cwd=tmp_path, env=environ(),
    )  # fmt: skip
    assert json.loads(replayed.stdout)["summary"]["same"] == 1
    tested = full.run(
        "python", "-m", "pytest", "--playhead-app", "handlers:app",
        "--playhead-recordings", "recordings", cwd=tmp_path, env=environ(),
    )  # fmt: skip
    assert "1 passed" in tested.stdout


def test_replay_needs_the_environment_of_the_app(plain: FreshEnvironment, tmp_path: Path) -> None:
    shutil.copy(RECORDINGS / "handlers.py", tmp_path)
    recording = RECORDINGS / "v6" / "trip.journal.json"
    error = plain.run(
        "playhead", "replay", recording, "--app", "handlers:app",
        code=3, cwd=tmp_path, env=environ(),
    ).stderr  # fmt: skip
    assert "handlers:app cannot be imported: restate-sdk is not installed" in error
    assert "uvx --with . playhead replay" in error


def test_the_demo(full: FreshEnvironment, tmp_path: Path) -> None:
    server = find_server(ROOT)
    variables = environ()
    variables["PATH"] = f"{server.parent}{os.pathsep}{variables['PATH']}"
    done = full.run("playhead", "demo", "--json", cwd=tmp_path, env=variables)
    document = json.loads(done.stdout)
    assert {row["status"] for row in document["invocations"]} == {"succeeded"}
    assert sum(row["llm_calls"] for row in document["invocations"]) > 0
