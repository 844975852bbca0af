"""A recorder deletes what exceeds the limits of its tables, and nothing without limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from playhead.cli.record import command
from playhead.errors import SettingsError
from playhead.record.recorder import open_recorder
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.retention import parse_keep
from waiting import until_async

from helpers import FREE  # isort: skip
from otlp import select  # isort: skip

COUNT = "SELECT count(*) AS n FROM journal"


async def test_a_recorder_deletes_what_exceeds_a_limit(settings: Settings) -> None:
    store = Store(settings.store)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO invocations (id, status, completed_at) VALUES"
            " ('inv_1', 'completed', TIMESTAMPTZ '2026-01-01 00:00:00+00'),"
            " ('inv_2', 'suspended', NULL)"
        )
        connection.execute("INSERT INTO journal (id) VALUES ('inv_1'), ('inv_2')")
    store.close()
    async with open_recorder(settings, FREE) as recorder:
        assert select(recorder, COUNT) == [{"n": 2}]
    options = replace(FREE, keep=(parse_keep("journal=1d"),))
    async with open_recorder(settings, options) as recorder:
        await until_async(lambda: select(recorder, COUNT) == [{"n": 1}])
        assert select(recorder, "SELECT id FROM journal") == [{"id": "inv_2"}]
        assert select(recorder, "SELECT count(*) AS n FROM invocations") == [{"n": 2}]


@pytest.mark.parametrize(("flags", "kept"), [(["--keep", "state=1d"], ()), ([], ("spans=1",))])
def test_a_wrong_limit_starts_no_recorder(
    settings: Settings, flags: list[str], kept: tuple[str, ...]
) -> None:
    result = CliRunner().invoke(command, flags, obj=replace(settings, keep=kept))
    assert isinstance(result.exception, SettingsError)
    assert "is not a limit such as spans=30d" in result.exception.title
    assert not settings.store.exists()
