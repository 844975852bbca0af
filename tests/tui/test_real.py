"""The dashboard with a real restate-server, a real recorder and real agents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner
from playhead import settings
from playhead.cli import cli
from playhead.local import RestateServer, free_port
from playhead.model import InvocationDetail
from playhead.record.endpoint import read_endpoint
from playhead.record.process import start_recorder
from playhead_tui.app import PlayheadApp
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.services import ServicesScreen
from playhead_tui.sources.connector import connector
from playhead_tui.widgets.notes import Notes
from python_service import python_service
from running_processes import processes_below, running_processes
from textual.widgets import TextArea
from tui_stage import screen_text, wait_until
from waiting import until, until_async

SERVICE = """
import sys
import hypercorn.asyncio, hypercorn.config, asyncio, restate
from datetime import timedelta

desk = restate.Service("Desk")
tries = {}

@desk.handler(inactivity_timeout=timedelta(seconds=1))
async def claim(ctx: restate.Context, amount: int) -> str:
    async def check() -> dict:
        tries[amount] = tries.get(amount, 0) + 1
        if tries[amount] < 3:
            raise ValueError(f"the [bold]ledger[/] is closed, try {tries[amount]}")
        return {"checked": amount}
    await ctx.run_typed("check the ledger", check)
    ident, answer = ctx.awakeable(type_hint=bool)
    async def ask() -> str:
        return ident
    await ctx.run_typed("ask a person", ask)
    return "paid" if await answer else "refused"

@desk.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"

once = restate.Workflow("Once")

@once.main()
async def run(ctx: restate.WorkflowContext, day: str) -> str:
    return f"{ctx.key()} on {day}"

app = restate.app([desk, once])
if __name__ == "__main__":
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `desk.py`."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "desk.py").write_text(SERVICE)
    return folder


@pytest.fixture(scope="module")
def desk(restate: RestateServer, code: Path) -> Iterator[Any]:
    with python_service(restate, code / "desk.py"):
        yield restate


def send(server: RestateServer, handler: str, body: Any) -> str:
    answer = httpx.post(f"{server.ingress_url}/Desk/{handler}/send", json=body).json()
    ident: str = answer["invocationId"]
    return ident


def on_server(server: RestateServer) -> dict[str, dict[str, Any]]:
    """Return the outcomes of invocations, and the ids that they were restarted from."""
    sql = "SELECT id, completion_failure, restarted_from FROM sys_invocation"
    headers = {"accept": "application/json"}
    answer = httpx.post(f"{server.admin_url}/query", json={"query": sql}, headers=headers)
    return {row["id"]: row for row in answer.json()["rows"]}


@pytest.fixture
def there(restate: RestateServer, tmp_path: Path) -> settings.Settings:
    return replace(
        settings.Settings(),
        admin_url=restate.admin_url,
        ingress_url=restate.ingress_url,
        store=tmp_path / "store",
        otlp_grpc_port=free_port(),
        otlp_http_port=free_port(),
        api_port=free_port(),
    )


async def test_a_claim_fails_twice_waits_and_is_answered_from_the_screen(desk, there) -> None:
    """From the first paint to the answer, through an own recorder that ends with the app."""
    ident = send(desk, "claim", 120)
    greeted = send(desk, "greet", "Ada")
    app = PlayheadApp(connector(there))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen: Any = app.screen
        await wait_until(pilot, lambda: screen.listing.rows)
        assert screen.listing.go_to(greeted)
        assert "succeeded" in screen_text(app)
        screen.listing.go_to(ident)
        await wait_until(pilot, lambda: screen.current.status == "suspended")
        await wait_until(pilot, lambda: "own recorder" in screen_text(app))
        recorders = [seen.process for seen in processes_below()
                     if "record" in seen.command and str(there.store) in seen.command]  # fmt: skip
        assert recorders
        await pilot.press("enter")
        await wait_until(pilot, lambda: "Waiting for an answer" in screen_text(app))
        detail: Any = app.screen
        checked = next(r.row for r in detail.waterfall.rows if "ledger" in r.row.label)
        detail.waterfall.go_to(checked.key)
        await wait_until(pilot, lambda: "the [bold]ledger[/] is closed" in screen_text(app))
        await pilot.press("a")
        await wait_until(pilot, lambda: "Resolve it with true" in screen_text(app))
        await pilot.press("y")
        await wait_until(pilot, lambda: detail.detail.summary.status == "succeeded")
        last = detail.waterfall.rows[-1].row
        detail.waterfall.go_to(last.key)
        await wait_until(pilot, lambda: "paid" in screen_text(app))
    assert not running_processes(recorders)


