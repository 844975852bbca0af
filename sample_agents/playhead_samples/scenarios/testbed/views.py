"""What `ls`, `show`, `stats`, the SQL views and the screens say about invocations.

Every figure is kept as the text of a claim: `4` is certain, `≥ 3` is a lower limit, and `?` is
unknown. A figure that a view does not show is None.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner
from playhead.cli import cli

from playhead_samples.scenarios.testbed import screens
from playhead_samples.scenarios.testbed.claims import UNKNOWN, Claims
from playhead_samples.scenarios.testbed.scenario_run import ScenarioError, ScenarioRun

__all__ = ["ServiceSums", "Views", "lost_figures", "read_doctor", "read_sums", "read_views"]

MAX_ROWS = 1000
NO_LOSS: frozenset[str] = frozenset()
ATTEMPT_FIGURES = frozenset({"attempts", "suspensions"})
CALL_FIGURES = frozenset({"llm_requests", "llm_calls", "input_tokens", "output_tokens"})


@dataclass(frozen=True, slots=True)
class ServiceSums:
    """A line of `playhead stats`."""

    invocations: int
    by_status: Mapping[str, int]
    figures: Claims


@dataclass(frozen=True, slots=True)
class Views:
    """What each view says."""

    by_view: Mapping[str, Mapping[str, Claims]]
    """Claims by invocation id, by view."""
    stats: Mapping[str, ServiceSums]
    """Lines of `playhead stats`, by service."""
    open_after_end: Mapping[str, Sequence[str]]
    """Timeline rows of `show` that are open, or end later, although their invocation has ended."""


def read_views(run: ScenarioRun, ids: Sequence[str]) -> Views:
    """Read what each view says about these invocations. Raises ScenarioError."""
    since = datetime.fromtimestamp(run.started_at, UTC).isoformat()
    listed = _command(run, "ls", "--since", since, "--limit", str(MAX_ROWS))["invocations"]
    details = {i: _command(run, "show", i) for i in ids}
    stats = _command(run, "stats", "--since", since, "--limit", str(MAX_ROWS))["services"]
    rows, headers = asyncio.run(screens.read_screens(run.stack.settings, ids))
    by_view = {
        "ls": {row["id"]: _summary(row) for row in listed},
        "show": {i: _summary(detail["summary"]) for i, detail in details.items()},
        "SQL": _sql(run, ids),
        "list screen": rows,
        "invocation screen": headers,
    }
    return Views(
        by_view,
        {line["service"]: _sums(line) for line in stats},
        {i: tuple(_open_after_end(detail)) for i, detail in details.items()},
    )


def read_sums(run: ScenarioRun, service: str) -> dict[str, ServiceSums]:
    """Return what `ls`, its groups, `agents` and `failures` sum up of a service, by view.

    `agents` have no statuses. `failures` have the number of invocations that ended with one.
    Raises ScenarioError.
    """
    since = datetime.fromtimestamp(run.started_at, UTC).isoformat()
    matching = ("--filter", f'service:{service} since:"{since}"')
    totals = _command(run, "ls", *matching)["totals"]
    groups = _command(run, "ls", "--group-by", "status", *matching)["groups"]
    models = [row for row in _command(run, "agents", *matching)["agents"] if row["kind"] == "model"]
    failures = _command(run, "failures", *matching)["groups"]
    failed = sum(group["terminal"] for group in failures)
    # Sums that leave out what was not copied are lower limits, and say so.
    sign = "" if totals["complete"] else "≥ "
    statuses = {group["name"]: group["totals"]["invocations"] for group in groups}
    spent = Claims(
        llm_calls=f"{sign}{sum(row['calls'] for row in models)}",
        input_tokens=f"{sign}{sum(row['input_tokens'] for row in models)}",
        output_tokens=f"{sign}{sum(row['output_tokens'] for row in models)}",
    )
    return {
        "totals": ServiceSums(totals["invocations"], totals["by_status"], _totals(totals, sign)),
        "groups": ServiceSums(
            sum(statuses.values()),
            statuses,
            _totals(_sum([group["totals"] for group in groups]), sign),
        ),
        "agents": ServiceSums(totals["invocations"], totals["by_status"], spent),
        "failures": ServiceSums(failed, {"failed": failed} if failed else {}, Claims()),
    }


def _totals(totals: Mapping[str, Any], sign: str) -> Claims:
    return Claims(
        llm_calls=f"{sign}{totals['llm_calls']}",
        input_tokens=f"{sign}{totals['tokens']['input']}",
        output_tokens=f"{sign}{totals['tokens']['output']}",
    )


def _sum(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tokens = {name: sum(part["tokens"][name] for part in parts) for name in ("input", "output")}
    return {"llm_calls": sum(part["llm_calls"] for part in parts), "tokens": tokens}


def lost_figures(view: str, run: ScenarioRun) -> frozenset[str]:
    """Return the figures of a view whose sources were lost.

    Of LLM calls, only SQL's rows need spans: the journal contains the answers. Sums need the
    invocations in the store.
    """
    lost = ATTEMPT_FIGURES if run.server_spans_lost or run.journals_missing else NO_LOSS
    if view in ("totals", "groups", "agents") and run.journals_missing:
        return lost | CALL_FIGURES
    return lost | CALL_FIGURES if view == "SQL" and run.agent_spans_lost else lost


def read_doctor(run: ScenarioRun) -> list[str]:
    """Return the problems that `playhead doctor` finds. Raises ScenarioError."""
    checks = _command(run, "doctor", codes=(0, 1))["checks"]
    return [check["problem"] for check in checks if check["problem"]]


def _command(run: ScenarioRun, *arguments: str, codes: Sequence[int] = (0,)) -> Any:
    """Run a command of Playhead on the run's servers and return its JSON."""
    result = CliRunner().invoke(cli, [*arguments, "--json"], env=run.stack.environment)
    if result.exit_code not in codes:
        raise ScenarioError(
            f"`playhead {' '.join(arguments)}` exited with {result.exit_code}: {result.stderr}"
        ) from result.exception
    return json.loads(result.stdout)


