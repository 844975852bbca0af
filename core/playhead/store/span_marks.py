"""Marks of spans that matter for calls, so that later code need not read their attributes again.

The column `marks` follows those of `spans` in Arrow tables on their way into the store.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from playhead.conventions import ATTEMPT_SPAN_ID, COMPLETION_ID, LLM_CALL, TOOL_CALL
from playhead.values import as_dict

__all__ = ["BRIDGED", "CALL", "CALL_VALUES", "MARKING_NAMES", "MARKS", "STEP", "marks_of"]

MARKS = "marks"
"""Name of the column."""
CALL = 1
"""The span shows a call of a model or tool."""
STEP = 2
"""The span belongs to a durable step with a completion id."""
BRIDGED = 4
"""The tracing bridge relates the span to an attempt."""

MARKING_NAMES: Mapping[str, int] = {COMPLETION_ID: STEP, ATTEMPT_SPAN_ID: BRIDGED}
"""Attributes that mark a span with any value."""


def _kinds() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for rule in (LLM_CALL, TOOL_CALL):
        for name, values in rule.kinds.items():
            found[name].update(values)
    return {name: frozenset(values) for name, values in found.items()}


CALL_VALUES = _kinds()
"""Attributes that mark a call, with the values that do."""


def marks_of(attributes: Iterable[str]) -> list[int]:
    """Return the marks of spans from their attributes as JSON."""
    return [_marks(as_dict(json.loads(text))) for text in attributes]


def _marks(values: Mapping[str, object]) -> int:
    marks = 0
    for name, value in values.items():
        if name in MARKING_NAMES:
            marks |= MARKING_NAMES[name]
        elif name in CALL_VALUES and isinstance(value, str) and value in CALL_VALUES[name]:
            marks |= CALL
    return marks
