"""Expectations on Playhead's display: the rows of `playhead ls` and of the dashboard's list.

They apply to every scenario.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from playhead import Client
from playhead.model import Invocation, Tokens

from playhead_samples.scenarios.scenario import CheckResult
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun

MAX_ROWS = 1000
FAILED = ("killed", "cancelled")
"""Statuses of Playhead for invocations that the server calls failed."""


@dataclass(frozen=True, slots=True)
class ShownStatuses:
    """Every invocation is shown with the status that the server reports."""

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare the reader with the server's SQL API."""
        rows = {row.id: row for row in _shown(run)}
        expected: list[str] = []
        observed: list[str] = []
        for name, invocation in run.invocations.items():
            expected.append(f"{name} {run.status(name)}")
            row = rows.get(invocation)
            status = "not shown" if row is None else str(row.status)
            observed.append(f"{name} {'failed' if status in FAILED else status}")
        return CheckResult.compare("shown status", ", ".join(expected), ", ".join(observed))


@dataclass(frozen=True, slots=True)
class ShownAnswers:
    """Every answer of the LLM and its tokens are shown exactly once."""

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare the reader with the LLM server's log, over all invocations of the run."""
        answers = [e for e in run.llm_requests() if e["delivered"] and e["input_tokens"]]
        sent = Tokens(
            sum(e["input_tokens"] for e in answers), sum(e["output_tokens"] for e in answers)
        )
        rows = _shown(run)
        shown = sum((row.tokens for row in rows if row.tokens), Tokens())
        return CheckResult.compare(
            "shown LLM answers and tokens",
            _summary(len(answers), sent),
            _summary(sum(row.llm_calls or 0 for row in rows), shown),
        )


def _summary(answers: int, tokens: Tokens) -> str:
    return f"{answers}, {tokens.input} in, {tokens.output} out"


def _shown(run: ScenarioRun) -> list[Invocation]:
    """Return the invocations of this run as Playhead lists them.

    The server's clock can be some milliseconds behind, so that the last request, which is sent when
    the run ends, seems to have been sent before.
    """
    with Client(settings=run.stack.settings) as client:
        since = datetime.fromtimestamp(run.started_at, UTC)
        page = client.invocations(limit=MAX_ROWS, since=since)
    return [
        row
        for row in page.rows
        if row.id != run.marker
        and (run.ended_at is None or row.created_at.timestamp() < run.ended_at)
    ]
