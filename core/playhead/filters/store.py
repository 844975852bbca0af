"""Filters as SQL over the store.

`stored_ids(filter, now)` is for other modules: a SELECT of the ids of all stored invocations that
match, with its parameters, for `StoreClient.rows`. If the filter `needs_prices`, pass the result of
`prices_of` on the rows of `USED_MODELS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from playhead.errors import FilterError
from playhead.filters.comparisons import (
    COMPARE,
    MUTABLE,
    TEXT_COLUMNS,
    compare_sql,
    pattern,
    time_of,
)
from playhead.filters.language import Filter, Term, parse_seconds
from playhead.filters.prices import PRICES_CTE, price_join, prices_of, used_models
from playhead.filters.waits import statuses_of_waits
from playhead.model.status import (
    ENDED,
    GONE,
    STATUSES,
    statuses_with,
    stored_status_sql,
    tells_ends_apart,
)
from playhead.prices import COST_SQL
from playhead.store.calls.call_table import CALLS
from playhead.store.raised_errors import RAISED, RAISED_CTE
from playhead.store.texts.recorded import recorded_ids
from playhead.store.views import FAILURES

__all__ = [
    "MAY_CHANGE",
    "RECORDED_TEXTS",
    "USED_MODELS",
    "StoreCondition",
    "Within",
    "indexed_texts",
    "prices_of",
    "store_condition",
    "stored_ids",
    "stored_only",
]

USED_MODELS = used_models(CALLS)
"""SELECT of the models of all calls, whose prices `prices_of` returns."""
RECORDED_TEXTS = "recorded_texts"
"""Column with one boolean for each text of the filter: whether it occurs in what was recorded."""

_CHOSEN = "chosen_invocations"
_FAILURE = "coalesce(i.last_failure, i.completion_failure, '')"
MAY_CHANGE = f"i.status NOT IN ('completed', '{GONE}')"
"""Condition on `invocations AS i`: the copy may be out of date."""
_FIGURES = """figures AS MATERIALIZED (
SELECT invocation_id AS id, count(*) FILTER (succeeded) AS calls,
  coalesce(sum(input_tokens) FILTER (succeeded), 0) AS input,
  coalesce(sum(output_tokens) FILTER (succeeded), 0) AS output, input + output AS tokens
FROM (
  SELECT invocation_id, input_tokens, output_tokens, succeeded FROM counted WHERE kind = 'model'
  UNION ALL SELECT invocation_id, 0, 0, false FROM journal_llm_calls WHERE copied
  UNION ALL SELECT id, 0, 0, false FROM journal WHERE "index" = 0
) GROUP BY invocation_id)"""
_COSTS = f"""costs AS MATERIALIZED (
SELECT call.invocation_id AS id, coalesce(sum({COST_SQL}), 0) AS usd,
  count(*) - count({COST_SQL}) AS unpriced
FROM counted AS call {price_join("call")}
WHERE call.kind = 'model' AND call.succeeded GROUP BY call.invocation_id
UNION ALL SELECT id, 0, 0 FROM journal WHERE "index" = 0)"""

_SOURCES = {
    "llm": "SELECT invocation_id AS id, name FROM counted WHERE kind = 'model'",
    "tool": "SELECT invocation_id AS id, name FROM counted WHERE kind = 'tool'",
    "agent": "SELECT invocation_id AS id, agent AS name FROM counted WHERE kind = 'model'",
    "failure": f"SELECT invocation_id AS id, fingerprint AS name FROM ({FAILURES.sql()})",
    "step": "SELECT id, name FROM journal WHERE starts_with(entry_type, 'Command: ')",
}
"""Names of what each invocation used, by field."""
_OF_CALLS = ("llm", "tool", "agent")


@dataclass(frozen=True, slots=True)
class Within:
    """The invocations that a filter is applied to."""

    ids: Sequence[str] | None = None
    """None for all."""
    condition: str = ""
    """Further condition on `invocations AS i`; empty for none."""
    params: Sequence[Any] = ()


@dataclass(slots=True)
class StoreCondition:
    """A condition on `invocations AS i`, with the parameters of all its parts."""

    ctes: list[str] = field(default_factory=list[str])
    where: str = ""
    """Empty if every row matches."""
    texts: int = 0
    _cte_params: list[Any] = field(default_factory=list[Any])
    _params: list[Any] = field(default_factory=list[Any])

    @property
    def columns(self) -> str:
        """`, … AS recorded_texts`, or empty if the filter has no text."""
        found = ", ".join(f"i.id IN (SELECT id FROM text_{n})" for n in range(self.texts))
        return f", [{found}] AS {RECORDED_TEXTS}" if self.texts else ""

    def select(
        self,
        columns: str,
        after: str = "",
        more: tuple[str, list[Any]] = ("", []),
        *,
        join: str = "",
    ) -> tuple[str, list[Any]]:
        """Return a SELECT from `invocations AS i` and its parameters.

        Args:
            columns: The columns.
            after: What follows the condition: GROUP BY, ORDER BY, LIMIT.
            more: A further condition, with its parameters.
            join: Joins of `i` with CTEs.
        """
        conditions = " AND ".join(filter(None, (self.where, more[0])))
        head = f"WITH {', '.join(self.ctes)} " if self.ctes else ""
        where = f" WHERE {conditions}" if conditions else ""
        sql = f"{head}SELECT {columns} FROM invocations AS i {join}{where} {after}"
        return sql, [*self._cte_params, *self._params, *more[1]]

    def add_cte(self, sql: str, *params: Any) -> None:
        """Add a CTE unless the condition has it already."""
        if sql not in self.ctes:
            self.ctes.append(sql)
            self._cte_params += params

    def add(self, sql: str, *params: Any) -> None:
        """Add a condition that must be met."""
        self.where = f"{self.where} AND {sql}" if self.where else sql
        self._params += params


def stored_ids(
    wanted: Filter, now: datetime, prices: str = "[]", *, calls: str = CALLS
) -> tuple[str, list[Any]]:
    """Return a SELECT of the ids of all stored invocations that match, and its parameters.

    The copies in the store decide; use `Client.invocations(filter=...)` where the server's current
    state matters.

    Args:
        wanted: The filter, from `playhead.filters.language.parse`.
        now: The time from which ages are counted.
        prices: From `prices_of`, if the filter `needs_prices`.
        calls: SELECT of all calls; `CALL_TABLE` is faster than `CALLS`, but not always built.

    Raises:
        FilterError: The filter has a condition on `wait`, which is not stored.
    """
    return stored_only(wanted, now, prices=prices, calls=calls).select(
        "i.id AS id", "ORDER BY i.created_at, i.id"
    )


def stored_only(
    wanted: Filter,
    now: datetime,
    *,
    prices: str = "[]",
    calls: str = CALLS,
    within: Within | None = None,
) -> StoreCondition:
    """Return the condition on the store's invocations, whose copies alone decide.

    Raises:
        FilterError: The filter has a condition on `wait`, which is not stored.
    """
    if wanted.has_wait:
        raise FilterError("wait cannot be used here", "What an invocation waits for is not stored.")
    return store_condition(wanted, now, prices=prices, calls=calls, within=within)


def store_condition(
    wanted: Filter,
    now: datetime,
    *,
    live: bool = False,
    prices: str = "[]",
    calls: str = CALLS,
    within: Within | None = None,
) -> StoreCondition:
    """Return the condition on the store's invocations.

    `wait` selects by status only.

    Args:
        wanted: The filter.
        now: The time from which ages are counted.
        live: Whether the server's rows take precedence, and are checked afterwards: copies that
            may be out of date then match conditions on what can change.
        prices: From `prices_of`, if the filter `needs_prices`.
        calls: SELECT of all calls; `CALL_TABLE` is faster than `CALLS`, but not always built.
        within: The invocations that are searched; None for all.
    """
    made = StoreCondition()
    chosen = ""
    if within is not None and within.ids is not None:
        # DuckDB takes a list for short only where it sees it: it would read everything otherwise.
        made.add_cte(f"{_CHOSEN} AS NOT MATERIALIZED (SELECT unnest(?::VARCHAR[]) AS id)",
                     list(within.ids))  # fmt: skip
        chosen = f"SELECT id FROM {_CHOSEN}"
        made.add(f"i.id IN ({chosen})")
    if within is not None and within.condition:
        made.add(within.condition, *within.params)
    for term in wanted.terms:
        if term.field is None:
            _add_text(made, term, live=live and wanted.needs_store, within=chosen)
        elif term.field.source == "store" and term.field.name not in TEXT_COLUMNS:
            _add_recorded(made, term, prices, f"counted AS ({calls})")
        else:
            sql, params = _row(made, term, now)
            if not sql:
                continue
            sql = f"NOT ({sql})" if term.negated else f"({sql})"
            if live and term.field.name in MUTABLE:
                sql = f"({sql} OR {MAY_CHANGE})"
            made.add(sql, *params)
    return made


def indexed_texts(wanted: Filter) -> list[str]:
    """Return the texts that occur in what was recorded about each match, for the text index."""
    return [
        term.values[0]
        for term in wanted.texts
        if not term.negated and not statuses_with(term.values[0].lower())
    ]


def _row(made: StoreCondition, term: Term, now: datetime) -> tuple[str, list[Any]]:
    """Return a condition on the row, after adding the CTE that it reads."""
    assert term.field is not None
    if term.field.kind == "status":
        return _status(made, term.statuses), []
    if term.field.kind == "wait":
        return ("" if term.negated else _status(made, statuses_of_waits(term.waits))), []
    pairs = [_single(term, value, now) for value in term.values]
    return " OR ".join(sql for sql, _ in pairs), [param for _, param in pairs]


def _single(term: Term, value: str, now: datetime) -> tuple[str, Any]:
    assert term.field is not None
    match term.field.name:
        case "since":
            return "i.created_at >= ?::TIMESTAMPTZ", time_of(value, now).isoformat()
        case "until":
            return "i.created_at < ?::TIMESTAMPTZ", time_of(value, now).isoformat()
        case "duration":
            end = f"coalesce(i.completed_at, CASE WHEN i.status = '{GONE}' THEN i.modified_at END"
            seconds = f"epoch_us({end}, '{now.isoformat()}'::TIMESTAMPTZ)) - epoch_us(i.created_at)"
            return f"({seconds}) / 1e6 {compare_sql(term.operator)} ?", parse_seconds(value)
        case "error":
            return _compare(term, value, _FAILURE)
        case "deployment":
            column = "i.pinned_deployment_id, i.last_attempt_deployment_id"
            return _compare(term, value, f"coalesce({column}, '')")
        case name:
            return _compare(term, value, f"coalesce(i.{TEXT_COLUMNS[name]}, '')")


def _compare(term: Term, value: str, column: str) -> tuple[str, Any]:
    assert term.field is not None
    if term.operator == "=":
        return f"{column} = ?", value
    if term.field.kind == "prefix":
        return f"starts_with({column}, ?)", value
    if term.field.kind == "part":
        return f"contains(lower({column}), ?)", value.lower()
    if expression := pattern(value):
        return f"regexp_matches(lower({column}), ?)", expression
    return f"lower({column}) = ?", value.lower()


def _status(made: StoreCondition, statuses: tuple[str, ...]) -> str:
    """Return the condition on the status; a copy that has not ended may be gone on the server."""
    more = [status for status in STATUSES if status not in ENDED] if GONE in statuses else []
    raised = "false"
    if tells_ends_apart(statuses):
        made.add_cte(RAISED_CTE)
        raised = RAISED
    # The columns have no alias in the rule; `i` is the only table with these names.
    return stored_status_sql({*statuses, *more}, raised)


def _add_text(made: StoreCondition, term: Term, *, live: bool, within: str) -> None:
    word = term.values[0].lower()
    name = f"text_{made.texts}"
    made.texts += 1
    ctes, params = recorded_ids(name, term.values[0], within=within)
    first, last = ctes
    made.add_cte(first, *params[:3])
    made.add_cte(last, *params[3:])
    own = ["contains(lower(i.id), ?)", "contains(lower(i.target), ?)",
           f"contains(lower({_FAILURE}), ?)"]  # fmt: skip
    if statuses := statuses_with(word):
        own.append(_status(made, statuses))
    sql = f"({' OR '.join([*own, f'i.id IN (SELECT id FROM {name})'])})"
    sql = f"NOT {sql}" if term.negated else sql
    made.add(f"({sql} OR {MAY_CHANGE})" if live else sql, word, word, word)


def _add_recorded(made: StoreCondition, term: Term, prices: str, calls: str) -> None:
    """Add a condition that only the store can answer."""
    assert term.field is not None
    field_ = term.field
    if field_.kind == "number":
        _add_number(made, term, calls)
        return
    if field_.kind == "money":
        made.add_cte(PRICES_CTE, prices)
        made.add_cte(calls)
        made.add_cte(_COSTS)
        sign = compare_sql(term.operator, negated=term.negated)
        exact = "" if sign in (">", ">=") else " AND unpriced = 0"
        joined = " AND " if term.negated else " OR "
        amounts = [float(value.removeprefix("$")) for value in term.values]
        condition = joined.join(f"total {sign} {amount!r}" for amount in amounts)
        made.add(
            "i.id IN (SELECT id FROM (SELECT id, sum(usd) AS total, sum(unpriced) AS unpriced"
            f" FROM costs GROUP BY id) WHERE ({condition}){exact})"
        )
        return
    conditions: list[str] = []
    params: list[Any] = []
    for value in term.values:
        sql, param = _compare(term, value, "coalesce(name, '')")
        conditions.append(sql)
        params.append(param)
    sign = "NOT IN" if term.negated else "IN"
    if field_.name in _OF_CALLS:
        made.add_cte(calls)
    made.add(
        f"i.id {sign} (SELECT id FROM ({_SOURCES[field_.name]}) WHERE id IS NOT NULL"
        f" AND ({' OR '.join(conditions)}))",
        *params,
    )


def _add_number(made: StoreCondition, term: Term, calls: str) -> None:
    assert term.field is not None
    sign = compare_sql(term.operator, negated=term.negated)
    joined = " AND " if term.negated else " OR "
    numbers = [int(value) for value in term.values]
    match term.field.name:
        case "attempts":
            column = "attempts_at_least" if sign in (">", ">=") else "attempts"
            condition = joined.join(f"{column} {sign} {number}" for number in numbers)
            made.add(f"i.id IN (SELECT invocation_id FROM invocation_attempts WHERE {condition})")
        case "failures":
            compare = COMPARE[term.operator]
            at_zero = any(compare(0, number) for number in numbers) is not term.negated
            condition = joined.join(f"count(*) {sign} {number}" for number in numbers)
            kind = "NOT IN" if at_zero else "IN"
            having = f"NOT ({condition})" if at_zero else condition
            made.add(
                f"i.id {kind} (SELECT id FROM journal_events WHERE event_type = 'TransientError'"
                f" GROUP BY id HAVING {having})"
            )
        case name:
            made.add_cte(calls)
            made.add_cte(_FIGURES)
            condition = joined.join(f"{name} {sign} {number}" for number in numbers)
            made.add(f"i.id IN (SELECT id FROM figures WHERE {condition})")
