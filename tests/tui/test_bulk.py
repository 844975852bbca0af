"""Marks, and actions on many invocations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playhead.errors import UnansweredChangeError, UnreachableError
from playhead_tui.dialogs.bulk_progress import BulkProgress
from playhead_tui.dialogs.dialog import Menu, Prompt
from playhead_tui.widgets.chips import Chips
from tui_fakes import FakeControl, FakeReader, summary


def chips(app: Any) -> str:
    return " ".join(app.screen.query_one(Chips).texts)


async def dialog(s: Any, kind: type[Any]) -> Any:
    await s.until(lambda: type(s.app.screen) is kind)
    return s.app.screen


async def test_marked_invocations_are_changed_and_each_outcome_is_shown(stage: Any) -> None:
    actions = FakeControl()
    async with stage(FakeReader(), actions) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        listing.go_to("inv_1cIntake")
        await s.press("space")
        listing.go_to("inv_1eLegal")
        await s.press("space")
        listing.go_to("inv_1dBilling")
        await s.press("space")
        assert "3 marked" in chips(s.app)
        assert sum(" ▪" in line or "▌▪" in line for line in s.text.splitlines()) >= 3
        await s.press("x")
        menu = await dialog(s, Menu)
        assert {choice.label: choice.description for choice in menu.choices} == {
            "Cancel": "2 of 3", "Kill": "2 of 3", "Pause": "2 of 3",
            "Restart as new": "1 of 3", "Purge": "1 of 3",
        }  # fmt: skip
        await s.press("c")
        await s.shows("Cancel 2 invocations?")
        await s.shows("1 invocation left alone: has ended.")
        assert actions.done == []
        await s.press("y")
        await dialog(s, BulkProgress)
        await s.shows("2 of 2: 2 done")
        assert sorted(actions.done) == [("cancel", "inv_1cIntake"), ("cancel", "inv_1dBilling")]
        await s.press("escape")
        await s.until(lambda: "1 marked" in chips(s.app))
        assert list(listing.marked) == ["inv_1eLegal"]  # left alone, so it is still to be decided
        await s.press("escape")
        assert "marked" not in chips(s.app)


async def test_all_that_match_are_changed_not_only_the_loaded_ones(stage: Any) -> None:
    actions = FakeControl()
    rows = [summary(f"inv_{n:04}", "S/run", "succeeded", n, took=1) for n in range(300)]
    rows.append(summary("inv_other", "Other/run", "succeeded", 1, took=1))
    async with stage(FakeReader(rows), actions) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("slash", *"service:s", "enter")
        await s.press("X")
        await dialog(s, Menu)
        await s.shows("All that match service:s: 300 invocations")
        await s.press("P")
        await dialog(s, Prompt)
        await s.shows("This cannot be undone.")
        await s.press(*"no", "enter")
        await s.shows("Type the word purge")
        assert actions.done == []
        await s.press("backspace", "backspace", *"purge", "enter")
        await s.shows("300 of 300: 300 done")
        assert {ident for _, ident in actions.done} == {f"inv_{n:04}" for n in range(300)}


class Failing(FakeControl):
    """A control that refuses one invocation, and holds the others until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def kill(self, ident: str) -> None:
        if ident == "inv_0000":
            raise ConnectionError("[bold]refused[/]")
        await self.released.wait()
        self.done.append(("kill", ident))


async def test_a_failure_does_not_stop_the_others_and_s_sends_no_more(stage: Any) -> None:
    actions = Failing()
    rows = [summary(f"inv_{n:04}", "S/run", "running", n) for n in range(15)]
    async with stage(FakeReader(rows), actions) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        await s.press("space", "G", "ctrl+@", "x")
        await dialog(s, Menu)
        await s.press("k")
        await s.shows("Kill 15 invocations?")
        await s.press("y")
        await s.shows("1 failed")
        await s.shows("[bold]refused[/]")
        await s.press("s")
        await s.shows("Stopping")
        await s.press("escape", "q")
        await s.shows("Press q again to quit")
        assert s.app.is_running
        actions.released.set()
        await s.shows("Kill: 8 done, 1 failed, 6 not sent.")
        assert len(actions.done) == 8
        await s.until(lambda: "7 marked" in chips(s.app))
        assert set(listing.marked) == {row.id for row in rows} - {id_ for _, id_ in actions.done}


@pytest.mark.parametrize("key", ["x", "X"])
async def test_read_only_has_no_actions(stage: Any, key: str) -> None:
    actions = FakeControl()
    async with stage(FakeReader(), actions, read_only=True, size=(120, 40)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("space", "space", key)
        await s.shows("Read-only: start Playhead without --read-only")
        assert len(s.app.screen_stack) == 1
        assert actions.done == []
        await s.shows("/ Filter")
        assert "Actions" not in s.text  # in the footer
        offered = [command.title for command in s.app.get_system_commands(s.app.screen)]
        assert "Filter" in offered
        assert not {"Actions", "Actions on all that match", "Answer"} & set(offered)
        await s.press("question_mark")
        await s.shows("Filter")
        keys = s.app.screen.keys
        described = {text for place, _, text in keys if place != "What-if comparison"}
        assert "Filter" in described
        assert not {"Actions", "Actions on all that match", "Answer", "Delete"} & described


class Unanswering(FakeControl):
    """A control of a server that ends after some changes."""

    async def kill(self, ident: str) -> None:
        if ident < "inv_0004":
            self.done.append(("kill", ident))
        elif ident < "inv_0012":
            raise UnansweredChangeError("Restate did not answer: reset", "It may have been made.")
        else:
            raise UnreachableError(f"No Restate server answers for {ident}")


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_equal_outcomes_are_told_once_with_every_id(
    stage: Any, size: tuple[int, int]
) -> None:
    rows = [summary(f"inv_{n:04}", "S/run", "running", n) for n in range(30)]
    async with stage(FakeReader(rows), Unanswering(), size=size) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        await s.press("space", "G", "ctrl+@", "x")
        await dialog(s, Menu)
        await s.press("k")
        await dialog(s, Prompt)
        await s.press(*"kill", "enter")
        progress = await dialog(s, BulkProgress)
        await s.shows("30 of 30: 4 done, 18 failed, 8")
        await s.shows("Enter closes.")
        await s.shows("18 failed: No Restate server")
        text = str(progress.query_one("#outcomes Static").content)
        assert text.count("No Restate server answers for it") == 1
        assert "8 unknown: Restate did not answer: reset. It may have been made." in text
        assert all(f"inv_{n:04}" in text for n in range(30))
        await s.press(*"jjjjjjjjjjjjjjjjjjjj")
        await s.until(lambda: "18 failed:" not in s.text)
        await s.press("enter")
        await s.until(lambda: len(s.app.screen_stack) == 1)
        # What may have been changed stays marked, like what was not.
        assert set(listing.marked) == {row.id for row in rows[4:]}
