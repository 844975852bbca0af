"""Compare keys, opening and memory of the invocation screen for large and for small invocations.

Each invocation is opened in a separate process, with a reader in memory, so that the server's time
is left out. Measures CPU time of that process, from a key until the screen is idle: a move (g, G,
j, k, half pages), and a change of the rows (fold, unfold, errors only). The floor is an invocation
of 40 steps, which fills one screen; the ratio is near 1 if only visible rows are drawn.

Exits with 1 if a move has a median above 20 ms or a p95 above 50 ms, or if 1,000 entries take more
than 150 ms longer to open than the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "tui"))

from playhead.model import Invocation, InvocationDetail
from playhead.reader.invocation.detail import build_detail
from playhead.reader.invocation.timeline import timeline
from playhead.restate.rows import journal_row
from playhead_tui.app import PlayheadApp
from tui_fakes import NOW, FakeReader, connector
from tui_stage import Stage, wait_until
from tui_stories import long_journal, span

MOVES = ("G", "k", "g", "j", "ctrl+d", "ctrl+u")
CHANGES = ("h", "l", "e", "e")
ROUNDS = 12
MEDIAN_MS, P95_MS, OPEN_MS = 20, 50, 150


def journal(entries: int, *, live: bool = False) -> Callable[[Invocation], InvocationDetail]:
    """Return an invocation with this many steps; `live`: the last one has not ended."""

    def make(row: Invocation) -> InvocationDetail:
        detail = long_journal(row, entries)
        if not live:
            return replace(detail, ended_at=NOW, summary=replace(row, status="succeeded"))
        last = replace(detail.timeline[-1], ended_at=None, state="pending")
        return replace(detail, timeline=(*detail.timeline[:-1], last))

    return make


def trace(spans: int) -> Callable[[Invocation], InvocationDetail]:
    """Return an invocation with the spans of agent runs, 14 each, three levels deep."""

    def make(row: Invocation) -> InvocationDetail:
        found = [
            replace(
                span(row.created_at, n * 0.001, 0.01, f"span {n}", f"{n:016x}"),
                parent_span_id=f"{n - n % 14 if n % 14 < 8 else n - n % 14 + 1:016x}"
                if n % 14
                else None,
                status="error" if n % 500 == 0 else "unset",
            )
            for n in range(spans)
        ]
        rows = timeline((), (), found, {}, NOW)
        return InvocationDetail(row, (), (), tuple(found), rows, {}, ended_at=NOW)

    return make


def assembled(entries: int) -> Callable[[Invocation], InvocationDetail]:
    """Return an invocation assembled from the rows of its journal and its spans."""

    def make(row: Invocation) -> InvocationDetail:
        journal: list[dict[str, Any]] = []
        for n in range(entries):
            at = (row.created_at + timedelta(milliseconds=5 * n)).isoformat()
            kind = "Notification" if n % 2 else "Command"
            lite = {"completion_id": n // 2, "result": "Success"}
            journal.append(
                {
                    "index": n,
                    "entry_type": f"{kind}: Run",
                    "name": f"step {n}",
                    "raw_length": 0,
                    "version": 2,
                    "appended_at": at,
                    "entry_lite_json": json.dumps(
                        {kind: {"Run": lite} if kind == "Command" else lite}
                    ),
                }
            )
        spans = [
            replace(
                span(row.created_at, n * 0.01, 0.004, f"run step {n}", f"{n:016x}"),
                attributes={"playhead.journal.completion_id": n},
            )
            for n in range(entries // 2)
        ]
        head = replace(row, status="succeeded", completed_at=NOW)
        return build_detail(
            head,
            {},
            journal=[journal_row(one) for one in journal],
            events=(),
            payloads={},
            spans=spans,
            state={},
            missing=(),
            now=NOW,
        )

    return make


CASES: dict[str, Callable[[Invocation], InvocationDetail]] = {
    "40 steps (floor)": journal(40),
    "1,000 entries, assembled": assembled(1000),
    "20,000 steps": journal(20_000),
    "20,000 steps, running": journal(20_000, live=True),
    "50,000 spans": trace(50_000),
}


class OneInvocation(FakeReader):
    """A reader whose invocation is assembled at each read if `fresh`, else once."""

    def __init__(self, make: Callable[[Invocation], InvocationDetail], *, fresh: bool) -> None:
        super().__init__()
        self.make = make
        self.fresh = fresh

    async def invocation(
        self, invocation_id: str, *, outline: bool = False
    ) -> InvocationDetail | None:
        """Return the invocation."""
        if self.fresh or invocation_id not in self.details:
            self.details[invocation_id] = self.make(self.rows[0])
        return self.details[invocation_id]


async def measure(name: str) -> dict[str, float]:
    """Return milliseconds of CPU time, and the peak memory in MB."""
    fresh = "assembled" in name
    source = OneInvocation(CASES[name], fresh=fresh)
    row = source.rows[0]
    if not fresh:
        await source.invocation(row.id)
    app = PlayheadApp(connector(source, None), now=lambda: NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.connection is not None)
        stage: Any = Stage(app, pilot)
        for warm in (True, False):
            started = time.process_time()
            app.open_invocation(row.id)
            await stage.until(lambda: getattr(app.screen, "detail", None))
            await stage.until(lambda: len(stage.app.screen.waterfall.rows) > 1)
            opened = time.process_time() - started
            if warm:
                await stage.press("escape")
        found = {"open": opened * 1e3}
        for kind, keys in (("move", MOVES), ("change", CHANGES)):
            await stage.press("g")
            spent: list[float] = []
            for _ in range(ROUNDS):
                for key in keys:
                    started = time.process_time()
                    await stage.press(key)
                    spent.append((time.process_time() - started) * 1e3)
            found[f"{kind} median"] = statistics.median(spent)
            found[f"{kind} p95"] = statistics.quantiles(spent, n=20)[-1]
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def seconds_per_entry(entries: int) -> float:
    """Return the CPU seconds that each entry takes to assemble, the best of three rounds."""
    row = FakeReader().rows[0]
    spent: list[float] = []
    for _ in range(3):
        started = time.process_time()
        assembled(entries)(row)
        spent.append(time.process_time() - started)
    return min(spent) / entries


def main() -> int:
    """Measure each invocation in a process, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, help="measure one invocation, print JSON")
    case = parser.parse_args().case
    if case:
        print(json.dumps(asyncio.run(measure(case))))
        return 0
    results: dict[str, dict[str, float]] = {}
    for name in CASES:
        command = [sys.executable, "-m", "benchmarks.invocation_screen", "--case", name]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        results[name] = json.loads(answer.stdout.splitlines()[-1])
    floor = results["40 steps (floor)"]
    print(f"{'':26}" + "".join(f"{column:>22}" for column in floor))
    for name, found in results.items():
        cells = (
            f"{value:12.1f} {'MB' if column == 'memory' else 'ms'} {value / floor[column]:5.1f}×"
            for column, value in found.items()
        )
        print(f"{name:26}" + " ".join(cells))
    few, many = seconds_per_entry(1000), seconds_per_entry(20_000)
    print(
        f"assembling an entry: {few * 1e6:.0f} µs of 1,000, {many * 1e6:.0f} µs of 20,000, "
        f"ratio {many / few:.2f} (1 if the time is linear)"
    )
    slow = [
        name
        for name, found in results.items()
        if found["move median"] > MEDIAN_MS or found["move p95"] > P95_MS
    ]
    opening = results["1,000 entries, assembled"]["open"] - floor["open"]
    print(f"opening 1,000 entries: {opening:.0f} ms more than the floor (at most {OPEN_MS})")
    return int(bool(slow) or opening > OPEN_MS)


if __name__ == "__main__":
    sys.exit(main())
