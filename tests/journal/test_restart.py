"""Restart as new: the journal that the server keeps, and whether the code accepts it."""

from __future__ import annotations

from typing import Any

import pytest
from journal_fixtures import SERVICE_FOLDER
from playhead.errors import NotFoundError, RefusedError
from playhead.journal.restart import restarted
from playhead.replay import Recording, RecordingError
from playhead.replay.worker import Worker
from playhead.restate.client import RestateClient
from playhead.restate.control import Control
from playhead.restate.protocol import parse_entry
from waiting import until_async


async def recorded(client: RestateClient, id_: str) -> Recording:
    return await Recording.fetch(client.admin_url, id_)


async def settled(handlers: Any, id_: str) -> str:
    """Return `completed`, or the reason why the code does not accept the journal."""

    def outcome() -> str | None:
        [row] = handlers.sql(
            f"SELECT status, last_failure FROM sys_invocation WHERE id = '{id_}'"
        )  # fmt: skip
        return row.get("last_failure") or ("completed" if row["status"] == "completed" else None)

    return await until_async(outcome, f"{id_} completes or fails") or ""


async def test_the_server_starts_with_the_same_journal(
    handlers: Any, client: RestateClient
) -> None:
    control = Control(client)
    whole = await recorded(client, handlers.finish("every/everything", {"key": "restarted"}))
    verdicts: set[str] = set()
    with Worker("journal_service:app", app_dir=SERVICE_FOLDER) as worker:
        for last in range(len(whole.entries)):
            prefix = restarted(whole, last)
            new = await control.restart_as_new(whole.id, from_entry=last)
            end = await settled(handlers, new)
            now = await recorded(client, new)
            expected = [(e.index, e.type, e.raw) for e in prefix.entries]
            assert [(e.index, e.type, e.raw) for e in now.entries[: len(expected)]] == expected, (
                last
            )

            report = worker.report(prefix)
            verdicts.add(report.verdict)
            # The code completed an awakeable of the other invocation.
            assert (report.verdict == "diverged") == ("mismatch" in end), (last, end, report)
            if end != "completed":
                await control.kill(new)
    assert verdicts == {"incomplete", "diverged"}


async def test_commands_without_result_cannot_be_kept(handlers: Any, client: RestateClient) -> None:
    control = Control(client)
    id_ = handlers.send("every/naps", {})
    await handlers.until(id_, "suspended")
    await control.kill(id_)
    await handlers.until(id_, "completed")
    recording = await recorded(client, id_)
    assert len(restarted(recording, 0).entries) == 1
    with pytest.raises(RecordingError, match=r"Sleep \(#1\) has no result yet"):
        restarted(recording, 1)
    with pytest.raises(RefusedError, match="without respective Completions"):
        await control.restart_as_new(id_, from_entry=1)


async def test_the_new_invocation_has_another_id(handlers: Any, client: RestateClient) -> None:
    recording = await recorded(client, handlers.finish("every/trivial", {}))
    prefix = restarted(recording)
    assert prefix.id != recording.id
    assert restarted(prefix).id != prefix.id
    message = parse_entry(prefix.entries[0].type, prefix.entries[0].raw)
    assert message == parse_entry(recording.entries[0].type, recording.entries[0].raw)


async def test_a_running_invocation_is_killed_first(handlers: Any, client: RestateClient) -> None:
    control = Control(client)
    id_ = handlers.send("every/naps", {"as": "before"})
    await handlers.until(id_, "suspended")
    with pytest.raises(RefusedError, match="still running"):
        await control.restart_as_new(id_)
    new = await control.kill_and_restart(id_)
    await handlers.until(new, "suspended")
    rows = handlers.sql(
        f"SELECT id, status, restarted_from FROM sys_invocation WHERE id IN ('{id_}', '{new}')"
    )
    assert {row["id"]: row["status"] for row in rows} == {id_: "completed", new: "suspended"}
    assert {row.get("restarted_from") for row in rows} == {None, id_}
    again = await control.kill_and_restart(id_)  # The invocation has ended, so it is not killed.
    for running in (new, again):
        await handlers.until(running, "suspended")
        await control.kill(running)


async def test_the_deployment_is_chosen(handlers: Any, client: RestateClient) -> None:
    """A restart can always choose the deployment; a resume can only for a paused invocation."""
    control = Control(client)
    id_ = handlers.send("every/always_raises", {})
    await handlers.until(id_, "backing-off")
    with pytest.raises(RefusedError, match="deployment id cannot be changed"):
        await control.resume(id_, deployment="latest")
    await control.pause(id_)
    await handlers.until(id_, "paused")
    await control.resume(id_, deployment="latest")
    await handlers.until(id_, "backing-off")
    await control.kill(id_)
    await handlers.until(id_, "completed")
    for deployment in ("latest", "keep"):
        new = await control.restart_as_new(id_, from_entry=0, deployment=deployment)
        await handlers.until(new, "backing-off")
        await control.kill(new)


async def test_a_failed_restart_reports_that_the_invocation_was_killed(
    handlers: Any, client: RestateClient
) -> None:
    control = Control(client)
    id_ = handlers.send("every/naps", {})
    await handlers.until(id_, "suspended")
    with pytest.raises(
        RefusedError, match="The invocation was killed, but not restarted: "
    ) as refused:
        await control.kill_and_restart(id_, from_entry=1)  # the sleep, which has no result
    assert "restart it as new once more" in refused.value.hint
    await handlers.until(id_, "completed")
    with pytest.raises(RefusedError, match=r"^The prefix of the journal"):
        await control.kill_and_restart(id_, from_entry=1)
    new = await control.kill_and_restart(id_)
    await handlers.until(new, "suspended")
    await control.kill(new)


async def test_an_invocation_without_journal_retention_is_not_killed(
    handlers: Any, client: RestateClient
) -> None:
    control = Control(client)
    id_ = handlers.send("every/forgetful", {})
    await handlers.until(id_, "suspended")
    with pytest.raises(RefusedError, match="keeps no journal"):
        await control.kill_and_restart(id_)
    await handlers.until(id_, "suspended")
    await control.kill(id_)
    with pytest.raises(NotFoundError, match="no invocation inv_1nonsense"):
        await control.kill_and_restart("inv_1nonsense")
    with pytest.raises(NotFoundError):
        await control.kill_and_restart("inv_1' OR status = 'x")
