"""SQL queries for a Restate server, designed for the cost of each table.

Ids come first, then rows by id: a lookup by id takes a millisecond, but any filter or order over
the status scans every stored invocation. Only the queries for payloads and state read payload
columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from playhead.model.status import LOOKS_ENDED
from playhead.restate.ids import partition_key

__all__ = [
    "ACTIVE",
    "awaited_commands",
    "changes",
    "deployments",
    "ended_until",
    "events",
    "grouped",
    "ids",
    "invocations",
    "invocations_of_object",
    "journal",
    "journal_payloads",
    "looks_ended",
    "object_state",
    "pauses",
    "queues",
    "quote",
    "some_ids",
    "state_commands",
    "statuses",
]

_INVOCATION = (
    "id", "target", "target_service_name", "target_service_key", "target_handler_name",
    "target_service_ty", "idempotency_key", "invoked_by", "invoked_by_id", "invoked_by_target",
    "restarted_from", "pinned_deployment_id", "pinned_service_protocol_version", "trace_id",
    "journal_size", "journal_commands_size", "created_at", "created_using_restate_version",
    "modified_at", "inboxed_at", "scheduled_at", "scheduled_start_at", "running_at",
    "completed_at", "journal_retention", "completion_retention",
    "suspended_waiting_for_completions", "suspended_waiting_for_signals",
    "suspended_waiting_future_json", "retry_count", "last_start_at", "next_retry_at",
    "last_attempt_deployment_id", "last_attempt_server", "last_failure",
    "last_failure_error_code", "last_failure_related_command_index", "status", "completion_result",
    "completion_failure",
)  # fmt: skip
"""Restate 1.7 leaves `scheduled_start_at` empty unless `scheduled_at` is selected too."""

_JOURNAL = (
    "index", "version", "entry_type", "name", "appended_at", "raw_length", "entry_lite_json",
    "completed", "invoked_id", "invoked_target", "sleep_wakeup_at", "promise_name",
)  # fmt: skip

_AWAITED = (
    "Sleep", "Call", "AttachInvocation", "GetInvocationOutput", "GetPromise", "PeekPromise",
    "CompletePromise", "GetLazyState", "GetLazyStateKeys", "Run",
)  # fmt: skip
"""Commands with a result that arrives later."""

_STATE_COMMANDS = ("SetState", "ClearState", "ClearAllState")

ACTIVE = (
    "SELECT id, in_flight, retry_count, last_start_at, next_retry_at, last_failure"
    " FROM sys_invocation_state"
)
"""The invocations that have an attempt now or are backing off; not the suspended ones."""


def quote(text: str) -> str:
    """Return the text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _time(at: datetime) -> str:
    return f"TIMESTAMP {quote(at.isoformat(timespec='milliseconds'))}"


def ids(
    limit: int,
    where: str = "",
    *,
    needs_state: bool = False,
    before: tuple[datetime, str] | None = None,
    order: tuple[str, str] | None = None,
) -> str:
    """Select id and created_at of the newest ones. Scans the status of all stored invocations.

    Args:
        limit: Maximum number of ids.
        where: Condition on sys_invocation_status `ss`; empty for none.
        needs_state: Whether the condition names sys_invocation_state, as `sis`.
        before: Creation time and id of an invocation; only older ones are selected.
        order: Expression and direction of another order than the newest first.
    """
    conditions = [f"({where})"] if where else []
    if before:
        at, last = _time(before[0]), quote(before[1])
        conditions.append(f"(ss.created_at < {at} OR (ss.created_at = {at} AND ss.id < {last}))")
    join = " LEFT JOIN sys_invocation_state sis ON ss.id = sis.id" if needs_state else ""
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    columns = "ss.id AS id, ss.created_at AS created_at"
    rows = f"FROM sys_invocation_status ss{join}{condition}"
    if order:
        expression, direction = order
        return (
            f"SELECT id, created_at FROM (SELECT {columns}, {expression} AS sorted {rows})"
            f" ORDER BY sorted {direction}, created_at DESC, id DESC LIMIT {int(limit)}"
        )
    return f"SELECT {columns} {rows} ORDER BY ss.created_at DESC, ss.id DESC LIMIT {int(limit)}"


