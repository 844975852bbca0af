"""Filters as conditions on the server's tables; what only the store has is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from playhead.filters.comparisons import TEXT_COLUMNS, compare_sql, pattern, time_of
from playhead.filters.language import Filter, Term, parse_seconds
from playhead.filters.waits import statuses_of_waits
from playhead.model.status import server_status_sql, statuses_with, tells_ends_apart
from playhead.restate.queries import quote

__all__ = ["ServerCondition", "of_ids", "server_condition"]

_FAILURE = "coalesce(sis.last_failure, ss.completion_failure, '')"


@dataclass(frozen=True, slots=True)
class ServerCondition:
    """A condition on sys_invocation_status `ss`, joined with sys_invocation_state `sis`."""

    sql: str
    """Empty if every row matches."""
    needs_state: bool
    """Whether the condition names `sis`."""


def server_condition(
    wanted: Filter, now: datetime, raised: Sequence[str] | None = None
) -> ServerCondition:
    """Return the condition on the server's rows.

    Text is searched in id, target, status and last failure: the server cannot search payloads at a
    reasonable cost. Conditions that only the store can answer are left out.

    Args:
        wanted: The filter.
        now: The time from which ages are counted.
        raised: Ids of the invocations whose handler failed with the text of a kill or a
            cancellation. None if they are not known: then rows with such a text match if one of
            their possible statuses does.
    """
    if raised is not None:
        sql = _all(wanted, now, of_ids(raised))
    else:
        one, other = _all(wanted, now, "false"), _all(wanted, now, "true")
        sql = one if one == other else f"(({one}) OR ({other}))"
    return ServerCondition(sql, "sis." in sql)


def of_ids(ids: Sequence[str]) -> str:
    """Return the condition on the invocations with these ids."""
    return f"ss.id IN ({', '.join(map(quote, ids))})" if ids else "false"


def _all(wanted: Filter, now: datetime, raised: str) -> str:
    return " AND ".join(
        f"NOT ({sql})" if term.negated else f"({sql})"
        for term in wanted.terms
        if (sql := _condition(term, now, raised))
    )


def _condition(term: Term, now: datetime, raised: str) -> str:
    if term.field is None:
        return _text(term.values[0], raised)
    if term.field.source == "store":
        return ""
    if term.field.kind == "status":
        return _status(term.statuses, raised)
    if term.field.kind == "wait":
        # A part of the status only: which one it is depends on the journal.
        return "" if term.negated else _status(statuses_of_waits(term.waits), raised)
    return " OR ".join(_single(term, value, now) for value in term.values)


def _status(statuses: Sequence[str], raised: str) -> str:
    return server_status_sql(statuses, raised if tells_ends_apart(statuses) else "false")[0]


def _single(term: Term, value: str, now: datetime) -> str:
    assert term.field is not None
    match term.field.name:
        case "since":
            return f"ss.created_at >= {_time(time_of(value, now))}"
        case "until":
            return f"ss.created_at < {_time(time_of(value, now))}"
        case "duration":
            milliseconds = round(parse_seconds(value) * 1000)
            # A longer duration is an earlier creation.
            sign = compare_sql(term.operator).translate(str.maketrans("<>", "><"))
            end = f"coalesce(ss.completed_at, {_time(now)})"
            return f"ss.created_at {sign} {end} - INTERVAL '{milliseconds} milliseconds'"
        case "error":
            return _compare(term, value, _FAILURE)
        case name:
            return _compare(term, value, f"coalesce(ss.{TEXT_COLUMNS[name]}, '')")


def _compare(term: Term, value: str, column: str) -> str:
    assert term.field is not None
    if term.operator == "=":
        return f"{column} = {quote(value)}"
    if term.field.kind == "prefix":
        return f"starts_with({column}, {quote(value)})"
    if term.field.kind == "part":
        return f"strpos(lower({column}), {quote(value.lower())}) > 0"
    if expression := pattern(value):
        return f"regexp_like(lower({column}), {quote(expression)})"
    return f"lower({column}) = {quote(value.lower())}"


def _text(value: str, raised: str) -> str:
    word = value.lower()
    columns = ("ss.id", "ss.target", _FAILURE)
    conditions = [f"strpos(lower({column}), {quote(word)}) > 0" for column in columns]
    if statuses := statuses_with(word):
        conditions.append(_status(statuses, raised))
    return " OR ".join(conditions)


def _time(at: datetime) -> str:
    return f"TIMESTAMP {quote(at.isoformat(timespec='milliseconds'))}"
