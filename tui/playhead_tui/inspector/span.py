"""What is known of a span."""

from __future__ import annotations

from collections.abc import Iterator

from playhead.conventions import INPUT_MESSAGES, OUTPUT_MESSAGES
from playhead.decode.spans import messages as decoded_messages
from playhead.formatting import clock, count
from playhead.model import Message, Span

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import messages, unpacked

__all__ = ["attributes", "conversation", "errors", "messages", "overview"]

TOOL_CONTENT = {
    "arguments": ("gen_ai.tool.call.arguments", "tool_arguments"),
    "result": ("gen_ai.tool.call.result", "tool_response"),
}


def overview(span: Span) -> Iterator[Line]:
    """Its failure, what GenAI conventions tell, where it comes from."""
    if span.status_message:
        yield from text_lines(span.status_message, tone="bad" if span.status == "error" else "text")
        yield Line("")
    yield from _gen_ai(span)
    yield pair("service", span.service_name)
    yield pair("scope", span.scope_name)
    yield pair("kind", span.kind)
    yield pair("trace", span.trace_id, "dim")
    yield pair("span", span.span_id, "dim")


def _gen_ai(span: Span) -> Iterator[Line]:
    """What OpenTelemetry's GenAI conventions tell of a model's or a tool's span."""
    told = span.attributes
    model = told.get("gen_ai.response.model") or told.get("gen_ai.request.model")
    if model:
        yield pair("model", str(model), "llm")
    sent, got = told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")
    if isinstance(sent, int) and isinstance(got, int):
        yield pair("tokens", f"{count(sent)} in, {count(got)} out")
    if tool := told.get("gen_ai.tool.name"):
        yield pair("tool", str(tool), "tool")
    for title, names in TOOL_CONTENT.items():
        value = next((told[name] for name in names if name in told), None)
        if value is not None:
            yield from heading(title)
            yield from value_lines(unpacked(value), indent=2, limit=4000)
    if len(told):
        yield Line("")


def conversation(span: Span) -> list[Message]:
    """The messages that a model's span holds, what went in first."""
    return [
        message
        for name in (INPUT_MESSAGES, OUTPUT_MESSAGES)
        for message in decoded_messages(span.attributes.get(name))
    ]


def errors(span: Span) -> Iterator[Line]:
    """Its status message and the exceptions noted on it."""
    if span.status_message:
        yield from text_lines(span.status_message, tone="bad")
    for event in span.events:
        if event.name != "exception":
            continue
        told = event.attributes
        yield Line("")
        yield Line(f"{clock(event.at)}  {told.get('exception.type', 'exception')}", "warn")
        yield from text_lines(str(told.get("exception.message", "")), tone="bad", indent=2)
        trace = str(told.get("exception.stacktrace", ""))
        yield from text_lines(trace, tone="dim", indent=2)


def attributes(span: Span) -> Iterator[Line]:
    """All attributes by name, then its events."""
    for name in sorted(span.attributes):
        value = span.attributes[name]
        yield from text_lines(name, tone="accent")
        yield from value_lines(unpacked(value), indent=2, limit=20_000)
    for event in span.events:
        yield from heading(f"event {event.name}  {clock(event.at)}")
        yield from value_lines(dict(event.attributes), indent=2, limit=20_000)
