"""Figures of each invocation in narrow tables: its failures, and sums of its calls and steps.

The queries of failures and agents read these tables instead of every event, span and journal entry.
Changes only note their invocations in `stale_figures`, in the transaction of the change. Queries
compute the figures of these from their rows, as for a store without the tables, so that the answers
are always the same. `update_figures` moves them into the tables.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

from playhead import conventions as names
from playhead.store.calls import call_table, llm_calls
from playhead.store.failures_view import failures_view

if TYPE_CHECKING:
    from playhead.store.database import Store

__all__ = [
    "FIGURES_BUILT",
    "begin_figures",
    "failure_rows",
    "figure_rows",
    "stale_count",
    "update_figures",
]

VERSION = 3
"""Version of these rules."""
# What is read from calls changes with the rules of the calls.
_VERSIONS = 10_000 * VERSION + 100 * call_table.VERSION + llm_calls.VERSION
_NAME = "figures"
CHUNK = 10_000
"""Invocations that are updated at a time."""

MOST_STALE = 50_000
"""Notes up to which the tables are of use; with more, a read of everything is as fast."""

_BEGUN = f"SELECT name FROM derived WHERE name = '{_NAME}' AND version = {_VERSIONS}"
FIGURES_BUILT = f"{_BEGUN} AND (SELECT count(*) FROM stale_figures) <= {MOST_STALE}"
"""SELECT that returns a row if the tables can be used."""

_STALE = "SELECT id FROM stale_figures"
_UPDATED = "SELECT id FROM updated_figures"
_FAILURE = (
    "invocation_id, failed_at, kind, error, code, step, service, place, line, deployment_id, "
    "fingerprint"
)

FigureKind = Literal["call", "step"]


def failure_rows(*, built: bool, ids: str = "") -> str:
    """Return the SELECT of failures: the view `failures` without messages and stack traces.

    Args:
        built: Whether the tables can be used; see `FIGURES_BUILT`.
        ids: SELECT of the invocations whose failures are wanted; empty for all.
    """
    if not built:
        return f"SELECT {_FAILURE} FROM ({failures_view(ids)})"
    chosen = f" AND invocation_id IN ({ids})" if ids else ""
    return (
        f"SELECT {_FAILURE} FROM invocation_failures WHERE invocation_id NOT IN ({_STALE}){chosen}"
        f" UNION ALL SELECT {_FAILURE} FROM ({failures_view(_STALE)}) AS stale"
        f" {f'WHERE invocation_id IN ({ids})' if ids else ''}"
    )


def figure_rows(
    kind: FigureKind, *, built: bool, ids: str = "", calls: str = call_table.CALLS
) -> str:
    """Return the SELECT of the sums of calls or steps, by invocation or of several invocations.

    Columns: those of the table `invocation_figures`, without `invocation_id`, and `invocations`,
    the number of invocations.

    Args:
        kind: Sums of calls of models and tools, or of steps.
        built: Whether the tables can be used; see `FIGURES_BUILT`.
        ids: SELECT of the invocations whose sums are wanted; empty for all.
        calls: SELECT of all calls; see `playhead.store.calls.call_table`.
    """
    columns = "* EXCLUDE (invocation_id), (counted > 0 AND invocation_id IS NOT NULL)::BIGINT"
    if not built and kind == "step":
        return _steps(ids or "SELECT id FROM invocations", few=False)
    if not built:
        return f"SELECT {columns} AS invocations FROM ({_calls(calls, ids)})"
    chosen = f"invocation_id IN ({ids})" if ids else "true"
    of_kind = "kind = 'step'" if kind == "step" else "kind <> 'step'"
    stale = _steps(_STALE) if kind == "step" else _calls(_calls_of(_STALE))
    parts = [
        f"SELECT * FROM invocation_figures WHERE {of_kind} AND {chosen}"
        f" AND invocation_id NOT IN ({_STALE})",
        f"SELECT * FROM ({stale}) AS stale WHERE {chosen}",
    ]
    if kind == "call" and not ids:
        unrelated = "SELECT * FROM calls WHERE invocation_id IS NULL"
        parts.append(_calls(call_table.counted(unrelated, "false")))
    return f"SELECT {columns} AS invocations FROM ({' UNION ALL BY NAME '.join(parts)})"


def begin_figures(store: Store) -> None:
    """Note all invocations, if the tables were derived by older rules or not at all."""
    with contextlib.closing(store.cursor()) as cursor:
        if cursor.execute(_BEGUN).fetchall():
            return
        if not cursor.execute(call_table.IS_BUILT).fetchall():
            return
    with store.transaction() as connection:
        for table in ("invocation_figures", "invocation_failures", "stale_figures"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "INSERT INTO stale_figures SELECT id, 0 FROM ("
            " SELECT id FROM invocations UNION SELECT id FROM journal_events"
            " UNION SELECT invocation_id FROM calls WHERE invocation_id IS NOT NULL"
            " UNION SELECT invocation_id FROM journal_llm_calls)"
        )
        connection.execute("DELETE FROM derived WHERE name = ?", [_NAME])
        connection.execute("INSERT INTO derived VALUES (?, ?)", [_NAME, _VERSIONS])


def stale_count(store: Store) -> int:
    """Return the number of notes about changed invocations."""
    with contextlib.closing(store.cursor()) as cursor:
        [(count,)] = cursor.execute("SELECT count(*) FROM stale_figures").fetchall()
    return int(count)


def update_figures(store: Store, most: int = CHUNK) -> int:
    """Write the figures of some of the noted invocations; return their number.

    They are computed before the writer's transaction begins. An invocation that changes meanwhile
    stays noted.

    Args:
        store: The store.
        most: Number of invocations.
    """
    with contextlib.closing(store.cursor()) as cursor:
        cursor.execute("BEGIN TRANSACTION")  # all reads see the same commits
        notes = cursor.sql(
            "SELECT id, mark FROM stale_figures WHERE id IN"
            " (SELECT DISTINCT id FROM stale_figures ORDER BY id LIMIT $most)",
            params={"most": most},
        ).to_arrow_table()
        if not notes.num_rows:
            return 0
        cursor.register("updated_figures", notes)
        failures = cursor.sql(failure_rows(built=False, ids=_UPDATED)).to_arrow_table()
        calls = cursor.sql(_calls(_calls_of(_UPDATED))).to_arrow_table()
        steps = cursor.sql(_steps(_UPDATED)).to_arrow_table()
    with store.transaction(noted=True, heads=False) as connection:
        connection.register("updated_figures", notes)
        for table, *computed in (
            ("invocation_failures", failures),
            ("invocation_figures", calls, steps),
        ):
            connection.execute(f"DELETE FROM {table} WHERE invocation_id IN ({_UPDATED})")
            for rows in computed:
                connection.register("computed_figures", rows)
                connection.execute(f"INSERT INTO {table} BY NAME FROM computed_figures")
                connection.unregister("computed_figures")
        connection.execute(
            "DELETE FROM stale_figures WHERE (id, mark) IN (SELECT (id, mark) FROM updated_figures)"
        )
        connection.unregister("updated_figures")
    return len(set(notes.column("id").to_pylist()))


def _calls_of(ids: str) -> str:
    chosen = f"invocation_id IN ({ids})"
    return call_table.counted(f"SELECT * FROM calls WHERE {chosen}", chosen)


def _calls(calls: str, ids: str = "") -> str:
    chosen = f"WHERE invocation_id IN ({ids})" if ids else ""
    return f"""