def _summary(row: Mapping[str, Any]) -> Claims:
    tokens: Mapping[str, Any] = row["tokens"] or {}
    return Claims(
        status=row["status"],
        attempts=_claim(row["attempts"], row.get("attempts_at_least")),
        suspensions=_suspensions(row),
        llm_calls=_claim(row["llm_calls"]),
        input_tokens=_claim(tokens.get("input")),
        output_tokens=_claim(tokens.get("output")),
    )


def _sums(line: Mapping[str, Any]) -> ServiceSums:
    figures = Claims(
        attempts=_claim(line["attempts"], line.get("attempts_at_least")),
        llm_calls=_claim(line["llm_calls"]),
        input_tokens=_claim(line["input_tokens"]),
        output_tokens=_claim(line["output_tokens"]),
    )
    return ServiceSums(line["invocations"], line["by_status"], figures)


def _suspensions(row: Mapping[str, Any]) -> str | None:
    """Return the number of suspended attempts; None where it is not said."""
    return None if row.get("suspensions") is None else str(row["suspensions"])


def _claim(value: int | None, at_least: int | None = None) -> str:
    if value is not None:
        return str(value)
    return f"≥ {at_least}" if at_least else UNKNOWN


def _sql(run: ScenarioRun, ids: Sequence[str]) -> dict[str, Claims]:
    """Read the SQL views `invocation_attempts` and `llm_calls`."""
    condition = f"invocation_id IN ({', '.join(repr(i) for i in ids)})"
    attempts = {
        row["invocation_id"]: row
        for row in _command(run, "sql", f"SELECT * FROM invocation_attempts WHERE {condition}")
    }
    calls = {
        row["invocation_id"]: row
        for row in _command(
            run,
            "sql",
            "SELECT invocation_id, count(*) AS requests, count(*) FILTER (answered) AS answers, "
            "coalesce(sum(input_tokens) FILTER (answered), 0)::BIGINT AS input, "
            "coalesce(sum(output_tokens) FILTER (answered), 0)::BIGINT AS output "
            f"FROM llm_calls WHERE {condition} GROUP BY ALL",
        )
    }
    lost = CALL_FIGURES & lost_figures("SQL", run)
    said = {
        i: Claims(
            attempts=_claim(attempts[i]["attempts"], attempts[i]["attempts_at_least"])
            if i in attempts
            else UNKNOWN,
            suspensions=_suspensions(attempts.get(i, {})),
            llm_requests=str(calls[i]["requests"] if i in calls else 0),
            llm_calls=str(calls[i]["answers"] if i in calls else 0),
            input_tokens=str(calls[i]["input"] if i in calls else 0),
            output_tokens=str(calls[i]["output"] if i in calls else 0),
        )
        for i in ids
    }
    return {i: _at_least(claims, lost) for i, claims in said.items()}


def _at_least(claims: Claims, lost: frozenset[str]) -> Claims:
    """Return counts of rows whose spans may be lost as lower limits."""
    limits = {name: f"≥ {getattr(claims, name)}" for name in lost if getattr(claims, name)}
    return replace(claims, **limits)


def _open_after_end(detail: Mapping[str, Any]) -> Iterable[str]:
    """Yield the timeline rows that are open, or end later, although their invocation has ended."""
    ended = detail["summary"]["completed_at"]
    if ended is None:
        return
    for row in detail["timeline"]:
        is_open = row["started_at"] is not None and row["ended_at"] is None
        ends_later = row["ended_at"] is not None and _time(row["ended_at"]) > _time(ended)
        if is_open or ends_later or row["state"] in ("pending", "retrying"):
            yield str(row["label"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
