"""The columns of lists of invocations: their names, headings, texts and importance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from playhead import formatting
from playhead.model import Invocation, Times

__all__ = ["COLUMNS", "NARROW_FIRST", "Column", "known_columns", "parse_columns"]

_Text = Callable[[Invocation, datetime], str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    """Name in `--columns` and in saved views."""
    heading: str
    about: str
    """What it shows, in a few words."""
    width: int
    """Cells in the dashboard."""
    text: _Text
    """Text of an invocation at a time; empty if it is not known."""
    figure: bool = False
    """Whether it is aligned right."""


def _seconds(part: Callable[[Times], float | None]) -> _Text:
    def text(row: Invocation, now: datetime) -> str:
        seconds = part(row.times) if row.times else None
        return formatting.duration(seconds)

    return text


def _joined(names: Sequence[str]) -> str:
    return formatting.one_line(", ".join(names))


def _column(name: str, about: str, width: int, text: _Text, figure: bool = False) -> Column:
    heading = formatting.HEADINGS.get(name, name.upper())
    return Column(name, heading, about, width, text, figure)


def _all() -> Iterable[Column]:
    f = formatting
    yield _column("id", "Invocation id", 18, lambda r, n: r.id)
    yield _column("status", "Status", 14, lambda r, n: r.status)
    yield _column("target", "Service, key and handler", 28, lambda r, n: r.target)
    yield _column("service", "Service", 18, lambda r, n: r.service)
    yield _column("key", "Key of the object or workflow", 14, lambda r, n: r.key or "")
    yield _column("handler", "Handler", 12, lambda r, n: r.handler)
    yield _column("age", "Time since it was created", 7, f.row_age, True)
    yield _column("created", "When it was created", 23,
                 lambda r, n: f.date_time(r.created_at))  # fmt: skip
    yield _column("completed", "When it ended", 23,
                 lambda r, n: f.date_time(r.completed_at) if r.completed_at else "")  # fmt: skip
    yield _column("duration", "Time that it took; with + it has not ended", 9, f.elapsed, True)
    yield _column("queued", "Time in the queue", 8, _seconds(lambda t: t.queued), True)
    yield _column("running", "Time of its attempts", 8, _seconds(lambda t: t.running),
                 True)  # fmt: skip
    yield _column("suspended", "Time that it was suspended", 9,
                 _seconds(lambda t: t.suspended), True)  # fmt: skip
    yield _column("backoff", "Time between attempts", 8, _seconds(lambda t: t.backoff),
                 True)  # fmt: skip
    yield _column("attempts", "Attempts", 9, lambda r, n: f.attempts(r), True)
    yield _column("llm_calls", "LLM calls that were answered", 10,
                 lambda r, n: f.count(r.llm_calls, unknown=""), True)  # fmt: skip
    yield _column("tokens", "Input/output tokens", 9,
                 lambda r, n: f.tokens(r.tokens, unknown=""), True)  # fmt: skip
    yield _column("cost", "US dollars", 9, lambda r, n: f.cost(r.cost, unknown=""), True)
    yield _column("models", "Models that answered", 18, lambda r, n: _joined(r.models))
    yield _column("agents", "Agents that called models", 16, lambda r, n: _joined(r.agents))
    yield _column("deployment", "Deployment of the last attempt", 20,
                 lambda r, n: r.deployment_id or "")  # fmt: skip
    yield _column("parent", "Invocation that called it", 18,
                 lambda r, n: r.invoked_by or "")  # fmt: skip
    yield _column("original", "Invocation that it is a restart of", 18,
                 lambda r, n: r.restarted_from or "")  # fmt: skip
    yield _column("trace", "Trace id", 32, lambda r, n: r.trace_id or "")
    yield _column("source", "live, or stored only", 6, lambda r, n: r.origin)
    yield _column("reason", "Why it makes no progress, or its failure", 24,
                 lambda r, n: f.reason(r))  # fmt: skip


COLUMNS: Mapping[str, Column] = {column.name: column for column in _all()}
"""All columns by name, in the order in which they are offered."""

NARROW_FIRST = (
    "source", "trace", "original", "parent", "backoff", "suspended", "running", "queued",
    "completed", "created", "agents", "models", "deployment", "llm_calls", "tokens", "cost",
    "attempts", "age", "duration", "handler", "key", "id", "service",
)  # fmt: skip
"""Columns that narrow terminals leave out, in this order."""


def parse_columns(text: str) -> tuple[str, ...]:
    """Return the names of columns that are separated by commas, such as `id,status,llm-calls`.

    Raises:
        ValueError: A name is unknown, is repeated, or there is none.
    """
    names = tuple(part.strip().lower().replace("-", "_") for part in text.split(","))
    for place, name in enumerate(names):
        if name not in COLUMNS:
            raise ValueError(f"{name!r} is not a column: {', '.join(COLUMNS)}.")
        if name in names[:place]:
            raise ValueError(f"The column {name!r} is named twice.")
    return names


def known_columns(text: str) -> tuple[str, ...]:
    """Return those names in a text that this version knows, each once; see `parse_columns`."""
    return tuple(dict.fromkeys(name for name in text.split(",") if name in COLUMNS))
