"""The spans in which commands without a span were issued, such as state commands and calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from playhead.conventions import COMMANDS
from playhead.model import Span
from playhead.values import as_list

__all__ = ["requesting_spans"]


def requesting_spans(spans: Sequence[Span]) -> Mapping[int, Sequence[Span]]:
    """Return the spans that issued each command, by its ordinal, in order of start.

    Only the tracing bridge tells it. Several spans name a command if it was replayed.
    """
    found: dict[int, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start):
        for command in as_list(span.attributes.get(COMMANDS)):
            if isinstance(command, int):
                found[command].append(span)
    return found
