"""Compare exported spans with the counts of the model, the tools and the steps."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tracing_bed import SERVER, Bed
from tracing_cases import CASES, FORTY
from tracing_otlp import Row
from tracing_outcome import Case, Outcome

MCP_SPANS = ("MCP send", "tools/", "server/")
"""Spans of the MCP library, whose number depends on its protocol."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_exported_spans_equal_the_executions(bed: Bed, case: Case) -> None:
    expected = case.run(bed, f"{case.id}-ours")
    rows = bed.trace(expected.invocation_id)
    check(bed, expected, rows, attempts=as_planned(case, rows, expected))


def as_planned(case: Case, rows: list[Row], expected: Outcome) -> bool:
    """Return whether Restate made the planned number of attempts.

    On a slow machine the inactivity timeout can suspend an invocation once more. No other reason
    for a further attempt is accepted.
    """
    attempts = [
        r
        for r in rows
        if r.name.startswith("invocation-attempt")
        and r.attributes["restate.invocation.id"] == expected.invocation_id
    ]
    if case.attempts is None or len(attempts) == case.attempts:
        return True
    suspended = [r for r in attempts if any(name.endswith(".suspended") for name, _ in r.events)]
    assert len(attempts) - len(suspended) <= case.attempts < len(attempts)
    return False


def check(bed: Bed, expected: Outcome, rows: list[Row], *, attempts: bool = True) -> None:
    """Compare a trace with the counted executions.

    Args:
        bed: The test bed of the run.
        expected: The counted executions.
        rows: The trace.
        attempts: False after more attempts than planned: agents and tools then ran more often,
            but model calls and steps are still exact.
    """
    ours = [r for r in rows if r.service != SERVER]
    counted = [r for r in ours if not r.name.startswith(MCP_SPANS)]
    spans = Counter(r.name for r in counted)
    if attempts:
        assert spans == expected.spans
        assert Counter(r.name for r in counted if r.error) == expected.errors
    else:
        exact = [n for n in expected.spans if n.startswith(("chat", "run"))]
        assert {n: spans[n] for n in exact} == {n: expected.spans[n] for n in exact}
        assert all(spans[n] >= count for n, count in expected.spans.items())
    for name, count in expected.sent.items():
        found = [r for r in bed.settled() if r.name == name]
        assert len(found) == count
        for row in found:
            check_tree([r for r in bed.receiver.rows if r.trace_id == row.trace_id])
    check_tree(rows, expected.orphans)
    check_attempts(rows)
    check_logical_ids(ours)
    check_journal(bed, ours, expected.journal)
    check_errors(ours)
    check_sessions(ours)


def test_forty_at_once(bed: Bed) -> None:
    """E18: all cases at once."""
    mix = [FORTY[i % len(FORTY)] for i in range(40)]
    with ThreadPoolExecutor(40) as pool:
        outcomes = list(
            pool.map(lambda i: mix[i].run(bed, f"E18-{i}-{mix[i].id}"), range(len(mix)))
        )
    traces = bed.traces(expected.invocation_id for expected in outcomes)
    for case, expected, rows in zip(mix, outcomes, traces, strict=True):
        check(bed, expected, rows, attempts=as_planned(case, rows, expected))


def check_sessions(ours: list[Row]) -> None:
    """One session for an invocation, and one conversation for the same span in every attempt."""
    sessions: dict[str, set[Any]] = defaultdict(set)
    conversations: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for row in ours:
        invocation = row.attributes["restate.invocation.id"]
        sessions[invocation].add(row.attributes.get("session.id"))
        logical = row.attributes["playhead.logical_span_id"]
        conversations[invocation, logical].add(row.attributes.get("gen_ai.conversation.id"))
        parts = row.attributes["restate.invocation.target"].split("/")
        expected = "/".join(parts[:-1]) if len(parts) > 2 else invocation
        assert row.attributes["session.id"] == expected
    assert all(len(found) == 1 for found in sessions.values())
    assert all(len(found) == 1 for found in conversations.values())


