"""Write the table in docs/truth.md: what happened, and what every view says about it.

python -m benchmarks.truth            # print the table (takes minutes)
python -m benchmarks.truth --write    # also write it to docs/truth.md
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playhead_samples.scenarios import registry, runner
from playhead_samples.scenarios.expectations.agreement import counted
from playhead_samples.scenarios.player import play
from playhead_samples.scenarios.scenario import Scenario, StackOptions
from playhead_samples.scenarios.testbed.claims import FIGURES, Claims, agrees
from playhead_samples.scenarios.testbed.independent_counts import count_all
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.scenarios.testbed.views import (
    Views,
    lost_figures,
    read_doctor,
    read_sums,
    read_views,
)

SETTLE_SECONDS = 20.0
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "truth.md"
MARK = "<!-- the table: python -m benchmarks.truth --write -->"
SITUATIONS = (
    "weather-api-down",
    "parallel-tools-one-fails",
    "tool-hits-abort-timeout",
    "llm-server-error",
    "llm-timeout",
    "llm-stream-truncated",
    "crash-in-llm-call",
    "crash-after-side-effect",
    "agents-restarted",
    "service-unreachable",
    "server-crash",
    "approval-across-restarts",
    "approval-times-out",
    "concurrent-messages",
    "delayed-send",
    "stuck-queue",
    "saga-rollback",
    "cancel-with-rollback",
    "child-agent-killed",
    "race-loser-cancelled",
    "error-that-looks-killed",
    "error-that-looks-cancelled",
    "restart-with-input",
    "restart-with-prefix",
    "changed-code-put-back",
    "recorder-killed",
    "idle-between-requests",
    "server-crash-before-export",
    "recorder-at-wrong-address",
    "agents-clock-ahead",
    "agents-clock-behind",
    "agents-without-bridge",
    "agents-without-bridge-in-trace",
)
"""Scenarios of the table, in its order."""
SUMS = ("stats", "totals", "groups", "agents", "failures")
"""Columns with sums of the service."""
COLUMNS = ("ls", "show", "SQL", "list screen", "invocation screen", *SUMS)
SAME = "same"
WORDS = {
    "attempts": "attempts",
    "suspensions": "suspended",
    "llm_requests": "LLM requests",
    "llm_calls": "LLM answers",
    "input_tokens": "tokens in",
    "output_tokens": "tokens out",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One invocation of a situation."""

    situation: str
    happened: str
    said: tuple[str, ...]
    """One cell for each of COLUMNS."""
    doctor: str


def main() -> int:
    """Run the situations and print the table; return 1 when a view says something false."""
    parser = argparse.ArgumentParser(
        description="Compare what happened in invocations with what every view says."
    )
    parser.add_argument("--write", action="store_true", help="write the table to docs/truth.md")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="scenarios to run")
    args = parser.parse_args()
    started = time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, found in run_all(args.only or SITUATIONS, Path(folder)):
            print(f"{time.monotonic() - started:5.0f} s  {name}", flush=True)
            rows += found
    order = {name: place for place, name in enumerate(SITUATIONS)}
    rows.sort(key=lambda row: order.get(row.situation.partition(",")[0].strip("`"), 0))
    table = render(rows)
    print(table)
    if args.write:
        head = PAGE.read_text().split(MARK)[0]
        PAGE.write_text(f"{head}{MARK}\n\n{table}\n")
    return int(any("✗" in cell for row in rows for cell in row.said))


def run_all(names: Sequence[str], folder: Path) -> Iterator[tuple[str, list[Row]]]:
    """Play the scenarios and yield the rows of each."""
    groups: dict[StackOptions, list[Scenario]] = {}
    for name in names:
        scenario = registry.find(name)
        groups.setdefault(scenario.stack, []).append(scenario)
    number = 0
    for options, members in groups.items():
        remaining = list(members)
        while remaining:
            number += 1
            with runner.create_stack(options, folder / str(number), lambda _: None) as stack:
                while remaining:
                    scenario = remaining.pop(0)
                    rows: list[Row] = []
                    outcome = play(
                        scenario,
                        stack,
                        lambda _: None,
                        lambda _: None,
                        observe=lambda run, rows=rows: rows.extend(read_rows(run)),
                    )
                    for check in outcome.checks:
                        if not check.ok:
                            print(f"{scenario.name}: {check}", flush=True)
                    yield scenario.name, rows
                    if not outcome.ok or any(row.doctor != "–" for row in rows):
                        break  # what the doctor found would be found again after the next scenario