async def test_a_claim_that_waits_is_restarted_and_keeps_its_checked_ledger(
    desk, code, there
) -> None:
    ident = send(desk, "claim", 7)
    app = PlayheadApp(connector(replace(there, app="desk:app", app_dir=str(code))))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(pilot, lambda: app.connection)
        app.open_invocation(ident)
        await wait_until(pilot, lambda: "Waiting for an answer" in screen_text(app))
        old: Any = app.screen
        old.waterfall.go_to(next(r.row.key for r in old.waterfall.rows if "ledger" in r.row.label))
        for key, shown in (
            ("x", "Restart as new"),
            ("n", "All up to #1 check the ledger"),
            ("s", "The invocation is killed first"),
        ):
            await pilot.press(key)
            await wait_until(pilot, lambda shown=shown: shown in screen_text(app))
        await wait_until(pilot, lambda: "accepts the journal: 1 of 1" in screen_text(app))
        await pilot.press("y")
        await wait_until(pilot, lambda: getattr(app.screen, "invocation_id", ident) != ident)
        new: Any = app.screen
        await wait_until(pilot, lambda: "Waiting for an answer" in screen_text(app))
        detail = new.detail
        assert detail.summary.target == "Desk/claim"
    found = on_server(desk)
    assert found[ident]["completion_failure"] == "[409] killed"
    assert found[new.invocation_id]["restarted_from"] == ident
    # The new invocation did not execute the step again, which would be a fourth try.
    kept = next(step for step in detail.steps if step.name == "check the ledger")
    assert (kept.output, kept.events) == ({"checked": 7}, ())


async def test_a_recorder_of_the_dashboard_that_dies_is_started_again(desk, there) -> None:
    app = PlayheadApp(connector(there))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(pilot, lambda: "own recorder" in screen_text(app))
        first = read_endpoint(there.store)
        assert first is not None
        psutil.Process(first.pid).kill()
        await wait_until(pilot, lambda: "The recorder ended (exit code -9)" in screen_text(app))

        def again() -> bool:
            found = read_endpoint(there.store)
            return found is not None and found.pid != first.pid and app.notes == ()

        await wait_until(pilot, again)
        await wait_until(pilot, lambda: "own recorder" in screen_text(app))
        second = read_endpoint(there.store)
        assert second is not None
        assert psutil.pid_exists(second.pid)
    assert not psutil.pid_exists(second.pid)


async def test_why_no_recorder_could_be_started_is_said_once(desk, there, tmp_path) -> None:
    (tmp_path / "file").touch()
    app = PlayheadApp(connector(replace(there, store=tmp_path / "file" / "store")))
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: "Not a directory" in screen_text(app))
        assert isinstance(app.screen, InvocationsScreen)
        screen = app.screen
        await wait_until(pilot, lambda: screen.cache.missing)
        await wait_until(pilot, lambda: len(screen.query_one(Notes).notes) == 1)
        [note] = screen.query_one(Notes).notes
        assert f"{tmp_path}/file/store: Not a directory. Start one with" in note


