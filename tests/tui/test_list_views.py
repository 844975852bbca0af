"""The list's columns and saved views, on the screen and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.cli import dashboard as dashboard_module
from playhead.columns import COLUMNS, parse_columns
from playhead.kept_values import KeptValues
from playhead.saved_views import SavedView, SavedViews
from playhead_tui.screens.invocation_groups import InvocationGroupsScreen
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.widgets.activity_line import ActivityLine
from playhead_tui.widgets.invocation_list import InvocationList
from recorded_store import RecordedStore
from tui_fakes import NOW, FakeReader

ID = "inv_1" + "0" * 32


def heads(s: Any) -> list[str]:
    """Return the first headings on screen."""
    return s.text.splitlines()[1].split()[:3]


async def test_columns_are_chosen_ordered_and_kept(stage, tmp_path: Path) -> None:
    kept = tmp_path / "dashboard.json"
    async with stage(FakeReader(), keep_in=kept, size=(120, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("c")
        await s.shows("Why it makes no progress")
        await s.press("J", "j", "space", "enter")  # status after target, without age
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        await s.until(
            lambda: s.text.splitlines()[1].split()[:3] == ["TARGET", "STATUS", "DURATION"]
        )
        assert "AGE" not in s.text
    async with stage(FakeReader(), keep_in=kept, size=(120, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        assert heads(s) == ["TARGET", "STATUS", "DURATION"]
        await s.press("c", "r", "enter")
        await s.until(lambda: "AGE" in s.text)
        assert s.app.screen.columns == ()


async def test_a_list_needs_a_column(stage) -> None:
    async with stage(FakeReader(), size=(80, 24)) as s:
        s.app.screen.show_columns(("status",))
        await s.press("c", "space", "enter")
        await s.shows("Show at least one column")
        await s.press("escape")
        assert s.app.screen.columns == ("status",)


@pytest.mark.parametrize("width", [18, 38, 78, 118, 198, 398])
def test_all_columns_fit_every_width(width: int) -> None:
    listing = InvocationList(now=lambda: NOW)
    for chosen in ((), tuple(COLUMNS), ("trace",), ("reason", "trace"), ("created", "age", "id")):
        listing.chosen = chosen
        layout = listing.layout_for(width)
        assert list(layout) == [name for name in chosen or layout if name in layout]
        gaps = len(layout) - 1 + ("reason" in list(layout)[1:])
        assert sum(layout.values()) + gaps <= width or len(layout) <= 2
        assert all(
            cells >= COLUMNS[name].width
            for name, cells in layout.items()
            if name not in ("target", "reason")
        )


async def test_the_sort_key_is_named_without_its_column(stage) -> None:
    async with stage(FakeReader(), size=(120, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.screen.show_columns(("status", "target"))
        await s.press("s")
        await s.shows("sorted by DURATION")
        s.app.screen.show_columns(())
        s.app.screen.show()
        await s.until(lambda: "sorted by" not in s.text)


async def test_views_are_saved_opened_renamed_and_deleted(stage, tmp_path: Path) -> None:
    kept = tmp_path / "dashboard.json"
    async with stage(FakeReader(), keep_in=kept, size=(120, 30)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.screen.show_columns(("status", "target"))
        await s.press("5", "s", "V", *"broken", "enter")
        await s.shows("Saved the view broken")
        view = SavedViews(s.app.kept).all()["broken"]
        assert view == SavedView("status:failed", "duration", columns=("status", "target"))
        await s.press("escape", "b")
        await s.until(lambda: isinstance(s.app.screen, InvocationGroupsScreen))
        await s.press("b", "V", *"states", "enter")
        await s.until(lambda: "states" in SavedViews(s.app.kept).all())
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        s.app.screen.show_columns(())
        await s.press("S")
    async with stage(FakeReader(), keep_in=kept, size=(120, 30)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("v")
        await s.shows("status:failed, by duration, 2 columns")
        await s.press("1")
        await s.until(lambda: s.app.screen.list_query.text == "status:failed")
        assert s.app.screen.columns == ("status", "target")
        assert not s.app.screen.list_query.reverse
        await s.press("v", "2")
        await s.until(lambda: isinstance(s.app.screen, InvocationGroupsScreen))
        assert s.app.screen.by == "status"
        await s.press("b", "v", "2")
        await s.until(lambda: len(s.app.screen_stack) == 2 and s.app.screen.by == "status")
        await s.press("v", "1")
        await s.until(lambda: len(s.app.screen_stack) == 1)
        assert s.app.screen.list_query.text == "status:failed"
        await s.press("v", "2")
        await s.until(lambda: isinstance(s.app.screen, InvocationGroupsScreen))
        await s.press("escape", "v", "n", "1", *"s!", "enter")
        await s.until(lambda: list(SavedViews(s.app.kept).all()) == ["brokens!", "states"])
        await s.press("v", "d", "1")
        await s.shows("Deleted the view brokens!")
        assert list(SavedViews(KeptValues(kept)).all()) == ["states"]
        kept.unlink()
        kept.mkdir()  # A folder in its place cannot be replaced by a file.
        await s.press("V", *"lost", "enter")
        await s.shows("Saved the view lost for this run only.")
        # The length of the folder's name decides where the lines on the screen end.
        notes = [one.message for one in s.app._notifications]
        assert any("cannot be written: Is a directory" in note for note in notes)


async def test_the_dashboard_begins_with_a_view(stage, tmp_path: Path) -> None:
    kept = tmp_path / "dashboard.json"
    view = SavedView("status:failed", "cost", True, "error", ("status", "cost"))
    async with stage(FakeReader(), keep_in=kept, view=view) as s:
        await s.until(lambda: isinstance(s.app.screen, InvocationGroupsScreen))
        assert (s.app.screen.by, s.app.screen.filter) == ("error", "status:failed")
        await s.press("escape", "escape")
        await s.until(lambda: isinstance(s.app.screen, InvocationsScreen))
        query = s.app.screen.list_query
        assert (query.text, query.sort, query.reverse) == ("status:failed", "cost", True)
        assert s.app.screen.columns == ("status", "cost")
    assert KeptValues(kept).get("list") is None  # a view of the command line is not kept


def test_entries_of_another_version_are_read_as_far_as_possible(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    path.write_text(json.dumps({"views": {
        "a": {"filter": "x", "sort": "luck", "columns": ["id", 3, "none"], "group_by": "moon"},
        "b": "text",
    }}))  # fmt: skip
    views = SavedViews(KeptValues(path))
    assert views.all() == {"a": SavedView("x", columns=("id",))}
    assert views.name_error(" a") is not None
    assert views.name_error("\x1b[31m") is not None
    assert views.name_error("") == "A view needs a name."
    assert views.name_error("fine") is None


def test_names_of_columns_are_checked() -> None:
    assert parse_columns("ID, llm-calls") == ("id", "llm_calls")
    for text in ("", "id,", "id,id", "nothing"):
        with pytest.raises(ValueError, match="column"):
            parse_columns(text)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on a store with two invocations, and two saved views."""
    recorded = RecordedStore(tmp_path / "store")
    recorded.invocation(ID + "1", "Chat/u1/ask", invoked_by_id=ID + "2")
    recorded.invocation(ID + "2", "Desk/run", created=5.0)
    recorded.chat(ID + "1", "gpt-4o", (10, 2), agent="planner")
    recorded.write()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    views = SavedViews(KeptValues(tmp_path / "playhead" / "dashboard.json"))
    views.save("chats", SavedView("service:Chat", columns=("key", "models")))
    views.save("by key", SavedView(group_by="key"))
    environment = {
        "PLAYHEAD_STORE": str(tmp_path / "store"), "RESTATE_ADMIN_URL": "http://127.0.0.1:1",
    }  # fmt: skip

    def invoke(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, words, env=environment)
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.output

    return invoke


