"""What the spans of a trace have in common: session, agent, attempts, errors, calls.

It comes from the server's spans and the agents' outermost spans of the trace, and from the journals
where the store has them. A part of a large trace gets the context of the whole trace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playhead import conventions as names
from playhead.conventions import AGENT_CALL, name_sql
from playhead.decode.spans import messages
from playhead.export.stored_spans import Part, StoredSpan
from playhead.values import as_dict, as_json, as_text

if TYPE_CHECKING:
    from playhead.record.client import StoreClient

__all__ = ["AttemptContext", "TraceContext", "agent_input", "agent_output", "read_contexts"]

_FINAL_RESULT = "final_result"
_ALL_MESSAGES = "pydantic_ai.all_messages"
_USERS = ("user.id", "enduser.id", "langfuse.user.id")
_ERROR_SLACK_NANOS = 100_000_000
"""Time by which an error of the journal may be later than the end of its attempt."""

_SERVER_SPANS = (names.INGRESS_SPAN, names.START_SPAN, names.ATTEMPT_SPAN, names.END_SPAN)
_SPANS = f"""
SELECT trace_id, span_id, invocation_id, name, start_unix_nano AS start, end_unix_nano AS "end",
  status_code AS status, {AGENT_CALL.sql()} AS agent,
  resource->>'$."service.version"' AS version,
  CASE WHEN {AGENT_CALL.sql()} OR parent_span_id IS NULL THEN attributes ELSE
    json_object('restate.invocation.target', attributes->>'$."{names.INVOCATION_TARGET}"')
    END::VARCHAR AS attributes
FROM {{prefix}}spans WHERE end_unix_nano IS NOT NULL
  AND start_unix_nano BETWEEN ?::UBIGINT AND ?::UBIGINT
  AND trace_id IN (SELECT unnest(?::VARCHAR[]))
  AND ({AGENT_CALL.sql()} OR {" OR ".join(map(name_sql, _SERVER_SPANS))})
ORDER BY start_unix_nano, span_id
"""
_INVOCATIONS = """
SELECT id, target_service_name AS service, target_service_key AS key, invoked_by_id AS caller,
  completion_result AS result
FROM {prefix}invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))
"""
_ERRORS = """
SELECT id, epoch_ns(appended_at) AS at, event_json AS event FROM {prefix}journal_events
WHERE event_type = 'TransientError' AND id IN (SELECT unnest(?::VARCHAR[])) ORDER BY appended_at
"""
_CALLS = """
SELECT id, invoked_id AS child, command FROM (
  SELECT id, invoked_id, row_number() OVER (PARTITION BY id ORDER BY "index") - 1 AS command
  FROM {prefix}journal
  WHERE starts_with(entry_type, 'Command:') AND id IN (SELECT unnest(?::VARCHAR[]))
) WHERE invoked_id IS NOT NULL
"""


@dataclass(slots=True)
class AttemptContext:
    """One attempt, from the server's span."""

    number: int
    start: int
    end: int
    failed: bool
    error: str = ""
    """Message of the error, which the server's span does not have."""


@dataclass(slots=True)
class TraceContext:
    """What the spans of one trace have in common."""

    session: str = ""
    """`Service/key` of the outermost invocation, else its id; the app's own `session.id` if set."""
    user: str = ""
    agent: str = ""
    """Name of the outermost agent."""
    input: str = ""
    output: str = ""
    version: str = ""
    """`service.version` of the agents, not that of the server."""
    tags: list[str] = field(default_factory=list[str])
    """Services of the invocations."""
    end: int = 0
    """Latest end of a span."""
    failed: bool = False
    """Whether the outermost invocation failed; false if it recovered, or while it runs."""
    attempts: dict[str, AttemptContext] = field(default_factory=dict[str, AttemptContext])
    """Attempts by the id of the server's span."""
    ends: dict[str, int] = field(default_factory=dict[str, int])
    """Latest end of a span by invocation."""
    calls: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    """Caller, and ordinal of the command that called, by the id of the called invocation."""


async def read_contexts(
    client: StoreClient,
    part: Part,
    spans: Sequence[StoredSpan] | None = None,
    *,
    prefix: str = "",
) -> dict[str, TraceContext]:
    """Return the contexts of traces by their ids.

    Args:
        client: The store.
        part: The traces.
        spans: All their spans, if they have been read already.
        prefix: Prefix of the names of tables; see `Selection.prefix`.

    Raises:
        QueryError: A query exceeds a limit.
        RecorderError: The store cannot be read.
    """
    traces = part.traces
    if spans is None:
        rows = await client.rows(
            _SPANS.format(prefix=prefix), [part.first, part.last, list(traces)]
        )
        for row in rows:
            row["attributes"] = as_dict(as_json(row["attributes"]))
    else:
        rows = _rows(spans)
    ids = sorted({row["invocation_id"] for row in rows if row["invocation_id"]})
    invocations = {
        row["id"]: row for row in await client.rows(_INVOCATIONS.format(prefix=prefix), [ids])
    }
    failed = sorted({r["invocation_id"] for r in rows if _is_failed_attempt(r)} - {None})
    errors = await client.rows(_ERRORS.format(prefix=prefix), [failed]) if failed else []
    callers = sorted({row["caller"] for row in invocations.values() if row["caller"]})
    calls = await client.rows(_CALLS.format(prefix=prefix), [callers]) if callers else []
    by_trace: dict[str, list[dict[str, Any]]] = {trace: [] for trace in traces}
    for row in rows:
        by_trace[row["trace_id"]].append(row)
    found: dict[str, TraceContext] = {}
    for trace, members in by_trace.items():
        context = _context(members, invocations)
        context.calls = {row["child"]: (row["id"], row["command"]) for row in calls}
        _add_errors(context, members, errors)
        found[trace] = context
    return found