async def test_an_existing_recorder_keeps_running(desk, there, tmp_path) -> None:
    child = start_recorder(there, tmp_path / "recorder.log")
    try:
        app = PlayheadApp(connector(there))
        async with app.run_test(size=(120, 40)) as pilot:
            await wait_until(pilot, lambda: app.connection)
            assert "own recorder" not in screen_text(app)
            assert app.notes == ()
        assert child.running
    finally:
        child.stop()


async def test_the_header_follows_a_recorder_that_ends_and_comes_back(
    desk, there, tmp_path
) -> None:
    child = start_recorder(there, tmp_path / "recorder.log")
    try:
        app = PlayheadApp(connector(there))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await wait_until(pilot, lambda: app.connection)
            assert app.connection.labels[1] == "recorder"
            child.kill()
            await wait_until(pilot, lambda: "no recorder" in screen_text(app))
            assert "The recorder has ended or does not answer." in screen_text(app)
            # Live rows are still shown.
            await wait_until(pilot, lambda: "nothing new is stored" in screen_text(app))
            child.start()
            await wait_until(pilot, lambda: app.connection.labels[1] == "recorder")
            assert app.notes == ()
    finally:
        child.stop()


async def test_a_recorder_that_ends_is_started_again_as_its_owner_says(
    desk, there, tmp_path
) -> None:
    child = start_recorder(there, tmp_path / "recorder.log")
    try:
        app = PlayheadApp(connector(there, restart=child.start))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await wait_until(pilot, lambda: app.connection)
            child.kill()
            await wait_until(pilot, lambda: "A recorder is running." in screen_text(app))
            assert app.connection.labels[1] == "recorder"
        assert child.running
    finally:
        child.stop()


