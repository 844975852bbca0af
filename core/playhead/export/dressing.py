"""Spans as a target shows them best: attributes that are added to copies on their way out.

Sources: Langfuse's property mapping (langfuse.com/integrations/native/opentelemetry), OpenInference
(github.com/Arize-ai/openinference/tree/main/spec), Jaeger's use of names and services.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from playhead import conventions as names
from playhead.conventions import AGENT_CALL, LLM_CALL, TOOL_CALL, SpanRule
from playhead.export.stored_spans import StoredSpan
from playhead.export.trace_context import (
    TraceContext,
    agent_input,
    agent_name,
    agent_output,
)

__all__ = ["DRESSINGS", "Dressing", "dress"]

Dressing = Callable[[StoredSpan, TraceContext], None]
"""Adds to one span what a target needs. Changes no value that strangers set."""

_MODEL_INPUT = names.PROMPT
_MODEL_OUTPUT = names.RESPONSE
_OBSERVATIONS = {"LLM": "generation", "TOOL": "tool", "AGENT": "agent"}
_HOST = "host.name"
_COSTS = ("operation.cost", "gen_ai.usage.cost")


def dress(
    spans: list[StoredSpan],
    contexts: Mapping[str, TraceContext],
    dressing: Dressing,
    *,
    agents_only: bool = False,
) -> None:
    """Change spans for a target, in place.

    Args:
        spans: Spans, with their traces together.
        contexts: Context of each trace.
        dressing: The dressing of the target.
        agents_only: Whether to remove the server's spans from the list.
    """
    by_trace: dict[str, list[StoredSpan]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    for trace, members in by_trace.items():
        context = contexts[trace]
        _move_calls(members, context)
        _name_agents(members)
        if agents_only:
            _lift(members, context)
        for span in members:
            _add_common(span, context)
            dressing(span, context)
    if agents_only:
        spans[:] = [span for span in spans if span.service_name != names.SERVER_SERVICE]


def _move_calls(spans: Sequence[StoredSpan], context: TraceContext) -> None:
    """Put called invocations under the span that called, with a link to the attempt's span."""
    if not context.calls:
        return
    callers: dict[tuple[str, int], StoredSpan] = {}
    for span in spans:
        for command in span.attributes.get(names.COMMANDS) or ():
            if span.invocation_id and not names.is_set(span.attributes.get(names.REPLAYED)):
                callers[span.invocation_id, command] = span
    for span in spans:
        call = context.calls.get(span.invocation_id or "")
        if call is None or not span.name.startswith(names.START_SPAN):
            continue
        caller = callers.get(call)
        if caller is not None and span.parent_span_id:
            link = {"trace_id": span.trace_id, "span_id": span.parent_span_id}
            span.links.append({**link, "attributes": {}})
            span.parent_span_id = caller.span_id


def _lift(spans: Sequence[StoredSpan], context: TraceContext) -> None:
    """Move what is below the server's spans to their nearest ancestor that is not one of them.

    Spans of agents are below attempts, and a large trace may have these in another part.
    """
    parents = dict.fromkeys(context.attempts) | {
        span.span_id: span.parent_span_id
        for span in spans
        if span.service_name == names.SERVER_SERVICE
    }
    for span in spans:
        seen: set[str] = set()
        while (parent := span.parent_span_id) in parents and parent not in seen:
            seen.add(parent)
            span.parent_span_id = parents[parent]


def _name_agents(spans: Sequence[StoredSpan]) -> None:
    """Give each span below an agent the agent's name."""
    by_id = {span.span_id: span for span in spans}
    found: dict[str, str] = {}

    def name_of(span: StoredSpan) -> str:
        path: list[str] = []
        name = ""
        current: StoredSpan | None = span
        while current is not None and current.span_id not in path:
            if current.span_id in found:
                name = found[current.span_id]
                break
            path.append(current.span_id)
            if name := agent_name(current.attributes):
                break
            if current.service_name == names.SERVER_SERVICE:
                break
            current = by_id.get(current.parent_span_id or "")
        found.update(dict.fromkeys(path, name))
        return name

    for span in spans:
        if name := name_of(span):
            span.attributes.setdefault(names.AGENT_NAME, name)


def _add_common(span: StoredSpan, context: TraceContext) -> None:
    attributes = span.attributes
    if context.session:
        attributes[names.SESSION_ID] = context.session
    if context.user:
        attributes.setdefault("user.id", context.user)
    attempt = context.attempts.get(span.span_id)
    if attempt is not None:
        attributes[names.ATTEMPT_NUMBER] = attempt.number
        if attempt.failed and attempt.error:
            span.status_message = attempt.error


_KINDS: tuple[tuple[SpanRule, str], ...] = (
    (LLM_CALL, "LLM"), (TOOL_CALL, "TOOL"), (AGENT_CALL, "AGENT"),
)  # fmt: skip
_OPERATIONS = {
    value: kind for rule, kind in _KINDS for value in rule.kinds.get(names.OPERATION, ())
}
_KIND_NAMES = frozenset(name for rule, _ in _KINDS for name in rule.kinds)


def _kind(span: StoredSpan) -> str:
    """Return `LLM`, `TOOL`, `AGENT`, or empty for other spans."""
    operation = span.attributes.get(names.OPERATION)
    if isinstance(operation, str) and (kind := _OPERATIONS.get(operation)):
        return kind
    if _KIND_NAMES.isdisjoint(span.attributes):
        return ""
    for rule, kind in _KINDS:
        if rule.matches(span.attributes, ended=True, status=span.status_code):
            return kind
    return ""