def test_ls_writes_the_named_columns(run) -> None:
    header, *rows = run("ls", "--columns", "key,agents,models,parent,llm-calls").splitlines()
    assert header.split("\t") == ["KEY", "AGENTS", "MODELS", "PARENT", "LLM CALLS"]
    assert [row.split("\t") for row in rows] == [
        ["", "", "", "", "-"], ["u1", "planner", "gpt-4o", ID + "2", "1"],
    ]  # fmt: skip
    assert "'luck' is not a column" in run("ls", "--columns", "luck", code=2)
    [row] = json.loads(run("ls", "--json", "--filter", "service:Chat"))["invocations"]
    assert (row["models"], row["agents"]) == (["gpt-4o"], ["planner"])


def test_ls_uses_a_saved_view(run) -> None:
    assert run("ls", "--view", "chats").splitlines() == ["KEY\tMODELS", "u1\tgpt-4o"]
    assert run("ls", "--view", "chats", "--columns", "id").splitlines() == ["ID", ID + "1"]
    groups = json.loads(run("ls", "--view", "by key", "--json"))["groups"]
    assert {group["name"] for group in groups} == {"", "u1"}
    assert "Saved views: 'chats', 'by key'" in run("ls", "--view", "none", code=2)


def test_open_opens_a_saved_view(run, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, object]] = []
    monkeypatch.setattr(
        dashboard_module, "open_dashboard", lambda settings, **where: found.append(where)
    )
    run("open", "--view", "by key")
    assert found[0]["view"] == SavedView(group_by="key")
    assert json.loads(run("open", "--view", "chats", "--json"))["newest"] == ID + "1"
    assert "leave out --filter" in run("open", "--view", "chats", "--filter", "x", code=2)


async def test_tall_terminals_show_the_activity_of_what_matches(stage) -> None:
    async with stage(FakeReader(), size=(120, 40)) as s:
        await s.until(lambda: "started a minute" in s.text)
        assert " 10  failed " in s.text.splitlines()[1]
        await s.press("5")
        await s.until(lambda: " 0  failed " in s.text.splitlines()[1])
        await s.pilot.resize_terminal(120, 29)
        await s.until(lambda: "started a minute" not in s.text)
    async with stage(FakeReader(), size=(60, 40), ascii_only=True) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.until(lambda: s.app.screen.query_one(ActivityLine).activity)
        assert "started a minute" not in s.text  # no room for ten minutes
        await s.pilot.resize_terminal(80, 40)
        await s.shows("in 15 min")
        assert s.text.splitlines()[1].isascii()


def test_stats_have_the_activity(run) -> None:
    activity = json.loads(run("stats", "--json", "--minutes", "3"))["activity"]
    assert (len(activity["started"]), len(activity["failed"])) == (3, 3)
    assert json.loads(run("stats", "--json", "--filter", "wait:approval"))["activity"] is None