def grouped(name: str, status: str, where: str) -> str:
    """Count invocations by two expressions. Scans the status of all stored invocations.

    Args:
        name: The first expression, over sys_invocation_status `ss` and sys_invocation_state `sis`.
        status: The second expression.
        where: Condition; empty for none.
    """
    condition = f" WHERE {where}" if where else ""
    return (
        f"SELECT name, status, count(*) AS invocations, min(created_at) AS first_at,"
        f" max(created_at) AS last_at FROM (SELECT {name} AS name, {status} AS status,"
        " ss.created_at AS created_at FROM sys_invocation_status ss"
        f" LEFT JOIN sys_invocation_state sis ON ss.id = sis.id{condition}) GROUP BY name, status"
    )


def looks_ended(limit: int, since: datetime | None = None) -> str:
    """Select the rows with the text of a kill or a cancellation, the latest first.

    Scans the status of all stored invocations.

    Args:
        limit: Maximum number of rows.
        since: Only those that ended at this time or later.
    """
    recent = f" AND completed_at >= {_time(since)}" if since else ""
    return (
        "SELECT id, status, completion_result, completion_failure FROM sys_invocation_status"
        f" WHERE {LOOKS_ENDED}{recent} ORDER BY completed_at DESC LIMIT {int(limit)}"
    )


def ended_until(until: datetime, limit: int) -> str:
    """Select the ids of invocations that ended by a time. Scans the status of all stored ones."""
    return (
        "SELECT id FROM sys_invocation_status"
        f" WHERE status = 'completed' AND modified_at <= {_time(until)} LIMIT {int(limit)}"
    )


def some_ids(limit: int) -> str:
    """Select the ids of invocations in any order."""
    return f"SELECT id FROM sys_invocation_status LIMIT {int(limit)}"


def by_minute(status: str, where: str, since: datetime) -> str:
    """Count started and failed invocations by minute. Scans the status of all stored ones.

    Args:
        status: Expression of the status, over sys_invocation_status `ss` and sys_invocation_state
            `sis`.
        where: Condition; empty for none.
        since: Earliest time of a start or a failure.
    """
    recent = f"(ss.created_at >= {_time(since)} OR ss.completed_at >= {_time(since)})"
    condition = " AND ".join(filter(None, (recent, f"({where})" if where else "")))

    def minute(column: str) -> str:
        return f"CAST(floor(date_part('epoch', {column}) / 60) AS BIGINT)"

    found = (
        f"SELECT ss.created_at AS created_at, ss.completed_at AS completed_at, {status} AS status"
        " FROM sys_invocation_status ss LEFT JOIN sys_invocation_state sis ON ss.id = sis.id"
        f" WHERE {condition}"
    )
    return (
        f"SELECT minute, sum(started) AS started, sum(failed) AS failed FROM ("
        f"SELECT {minute('created_at')} AS minute, 1 AS started, 0 AS failed FROM ({found})"
        f" UNION ALL SELECT {minute('completed_at')} AS minute, 0 AS started, 1 AS failed"
        f" FROM ({found}) WHERE status = 'failed' AND completed_at IS NOT NULL) GROUP BY minute"
    )


def changes(ids: Sequence[str], newest: int = 0, since: datetime | None = None) -> str:
    """Select what shows that invocations have changed, in one query.

    The column `kind` is `active` for the rows of `ACTIVE`, `given` for the times at which these
    invocations were last modified, and `newest` for those of the last modified ones.

    Args:
        ids: Complete ids.
        newest: Number of the last modified invocations; more than 0 scans the status of all.
        since: Only last modified ones that were modified at this time or later.
    """
    active = ACTIVE.replace("SELECT ", "SELECT 'active' AS kind, CAST(NULL AS TIMESTAMP)"
                            " AS modified_at, ")  # fmt: skip
    columns = "modified_at, id, NULL, NULL, NULL, NULL, NULL"
    found = [active]
    if ids:
        found.append(
            f"SELECT 'given', {columns} FROM sys_invocation_status"
            f" WHERE id IN ({', '.join(map(quote, ids))})"
        )
    if newest:
        where = f" WHERE modified_at >= {_time(since)}" if since else ""
        found.append(
            f"SELECT 'newest', {columns} FROM (SELECT id, modified_at FROM sys_invocation_status"
            f"{where} ORDER BY modified_at DESC LIMIT {int(newest)})"
        )
    return " UNION ALL ".join(found)


def invocations(ids: Sequence[str]) -> str:
    """Select the rows of these invocations, without payloads."""
    return (
        f"SELECT {', '.join(_INVOCATION)} FROM sys_invocation"
        f" WHERE id IN ({', '.join(map(quote, ids))})"
    )


