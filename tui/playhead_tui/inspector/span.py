"""Lines for a span."""

from __future__ import annotations

from collections.abc import Iterator

from playhead.conventions import INPUT_MESSAGES, OUTPUT_MESSAGES
from playhead.decode.spans import messages
from playhead.formatting import clock, count
from playhead.model import Message, Span

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import parsed

__all__ = ["attributes", "conversation", "errors", "overview"]

TOOL_CONTENT = {
    "Arguments": ("gen_ai.tool.call.arguments", "tool_arguments"),
    "Result": ("gen_ai.tool.call.result", "tool_response"),
}


def overview(span: Span) -> Iterator[Line]:
    """Yield status, GenAI attributes, service, scope and ids."""
    if span.status_message:
        yield from text_lines(
            span.status_message, style="bad" if span.status == "error" else "text"
        )
        yield Line("")
    yield from _gen_ai(span)
    yield pair("Service", span.service_name)
    yield pair("Scope", span.scope_name)
    yield pair("Kind", span.kind)
    yield pair("Trace", span.trace_id, "dim")
    yield pair("Span", span.span_id, "dim")


def _gen_ai(span: Span) -> Iterator[Line]:
    """Yield the GenAI attributes of a model's or a tool's span, as OpenTelemetry defines them."""
    found = span.attributes
    model = found.get("gen_ai.response.model") or found.get("gen_ai.request.model")
    if model:
        yield pair("Model", str(model), "llm")
    tokens_in, tokens_out = (found.get(f"gen_ai.usage.{way}_tokens") for way in ("input", "output"))
    if isinstance(tokens_in, int) and isinstance(tokens_out, int):
        yield pair("Tokens", f"{count(tokens_in)} in, {count(tokens_out)} out")
    if tool := found.get("gen_ai.tool.name"):
        yield pair("Tool", str(tool), "tool")
    for title, names in TOOL_CONTENT.items():
        value = next((found[name] for name in names if name in found), None)
        if value is not None:
            yield from heading(title)
            yield from value_lines(parsed(value), indent=2, limit=4000)
    if found:
        yield Line("")


def conversation(span: Span) -> list[Message]:
    """Return the messages of a model's span: the prompt, then the response."""
    return [
        message
        for name in (INPUT_MESSAGES, OUTPUT_MESSAGES)
        for message in messages(span.attributes.get(name))
    ]


def errors(span: Span) -> Iterator[Line]:
    """Yield the status message and the recorded exceptions."""
    if span.status_message:
        yield from text_lines(span.status_message, style="bad")
    for event in span.events:
        if event.name != "exception":
            continue
        found = event.attributes
        yield Line("")
        yield Line(f"{clock(event.at)}  {found.get('exception.type', 'exception')}", "warn")
        yield from text_lines(str(found.get("exception.message", "")), style="bad", indent=2)
        trace = str(found.get("exception.stacktrace", ""))
        yield from text_lines(trace, style="dim", indent=2)


def attributes(span: Span) -> Iterator[Line]:
    """Yield all attributes by name, then the events."""
    for name in sorted(span.attributes):
        value = span.attributes[name]
        yield from text_lines(name, style="accent")
        yield from value_lines(parsed(value), indent=2, limit=20_000)
    for event in span.events:
        yield from heading(f"Event {event.name}  {clock(event.at)}")
        yield from value_lines(dict(event.attributes), indent=2, limit=20_000)
