"""What a condition compares: operators, patterns and columns, shared by SQL and Python."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from playhead.filters.language import Operator, Term, parse_time

__all__ = ["COMPARE", "MUTABLE", "TEXT_COLUMNS", "compare_sql", "negate", "pattern", "text_matches",
           "time_of"]  # fmt: skip

COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    ":": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NEGATED: Mapping[Operator, Operator] = {
    ":": "<>", "=": "<>", ">": "<=", ">=": "<", "<": ">=", "<=": ">",
}  # fmt: skip  # pyright: ignore[reportAssignmentType]

TEXT_COLUMNS: Mapping[str, str] = {
    "service": "target_service_name",
    "handler": "target_handler_name",
    "key": "target_service_key",
    "target": "target",
    "id": "id",
    "deployment": "pinned_deployment_id",
    "parent": "invoked_by_id",
    "restarted": "restarted_from",
    "cluster": "cluster",
}
"""Column of sys_invocation, if the row has it, and of the store's copy, by field."""

MUTABLE = frozenset({"status", "error", "wait", "duration", "deployment"})
"""Fields whose value can change until an invocation has ended."""


def compare_sql(sign: Operator, *, negated: bool = False) -> str:
    """Return the SQL operator."""
    if negated:
        return _NEGATED[sign]
    return "=" if sign == ":" else sign


def negate(sign: Operator, *, negated: bool) -> Callable[[Any, Any], bool]:
    """Return the comparison, or its opposite."""
    compare = COMPARE[sign]
    return (lambda one, other: not compare(one, other)) if negated else compare


def pattern(value: str) -> str | None:
    """Return the regular expression of a name with `*`, in lower case; None without `*`."""
    if "*" not in value:
        return None
    return "(?s)^" + ".*".join(map(re.escape, value.lower().split("*"))) + "$"


def text_matches(term: Term, value: str, text: str) -> bool:
    """Return whether a text has one of the term's values, by the kind of its field."""
    if term.operator == "=":
        return text == value
    kind = term.field.kind if term.field else "part"
    if kind == "prefix":
        return text.startswith(value)
    if kind == "part":
        return value.lower() in text.lower()
    expression = pattern(value)
    if expression is None:
        return text.lower() == value.lower()
    return re.fullmatch(expression, text.lower()) is not None


def time_of(value: str, now: datetime) -> datetime:
    """Return the time of a term of `since` or `until`."""
    return parse_time(value, now)
