"""What really happened in an invocation, counted without Playhead.

Four sources are counted, and none of them is a span or Playhead's store:

- restate-server's debug log: every attempt, also one that reached no process;
- the log of the agents' process: how its attempts ended, and which side effects its tools had;
- the log of the LLM server: requests, answers, tokens;
- the server's SQL API over plain HTTP: status, times, relations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playhead_samples import attempt_log, effects
from playhead_samples.attempt_log import HandlerAttempt
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.scenarios.testbed.server_log import ServerLog

__all__ = ["IndependentCounts", "begun_attempts", "count_all"]

KILLED = "[409] killed"
CANCEL_SIGNAL = re.compile(r'"SignalIndex":\s*1\b')
CANCELLED = "[409] cancelled"


@dataclass(frozen=True, slots=True)
class IndependentCounts:
    """What really happened in one invocation."""

    invocation_id: str
    target: str
    """Service, key (if there is one) and handler, as `Service/key/handler`."""
    service: str
    status: str
    """The server's status; `succeeded`, `failed`, `killed` or `cancelled` after the end."""
    created_at: datetime
    completed_at: datetime | None
    restarted_from: str | None
    """Id of the original, if the invocation is a restart."""
    attempts: int
    """Attempts that the server began."""
    handler_attempts: tuple[HandlerAttempt, ...]
    """Attempts that reached the agents' process."""
    llm_requests: int
    answers: int
    """LLM requests whose whole answer was delivered."""
    input_tokens: int
    """Tokens of these answers."""
    output_tokens: int
    side_effects: Mapping[str, int]
    """Side effects of the tools, by name."""

    @property
    def ended(self) -> bool:
        """Whether the invocation has completed."""
        return self.completed_at is not None

    @property
    def suspensions(self) -> int:
        """Attempts that ended because the handler had to wait."""
        return sum(attempt.ending == "suspended" for attempt in self.handler_attempts)


def count_all(run: ScenarioRun) -> list[IndependentCounts]:
    """Count what happened in every invocation created since the run began, oldest first."""
    rows = run.query(
        "SELECT id, target, target_service_name, status, completion_result, completion_failure, "
        "created_at, completed_at, restarted_from FROM sys_invocation ORDER BY created_at"
    )
    begun = begun_attempts(run)
    handlers = attempt_log.read(run.stack.attempts_file)
    requests = run.llm_control("GET", "log")
    done = effects.read(run.stack.effects_file)
    return [
        _count(row, run, begun, handlers, requests, done)
        for row in rows
        if datetime.fromisoformat(row["created_at"]).timestamp() >= run.started_at - 0.001
    ]


def begun_attempts(run: ScenarioRun) -> Counter[str]:
    """Return the attempts that the server began, by invocation id."""
    server = run.stack.restate
    return ServerLog(server.process.log).attempts if server else Counter()


def _count(
    row: Mapping[str, Any],
    run: ScenarioRun,
    begun: Counter[str],
    handlers: list[HandlerAttempt],
    requests: list[dict[str, Any]],
    done: list[effects.Effect],
) -> IndependentCounts:
    invocation = str(row["id"])
    own = [entry for entry in requests if entry["invocation"] == invocation]
    answers = [entry for entry in own if entry["delivered"] and entry["input_tokens"]]
    completed = row.get("completed_at")
    return IndependentCounts(
        invocation_id=invocation,
        target=str(row["target"]),
        service=str(row["target_service_name"]),
        status=_status(row, run),
        created_at=datetime.fromisoformat(row["created_at"]),
        completed_at=datetime.fromisoformat(completed) if completed else None,
        restarted_from=row.get("restarted_from"),
        attempts=begun[invocation],
        handler_attempts=tuple(a for a in handlers if a.invocation_id == invocation),
        llm_requests=len(own),
        answers=len(answers),
        input_tokens=sum(entry["input_tokens"] for entry in answers),
        output_tokens=sum(entry["output_tokens"] for entry in answers),
        side_effects=Counter(e.name for e in done if e.invocation == invocation),
    )


def _status(row: Mapping[str, Any], run: ScenarioRun) -> str:
    """Return the status; the journal tells a killed invocation from one that failed like one.

    The server ends a killed invocation itself, so its journal has no output. The output of a
    cancelled one is preceded by the signal that cancelled it.
    """
    if row["status"] != "completed":
        return str(row["status"])
    if row.get("completion_result") == "success":
        return "succeeded"
    failure = row.get("completion_failure")
    if failure not in (KILLED, CANCELLED):
        return "failed"
    entries = run.query(
        "SELECT entry_type, entry_lite_json FROM sys_journal "
        f"WHERE id = '{row['id']}' AND entry_type IN ('Command: Output', 'Notification: Signal')"
    )
    output = any(entry["entry_type"] == "Command: Output" for entry in entries)
    signaled = any(
        entry["entry_type"] == "Notification: Signal"
        and CANCEL_SIGNAL.search(str(entry["entry_lite_json"]))
        for entry in entries
    )
    if failure == KILLED:
        return "failed" if output else "killed"
    return "cancelled" if signaled or not output else "failed"