def _rows(spans: Sequence[StoredSpan]) -> list[dict[str, Any]]:
    """Return the same rows as `_SPANS`."""
    found = [
        {
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "invocation_id": span.invocation_id,
            "name": span.name,
            "start": span.start_unix_nano,
            "end": span.end_unix_nano,
            "status": span.status_code,
            "agent": agent,
            "version": span.resource.get("service.version"),
            "attributes": span.attributes,
        }
        for span in spans
        if (agent := AGENT_CALL.matches(span.attributes, ended=True, status=span.status_code))
        or span.name.startswith(_SERVER_SPANS)
    ]
    found.sort(key=lambda row: (row["start"], row["span_id"]))
    return found


def _is_failed_attempt(row: Mapping[str, Any]) -> bool:
    return row["status"] == "error" and row["name"].startswith(names.ATTEMPT_SPAN)


def _context(
    rows: Sequence[Mapping[str, Any]], invocations: Mapping[str, Mapping[str, Any]]
) -> TraceContext:
    context = TraceContext()
    own = [invocations[id_] for id_ in _ids(rows) if id_ in invocations]
    root = next((row for row in own if not row["caller"]), own[0] if own else None)
    outermost = root["id"] if root is not None else next(iter(_ids(rows)), "")
    counts: dict[str, int] = {}
    for row in rows:
        id_ = row["invocation_id"] or ""
        context.end = max(context.end, row["end"])
        context.ends[id_] = max(context.ends.get(id_, 0), row["end"])
        if row["name"].startswith(names.ATTEMPT_SPAN):
            counts[id_] = counts.get(id_, 0) + 1
            context.attempts[row["span_id"]] = AttemptContext(
                counts[id_], row["start"], row["end"], row["status"] == "error"
            )
    if root is not None:
        context.failed = root["result"] == "failure"
        context.session = f"{root['service']}/{root['key']}" if root["key"] else root["id"]
        context.tags = sorted({row["service"] for row in own})
    else:
        context.session = _session(rows, outermost)
    _add_agents(context, [row for row in rows if row["agent"]], outermost)
    return context


def _ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the invocations in the order of their first spans."""
    return list(dict.fromkeys(row["invocation_id"] for row in rows if row["invocation_id"]))


def _session(rows: Sequence[Mapping[str, Any]], invocation: str) -> str:
    """Return the session of an invocation whose row the store does not have."""
    for row in rows:
        target = row["attributes"].get(names.INVOCATION_TARGET)
        if row["invocation_id"] == invocation and isinstance(target, str):
            service, _, rest = target.partition("/")
            key = rest.rpartition("/")[0]
            return f"{service}/{key}" if key else invocation
    return invocation


def _add_agents(context: TraceContext, agents: Sequence[Mapping[str, Any]], outermost: str) -> None:
    """Add what the agents' spans have; the spans are in the order of their starts."""
    for row in agents:
        attributes = row["attributes"]
        context.version = context.version or row["version"] or ""
        context.user = context.user or next(
            (user for name in _USERS if (user := as_text(attributes.get(name)))), ""
        )
        session = as_text(attributes.get(names.SESSION_ID))
        if session and session not in (context.session, _session([row], row["invocation_id"])):
            context.session = session
    own = [row for row in agents if row["invocation_id"] == outermost] or list(agents)
    if not own:
        return
    first = own[0]["attributes"]
    context.agent = agent_name(first) or own[0]["name"]
    context.input = next((text for row in own if (text := agent_input(row["attributes"]))), "")
    outermost_name = agent_name(first)
    for row in own:
        # The last run of the outermost agent that has a result.
        if agent_name(row["attributes"]) == outermost_name:
            context.output = agent_output(row["attributes"]) or context.output


def agent_name(attributes: Mapping[str, Any]) -> str:
    """Return the name of the agent that a span is about; empty if unknown."""
    return as_text(attributes.get(names.AGENT_NAME)) or ""


def agent_input(attributes: Mapping[str, Any]) -> str:
    """Return what the user asked an agent, from its span; empty if unknown."""
    given = as_text(attributes.get("input.value"))
    if given:
        return given
    for name in (_ALL_MESSAGES, names.INPUT_MESSAGES):
        texts = [m.text for m in messages(attributes.get(name)) if m.role == "user" and m.text]
        if texts:
            return texts[-1]
    return ""


def agent_output(attributes: Mapping[str, Any]) -> str:
    """Return the result of an agent, from its span; empty if there is none."""
    given = attributes.get("output.value", attributes.get(_FINAL_RESULT))
    if given is not None:
        return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    texts = [m.text for m in messages(attributes.get(names.OUTPUT_MESSAGES)) if m.text]
    return texts[-1] if texts else ""


def _add_errors(
    context: TraceContext, rows: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]]
) -> None:
    """Add the message to each failed attempt; the server keeps one of two equal ones in a row."""
    for row in rows:
        if not _is_failed_attempt(row):
            continue
        attempt = context.attempts[row["span_id"]]
        mine = [
            error for error in errors
            if error["id"] == row["invocation_id"]
            and error["at"] <= attempt.end + _ERROR_SLACK_NANOS
        ]  # fmt: skip
        if mine:
            attempt.error = str(as_dict(as_json(mine[-1]["event"])).get("error_message") or "")
