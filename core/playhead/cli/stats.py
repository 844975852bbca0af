"""`playhead stats`: numbers a service."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.ls import since_when

if TYPE_CHECKING:
    from playhead.model import Invocation


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """What the invocations of one service add up to."""

    service: str
    invocations: int
    by_status: dict[str, int]
    attempts: int | None
    llm_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    median_seconds: float | None
    """Of those that ended."""
    p95_seconds: float | None


@click.command()
@click.option("--service", metavar="NAME", help="Only of this service.")
@click.option(
    "--since",
    callback=since_when,
    metavar="TIME",
    help="Only created since: 90s, 15m, 2h, 3d, or an ISO 8601 time.",
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True,
    help="Of the newest so many.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(
    ctx: click.Context, service: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """Count invocations, attempts, LLM calls, tokens and failures, a row a service.

    P50 and P95 are durations of those that ended. - means that nobody recorded it.
    """
    from playhead.cli.reading import read

    page = read(
        ctx.obj, lambda reader: reader.invocations(limit=limit, service=service, since=since)
    )
    if not page.rows and len(page.missing) > 1:
        raise CliError("neither a Restate server nor a recording can be read",
                       "\n".join(page.missing), Exit.UNREACHABLE)  # fmt: skip
    found = stats(page.rows)
    if as_json:
        from playhead.cli.json_output import echo_json

        echo_json({"services": found, "invocations": len(page.rows), "more": page.more,
                   "missing": page.missing})  # fmt: skip
        return
    _write(found)
    from playhead.cli.output import note

    if not found:
        note("No invocations yet." if not (service or since) else "No invocation matches.")
    if page.more:
        note(f"Of the newest {limit}; there are older ones (--limit).")
    for sentence in page.missing:
        note(sentence)


def stats(rows: Sequence[Invocation]) -> list[ServiceStats]:
    """One a service, by name."""
    groups: dict[str, list[Invocation]] = defaultdict(list)
    for row in rows:
        groups[row.service].append(row)
    return [_service(name, groups[name]) for name in sorted(groups)]


def _service(name: str, rows: Sequence[Invocation]) -> ServiceStats:
    times = sorted((r.completed_at - r.created_at).total_seconds() for r in rows if r.completed_at)
    spent = [row.tokens for row in rows if row.tokens is not None]
    return ServiceStats(
        service=name,
        invocations=len(rows),
        by_status=dict(Counter(row.status for row in rows)),
        attempts=_sum([row.attempts for row in rows]),
        llm_calls=_sum([row.llm_calls for row in rows]),
        input_tokens=_sum([t.input for t in spent]),
        output_tokens=_sum([t.output for t in spent]),
        median_seconds=_quantile(times, 0.5),
        p95_seconds=_quantile(times, 0.95),
    )


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    """The nearest-rank quantile."""
    if not ordered:
        return None
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def _write(found: Sequence[ServiceStats]) -> None:
    from playhead.cli import words
    from playhead.cli.output import table

    if not found:
        return

    def span(seconds: float | None) -> str:
        return "-" if seconds is None else words.duration(seconds)

    columns = ("SERVICE", "INVOCATIONS", "ATTEMPTS", "LLM", "TOKENS IN", "OUT", "P50", "P95",
               "STATUS")  # fmt: skip
    table(
        columns,
        [
            (
                s.service,
                str(s.invocations),
                words.count(s.attempts),
                words.count(s.llm_calls),
                words.count(s.input_tokens),
                words.count(s.output_tokens),
                span(s.median_seconds),
                span(s.p95_seconds),
                ", ".join(f"{n} {status}" for status, n in sorted(s.by_status.items())),
            )
            for s in found
        ],
        right=columns[1:-1],
    )