SELECT invocation_id, kind, coalesce(agent, '') AS agent, coalesce(name, '') AS name,
  count(*) AS counted, (count(logical_id) - count(DISTINCT logical_id))::BIGINT AS repeated
FROM ({calls}) {chosen} GROUP BY invocation_id, kind, coalesce(agent, ''), coalesce(name, '')
"""


def _steps(ids: str, *, few: bool = True) -> str:
    def rows(table: str, id_: str, columns: str, condition: str) -> str:
        chosen = f"{id_} IN ({ids})"
        if few:
            # As in `SPANS_OF`: the long columns of other rows are not read. Materialized, because
            # DuckDB would apply the conditions on JSON to all rows first.
            chosen = f"rowid IN (SELECT rowid FROM {table} WHERE {chosen})"
        own = f"(SELECT {columns} FROM {table} WHERE {chosen} AND {condition})"
        return f"{'MATERIALIZED ' if few else ''}{own}"

    entries = "id, entry_type, name, appended_at, entry_lite_json"
    command_name = names.attribute_sql(names.COMMAND_NAME)
    index = names.number_sql(names.COMMAND_INDEX)
    return f"""
WITH own_entries AS {
        rows("journal", "id", entries, "entry_type IN ('Command: Run', 'Notification: Run')")
    },
