"""`playhead store` and `playhead archive`, with and without a recorder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.formatting import date_time
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead.store.database import Store

ENDED = "2026-03-10 12:00:00+00"


@pytest.fixture(params=["file", "recorder"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A store with one invocation that ended and one that runs, with and without a recorder."""
    settings = Settings(admin_url="http://127.0.0.1:1", store=tmp_path / "store")
    store = Store(settings.store)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO invocations (id, status, created_at, completed_at)"
            f" VALUES ('inv_1', 'completed', '{ENDED}', '{ENDED}'),"
            f" ('inv_2', 'running', '{ENDED}', NULL)"
        )
    store.close()
    with ExitStack() as stack:
        if request.param == "recorder":
            log = tmp_path / "recorder.log"
            child = start_recorder(settings, log, free_ports=True, journals=False)
            stack.callback(child.stop)
        yield settings


def run(settings: Settings, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, ["--store", str(settings.store), *arguments], input=answer)


def document(settings: Settings, *arguments: str) -> Any:
    result = run(settings, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_sizes(settings: Settings) -> None:
    rows = {row["table"]: row for row in document(settings, "store")["tables"]}
    assert rows["invocations"]["rows"] == 2
    assert rows["invocations"]["oldest"] == "2026-03-10T12:00:00Z"
    shown = run(settings, "store").stdout
    assert date_time(datetime(2026, 3, 10, 12, tzinfo=UTC)) in shown
    lines = {line.split("\t")[0]: line.split("\t") for line in shown.splitlines()}
    assert lines["invocations"][1] == "2"
    assert lines["spans"][1:3] == ["0", "0 B"]
    assert lines["invocations"][2] != "0 B"


def test_verify(settings: Settings) -> None:
    assert document(settings, "store", "verify") == {"problems": []}
    assert "no span is stored twice" in run(settings, "store", "verify").stdout


def test_backup(settings: Settings, tmp_path: Path) -> None:
    target = tmp_path / "copy.duckdb"
    assert document(settings, "store", "backup", str(target))["path"] == str(target)
    with duckdb.connect(str(target), read_only=True) as copy:
        assert copy.execute("SELECT count(*) FROM invocations").fetchall() == [(2,)]
    again = run(settings, "store", "backup", str(target))
    assert again.exit_code != 0
    assert "already exists" in again.stderr


def test_archive_and_its_views(settings: Settings) -> None:
    moved = document(settings, "archive", "--before", "2026-04-01")
    assert (moved["days"], moved["rows"]["invocations"]) == (1, 1)
    sql = "SELECT id FROM {} ORDER BY id"
    assert document(settings, "sql", sql.format("invocations")) == [{"id": "inv_2"}]
    both = document(settings, "sql", sql.format("all_invocations"))
    assert both == [{"id": "inv_1"}, {"id": "inv_2"}]
    assert document(settings, "store")["archive"]["files"] == 1


def test_deleting_asks(settings: Settings) -> None:
    refused = run(settings, "archive", "--before", "2026-04-01", "--delete")
    assert refused.exit_code == 2
    assert "Add --yes" in refused.stderr
    forbidden = run(
        settings, "--read-only", "archive", "--before", "2026-04-01", "--delete", "--yes"
    )
    assert forbidden.exit_code == 2
    assert "--read-only forbids deletions" in forbidden.stderr
    forbidden = run(settings, "--read-only", "record", "--keep", "spans=30d")
    assert "--read-only forbids deletions" in forbidden.stderr
    assert document(settings, "sql", "SELECT count(*) AS n FROM invocations") == [{"n": 2}]
    done = run(settings, "archive", "--before", "2026-04-01", "--delete", "--yes")
    assert "Deleted 1 day: 1 invocation, 0 spans." in done.stdout
    assert document(settings, "sql", "SELECT count(*) AS n FROM all_invocations") == [{"n": 1}]


def test_vacuum_needs_the_store_for_itself(settings: Settings, request: Any) -> None:
    result = run(settings, "store", "vacuum")
    if "recorder" in request.node.callspec.id:
        assert result.exit_code == 3
        assert "is in use by process" in result.stderr
    else:
        assert "instead of" in result.stdout


def test_without_a_store(tmp_path: Path) -> None:
    result = run(Settings(store=tmp_path / "none"), "store")
    assert result.exit_code == 3
    assert "has no store" in result.stderr
    assert not (tmp_path / "none").exists()
