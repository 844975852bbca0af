"""Statuses of an invocation, and their form in Restate's tables.

All code that handles statuses is derived from `STATUSES`: Python code, the SQL for the server and
the store, and the choices on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "ENDED",
    "ENDED_AS",
    "FAILING",
    "GONE",
    "LOOKS_CANCELLED",
    "LOOKS_ENDED",
    "STATUSES",
    "Status",
    "StatusRule",
    "looks_ended_from_outside",
    "server_status_name",
    "server_status_sql",
    "status_of",
    "statuses_with",
    "stored_status_name",
    "stored_status_sql",
    "tells_ends_apart",
]

Status = Literal[
    "pending", "scheduled", "inboxed", "ready", "running", "backing-off",
    "suspended", "paused", "succeeded", "failed", "killed", "cancelled", "gone", "unknown",
]  # fmt: skip
"""Status of an invocation.

The server's statuses, with `completed` split by result: `succeeded`, `failed`, `killed` and
`cancelled`. `gone` is Playhead's own: the server answers, but no longer has an invocation that had
not ended when it was last seen. `unknown` is a status that Playhead does not recognize.
"""

_ENDINGS: Mapping[Status, str] = {"killed": "[409] killed", "cancelled": "[409] cancelled"}
"""`completion_failure` of the invocations that were ended from outside.

A handler can fail with the same text: only the journal shows which of both it was.
"""
_TEXTS = ", ".join(f"'{text}'" for text in _ENDINGS.values())
LOOKS_ENDED = (
    f"status = 'completed' AND completion_result = 'failure' AND completion_failure IN ({_TEXTS})"
)
"""Condition on the rows with the text of a kill or a cancellation, of the server and the store."""
LOOKS_CANCELLED = f"completion_failure = '{_ENDINGS['cancelled']}'"
"""Condition on those of them with the text of a cancellation."""
ENDED_AS = "ended_as"
"""Column that the reader adds to such a row: its status, as the journal shows it."""
_COMPLETED = "completed"
"""`status` of every invocation that ended, in the server's tables and the store's copy."""
GONE = "gone"
"""`status` that the recorder writes into the store's copy; the server never has it."""
_IN_FLIGHT = "coalesce(sis.in_flight, false)"
_RETRIES = "coalesce(sis.retry_count, 0)"


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One status, and its form in Restate's tables."""

    status: Status
    description: str
    row: str
    """`status` in sys_invocation and in the store's copy of it."""
    server: str
    """`status` in sys_invocation_status."""
    invoker: str = ""
    """Condition on sys_invocation_state, which distinguishes invoked ones."""
    ended: bool = False
    failing: bool = False
    """Whether the invocation failed, or needs intervention to continue."""

    def stored_sql(self, raised: str) -> str:
        """Return the DuckDB condition on a row of the store's `invocations`.

        Args:
            raised: Condition on the rows whose handler failed with the text of a kill or a
                cancellation.
        """
        return f"(status = '{self.row}'{self._ending('', raised)})"

    def server_sql(self, raised: str) -> str:
        """Return the server's condition on sys_invocation_status `ss` and its state `sis`."""
        invoker = f" AND {self.invoker}" if self.invoker else ""
        return f"(ss.status = '{self.server}'{invoker}{self._ending('ss.', raised)})"

    def _ending(self, prefix: str, raised: str) -> str:
        if self.row != _COMPLETED:
            return ""
        result = f" AND coalesce({prefix}completion_result, '')"
        failure = f"coalesce({prefix}completion_failure, '')"
        if self.status == "succeeded":
            return f"{result} <> 'failure'"
        if self.status in _ENDINGS:
            return (
                f"{result} = 'failure' AND {failure} = '{_ENDINGS[self.status]}' AND NOT {raised}"
            )
        return f"{result} = 'failure' AND ({failure} NOT IN ({_TEXTS}) OR {raised})"


_RULES = (
    StatusRule("running", "An attempt is executing.", "running", "invoked", _IN_FLIGHT),
    StatusRule(
        "backing-off", "The last attempt failed; the next one is due later.", "backing-off",
        "invoked", f"NOT {_IN_FLIGHT} AND {_RETRIES} > 0", failing=True,
    ),
    StatusRule("suspended", "Waiting for a result without running.", "suspended", "suspended"),
    StatusRule(
        "paused", "Retries are exhausted, or it was paused by hand; resume it to continue.",
        "paused", "paused", failing=True,
    ),
    StatusRule("succeeded", "The handler returned.", "completed", "completed", ended=True),
    StatusRule(
        "failed", "The handler ended with a terminal error.", "completed", "completed",
        ended=True, failing=True,
    ),
    StatusRule("killed", "Ended by a kill.", "completed", "completed", ended=True, failing=True),
    StatusRule("cancelled", "Ended by a cancellation.", "completed", "completed", ended=True),
    StatusRule(
        "gone", "The server no longer has it, and its end was not recorded.", GONE, GONE,
        ended=True,
    ),
    StatusRule("pending", "Waiting for its virtual object.", "pending", "inboxed"),
    StatusRule("scheduled", "Due later.", "scheduled", "scheduled"),
    StatusRule("inboxed", "Waiting for its virtual object.", "inboxed", "inboxed"),
    StatusRule(
        "ready", "Waiting for an attempt to start.", "ready", "invoked",
        f"NOT {_IN_FLIGHT} AND {_RETRIES} = 0",
    ),
)  # fmt: skip