def journal(invocation_id: str) -> str:
    """Select the journal of one invocation, without payload columns."""
    columns = ", ".join(f'"{name}"' for name in _JOURNAL)
    return f'SELECT {columns} FROM sys_journal WHERE id = {quote(invocation_id)} ORDER BY "index"'


def journal_payloads(invocation_id: str, indexes: Sequence[int], most: int | None = None) -> str:
    """Select the `raw` column of these entries of one journal.

    Args:
        invocation_id: The invocation.
        indexes: The journal indexes.
        most: Length above which an entry is left out.
    """
    wanted = ", ".join(str(int(index)) for index in indexes)
    limit = "" if most is None else f" AND raw_length <= {int(most)}"
    return (
        f'SELECT "index", raw FROM sys_journal WHERE id = {quote(invocation_id)}'
        f' AND "index" IN ({wanted}){limit}'
    )


def events(invocation_id: str) -> str:
    """Select the events of one invocation's attempts: errors with stack traces, and pauses."""
    return (
        "SELECT after_journal_entry_index, appended_at, event_type, event_json"
        f" FROM sys_journal_events WHERE id = {quote(invocation_id)} ORDER BY appended_at"
    )


def awaited_commands(ids: Sequence[str]) -> str:
    """Select the commands of these journals that an invocation can wait for."""
    types = ", ".join(quote(f"Command: {name}") for name in _AWAITED)
    columns = ", ".join(f'"{name}"' for name in ("id", *_JOURNAL))
    return (
        f"SELECT {columns} FROM sys_journal WHERE id IN ({', '.join(map(quote, ids))})"
        f" AND entry_type IN ({types})"
    )


def pauses(ids: Sequence[str]) -> str:
    """Select the pauses of these invocations, oldest first."""
    return (
        "SELECT id, appended_at, event_type, event_json FROM sys_journal_events"
        f" WHERE id IN ({', '.join(map(quote, ids))}) AND event_type = 'Paused'"
        " ORDER BY appended_at"
    )


def queues(ids: Sequence[str]) -> str:
    """Select the places of queued invocations, and the holders of the locks that they wait for.

    A row has `place` (1 for the next in line), or `holder`. Partition keys are the hash of the
    object's key and a part of the id, so that the server reads the objects in question only.
    """
    keys = ", ".join(str(key) for key in sorted({partition_key(id_) for id_ in ids}))
    return (
        "SELECT service_name, service_key, id, place, NULL AS holder FROM ("
        "SELECT service_name, service_key, id, row_number() OVER ("
        "PARTITION BY service_name, service_key ORDER BY sequence_number) AS place"
        f" FROM sys_inbox WHERE partition_key IN ({keys}))"
        f" WHERE id IN ({', '.join(map(quote, ids))})"
        " UNION ALL SELECT service_name, service_key, NULL, NULL, invocation_id"
        f" FROM sys_keyed_service_status WHERE partition_key IN ({keys})"
    )


def statuses(ids: Sequence[str]) -> str:
    """Select target and status of these invocations."""
    return (
        "SELECT id, target, status, completion_result, completion_failure FROM sys_invocation"
        f" WHERE id IN ({', '.join(map(quote, ids))})"
    )


def object_state(service: str, key: str) -> str:
    """Select the state of one virtual object or workflow, with its values."""
    return (
        f"SELECT key, value FROM state WHERE service_name = {quote(service)}"
        f" AND service_key = {quote(key)} ORDER BY key"
    )


def invocations_of_object(service: str, key: str, limit: int) -> str:
    """Select the newest invocations of one virtual object or workflow. Scans the status of all."""
    return (
        "SELECT id, target_handler_name, created_at, restarted_from FROM sys_invocation_status"
        f" WHERE target_service_name = {quote(service)} AND target_service_key = {quote(key)}"
        f" ORDER BY created_at DESC LIMIT {int(limit)}"
    )


def state_commands(ids: Sequence[str]) -> str:
    """Select the commands of these journals that change state, with their payloads."""
    types = ", ".join(quote(f"Command: {name}") for name in _STATE_COMMANDS)
    return (
        'SELECT id, "index", entry_type, appended_at, raw FROM sys_journal'
        f" WHERE id IN ({', '.join(map(quote, ids))}) AND entry_type IN ({types})"
    )


def deployments() -> str:
    """Select the registered deployments."""
    return "SELECT id, ty, endpoint, created_at, services FROM sys_deployment ORDER BY created_at"
