"""Lanes of attempts, and called invocations in place."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.cli.output import plain
from playhead.cli.waterfall import waterfall
from playhead.formatting import times
from playhead.model import (
    Invocation,
    InvocationDetail,
    Phase,
    Status,
    Step,
    TimelineRow,
    Times,
    Tokens,
)
from playhead.reader import invocation_reader
from playhead.reader.invocation.descendants import read_tree
from playhead.reader.invocation.detail import build_detail
from playhead.reader.invocation.lanes import with_phases
from playhead.reader.invocation.nested import CalledInvocation, with_called
from playhead.reader.invocation.time_axis import Axis, extent, idle
from playhead.reader.invocation.times import Spell, phases_of, times_of
from playhead.reader.reader import Reader
from recorded_store import RecordedStore
from rich.cells import cell_len

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def invocation(id_: str, status: Status = "succeeded", **more: Any) -> Invocation:
    ended = at(100) if status == "succeeded" else None
    row = Invocation(
        id=id_, target=f"S/{id_}", service="S", handler=id_, key=None, status=status,
        created_at=START, modified_at=START, completed_at=ended,
    )  # fmt: skip
    return replace(row, **more)


def called(id_: str, *children: str, **more: Any) -> InvocationDetail:
    steps = [
        Step(n, n, "call", "Command: Call", f"call {child}", "done", at(n), at(n + 1),
             child_id=child)
        for n, child in enumerate(children, 1)
    ]  # fmt: skip
    steps.insert(0, Step(0, 0, "input", "Command: Input", "Input", "done", START, START))
    rows = tuple(
        TimelineRow(f"step:{s.index}", 0, "step", s.name, s.started_at, s.ended_at, "done", None, s)
        for s in steps
    )
    return InvocationDetail(invocation(id_, **more), tuple(steps), (), (), rows, {})


SPELLS = [
    Spell(at(10), at(12), "failed"), Spell(at(15), at(20), "suspended"),
    Spell(at(80), at(99.5), "other"),
]  # fmt: skip


def test_phases_add_up_to_the_times() -> None:
    row = invocation("a", attempts=3, scheduled_for=at(4))
    raw = {"running_at": "2026-01-01T00:00:10Z"}
    phases = phases_of(row, raw, SPELLS, at(500))
    assert [(p.kind, (p.started_at - START).total_seconds()) for p in phases] == [
        ("scheduled", 0), ("queued", 4), ("running", 10), ("backoff", 12), ("running", 15),
        ("suspended", 20), ("running", 80),
    ]  # fmt: skip
    assert [p.ended_at for p in phases] == [*(p.started_at for p in phases[1:]), at(100)]
    assert times_of(row, raw, SPELLS, at(500), attempts=row.attempts) == Times(4, 6, 27, 60, 3)


def test_a_current_phase_has_no_end_and_unknown_ones_are_left_out() -> None:
    row = invocation("a", "suspended", attempts=2)
    raw = {"running_at": "2026-01-01T00:00:10Z"}
    assert phases_of(row, raw, SPELLS[:2], at(50))[-1] == Phase("suspended", at(20), None)
    assert times_of(row, raw, SPELLS[:2], at(50), attempts=row.attempts).suspended == 30
    unknown = replace(row, attempts=5)
    assert [p.kind for p in phases_of(unknown, raw, SPELLS[:2], at(50))] == ["queued"]
    assert times_of(unknown, raw, SPELLS[:2], at(50), attempts=5) == Times(0, 10)


def lanes() -> InvocationDetail:
    rows = tuple(
        TimelineRow(f"{kind}:{n}", depth, kind, f"{kind} {n}", s.started, s.ended, "done", n)
        for n, s in enumerate(SPELLS, 1)
        for depth, kind in enumerate(("attempt", "span"))
    )
    row = invocation("a", attempts=3)
    detail = InvocationDetail(row, (), (), (), rows, {})
    raw = {"running_at": "2026-01-01T00:00:10Z"}
    return with_phases(detail, phases_of(row, raw, SPELLS, at(500)))


def test_each_phase_is_in_the_lane_of_its_attempt() -> None:
    assert [[p.kind for p in row.phases] for row in lanes().timeline[::2]] == [
        ["queued", "backoff"], ["suspended"], [],
    ]  # fmt: skip
    assert [row.note for row in lanes().timeline[::2]] == [
        "queued 10.0s, backoff 3.0s", "suspended 1m 00s", None,
    ]  # fmt: skip
    without = with_phases(called("a"), [Phase("queued", START, at(1))])
    assert [len(row.phases) for row in without.timeline] == [1]


@pytest.mark.parametrize(("ascii_only", "marks"), [(False, "░┄·━"), (True, ":._=")])
def test_show_draws_the_phases_apart(ascii_only: bool, marks: str) -> None:
    lines = waterfall(lanes().timeline, START, ascii_only=ascii_only)
    bars = [line.plain for line in lines[-6::2]]
    queued, backoff, suspended, ran = marks
    assert queued in bars[0].split("attempt 1")[1]
    assert backoff in bars[0]
    assert suspended in bars[1].split("attempt 2")[1]
    assert ran * 3 in bars[2]
    if ascii_only:
        assert all(line.plain.isascii() for line in lines)


def rows_between(*pauses: float) -> list[TimelineRow]:
    """Return steps of 0.1 s with sleeps between them."""
    found: list[TimelineRow] = []
    now = 0.0
    for number, pause in enumerate((*pauses, 0.0)):
        found.append(
            TimelineRow(f"w{number}", 0, "step", "work", at(now), at(now + 0.1), "done", 1)
        )
        now += 0.1 + pause
    return found


@pytest.mark.parametrize(
    ("pauses", "cuts"),
    [([3600.0], 1), ([60.0] * 10, 10), ([3600.0, 5.0, 5.0], 3), ([1.5] * 12, 11)],
)
def test_no_sleep_squeezes_the_work(pauses: list[float], cuts: int) -> None:
    rows = rows_between(*pauses)
    first, last = extent(rows)
    assert first
    assert last
    axis = Axis(first, last, 60, idle(rows, first, last))
    assert len(axis.cuts) == cuts
    for row in rows:
        assert row.started_at
        assert row.ended_at
        assert axis.x(row.ended_at) - axis.x(row.started_at) > 0.8


def test_show_marks_what_it_cut() -> None:
    lines = [line.plain for line in waterfall(rows_between(3600.0), START)]
    assert "⋯1h" in lines[0]
    assert len(lines) == 3
    assert "━━━" in lines[1]
    assert "━━━" in lines[2]


def test_a_cut_without_room_for_its_length_is_only_marked() -> None:
    [marks, *_] = waterfall(rows_between(*[600.0] * 8), START)
    assert set(marks.plain) == {" ", "⋯"}
    assert marks.plain.count("⋯") == 8


def test_a_called_invocation_is_in_place_and_never_below_itself() -> None:
    root, b, c = called("a", "b", "x"), called("b", "c"), called("c", "a")
    known = {"b": CalledInvocation(b), "c": CalledInvocation(c),
             "x": CalledInvocation(None, "refused")}  # fmt: skip
    expanded = {"step:1", "step:1>step:1", "step:1>step:1>step:1", "step:2"}
    rows = with_called(root.timeline, "a", known, expanded)
    assert [(r.key, r.depth, r.invocation_id) for r in rows] == [
        ("step:0", 0, None), ("step:1", 0, None),
        ("step:1>step:0", 1, "b"), ("step:1>step:1", 1, "b"),
        ("step:1>step:1>step:0", 2, "c"), ("step:1>step:1>step:1", 2, "c"),
        ("step:1>step:1>step:1>notice", 3, "a"),
        ("step:2", 0, None), ("step:2>notice", 1, "x"),
    ]  # fmt: skip
    assert rows[6].label == "a is shown above: it waits for itself"
    assert (rows[8].label, rows[8].state) == ("Cannot be read: refused", "failed")
    [*_, reading] = with_called(root.timeline, "a", {}, {"step:2"})
    assert (reading.label, reading.state) == ("Reading x ...", "pending")


async def test_a_tree_has_each_invocation_once_at_any_depth() -> None:
    details = {
        str(n): called(str(n), str(n + 1), "shared", llm_calls=1, tokens=Tokens(10, 1))
        for n in range(1, 60)
    }
    details["shared"] = called("shared", "1", llm_calls=1, tokens=Tokens(1, 1))

    async def read(id_: str) -> InvocationDetail | None:
        return details.get(id_)

    tree = await read_tree(details["1"], read)
    assert [one.id for one in tree.called].count("shared") == 1
    assert (len(tree.called), tree.llm_calls, tree.tokens) == (60, 60, Tokens(591, 60))
    assert tree.called[-1].error == "neither the server nor the store has 60"
    assert len({row.key for row in tree.timeline}) == len(tree.timeline)
    assert max(row.depth for row in tree.timeline) == 59


async def test_lanes_and_children_of_real_agents(reader: Reader, ran: Any) -> None:
    id_ = ran.ids["an agent that consults two other agents"]
    detail = await reader.invocation(id_)
    assert detail is not None
    parts = detail.summary.times
    assert parts is not None
    assert parts.suspended is not None
    sums = {
        kind: sum((p.ended_at - p.started_at).total_seconds()
                  for p in detail.phases if p.kind == kind and p.ended_at)
        for kind in ("queued", "running", "suspended", "backoff")
    }  # fmt: skip
    assert sums == {
        kind: pytest.approx(getattr(parts, kind), abs=1e-6) for kind in sums
    }  # fmt: skip
    in_lanes = [p for row in detail.timeline for p in row.phases]
    assert {p for p in detail.phases if p.kind != "running"} == set(in_lanes)
    settings = ran.stack.settings
    where = ["--admin-url", settings.admin_url, "--store", str(settings.store)]

    async def show(*options: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, [*where, "show", id_, *options])

    text = await show("--children")
    assert text.exit_code == 0, text.stderr
    assert times(detail.summary).split(",")[-1] in text.stdout
    found = json.loads((await show("--children", "--json")).stdout)
    assert found["phases"] == plain(detail.phases)
    assert (found["called"], found["llm_calls"]) == ([], detail.summary.llm_calls)


@pytest.mark.parametrize("limit", [0, 1000])
async def test_a_large_invocation_is_assembled_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    threads: list[bool] = []

    def build(*args: Any, **more: Any) -> InvocationDetail:
        threads.append(threading.current_thread() is threading.main_thread())
        return build_detail(*args, **more)

    monkeypatch.setattr(invocation_reader, "LARGE", limit)
    monkeypatch.setattr(invocation_reader, "build_detail", build)
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    store.chat("inv_a", "m", (1, 1), start=1)
    detail = await store.write().invocation("inv_a")
    assert detail is not None
    assert len(detail.spans) == 1
    assert threads == [limit > 0]


def test_bars_are_below_each_other_whatever_the_labels_are() -> None:
    def places(labels: Sequence[str], width: int | None) -> list[int]:
        """Return the cells at which the bars begin, from the first one."""
        rows = [
            replace(row, depth=depth, label=label)
            for row, depth, label in zip(
                rows_between(1.0, 1.0, 1.0), (0, 3, 0, 1), labels, strict=True
            )
        ]
        lines = [line.plain for line in waterfall(rows, START, width=width)][-4:]
        cells = [cell_len(re.split("[━╸]", line)[0]) for line in lines]
        return [cell - cells[0] for cell in cells]

    labels = ("work", "a label of more than 44 cells, which a pipe gets whole", "東京" * 3, "w")
    for width in (None, 120):
        assert places(labels, width) == places("wwww", width)
    assert len(set(places(labels, None))) == 4


@pytest.mark.parametrize("width", [40, 50, 60, 72])
def test_a_narrow_timeline_has_every_bar_and_duration(width: int) -> None:
    rows = [
        replace(row, depth=depth, label="a label that is too long")
        for row, depth in zip(rows_between(*[1.0] * 7), range(8), strict=True)
    ]
    lines = [line.plain for line in waterfall(rows, START, width=width)][-len(rows) :]
    assert all(cell_len(line) <= width for line in lines)
    assert [line.split()[-1] for line in lines] == ["100ms"] * len(rows)
    assert all("━" in line or "╸" in line for line in lines)