own_events AS {rows("journal_events", "id", "id, event_json", "event_type = 'TransientError'")},
own_spans AS {
        rows(
            "spans",
            "invocation_id",
            "invocation_id, name, status_code, attributes",
            "starts_with(name, 'run ')",
        )
    },
commands AS (
  SELECT id, name, appended_at, TRY_CAST(entry_lite_json->>'$.Command.Run.completion_id' AS BIGINT)
    AS completion
  FROM own_entries WHERE entry_type = 'Command: Run'
), results AS (
  SELECT id, appended_at,
    TRY_CAST(entry_lite_json->>'$.Notification.id.CompletionId' AS BIGINT) AS completion,
    coalesce(entry_lite_json->>'$.Notification.result', 'Success') AS outcome
  FROM own_entries WHERE entry_type = 'Notification: Run'
), parts AS (
  SELECT commands.id AS id, coalesce(commands.name, '') AS name, 1 AS counted,
    coalesce(outcome <> 'Failure', false) AS succeeded, coalesce(outcome = 'Failure', false)
      AS failed,
    (epoch_us(results.appended_at) - epoch_us(commands.appended_at)) / 1e6 AS duration,
    0 AS tried, 0 AS executed, 0 AS repeated
  FROM commands
  LEFT JOIN results ON results.id = commands.id AND results.completion = commands.completion
  UNION ALL BY NAME
  SELECT id, coalesce(event_json->>'$.related_command_name', '') AS name, count(*) AS tried
  FROM own_events WHERE event_json->>'$.related_command_type' = 'Run'
  GROUP BY ALL
  UNION ALL BY NAME
  SELECT invocation_id AS id, coalesce({command_name}, '') AS name,
    count(*) FILTER (status_code = 'error') AS executed,
    count(*) - count(DISTINCT (invocation_id, {index})) AS repeated
  FROM own_spans AS spans WHERE {names.attribute_sql(names.COMMAND_TYPE)} = 'Run'
    AND coalesce({names.attribute_sql(names.REPLAYED)}, '') <> 'true'
  GROUP BY ALL
)
SELECT {"parts.id AS invocation_id," if few else ""} 'step' AS kind,
  coalesce(target_service_name, '') AS agent, parts.name AS name,
  coalesce(sum(counted), 0)::BIGINT AS counted,
  coalesce(sum(repeated), 0)::BIGINT AS repeated,
  count(*) FILTER (succeeded) AS succeeded, count(*) FILTER (failed) AS failed,
  coalesce(sum(tried), 0)::BIGINT AS tried, coalesce(sum(executed), 0)::BIGINT AS executed,
  {"" if few else "count(DISTINCT parts.id) FILTER (counted = 1) AS invocations,"}
  list(duration) FILTER (succeeded AND duration IS NOT NULL) AS durations
FROM parts JOIN (SELECT id, target_service_name FROM invocations WHERE id IN ({ids})) AS owner
  ON owner.id = parts.id
GROUP BY {"parts.id, " if few else ""}coalesce(target_service_name, ''), parts.name
"""
