"""Deep links into the dashboard, and the places that it keeps between runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.cli import dashboard as dashboard_module
from playhead.client import Client
from playhead_tui.drawing.palette import DARK, LIGHT
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from recorded_store import RecordedStore
from tui_fakes import FakeReader, some_rows
from tui_stories import details

ID = "inv_1" + "0" * 32


@pytest.fixture
def source() -> FakeReader:
    rows = some_rows()
    reader = FakeReader(rows)
    reader.details = details(rows)
    return reader


async def test_a_link_opens_the_invocation_at_its_step(source: FakeReader, stage) -> None:
    async with stage(source, invocation="inv_1aWeather", index=3) as s:
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        await s.until(lambda: s.app.screen.detail)
        await s.until(lambda: s.app.screen.waterfall.cursor == "step:2")  # whose result is #3
    async with stage(source, invocation="inv_1aWeather", index=999) as s:
        await s.shows("The timeline has no step #999.")


async def test_filter_order_and_rows_are_kept(source: FakeReader, stage, tmp_path: Path) -> None:
    kept = tmp_path / "dashboard.json"
    async with stage(source, keep_in=kept) as s:
        await s.until(lambda: len(s.app.screen.listing.rows) > 3)
        await s.press("slash", *"service:WeatherAgent", "enter", "s")
        await s.until(lambda: len(s.app.screen.listing.rows) == 3)
        await s.press("enter")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("G")
        last = s.app.screen.waterfall.cursor
    async with stage(source, keep_in=kept) as s:
        assert isinstance(s.app.screen, InvocationsScreen)
        assert s.app.screen.list_query.text == "service:WeatherAgent"
        assert s.app.screen.list_query.sort != "age"
        await s.until(lambda: len(s.app.screen.listing.rows) == 3)
        await s.press("enter")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.until(lambda: s.app.screen.waterfall.cursor == last)
        assert last is not None
    async with stage(source, keep_in=kept, filter_="status:failed") as s:
        assert s.app.screen.list_query.text == "status:failed"
    async with stage(source, keep_in=kept) as s:
        assert s.app.screen.list_query.text == "service:WeatherAgent"


async def test_a_click_on_a_heading_sorts(source: FakeReader, stage) -> None:
    async with stage(source) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)

        async def click(heading: str) -> None:
            [(y, line)] = [
                (y, line) for y, line in enumerate(s.text.splitlines()) if "STATUS" in line
            ]
            await s.pilot.click(offset=(line.index(heading) + 1, y))
            await s.pilot.pause()

        def order() -> tuple[str, bool]:
            return s.app.screen.list_query.sort, s.app.screen.list_query.reverse

        for heading, wanted in (
            ("DURATION", ("duration", False)),
            ("DURATION", ("duration", True)),
            ("TOKENS", ("tokens", False)),
            ("TARGET", ("target", False)),
        ):
            await click(heading)
            await s.until(lambda wanted=wanted: order() == wanted)
        await click("REASON")
        await s.shows("No order by reason.")
        assert order() == ("target", False)


async def test_a_chosen_theme_is_kept(source: FakeReader, stage, tmp_path: Path) -> None:
    kept = tmp_path / "dashboard.json"
    for chosen in (LIGHT.name, DARK.name):
        async with stage(source, keep_in=kept) as s:
            s.app.theme = chosen
            await s.until(lambda: s.app.screen.listing.rows)
        async with stage(source, keep_in=kept) as s:
            await s.until(lambda: s.app.screen.listing.rows)
            assert s.app.theme == chosen


async def test_the_palette_fits_a_tiny_terminal_and_ascii(source: FakeReader, stage) -> None:
    async with stage(source, size=(20, 5), ascii_only=True) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("ctrl+p", *"theme")
        await s.shows("Choose a")
        assert s.text.isascii()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the dashboard was opened with."""
    found: list[dict[str, object]] = []
    monkeypatch.setattr(
        dashboard_module, "open_dashboard", lambda settings, **where: found.append(where)
    )
    return found


def test_the_command_opens_places(tmp_path: Path, opened: list[dict[str, object]]) -> None:
    recorded = RecordedStore(tmp_path)
    recorded.invocation(ID + "1")
    recorded.write()
    environment = {"PLAYHEAD_STORE": str(tmp_path), "RESTATE_ADMIN_URL": "http://127.0.0.1:1"}

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["--read-only", "open", *words], env=environment)
        return done.exit_code, done.output

    assert run("inv_1000#12")[0] == 0
    assert run("--filter", "status:failed")[0] == 0
    assert run()[0] == 0
    nothing = {"read_only": True, "ascii_only": False, "invocation": None, "index": None,
               "filter_": "", "view": None}  # fmt: skip
    assert opened == [
        {**nothing, "invocation": ID + "1", "index": 12},
        {**nothing, "filter_": "status:failed"},
        nothing,
    ]
    for words, said in (
        (["inv_2"], "No invocation has an id that begins with 'inv_2'"),
        (["nowhere"], "'nowhere' is not a place"),
        (["inv_1#x"], "is not a place"),
        (["--filter", "status:"], "status"),
        (["inv_1", "--filter", "key:1"], "leave out the invocation"),
        (["inv_1000#12", "--json"], "has no step #12"),
    ):
        code, output = run(*words)
        assert code == 2, output
        assert said in output
    assert len(opened) == 3


def test_a_place_is_found_without_reading_the_whole_invocation(
    tmp_path: Path, opened: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = RecordedStore(tmp_path)
    recorded.invocation(ID + "1")
    recorded.write()
    monkeypatch.setattr(Client, "invocation", None)
    environment = {"PLAYHEAD_STORE": str(tmp_path), "RESTATE_ADMIN_URL": "http://127.0.0.1:1"}
    done = CliRunner().invoke(cli, ["open", "inv_1000#12"], env=environment)
    assert done.exit_code == 0, done.output
    assert opened[0]["invocation"] == ID + "1"
