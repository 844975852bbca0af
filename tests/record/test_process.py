"""Run `playhead record` and `playhead sql` as processes: start, stop, kill, ports, output."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playhead.local import ManagedProcess
from playhead.record.client import connect
from playhead.record.endpoint import ENDPOINT_FILE, read_endpoint
from playhead.record.process import recorder_process, start_recorder, wait_for_recorder
from playhead.settings import Settings
from playhead.store.database import Store
from waiting import until

from otlp import PROTOBUF, request  # isort: skip


@contextlib.contextmanager
def child(settings: Settings, tmp_path: Path) -> Generator[ManagedProcess]:
    started = start_recorder(settings, tmp_path / "record.log", free_ports=True, journals=False)
    try:
        yield started
    finally:
        started.stop()


def playhead(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "playhead", "--store", str(settings.store), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def url(settings: Settings) -> str:
    running = read_endpoint(settings.store)
    assert running is not None
    return f"http://127.0.0.1:{running.otlp_http_port}/v1/traces"


def health(settings: Settings) -> dict[str, Any]:
    async def read() -> dict[str, Any]:
        client = await connect(settings)
        assert client is not None
        try:
            return await client.health() or {}
        finally:
            await client.close()

    return asyncio.run(read())


def test_kill_9_loses_no_acknowledged_span(settings: Settings, tmp_path: Path) -> None:
    acknowledged: set[str] = set()

    def send(sender: int) -> None:
        with httpx.Client(trust_env=False) as client, contextlib.suppress(httpx.HTTPError):
            for number in range(10_000):
                message = request(64, seed=sender * 100_000 + number, padding=200)
                response = client.post(
                    address,
                    content=message.SerializeToString(),
                    headers={"content-type": PROTOBUF},
                )
                if response.status_code == 200:
                    batch = message.resource_spans[0].scope_spans[0].spans
                    acknowledged.update(span.span_id.hex() for span in batch)

    with child(settings, tmp_path) as process:
        address = url(settings)
        senders = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for sender in senders:
            sender.start()
        until(lambda: len(acknowledged) >= 5000 or not process.running)
        process.signal(signal.SIGKILL)
        for sender in senders:
            sender.join(30)
            assert not sender.is_alive()
    with child(settings, tmp_path):  # commits what the log has
        until(lambda: health(settings)["waiting_requests"] == 0)
    store = Store(settings.store)
    try:
        stored = {row[0] for row in store.cursor().execute("SELECT span_id FROM spans").fetchall()}
        [(rows,)] = store.cursor().execute("SELECT count(*) FROM spans").fetchall()
    finally:
        store.close()
    assert len(acknowledged) >= 5000
    assert acknowledged <= stored
    assert rows == len(stored)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_seconds(settings: Settings, tmp_path: Path, number: int) -> None:
    with child(settings, tmp_path) as process:
        httpx.post(
            url(settings),
            content=request(700).SerializeToString(),
            headers={"content-type": PROTOBUF},
            trust_env=False,
        ).raise_for_status()
        # An open connection must not delay the end.
        with httpx.Client(trust_env=False) as client:
            client.get(url(settings))
            started = time.monotonic()
            process.signal(number)
            process._process.wait(10)  # type: ignore[union-attr]
        assert time.monotonic() - started < 5
        assert process.returncode == 0
        log = process.log.read_text()
    assert "700 spans" in log or "Stopped" in log
    assert not (settings.store / ENDPOINT_FILE).exists()
    assert not (settings.store / "playhead.duckdb.wal").exists()
    assert (
        playhead(settings, "sql", "SELECT count(*) AS n FROM spans", "--csv").stdout == "n\n700\n"
    )


def test_its_files_are_private(settings: Settings, tmp_path: Path) -> None:
    with child(settings, tmp_path):
        httpx.post(
            url(settings),
            content=request(7).SerializeToString(),
            headers={"content-type": PROTOBUF},
            trust_env=False,
        ).raise_for_status()
        files = list(settings.store.iterdir())
        assert len(files) >= 5
        for path in files:
            assert path.stat().st_mode & 0o077 == 0, path


async def test_a_client_finds_a_recorder_that_restarted_on_other_ports(
    settings: Settings, tmp_path: Path
) -> None:
    with child(settings, tmp_path):
        source = await connect(settings)
        assert source is not None
        before = source.describe()
        assert await source.rows("SELECT 1 AS one") == [{"one": 1}]
    try:
        assert await source.rows("SELECT 1 AS one") == [{"one": 1}]
        assert "no recorder is running" in source.describe()
        with child(settings, tmp_path):
            assert await source.rows("SELECT 1 AS one") == [{"one": 1}]
            assert source.recording
            assert source.describe() != before
    finally:
        await source.close()


def test_a_second_recorder_names_the_first(settings: Settings, tmp_path: Path) -> None:
    with child(settings, tmp_path) as process:
        ports = ("--otlp-grpc-port=0", "--otlp-http-port=0", "--api-port=0")
        second = playhead(settings, "record", *ports)
        assert second.returncode == 3
        assert str(process.pid) in second.stderr
        assert "Traceback" not in second.stderr
        running = read_endpoint(settings.store)
        assert running is not None
        other = Settings(store=tmp_path / "other")
        third = playhead(
            other, "record", "--otlp-grpc-port=0", f"--otlp-http-port={running.otlp_http_port}",
            "--api-port=0",
        )  # fmt: skip
        assert third.returncode == 3
        assert str(running.otlp_http_port) in third.stderr
        assert "--otlp-http-port" in third.stderr
        assert "PLAYHEAD_OTLP_HTTP_PORT" in third.stderr
        assert process.running


def test_sql_output(settings: Settings, tmp_path: Path) -> None:
    nothing = playhead(settings, "sql", "SELECT 1")
    assert nothing.returncode == 3
    assert "playhead record" in nothing.stderr
    nasty = "SELECT chr(27) || '[31mred' || chr(7) AS \"a\tb\", '[bold]x' AS m, NULL AS n"
    with child(settings, tmp_path):
        for arguments in ((), ("--csv",)):
            shown = playhead(settings, "sql", nasty, *arguments)
            assert shown.returncode == 0, shown.stderr
            assert "\x1b" not in shown.stdout
            assert "\x07" not in shown.stdout
            assert "red" in shown.stdout
            assert "[bold]x" in shown.stdout
        document = json.loads(playhead(settings, "sql", nasty, "--json").stdout)
        assert document == [{"a\tb": "\x1b[31mred\x07", "m": "[bold]x", "n": None}]
        assert json.loads(playhead(settings, "sql", "--json", "FROM spans").stdout) == []
        wrong = playhead(settings, "sql", "DROP TABLE spans")
        assert wrong.returncode == 2
        assert "read-only" in wrong.stderr
        both = playhead(settings, "sql", "SELECT 1", "--json", "--csv")
        assert both.returncode == 2


def test_a_random_mix_of_kills_and_starts(settings: Settings, tmp_path: Path) -> None:
    rng = random.Random(5)
    sent = 0
    for round_number in range(3):
        with child(settings, tmp_path) as process:
            for part in range(rng.randint(1, 4)):
                count = rng.randint(1, 200)
                httpx.post(
                    url(settings),
                    content=request(count, seed=round_number * 10 + part).SerializeToString(),
                    headers={"content-type": PROTOBUF},
                    trust_env=False,
                ).raise_for_status()
                sent += count
            if round_number % 2:
                process.signal(signal.SIGKILL)
    result = playhead(settings, "sql", "SELECT count(*) AS n FROM spans", "--json")
    assert json.loads(result.stdout) == [{"n": sent}]


def test_the_state_of_a_running_recorder(settings: Settings, tmp_path: Path) -> None:
    with child(settings, tmp_path):
        message = request(7)
        message.resource_spans[0].scope_spans[0].spans[3].trace_id = b"short"
        httpx.post(
            url(settings),
            content=message.SerializeToString(),
            headers={"content-type": PROTOBUF},
            trust_env=False,
        ).raise_for_status()
        until(lambda: health(settings)["spans"] == 6)
        shown = playhead(settings, "record", "--status")
        assert shown.returncode == 0
        assert "6 stored, 6 received since the start, 1 rejected" in shown.stdout
        assert "rejected  1: a trace id is not 16 bytes long" in shown.stdout
        document = json.loads(playhead(settings, "record", "--status", "--json").stdout)
        assert (document["spans"], document["waiting_requests"]) == (6, 0)
    absent = playhead(settings, "record", "--status")
    assert absent.returncode == 3
    assert "No recorder is running" in absent.stderr


def test_the_log_of_states_is_json(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "record.log"
    ports = ("--otlp-grpc-port", "0", "--otlp-http-port", "0", "--api-port", "0")
    command = [sys.executable, "-m", "playhead", "--store", str(settings.store), "record",
               "--json", "--no-journal", *ports]  # fmt: skip
    with ManagedProcess("recorder", command, log=log) as process:
        until(lambda: "started" in log.read_text())
        process.signal(signal.SIGTERM)
        until(lambda: not process.running)
    states = [json.loads(line) for line in log.read_text().splitlines()]
    assert [state["event"] for state in states] == ["started", "stopping"]
    assert states[0]["spans"] == 0
    for at in (states[0]["time"], states[0]["started_at"]):
        assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}(\.[0-9]{3})?Z", at)


def test_more_clients_than_the_usual_limit_of_open_files(
    settings: Settings, tmp_path: Path
) -> None:
    """A login shell of macOS allows 256 open files to begin with, one of Linux 1,024."""
    recorder = recorder_process(settings, tmp_path / "log", free_ports=True, journals=False)
    few = ["sh", "-c", 'ulimit -S -n 128 && exec "$@"', "sh"]
    recorder.command = [*few, *recorder.command]
    recorder.start()
    try:
        wait_for_recorder(recorder, settings.store)
        port = read_endpoint(settings.store).otlp_http_port  # type: ignore[union-attr]
        with contextlib.ExitStack() as stack:
            for _ in range(190):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            answer = httpx.post(
                url(settings),
                content=request(7).SerializeToString(),
                headers={"content-type": PROTOBUF},
                trust_env=False,
            )
        assert answer.status_code == 200
    finally:
        recorder.stop()
    assert "out of system resource" not in recorder.log.read_text()
