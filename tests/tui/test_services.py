"""Services, deployments and the invocations pinned to old ones; and the check of their journals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from journal_fixtures import SERVICE_FOLDER, Handlers
from playhead.cli import cli
from playhead.local import RestateServer
from playhead.reader.reader import Reader
from playhead.reader.recordings import find_recording
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead_tui.interfaces import AppLocation, Connection
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.services import JournalCheckScreen, ServicesScreen
from playhead_tui.widgets.text_pane import TextPane
from recorded_store import RecordedStore
from waiting import until

CHANGED = """
import restate
every = restate.Service("every")

@every.handler()
async def waits(ctx: restate.Context, request) -> dict:
    await ctx.run("something else", lambda: 1)

app = restate.app([every])
"""


@pytest.fixture(scope="module")
def outdated(tmp_path_factory: pytest.TempPathFactory, handlers: Handlers) -> Iterator[Handlers]:
    """A server whose one open invocation is pinned to the older of two deployments."""
    deployments = handlers.sql("SELECT endpoint, services FROM sys_deployment")
    [row] = [one for one in deployments if "every" in one["services"]]
    with RestateServer(tmp_path_factory.mktemp("outdated")) as server:
        server.register(row["endpoint"])
        calls = Handlers(server, handlers.log)
        calls.finish("every/trivial", 1)
        waiting = f"SELECT status FROM sys_invocation WHERE id = '{calls.send('every/waits', 1)}'"
        until(lambda: calls.sql(waiting) == [{"status": "suspended"}], "it is suspended")
        server.register(str(row["endpoint"]).replace("127.0.0.1", "localhost"))
        yield calls


@pytest.fixture(scope="module")
def settings(outdated: Handlers, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The server, without a store; and `changed.py` in the folder of the app."""
    folder = tmp_path_factory.mktemp("changed")
    (folder / "changed.py").write_text(CHANGED)
    return replace(
        Settings(), admin_url=outdated.server.admin_url, store=folder / "no-store",
        app="changed:app", app_dir=str(folder),
    )  # fmt: skip


async def test_old_deployments_and_the_journals_that_todays_code_refuses(
    settings: Settings, stage
) -> None:
    async with RestateClient(settings.admin_url) as server:
        reader = Reader(server, None)
        report = await reader.services()
        every = next(one for one in report.services if one.name == "every")
        newest, old = report.deployments
        assert (every.type, every.revision, every.deployment) == ("service", 2, newest.id)
        assert (every.open, every.outdated) == (1, 1)
        assert {(one.deployment, one.status, one.number) for one in every.counts} == {
            (old.id, "suspended", 1),
            (old.id, "ended", 1),
        }
        assert (newest.open, old.open) == (0, 1)
        assert old.sdk.startswith("restate-sdk-python/")
        put = next(one for one in report.services if one.name == "box").handlers
        assert {(one.name, one.type) for one in put} == {
            ("put", "exclusive"),
            ("hold", "exclusive"),
        }

        async def connect(publish) -> None:
            async def fetch(id_: str):
                return await find_recording(settings, id_)

            app = AppLocation("changed:app", str(settings.app_dir))
            publish(Connection(reader, None, fetch_recording=fetch, app_location=app))

        async with stage(None, connect=connect) as s:
            await s.until(lambda: s.app.screen.reads)
            await s.press("D")
            await s.until(lambda: isinstance(s.app.screen, ServicesScreen))
            await s.until(lambda: s.app.screen.listing.rows)
            assert s.app.screen.listing.go_to("every")
            pane = s.app.screen.query_one(TextPane)
            await s.until(lambda: "1 suspended, 1 ended" in pane.text)
            assert f"{newest.id}  newest" in pane.text
            await s.press("c")
            await s.until(lambda: isinstance(s.app.screen, JournalCheckScreen))
            await s.until(lambda: [r.verdict for r in s.app.screen.listing.rows] == ["refused"])
            await s.shows("1 of 1 checked, 1 refused")
            await s.press("enter")
            await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
            await s.press("escape", "escape", "i")
            await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
            assert s.app.screen.list_query.text == "service=every"


@pytest.mark.parametrize(
    ("app", "code", "verdict"),
    [("changed:app", 1, "diverged"), ("journal_service:app", 0, "accepted")],
)
def test_the_command_checks_journals(settings: Settings, app: str, code: int, verdict: str) -> None:
    folder = settings.app_dir if code else SERVICE_FOLDER
    environment = {
        "RESTATE_ADMIN_URL": settings.admin_url, "PLAYHEAD_STORE": str(settings.store),
        "PLAYHEAD_APP_DIR": str(folder),
    }  # fmt: skip
    words = ["services", "every", "--check", "--app", app, "--json"]
    done = CliRunner().invoke(cli, words, env=environment)
    assert done.exit_code == code, done.output
    [one] = json.loads(done.stdout)["checked"]
    assert (one["target"], one["verdict"]) == ("every/waits", verdict)


@pytest.mark.parametrize(
    ("service", "app", "code", "message"),
    [
        ("every", "absent:app", 3, "No module 'absent'"),
        ("every", "other:app", 3, ""),
        ("absent", "journal_service:app", 2, "No service has the name 'absent'"),
    ],
)
def test_a_check_that_cannot_be_made_is_no_success(
    settings: Settings, service: str, app: str, code: int, message: str
) -> None:
    Path(str(settings.app_dir), "other.py").write_text(
        "import restate\n\napp = restate.app([restate.Service('other')])\n"
    )
    environment = {
        "RESTATE_ADMIN_URL": settings.admin_url, "PLAYHEAD_STORE": str(settings.store),
        "PLAYHEAD_APP_DIR": str(settings.app_dir),
    }  # fmt: skip
    done = CliRunner().invoke(cli, ["services", service, "--check", "--app", app], env=environment)
    assert done.exit_code == code, done.output
    assert message in done.output


async def test_services_of_stored_invocations(stage, tmp_path: Path) -> None:
    recorded = RecordedStore(tmp_path)
    recorded.invocation("inv_1a", "Chat/ada/say", pinned_deployment_id="dp_1", status="suspended")
    recorded.invocation("inv_1b", "Chat/bob/reset", pinned_deployment_id="dp_2")
    async with stage(recorded.write(), size=(40, 10)) as s:
        await s.until(lambda: s.app.screen.reads)
        await s.press("D")
        await s.until(lambda: isinstance(s.app.screen, ServicesScreen))
        await s.until(lambda: s.app.screen.listing.rows)
        [chat] = s.app.screen.listing.rows
        assert (chat.name, chat.open, chat.outdated, chat.deployment) == ("Chat", 1, None, None)
        assert [one.name for one in chat.handlers] == ["reset", "say"]
        await s.press("enter")
        await s.until(lambda: "dp_1" in s.app.screen.query_one(TextPane).text)
