"""A reader and a server control in memory, at a fixed time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.filters.language import parse
from playhead.filters.rows import matches
from playhead.model import (
    Activity,
    Cost,
    GroupKey,
    Invocation,
    InvocationDetail,
    InvocationGroup,
    InvocationGroups,
    InvocationPage,
    Span,
    Tokens,
    Totals,
)
from playhead.model.groups import AgentReport, FailureGroups
from playhead.reader.invocation.call_tree import CallTree, read_calls
from playhead.reader.listing.live import ServerChanges
from playhead.record.change_feed import ChangeFeed, Changes
from playhead_tui.interfaces import Connection

NOW = datetime(2026, 3, 14, 15, 9, 26, 535_000, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def summary(ident: str, target: str, status: str, age: float, **more: Any) -> Invocation:
    parts = target.split("/")
    long = more.pop("took", None)
    created = ago(age)
    return Invocation(
        id=ident,
        target=target,
        service=parts[0],
        key=parts[1] if len(parts) == 3 else None,
        handler=parts[-1],
        status=status,  # type: ignore[arg-type]
        created_at=created,
        completed_at=created + timedelta(seconds=long) if long is not None else None,
        **more,
    )


def some_rows() -> list[Invocation]:
    return [
        summary("inv_1aWeather", "WeatherAgent/run", "backing-off", 14.2, attempts=3, llm_calls=1,
                tokens=Tokens(412, 38), retry_count=3, next_retry_at=ago(-3.4),
                last_failure="[500] WeatherUnavailable: 503 Service Unavailable from api.weather",
                trace_id="5b8aa5a2d2c872e8321cf37308d69df2", deployment_id="dp_14LsPzGz9HBxXIe"),
        summary("inv_1bApprove", "ApprovalAgent/run", "suspended", 96, attempts=2, llm_calls=1,
                tokens=Tokens(633, 71)),
        summary("inv_1cIntake", "IntakeAgent/run", "running", 8.4, attempts=1, llm_calls=3,
                tokens=Tokens(2210, 402)),
        summary("inv_1dBilling", "BillingSpecialist/ask", "running", 5.1, attempts=1, llm_calls=1,
                tokens=Tokens(840, 0), invoked_by="inv_1cIntake"),
        summary("inv_1eLegal", "LegalSpecialist/ask", "succeeded", 5.6, took=3.32, attempts=1,
                llm_calls=1, tokens=Tokens(790, 121), invoked_by="inv_1cIntake"),
        summary("inv_1fChat", "ChatAgent/user-東京🗼/message", "succeeded", 41, took=2.204,
                attempts=1, llm_calls=1, tokens=Tokens(1290, 96)),
        summary("inv_1gChat", "ChatAgent/user-1/message", "succeeded", 63, took=1.871, attempts=1,
                llm_calls=1, tokens=Tokens(310, 44)),
        summary("inv_1hRate", "WeatherAgent/run", "succeeded", 130, took=6.022, attempts=2,
                llm_calls=2, tokens=Tokens(901, 77),
                last_failure="[429] Too Many Requests, retry after 2 s"),
        summary("inv_1iFail", "WeatherAgent/run", "failed", 3700, took=12.5, attempts=6,
                llm_calls=4, tokens=Tokens(15200, 1100),
                last_failure="[400] [bold red]Refused[/] by policy: no city called 'Atlantis'"),
        summary("inv_1jKill", "ReportAgent/nightly", "killed", 86500, took=7300.0, attempts=14,
                llm_calls=188, tokens=Tokens(1_802_000, 91_000), last_failure="killed"),
        summary("inv_1kCancel", "ReportAgent/nightly", "cancelled", 172800, took=41.0, attempts=1,
                llm_calls=2, tokens=Tokens(12_000, 800), last_failure="cancelled"),
        summary("inv_1lPause", "ResearchAgent/dig", "paused", 912, attempts=9, llm_calls=12,
                tokens=Tokens(44_000, 5_200), last_failure="[500] ToolError: index out of range"),
        summary("inv_1mSleep", "ReminderAgent/mum/remind", "scheduled", 30),
    ]  # fmt: skip


def modified(row: Invocation) -> datetime:
    return row.modified_at or row.completed_at or row.created_at


def totals_of(rows: list[Invocation], *, recorded: bool) -> Totals:
    by_status: dict[Any, int] = dict(Counter(row.status for row in rows))
    if not recorded:
        return Totals(len(rows), by_status)
    spent = sum((row.tokens for row in rows if row.tokens), Tokens(0, 0))
    cost = sum((row.cost for row in rows if row.cost), Cost(0.0))
    return Totals(len(rows), by_status, sum(row.llm_calls or 0 for row in rows), spent, cost)


class FakeReader:
    """Reads from memory; tests change `rows` and `details`."""

    def __init__(self, rows: list[Invocation] | None = None) -> None:
        self.rows = some_rows() if rows is None else rows
        self.details: dict[str, InvocationDetail] = {}
        self.payloads: dict[int, bytes] = {}
        """Contents of journal entries, by index."""
        self.stored_spans: dict[str, Span] = {}
        self.forgotten: list[str] = []
        """Spans with all they have, by id, for details that have outlines."""
        self.missing: tuple[str, ...] = ()
        self.limits: list[int] = []
        self.scans = 0
        self.feed: ChangeFeed | None = None
        self.copying: tuple[str, ...] = ()
        self.error: Exception | None = None
        self.recorded = False
        """Whether totals include the figures that a recorder provides."""

    async def invocations(
        self,
        *,
        limit: int = 100,
        status: Any = None,
        filter: str | None = None,  # noqa: A002
        before: Any = None,
        order: Any = None,
        figures: bool = True,
    ) -> InvocationPage:
        self.limits.append(limit)
        if self.error:
            raise self.error
        rows = sorted(self.rows, key=lambda row: (row.created_at, row.id), reverse=True)
        if before:
            rows = [r for r in rows if (r.created_at, r.id) < (before.created_at, before.id)]
        if status:
            rows = [r for r in rows if r.status in list(status)]
        if filter:
            wanted = parse(filter)
            rows = [r for r in rows if matches(wanted, r, NOW, [False] * len(wanted.texts))]
        if order:
            order.apply(rows, NOW)
        return InvocationPage(
            tuple(rows[:limit]), len(rows) > limit, (*self.missing, *self.copying), self.copying
        )

    async def server_changes(
        self, ids: Any, *, newest: int = 0, since: Any = None
    ) -> ServerChanges | None:
        if newest:
            self.scans += 1
        if self.error:
            raise self.error
        wanted = set(ids)
        last = sorted(self.rows, key=modified, reverse=True)[:newest]
        return ServerChanges(
            {
                row.id: {"id": row.id, "retry_count": row.retry_count}
                for row in self.rows
                if row.status in ("running", "backing-off")
            },
            {row.id: modified(row) for row in self.rows if row.id in wanted},
            {row.id: modified(row) for row in last if since is None or modified(row) >= since},
        )

    async def refresh(self, ids: Any, *, figures: bool = False) -> InvocationPage:
        if self.error:
            return InvocationPage((), False, (str(self.error),))
        wanted = set(ids)
        rows = [replace(r, modified_at=modified(r)) for r in self.rows if r.id in wanted]
        if not figures:
            rows = [replace(row, attempts=None, llm_calls=None, tokens=None) for row in rows]
        return InvocationPage(tuple(rows), False, sources=("live",))

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        if self.feed is None:
            return None
        return await self.feed.wait(since, wait)

    async def copy_problems(self) -> tuple[str, ...]:
        return self.copying

    async def invocation(
        self, invocation_id: str, *, outline: bool = False
    ) -> InvocationDetail | None:
        if self.error:
            raise self.error
        if invocation_id in self.details:
            return self.details[invocation_id]
        for row in self.rows:
            if row.id == invocation_id:
                return InvocationDetail(row, (), (), (), (), {})
        return None

    def forget(self, invocation_id: str) -> None:
        self.forgotten.append(invocation_id)

    async def spans(self, invocation_id: str, span_ids: Sequence[str]) -> list[Span]:
        return [self.stored_spans[id_] for id_ in span_ids if id_ in self.stored_spans]

    async def calls(self, invocation_id: str) -> CallTree | None:
        def called_by(ids: Any) -> InvocationPage:
            return InvocationPage(tuple(r for r in self.rows if r.invoked_by in ids), False)

        async def read(ids: Any) -> InvocationPage:
            return called_by(ids)

        root = next((row for row in self.rows if row.id == invocation_id), None)
        return await read_calls(root, read) if root else None

    async def raw_entry(self, invocation_id: str, index: int) -> bytes | None:
        return b"\x0a\x05entry %d" % index

    async def payload_bytes(self, invocation_id: str, index: int) -> bytes | None:
        return self.payloads.get(index)

    async def payload(self, invocation_id: str, index: int) -> Any:
        return f"payload {index}"

    async def totals(self, *, filter: str | None = None) -> Totals:  # noqa: A002
        if self.error:
            raise self.error
        wanted = parse(filter or "")
        rows = [r for r in self.rows if matches(wanted, r, NOW, [False] * len(wanted.texts))]
        return totals_of(rows, recorded=self.recorded)

    async def activity(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        minutes: int = 60,
    ) -> Activity:
        if self.error:
            raise self.error
        wanted = parse(filter or "")
        rows = [r for r in self.rows if matches(wanted, r, NOW, [False] * len(wanted.texts))]
        since = NOW.replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)
        ends = [r.completed_at for r in rows if r.status == "failed" and r.completed_at]

        def by_minute(times: list[datetime]) -> tuple[int, ...]:
            found = Counter((at - since) // timedelta(minutes=1) for at in times)
            return tuple(found[minute] for minute in range(minutes))

        return Activity(since, by_minute([r.created_at for r in rows]), by_minute(ends))

    async def groups(
        self,
        by: GroupKey,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> InvocationGroups:
        groups: dict[str, list[Invocation]] = {}
        wanted = parse(filter or "")
        for row in sorted(self.rows, key=modified):
            if matches(wanted, row, NOW, [False] * len(wanted.texts)):
                name = row.last_failure if by == "error" else getattr(row, by)
                groups.setdefault((name or "").split("\n")[0], []).append(row)
        found = [
            InvocationGroup(
                name,
                totals_of(rows, recorded=self.recorded),
                min(r.created_at for r in rows),
                max(r.created_at for r in rows),
            )
            for name, rows in groups.items()
        ]
        found.sort(key=lambda one: (-one.totals.invocations, one.name))
        return InvocationGroups(by, tuple(found[:limit]), len(found))

    async def failures(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> FailureGroups:
        return FailureGroups((), 0, 0)

    async def agents(
        self,
        *,
        filter: str | None = None,  # noqa: A002
    ) -> AgentReport:
        return AgentReport(())


class FakeControl:
    """Records the calls of its methods."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def __getattr__(self, name: str) -> Any:
        async def act(*args: Any, **how: Any) -> str:
            self.done.append((name, *map(str, args), *(f"{k}={v}" for k, v in how.items())))
            return "inv_1eLegal"

        return act


def connector(source: Any, actions: Any = None, **more: Any) -> Any:
    async def connect(publish: Any) -> None:
        publish(Connection(source, actions, labels=more.pop("labels", ("localhost:9070",)), **more))

    return connect