def _content(span: StoredSpan, kind: str, context: TraceContext) -> tuple[Any, Any]:
    """Return input and output of a span; None where it has none."""
    attributes = span.attributes
    if kind == "LLM":
        return _MODEL_INPUT.of(attributes), _MODEL_OUTPUT.of(attributes)
    if kind == "TOOL":
        return names.TOOL_CALL_ARGUMENTS.of(attributes), names.TOOL_CALL_RESULT.of(attributes)
    if kind == "AGENT":
        return agent_input(attributes) or None, agent_output(attributes) or None
    if span.parent_span_id is None:
        return context.input or None, context.output or None
    return None, None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _for_session(span: StoredSpan, context: TraceContext) -> None:
    """Add only what all targets get."""


def _for_jaeger(span: StoredSpan, context: TraceContext) -> None:
    """Number attempts, give each agent a service, and let roots last as long as their trace.

    Jaeger moves spans whose parent may be on another host; a host name prevents that.
    """
    span.resource = _with_host(span.resource)
    attempt = context.attempts.get(span.span_id)
    if attempt is not None:
        span.name = f"{span.name} #{attempt.number}"
    if span.service_name == names.SERVER_SERVICE:
        if span.name.startswith(names.INGRESS_SPAN):
            span.end_unix_nano = max(span.end_unix_nano, context.end)
        elif span.name.startswith(names.START_SPAN):
            end = context.ends.get(span.invocation_id or "", 0)
            span.end_unix_nano = max(span.end_unix_nano, end)
        return
    agent = agent_name(span.attributes)
    if agent:
        span.resource = _renamed(span.resource, agent)


def _for_phoenix(span: StoredSpan, context: TraceContext) -> None:
    """Add OpenInference's kind, input and output."""
    attributes = span.attributes
    kind = _kind(span)
    attributes.setdefault(names.SPAN_KIND_OPENINFERENCE, kind or "CHAIN")
    # Phoenix keeps no resource.
    attributes.setdefault("service.name", span.service_name)
    for name, value in zip(("input", "output"), _content(span, kind, context), strict=True):
        if value is not None:
            text = _text(value)
            attributes.setdefault(f"{name}.value", text)
            is_json = text[:1] in ("{", "[")
            attributes.setdefault(
                f"{name}.mime_type", "application/json" if is_json else "text/plain"
            )


def _for_langfuse(span: StoredSpan, context: TraceContext) -> None:
    """Add Langfuse's trace and observation attributes."""
    attributes = span.attributes
    added: dict[str, Any] = {
        "langfuse.session.id": context.session,
        "langfuse.trace.name": context.agent,
        "langfuse.user.id": context.user,
        "langfuse.version": context.version,
    }
    if context.tags:
        added["langfuse.trace.tags"] = context.tags
    if span.parent_span_id is None:
        added["langfuse.trace.input"] = context.input
        added["langfuse.trace.output"] = context.output
    kind = _kind(span)
    is_chain = span.span_id in context.attempts or names.COMMAND_INDEX in attributes
    added["langfuse.observation.type"] = _OBSERVATIONS.get(kind, "chain" if is_chain else "span")
    for name, value in zip(("input", "output"), _content(span, kind, context), strict=True):
        if value is not None:
            added[f"langfuse.observation.{name}"] = _text(value)
    if span.status_code == "error":
        # What failed in an attempt that was repeated is no error of the run.
        added["langfuse.observation.level"] = "ERROR" if context.failed else "WARNING"
        added["langfuse.observation.status_message"] = span.status_message
    cost = next((attributes[name] for name in _COSTS if name in attributes), None)
    if cost is not None:
        added["langfuse.observation.cost_details"] = json.dumps({"total": cost})
    for name, value in added.items():
        if value:
            attributes.setdefault(name, value)
    if span.service_name == names.SERVER_SERVICE:
        # Langfuse takes it for the version of the app.
        span.resource = _without_version(span.resource)


_RENAMED: dict[tuple[int, str], tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
_MOST_RENAMED = 4096


def _changed(
    resource: Mapping[str, Any], key: str, change: Callable[[dict[str, Any]], None]
) -> Mapping[str, Any]:
    """Return a changed resource; spans with equal resources share one, also afterwards."""
    found = _RENAMED.get((id(resource), key))
    if found is not None and found[0] is resource:
        return found[1]
    changed = dict(resource)
    change(changed)
    if len(_RENAMED) > _MOST_RENAMED:
        _RENAMED.clear()
    _RENAMED[id(resource), key] = (resource, MappingProxyType(changed))
    return _RENAMED[id(resource), key][1]


def _renamed(resource: Mapping[str, Any], agent: str) -> Mapping[str, Any]:
    def change(found: dict[str, Any]) -> None:
        found["playhead.service.name"] = found.get("service.name", "")
        found["service.name"] = agent

    return _changed(resource, f"agent {agent}", change)


def _with_host(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name the host: Jaeger's APIs compare `host.name`, and older ones `ip`."""

    def change(found: dict[str, Any]) -> None:
        found.setdefault("ip", found.setdefault(_HOST, "unknown"))

    return _changed(resource, "host", change)


def _without_version(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    def change(found: dict[str, Any]) -> None:
        version = found.pop("service.version", None)
        if version is not None:
            found["restate.server.version"] = version

    return _changed(resource, "version", change)


DRESSINGS: Mapping[str, Dressing | None] = MappingProxyType({
    "otlp": None,
    "jaeger": _for_jaeger,
    "langfuse": _for_langfuse,
    "phoenix": _for_phoenix,
    "logfire": _for_session,
    "datadog": _for_session,
})  # fmt: skip
"""Dressing of each target; None leaves spans as they are stored."""
