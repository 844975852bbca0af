"""Filters applied to the rows of a list, in Python; the same rules as the SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from playhead.filters.comparisons import COMPARE, text_matches, time_of
from playhead.filters.language import Filter, Term, parse_seconds
from playhead.model import Invocation

__all__ = ["matches"]

_TEXTS: Mapping[str, Callable[[Invocation], str | None]] = {
    "service": lambda row: row.service,
    "handler": lambda row: row.handler,
    "key": lambda row: row.key,
    "target": lambda row: row.target,
    "id": lambda row: row.id,
    "error": lambda row: row.last_failure,
    "deployment": lambda row: row.deployment_id,
    "parent": lambda row: row.invoked_by,
    "restarted": lambda row: row.restarted_from,
    "cluster": lambda row: row.cluster,
}


def matches(
    wanted: Filter, row: Invocation, now: datetime, recorded: Sequence[bool] = ()
) -> bool | None:
    """Return whether a row matches; None if only the store can tell.

    Args:
        wanted: The filter.
        row: The row; `wait` needs one that was read with its reason.
        now: The time from which ages are counted.
        recorded: For each text of the filter, whether it occurs in what was recorded.
    """
    answers: list[bool | None] = []
    found = iter(recorded)
    for term in wanted.terms:
        answer = _text(term, row) if term.field is None else _answer(term, row, now)
        if term.field is None:
            answer = answer or next(found, None)
        answers.append(answer if answer is None else answer is not term.negated)
    if False in answers:
        return False
    return None if None in answers else True


def _text(term: Term, row: Invocation) -> bool | None:
    """Return True if the text occurs in the row; None if it may occur in what was recorded."""
    columns = "\n".join((row.id, row.target, row.status, row.last_failure or ""))
    return True if term.values[0].lower() in columns.lower() else None


def _answer(term: Term, row: Invocation, now: datetime) -> bool | None:
    assert term.field is not None
    name = term.field.name
    if name in _TEXTS:
        text = _TEXTS[name](row) or ""
        return any(text_matches(term, value, text) for value in term.values)
    compare = COMPARE[term.operator]
    match name:
        case "status":
            return row.status in term.statuses
        case "wait":
            return row.waiting is not None and row.waiting.kind in term.waits
        case "since":
            return any(row.created_at >= time_of(value, now) for value in term.values)
        case "until":
            return any(row.created_at < time_of(value, now) for value in term.values)
        case "duration":
            end = row.completed_at or (row.modified_at if row.ended else None) or now
            seconds = (end - row.created_at).total_seconds()
            return any(compare(seconds, parse_seconds(value)) for value in term.values)
        case _:
            return None