async def test_columns_and_a_saved_view_hold_in_the_next_run(desk, there, tmp_path) -> None:
    """Chosen with `c`, saved with `V` and opened with `v`, on rows of the server."""
    greeted = send(desk, "greet", "Grace")
    failing = send(desk, "claim", 7)
    kept = tmp_path / "dashboard.json"
    app = PlayheadApp(connector(there, record=False), keep_in=kept)
    async with app.run_test(size=(140, 30), notifications=True) as pilot:
        screen: Any = app.screen
        await wait_until(pilot, lambda: screen.listing.go_to(failing))
        await pilot.press("c")
        await wait_until(pilot, lambda: "Why it makes no progress" in screen_text(app))
        # The status after the target, and no age.
        await pilot.press("J", "j", "space", "enter")
        await wait_until(pilot, lambda: screen.columns[:2] == ("target", "status"))
        await pilot.press("slash", *"handler:greet", "enter", "V")
        await wait_until(pilot, lambda: "Save this view as" in screen_text(app))
        await pilot.press(*"greetings", "enter")
        await wait_until(pilot, lambda: "Saved the view greetings" in screen_text(app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: screen.listing.go_to(failing))
    app = PlayheadApp(connector(there, record=False), keep_in=kept)
    async with app.run_test(size=(140, 30), notifications=True) as pilot:
        again: Any = app.screen
        await wait_until(pilot, lambda: again.listing.go_to(failing))
        assert again.columns[:2] == ("target", "status")
        await pilot.press("v")
        await wait_until(pilot, lambda: "handler:greet" in screen_text(app))
        await pilot.press("1")
        await wait_until(pilot, lambda: again.list_query.text == "handler:greet")
        await wait_until(pilot, lambda: again.listing.go_to(greeted))
        assert {row.handler for row in again.listing.rows} == {"greet"}
        head = next(line for line in screen_text(app).splitlines() if "STATUS" in line)
        assert head.split()[:3] == ["TARGET", "STATUS", "DURATION"]
        late = send(desk, "greet", "Alan")
        await wait_until(pilot, lambda: again.listing.go_to(late))
        await wait_until(pilot, lambda: again.current.status == "succeeded")


async def test_without_a_recorder_the_reason_and_live_data_are_shown(desk, there) -> None:
    """The store's folder is a file, so no recorder can start."""
    there.store.write_text("not a folder")
    send(desk, "greet", "Bob")
    app = PlayheadApp(connector(there))
    async with app.run_test(size=(120, 40)) as pilot:
        screen: Any = app.screen
        await wait_until(pilot, lambda: screen.listing.rows)
        await wait_until(pilot, lambda: "No recorder is running" in screen_text(app))
        assert screen.listing.rows


async def test_without_a_server_stored_data_can_be_replayed(desk, code, there, tmp_path) -> None:
    ident = send(desk, "greet", "Cleo")
    child = start_recorder(there, tmp_path / "recorder.log")
    try:
        app = PlayheadApp(connector(there))
        async with app.run_test(size=(120, 40)) as pilot:
            screen: Any = app.screen
            await wait_until(pilot, lambda: screen.listing.go_to(ident))

        from playhead.record.client import connect

        source = await connect(there)
        assert source
        query = "SELECT id FROM invocations WHERE id = ?"
        await until_async(lambda: source.rows(query, [ident]), "the invocation is stored")
        await source.close()
        away = replace(
            there, admin_url=f"http://127.0.0.1:{free_port()}", app="desk:app", app_dir=str(code)
        )
        app = PlayheadApp(connector(away))
        async with app.run_test(size=(120, 40)) as pilot:
            screen = app.screen
            await wait_until(pilot, lambda: screen.listing.go_to(ident))
            await wait_until(pilot, lambda: "No Restate server answers" in screen_text(app))
            await pilot.press("enter")
            await wait_until(pilot, lambda: getattr(app.screen, "detail", None))
            await pilot.press("r")
            await wait_until(pilot, lambda: getattr(app.screen, "report", None))
            replay: Any = app.screen
            assert replay.report.verdict == "same"
            await wait_until(pilot, lambda: 'return f"Hello {name}"' in screen_text(app))
    finally:
        child.stop()


async def test_without_both_the_dashboard_shows_both_reasons(there) -> None:
    there.store.write_text("not a folder")
    away = replace(there, admin_url=f"http://127.0.0.1:{free_port()}")
    app = PlayheadApp(connector(away))
    async with app.run_test(size=(100, 60)) as pilot:
        await wait_until(pilot, lambda: "No Restate server answers" in screen_text(app))
        await wait_until(pilot, lambda: "No recorder is running" in screen_text(app))
        await pilot.press("question_mark")
        await wait_until(pilot, lambda: "Statuses" in screen_text(app))


def playhead(desk: RestateServer, folder: Path, *words: str, answer: str = "") -> Any:
    environment = {"RESTATE_ADMIN_URL": desk.admin_url, "PLAYHEAD_STORE": str(folder / "none")}
    return CliRunner().invoke(cli, words, env=environment, input=answer or None)


def test_commands_change_what_a_filter_matches_and_only_with_consent(
    desk: RestateServer, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        httpx.post(f"{desk.ingress_url}/Desk/greet", json=name).raise_for_status()
    found = json.loads(playhead(desk, tmp_path, "ls", "--filter", "handler:greet", "--json").stdout)
    ids = {row["id"] for row in found["invocations"]}
    purge = ("purge", "--filter", "handler:greet")
    refused = playhead(desk, tmp_path, *purge)
    assert refused.exit_code == 2
    assert (
        f"Purge {len(ids)} invocations. The server deletes each with its journal." in refused.stderr
    )
    assert "Add --yes" in refused.stderr
    refused = playhead(desk, tmp_path, "--read-only", *purge, "--yes")
    assert "--read-only forbids purge" in refused.stderr
    assert playhead(desk, tmp_path, "purge", "--yes").exit_code == 2
    again = playhead(desk, tmp_path, "restart", min(ids), "--yes", "--json")
    [outcome] = json.loads(again.stdout)["outcomes"]
    assert (outcome["state"], outcome["id"]) == ("done", min(ids))
    done = playhead(desk, tmp_path, "purge", *ids, "--yes")
    assert done.exit_code == 0
    assert {line.split("\t")[1] for line in done.stdout.splitlines()} == ids
    assert "\tpurged" in done.stdout

    def gone() -> bool:
        left = playhead(desk, tmp_path, "ls", "--filter", "handler:greet", "--json").stdout
        rows = json.loads(left)["invocations"]
        return [row["id"] for row in rows] == [outcome["new_id"]]

    until(gone)


async def test_requests_are_sent_from_the_services_and_from_an_invocation(desk, there) -> None:
    app = PlayheadApp(connector(there, record=False))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:

        async def shows(text: str) -> None:
            await wait_until(pilot, lambda: text in screen_text(app))

        async def submit(text: str, *, key: str = "ctrl+s") -> None:
            app.screen.query_one(TextArea).text = text
            await pilot.press(key)

        async def opened(target: str) -> InvocationDetail:
            await wait_until(pilot, lambda: getattr(app.screen, "detail", None)
                             and screen().detail.summary.target == target
                             and screen().detail.summary.ended)  # fmt: skip
            detail: InvocationDetail = screen().detail
            return detail

        def screen() -> Any:
            return app.screen

        before = len(on_server(desk))
        await wait_until(pilot, lambda: app.connection)
        await pilot.press("D")
        await wait_until(pilot, lambda: getattr(app.screen, "report", None))
        services: Any = app.screen
        services.listing.go_to("Desk")
        await pilot.press("s")
        await shows("Send a request to which handler of Desk?")
        await pilot.press("1")
        await shows("Request to Desk/claim")
        assert app.screen.query_one(TextArea).text == "0"  # of the handler's schema
        await submit("no JSON")
        await shows("Not valid JSON")
        await submit('"much"')
        await shows("Not a value of type integer.")
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(app.screen, ServicesScreen))
        await pilot.press("s")
        await shows("Send a request to which handler of Desk?")
        await pilot.press("2")
        await shows("Request to Desk/greet")
        await submit('"Ada"')
        await shows("Send to Desk/greet?")
        assert '"Ada"' in screen_text(app)
        assert len(on_server(desk)) == before
        await pilot.press("y")
        first = await opened("Desk/greet")
        assert first.steps[-1].output == "Hello Ada"
        # Again, beginning with the same input.
        await pilot.press("x")
        await shows("To the same handler, with its input or another")
        await pilot.press("s")
        await shows("Request to Desk/greet")
        assert app.screen.query_one(TextArea).text == '"Ada"'
        await submit('"Bob"', key="f5")
        await shows("Send to Desk/greet?")
        await pilot.press("y")
        await wait_until(pilot, lambda: getattr(app.screen, "invocation_id", first.summary.id)
                         != first.summary.id)  # fmt: skip
        assert (await opened("Desk/greet")).steps[-1].output == "Hello Bob"
        # A workflow runs once for each key.
        await pilot.press("escape", "escape")
        await wait_until(pilot, lambda: isinstance(app.screen, ServicesScreen))
        services.listing.go_to("Once")
        ids = []
        for day in ("Monday", "Tuesday"):
            await pilot.press("s")
            await shows("Once/run: which key?")
            await pilot.press(*"k1", "enter")
            await shows("Request to Once/k1/run")
            await submit(json.dumps(day))
            await shows("Send to Once/k1/run?")
            await pilot.press("y")
            detail = await opened("Once/k1/run")
            assert detail.steps[-1].output == "k1 on Monday"
            ids.append(detail.summary.id)
            if day == "Monday":
                await pilot.press("escape")
                await wait_until(pilot, lambda: isinstance(app.screen, ServicesScreen))
        await shows("has run already")
        assert ids[0] == ids[1]
        assert len(on_server(desk)) == before + 3
