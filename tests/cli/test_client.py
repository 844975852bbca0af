"""Compare `playhead.Client` with the commands, on the demo's agents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import playhead
import pytest
from playhead.errors import AmbiguousIdError, NotFoundError, QueryError, RecorderError
from playhead.local import free_port

TOOL_FAILS = "a tool that fails twice, then works"


@pytest.fixture
def client(cli: Any) -> Iterator[playhead.Client]:
    with playhead.Client(settings=cli.stack.settings) as client:
        yield client


def test_pages_of_invocations(cli: Any, client: playhead.Client) -> None:
    ids: list[str] = []
    before = None
    while True:
        page = client.invocations(limit=3, before=before)
        ids += [row.id for row in page.rows]
        if not page.more:
            break
        before = page.rows[-1]
    assert set(cli.ids.values()) <= set(ids)
    assert len(ids) == len(set(ids))
    assert client.invocations(since=timedelta(hours=1)).rows
    assert not client.invocations(since=datetime.now(UTC)).rows


def test_an_invocation_by_the_beginning_of_its_id(cli: Any, client: playhead.Client) -> None:
    id_ = cli.ids[TOOL_FAILS]
    detail = client.invocation(id_[:-3])
    assert detail.summary.id == id_
    assert [attempt.outcome for attempt in detail.attempts] == ["failed", "failed", "completed"]
    output = next(step for step in detail.steps if step.kind == "output")
    assert client.payload(id_, output.index) == output.output


def test_unknown_and_ambiguous_ids(client: playhead.Client) -> None:
    with pytest.raises(AmbiguousIdError) as several:
        client.invocation("inv_1")
    assert "inv_1" in several.value.hint
    for missing in ("inv_1zzz", "inv_1" + 33 * "0"):
        with pytest.raises(NotFoundError, match=missing):
            client.invocation(missing)


def test_a_recording_holds_the_prompts(cli: Any, client: playhead.Client, tmp_path: Path) -> None:
    recording = client.recording(cli.ids[TOOL_FAILS][:-3])
    assert recording.service == "WeatherAgent"
    assert any("messages" in step for step in recording.steps.values())
    saved = recording.save(tmp_path / "weather.journal.json")
    assert playhead.Recording.load(saved).id == recording.id


def test_sql(cli: Any, client: playhead.Client, tmp_path: Path) -> None:
    rows = client.sql("SELECT count(*) AS n FROM invocations")
    assert rows[0]["n"] >= len(cli.ids)
    with pytest.raises(QueryError):
        client.sql("DROP TABLE spans")
    admin_url = cli.stack.settings.admin_url
    with (
        playhead.Client(admin_url, tmp_path) as storeless,
        pytest.raises(RecorderError, match="has no store"),
    ):
        storeless.sql("SELECT 1")


async def test_client_works_inside_an_event_loop(cli: Any, client: playhead.Client) -> None:
    async with playhead.AsyncClient(settings=cli.stack.settings) as twin:
        first, second = await asyncio.gather(
            twin.invocation(cli.ids[TOOL_FAILS]), twin.invocations(status="suspended")
        )
    assert first.summary == client.invocation(cli.ids[TOOL_FAILS]).summary
    assert [row.status for row in second.rows] == ["suspended"]


def test_no_source_answers(tmp_path: Path) -> None:
    with (
        playhead.Client(f"http://127.0.0.1:{free_port()}", tmp_path) as client,
        pytest.raises(playhead.PlayheadError, match="Neither a Restate server nor a store") as away,
    ):
        client.invocations()
    assert "No Restate server answers" in away.value.hint  # pyright: ignore[reportAttributeAccessIssue]