def check_tree(rows: list[Row], orphans: int = 0) -> None:
    """One trace, no duplicate span, and every parent is present and of the right kind."""
    assert len({r.trace_id for r in rows}) == 1
    by_id = {r.span_id: r for r in rows}
    assert len(by_id) == len(rows)
    for row in rows:
        if row.service == SERVER:
            continue
        parent = by_id.get(row.parent_span_id)
        if parent is None and orphans:
            orphans -= 1
            continue
        assert parent is not None, f"{row.name} has no parent"
        kind, above = row.name.split()[0], parent.name.split()[0]
        allowed = {
            "invoke_agent": {"invocation-attempt", "execute_tool", "user"},
            "chat": {"invoke_agent"},
            "execute_tool": {"invoke_agent"},
            "run": {"chat", "execute_tool", "user", "invocation-attempt", "turn", "look"},
        }.get(kind)
        if row.name == "run get mcp tools":
            allowed = {"invoke_agent"}
        assert allowed is None or above in allowed, f"{row.name} under {parent.name}"
        if row.name == "run Model call":
            assert above == "chat"


def check_attempts(rows: list[Row]) -> None:
    """`playhead.attempt.span_id` is the server's attempt span above, and of that invocation."""
    by_id = {r.span_id: r for r in rows}
    for row in rows:
        if row.service == SERVER:
            continue
        above: Row | None = row
        while above is not None and not above.name.startswith("invocation-attempt"):
            above = by_id.get(above.parent_span_id)
        if above is None:  # check_tree counts them
            above = by_id[row.attributes["playhead.attempt.span_id"]]
        assert row.attributes["playhead.attempt.span_id"] == above.span_id
        for name in ("restate.invocation.id", "restate.invocation.target"):
            assert row.attributes[name] == above.attributes[name]


def check_logical_ids(rows: list[Row]) -> None:
    """Equal across attempts, different within one."""
    names: dict[str, set[str]] = defaultdict(set)
    seen: set[tuple[str, str]] = set()
    for row in rows:
        logical = row.attributes["playhead.logical_span_id"]
        names[logical].add(row.name)
        where = (row.attributes["playhead.attempt.span_id"], logical)
        assert where not in seen, f"{row.name} twice in an attempt"
        seen.add(where)
    assert all(len(n) == 1 for n in names.values()), names
    for name in {r.name for r in rows if r.name.startswith("invoke_agent")}:
        agents = [r for r in rows if r.name == name]
        by_invocation = {r.attributes["restate.invocation.id"] for r in agents}
        logical = {r.attributes["playhead.logical_span_id"] for r in agents}
        if len(by_invocation) == 1 and agents:
            assert len(logical) == 1, f"{name}: attempts of one run have several logical ids"


def check_journal(bed: Bed, rows: list[Row], journal: list[dict[str, Any]] | None) -> None:
    """Every step's span joins exactly its entry in the journal."""
    journals: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if not row.name.startswith("run "):
            continue
        invocation = row.attributes["restate.invocation.id"]
        if invocation not in journals:
            journals[invocation] = journal or bed.journal(invocation)
        commands = [e for e in journals[invocation] if e["entry_type"].startswith("Command")]
        entry = commands[row.attributes["playhead.journal.command_index"]]
        assert entry["entry_type"] == "Command: Run"
        assert entry["name"] == row.attributes["restate.journal.command.name"]
        assert row.attributes["restate.journal.command.type"] == "Run"
        completion = row.attributes["playhead.journal.completion_id"]
        joined = [
            e
            for e in commands
            if (json.loads(e["entry_json"])["Command"].get("Run") or {}).get("completion_id")
            == completion
        ]
        assert joined == [entry]


def check_errors(rows: list[Row]) -> None:
    """Restate's exceptions are not errors; spans have the agent's error."""
    for row in rows:
        text = row.status_message + json.dumps([e[1] for e in row.events])
        for internal in ("SdkInternal", "Suspended", "safe to ignore", "CancelledError"):
            assert internal not in text, f"{row.name}: {text}"
        if row.error and row.name.startswith(("run ", "invoke_agent", "execute_tool")):
            assert "as planned" in text or "not allowed" in text, f"{row.name}: {text}"
