"""Recordings from a live server, and from the store after the server has deleted them."""

from __future__ import annotations

import asyncio
import base64
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.replay import Recording, RecordingError, UnsupportedJournalError, replay
from playhead.restate.invocation_tables import InvocationTables

RECORDINGS = Path(__file__).parents[1] / "recordings"
MISSING = "inv_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz"


@pytest.fixture(scope="module")
def handlers(restate: RestateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The handlers, registered with the server."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "handlers:app", "-b", f"127.0.0.1:{port}"]
    log = tmp_path_factory.mktemp("handlers") / "app.log"

    def listens() -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    with ManagedProcess("handlers", command, log=log, cwd=RECORDINGS) as app:
        app.wait_until(listens, seconds=30, what="it listened")
        restate.register(f"http://127.0.0.1:{port}")
        yield


@pytest.fixture(scope="module")
def trip_id(restate: RestateServer, handlers: None) -> str:
    """A finished invocation on the server."""
    answer = httpx.post(
        f"{restate.ingress_url}/Counter/fetched/trip",
        json="Rome",
        headers={"authorization": "Bearer a-secret"},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.headers["x-restate-id"]


def test_a_live_journal_is_fetched_saved_and_replayed(
    restate: RestateServer, trip_id: str, tmp_path: Path
):
    recording = asyncio.run(Recording.fetch(restate.admin_url, trip_id))
    assert recording.target == "Counter/fetched/trip"
    assert recording.state == {"visits": b"1"}
    assert recording.server_version
    assert b"a-secret" in recording.entries[0].raw

    file = tmp_path / "trip.journal.json"
    result = CliRunner().invoke(
        cli, ["--admin-url", restate.admin_url, "recording", "save", trip_id, str(file)]
    )
    assert result.exit_code == 0, result.output
    assert Recording.load(file) == recording.redacted()
    report = replay("handlers:app", file, app_dir=RECORDINGS)
    assert (report.verdict, report.divergences) == ("same", ())


def test_a_unique_prefix_of_an_id_is_accepted(restate: RestateServer, trip_id: str, tmp_path: Path):
    start = ["--admin-url", restate.admin_url, "--store", str(tmp_path / "store")]
    file = tmp_path / "trip.journal.json"
    result = CliRunner().invoke(cli, [*start, "recording", "save", trip_id[:-2], str(file)])
    assert result.exit_code == 0, result.output
    assert Recording.load(file).id == trip_id
    code = ["--app", "handlers:app", "--app-dir", str(RECORDINGS)]
    result = CliRunner().invoke(cli, [*start, "replay", trip_id[:-2], *code])
    assert result.exit_code == 0, result.output
    assert "same: 9 of 9 commands replayed" in result.output


def test_an_id_is_replayed_from_the_command_line(restate: RestateServer, trip_id: str):
    arguments = ["replay", trip_id, "--app", "handlers:app", "--app-dir", str(RECORDINGS)]
    result = CliRunner().invoke(cli, ["--admin-url", restate.admin_url, *arguments])
    assert result.exit_code == 0, result.output
    assert "same: 9 of 9 commands replayed, same output" in result.output


def test_errors_of_fetching_name_the_cause(restate: RestateServer, tmp_path: Path):
    with pytest.raises(RecordingError, match="has no invocation"):
        asyncio.run(Recording.fetch(restate.admin_url, MISSING))
    with pytest.raises(RecordingError, match="is not an invocation id"):
        asyncio.run(Recording.fetch(restate.admin_url, "inv_1'; DROP TABLE"))
    unused = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RecordingError, match="No Restate server answers at") as caught:
        asyncio.run(Recording.fetch(unused, MISSING))
    assert "RESTATE_ADMIN_URL" in caught.value.hint
    arguments = ["--admin-url", unused, "--store", str(tmp_path / "store"), "recording", "save"]
    result = CliRunner().invoke(cli, [*arguments, MISSING, str(tmp_path / "x.journal.json")])
    assert result.exit_code == 3
    assert "No recorder is running" in result.output
    assert not (tmp_path / "x.journal.json").exists()


def test_a_journal_is_saved_from_the_store_after_the_server_purged_it(
    restate: RestateServer, trip_id: str, tmp_path: Path
):
    live = asyncio.run(Recording.fetch(restate.admin_url, trip_id))
    store = tmp_path / "store"
    ports = {
        f"PLAYHEAD_{name}_PORT": str(free_port()) for name in ("OTLP_GRPC", "OTLP_HTTP", "API")
    }
    environment = {"RESTATE_ADMIN_URL": restate.admin_url, "PLAYHEAD_STORE": str(store), **ports}
    recorder = ManagedProcess(
        "recorder",
        [sys.executable, "-m", "playhead", "record"],
        log=tmp_path / "recorder.log",
        env=environment,
    )
    file = tmp_path / "purged.journal.json"
    arguments = ["recording", "save", trip_id, str(file)]
    with recorder:
        recorder.wait_until(
            lambda: _stored(environment, trip_id), seconds=30, what="it copied the journal"
        )
        httpx.delete(f"{restate.admin_url}/invocations/{trip_id}?mode=Purge")
        httpx.patch(f"{restate.admin_url}/invocations/{trip_id}/purge")
        with pytest.raises(RecordingError, match="has no"):
            asyncio.run(Recording.fetch(restate.admin_url, trip_id))
        result = CliRunner().invoke(cli, arguments, env=environment)
        assert result.exit_code == 0, result.output
    saved = Recording.load(file)
    wire = [(e.index, e.type, e.name, e.raw) for e in live.redacted().entries]
    assert [(e.index, e.type, e.name, e.raw) for e in saved.entries] == wire
    assert saved.id == trip_id
    assert replay("handlers:app", saved, app_dir=RECORDINGS).verdict == "same"

    file.unlink()  # and from the file, without a recorder
    result = CliRunner().invoke(cli, arguments, env=environment)
    assert result.exit_code == 0, result.output
    assert Recording.load(file).entries == saved.entries


def _stored(environment: dict[str, str], ident: str) -> bool:
    from playhead import settings
    from playhead.reader.recordings import from_store

    try:
        recording = asyncio.run(from_store(settings.load(environ=environment), ident))
    except Exception:
        return False
    return recording.journal().output is not None


def rows(**changes: Any) -> dict[str, Any]:
    row = {"id": MISSING, "target_service_name": "S", "target_handler_name": "h", "status": "x"}
    entry = {"index": 0, "entry_type": "Command: Input", "name": "", "raw": "", "version": 2}
    found: dict[str, Any] = {"invocations": [row], "journal": [entry], "events": [], "state": []}
    return {
        "tables": InvocationTables(**{**found, **changes}),
        "invocation_id": MISSING,
        "where": "it",
        "decode": base64.b64decode,
    }


def test_a_journal_of_version_1_is_refused_when_fetched():
    entry = {**rows()["tables"].journal[0], "version": 1}
    with pytest.raises(UnsupportedJournalError, match="version 1"):
        Recording.from_rows(**rows(journal=[entry]))


def test_a_deleted_journal_is_an_error():
    with pytest.raises(RecordingError, match=r"has no journal"):
        Recording.from_rows(**rows(journal=[]))