def read_rows(run: ScenarioRun) -> Iterator[Row]:
    """Yield a row for each request of the scenario, oldest first."""
    counts = count_all(run)
    views = read_views(run, [c.invocation_id for c in counts if c.invocation_id != run.marker])
    names = {invocation: name for name, invocation in run.invocations.items()}
    run.wait(lambda: run.settled, seconds=SETTLE_SECONDS, what="wait until figures are certain")
    found = ", ".join(f"`{problem}`" for problem in read_doctor(run)) or "–"
    scenario = run.key.rpartition("-")[0]
    lines = _sums(run, views)
    for count in counts:
        name = names.get(count.invocation_id)
        if name is None:
            continue
        truth = counted(count)
        cells: list[str] = []
        for view in COLUMNS:
            if view in SUMS:
                cells.append(lines[view].get(count.service, "not shown ✗"))
                continue
            claims = views.by_view[view].get(count.invocation_id)
            cells.append(_cell(claims, truth, lost_figures(view, run)) if claims else "not shown ✗")
        title = f"`{scenario}`" + ("" if name == "run" else f", {name}")
        yield Row(title, _happened(truth), tuple(cells), found)


def _sums(run: ScenarioRun, views: Views) -> dict[str, dict[str, str]]:
    """Return the cells of sums by view and service, compared with the sums of the counts."""
    cells: dict[str, dict[str, str]] = {view: {} for view in SUMS}
    counts = count_all(run)
    for service in {count.service for count in counts}:
        members = [counted(c) for c in counts if c.service == service]
        total = Claims(**{n: str(sum(int(getattr(m, n)) for m in members)) for n in FIGURES})
        found = read_sums(run, service)
        found |= {"stats": views.stats[service]} if service in views.stats else {}
        for view, line in found.items():
            statuses = Counter(str(member.status) for member in members)
            if view == "failures":
                statuses = Counter({"failed": statuses["failed"]})
            cell = _cell(line.figures, total, lost_figures(view, run))
            shown = ", ".join(f"{number} {name}" for name, number in line.by_status.items())
            wrong = "" if +statuses == Counter(line.by_status) else f"✗ {shown}"
            parts = [part for part in (wrong, cell) if part and part != SAME]
            cells[view][service] = "; ".join(parts) or SAME
    return cells


def _happened(truth: Claims) -> str:
    attempts = int(truth.attempts or 0)
    suspended = f" ({truth.suspensions} suspended)" if int(truth.suspensions or 0) else ""
    parts = [
        str(truth.status),
        f"{attempts} attempt{'s' * (attempts != 1)}{suspended}",
        f"{truth.llm_requests} LLM requests, {truth.llm_calls} answered",
    ]
    if int(truth.llm_calls or 0):
        parts.append(f"{truth.input_tokens}/{truth.output_tokens} tokens")
    return "; ".join(parts)


def _cell(claims: Claims, truth: Claims, lost: frozenset[str]) -> str:
    """Return what differs from the counts: `✗` marks what is false, or unknown without a cause."""
    parts: list[str] = []
    if claims.status is not None and claims.status != truth.status:
        parts.append(f"✗ {claims.status}")
    for name in FIGURES:
        claim, count = getattr(claims, name), getattr(truth, name)
        if claim is None or agrees(claim, int(count), exact=True):
            continue
        true = agrees(claim, int(count), exact=name not in lost)
        parts.append(f"{'' if true else '✗ '}{claim} {WORDS[name]}")
    return "; ".join(parts) or SAME


def render(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, with the number of cells that agree."""
    cells = [cell for row in rows for cell in row.said]
    false = sum("✗" in cell for cell in cells)
    unsure = sum(cell != SAME and "✗" not in cell for cell in cells)
    heads = ("situation", "what happened", *COLUMNS, "doctor finds")
    lines = [
        f"{len(cells) - false - unsure} of {len(cells)} cells say the same as the counts, "
        f"{unsure} say a limit or unknown, and {false} are wrong.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
    ]
    lines += [
        f"| {' | '.join((row.situation, row.happened, *row.said, row.doctor))} |" for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