STATUSES: Mapping[Status, StatusRule] = {rule.status: rule for rule in _RULES}
"""The rule of every status that filters accept, in the order in which they are listed."""
_BY_ROW: Mapping[str, Status] = {rule.row: rule.status for rule in _RULES if rule.row != _COMPLETED}
_ENDED_BY: Mapping[str, Status] = {text: status for status, text in _ENDINGS.items()}
ENDED: frozenset[Status] = frozenset(rule.status for rule in _RULES if rule.ended)
"""Statuses that no longer change."""
FAILING: tuple[Status, ...] = tuple(rule.status for rule in _RULES if rule.failing)
"""Statuses of invocations that failed or need intervention to continue."""


def status_of(row: Mapping[str, Any]) -> Status:
    """Return the status in a row of sys_invocation, or of the store's copy."""
    if row.get(ENDED_AS) in STATUSES:
        return row[ENDED_AS]
    word = str(row.get("status") or "unknown")
    if word == _COMPLETED:
        if row.get("completion_result") != "failure":
            return "succeeded"
        failure = row.get("completion_failure")
        return _ENDED_BY.get(str(failure), "failed")
    return _BY_ROW.get(word, "unknown")


def looks_ended_from_outside(row: Mapping[str, Any]) -> bool:
    """Return whether a row has the text of a kill or a cancellation."""
    failed = row.get("status") == _COMPLETED and row.get("completion_result") == "failure"
    return failed and str(row.get("completion_failure")) in _ENDED_BY


def statuses_with(text: str) -> tuple[Status, ...]:
    """Return the statuses whose name contains this text."""
    return tuple(status for status in STATUSES if text in status)


def stored_status_sql(statuses: Iterable[str], raised: str) -> str:
    """Return the DuckDB condition on the store's `invocations`; unknown statuses match nothing.

    Args:
        statuses: The statuses.
        raised: Condition on the invocations whose handler failed with the text of a kill or a
            cancellation; see `playhead.store.raised_errors`.
    """
    return _any(rule.stored_sql(raised) for rule in _known(statuses))


def server_status_sql(statuses: Iterable[str], raised: str = "false") -> tuple[str, bool]:
    """Return the condition on sys_invocation_status, and whether it needs sys_invocation_state.

    The tables' aliases are `ss` and `sis`.

    Args:
        statuses: The statuses; unknown ones match nothing.
        raised: Condition on the invocations whose handler failed with the text of a kill or a
            cancellation.
    """
    rules = _known(statuses)
    return _any(rule.server_sql(raised) for rule in rules), any(rule.invoker for rule in rules)


def stored_status_name(raised: str) -> str:
    """Return the DuckDB expression of the status in a row of the store's `invocations`.

    Args:
        raised: As for `stored_status_sql`.
    """
    return _name(raised, ((rule.stored_sql("false"), rule.status) for rule in _RULES))


def server_status_name(raised: str) -> str:
    """Return the server's expression of the status, over `ss` and its state `sis`.

    Args:
        raised: As for `server_status_sql`.
    """
    return _name(raised, ((rule.server_sql("false"), rule.status) for rule in _RULES))


def tells_ends_apart(statuses: Iterable[str]) -> bool:
    """Return whether only the journal shows which rows have one of these statuses.

    That is so if some, but not all, of `failed`, `killed` and `cancelled` are among them.
    """
    return 0 < len({"failed", *_ENDINGS} & {*statuses}) <= len(_ENDINGS)


def _name(raised: str, conditions: Iterable[tuple[str, Status]]) -> str:
    cases = " ".join(f"WHEN {sql} THEN '{status}'" for sql, status in conditions)
    return f"CASE WHEN {raised} THEN 'failed' {cases} ELSE 'unknown' END"


def _known(statuses: Iterable[str]) -> list[StatusRule]:
    wanted = set(statuses)
    return [rule for rule in _RULES if rule.status in wanted]


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions) or 'false'})"
