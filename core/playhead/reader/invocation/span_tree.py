"""The spans of an invocation, below their parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from playhead.conventions import SERVER_SERVICE
from playhead.formatting import duration, one_line, seconds_between
from playhead.model import InvocationDetail, Span

__all__ = ["SpanNode", "span_line", "span_tree"]


@dataclass(frozen=True, slots=True)
class SpanNode:
    """A span and its place in the trace."""

    depth: int
    """0 without a parent in the trace."""
    span: Span
    orphan: bool = False
    """Whether its parent was not recorded, or is below itself.

    The parent of the server's first span belongs to the caller, which does not count.
    """


def span_tree(detail: InvocationDetail) -> tuple[SpanNode, ...]:
    """Return the spans of an invocation, parents before children, siblings by time.

    Nothing is left out or merged: the server's spans and each execution of a step are included.
    """
    spans = sorted(detail.spans, key=lambda span: (span.start, span.span_id))
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    roots: list[Span] = []
    for span in reversed(spans):
        inside = span.parent_span_id in known
        (children[span.parent_span_id or ""] if inside else roots).append(span)
    found: list[SpanNode] = []
    reached: set[str] = set()

    def add(roots: Sequence[Span]) -> None:
        """Add these and all below them, without recursion: a trace may be deeper than the stack."""
        stack = [(0, span) for span in roots]
        while stack:
            depth, span = stack.pop()
            if span.span_id in reached:
                continue
            reached.add(span.span_id)
            inside = span.parent_span_id is not None and span.service_name != SERVER_SERVICE
            found.append(SpanNode(depth, span, orphan=not depth and inside))
            stack.extend((depth + 1, child) for child in children[span.span_id])

    add(roots)
    for span in spans:
        if span.span_id not in reached:  # no root reaches a cycle of parents
            add([span])
    return tuple(found)


def span_line(node: SpanNode) -> str:
    """Describe a span after its name: `66ms  playhead-samples, pydantic-ai  06d04f2f01c04d9e`."""
    span = node.span
    took = duration(seconds_between(span.start, span.end))
    if not span.end_received:
        took = "lost with the process" if span.lost else "end not received yet"
    source = ", ".join(filter(None, (span.service_name, span.scope_name)))
    notes = ["orphan"] if node.orphan else []
    notes += ["failed"] if span.status == "error" else []
    words = (took, ", ".join(notes), one_line(source), one_line(span.span_id))
    text = "  ".join(filter(None, words))
    return f"{text}  {one_line(span.status_message, 200)}" if span.status_message else text
