"""The screens of services: their handlers, settings and deployments, and a check of journals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from playhead.formatting import age, count, one_line, pinned_line
from playhead.model import Invocation, ServiceInfo, ServiceReport
from textual.binding import Binding, BindingType

from playhead_tui.drawing.document import Line, heading, pair
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.details import DetailScreen
from playhead_tui.screens.groups import Groups
from playhead_tui.widgets.group_list import Column

__all__ = ["JournalCheckScreen", "ServicesScreen"]

LIMIT = 50
"""Newest open invocations of a service that a check replays."""
CHECKED_SECONDS = 3600.0
"""Seconds until the next round once all are checked."""


class ServicesScreen(DetailScreen[ServiceInfo]):
    """Registered services; the pane shows handlers, settings and deployments."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "invocations", "Invocations", show=False),
        Binding("c", "check", "Check journals"),
        Binding("s", "send", "Send request"),
    ]
    CHANGES = frozenset({"send"})
    NAME = "Services"
    EMPTY = "No service is registered.\n\n`restate deployments register URL` registers an endpoint."
    DETAILS = "Service"
    SECONDS = 5.0
    SHARE = 50.0
    """The server scans the status of all its invocations for the counts."""

    report: ServiceReport | None = None
    """The services and deployments as they were read last."""

    def columns(self) -> Sequence[Column[ServiceInfo]]:
        """Return the columns."""
        return (
            Column("SERVICE", 14, lambda r: r.name, lambda r, p: p.strong, flexible=True,
                   importance=9),
            Column("TYPE", 14, lambda r: r.type, lambda r, p: p.dim, importance=4),
            Column("REV.", 4, lambda r: count(r.revision), lambda r, p: p.dim, True, importance=3),
            Column("OPEN", 5, lambda r: count(r.open), lambda r, p: p.text, True, importance=7),
            Column("OUTDATED", 8, lambda r: count(r.outdated),
                   lambda r, p: p.warn if r.outdated else p.dim, True, importance=8),
        )  # fmt: skip

    def key_of(self, group: ServiceInfo) -> str:
        """Return the name."""
        return group.name

    async def read_groups(self, filter_: str) -> Groups[ServiceInfo]:
        """Read the services."""
        report = await self.dashboard.reader.services()
        self.report = report
        wanted = filter_.lower()
        rows = [one for one in report.services if wanted in one.name.lower()]
        numbers = {
            "service": len(report.services),
            "deployment": len(report.deployments),
            "open invocation": sum(one.open for one in report.services),
        }
        title = ", ".join(f"{count(n)} {of}{'' if n == 1 else 's'}" for of, n in numbers.items())
        return Groups(rows, title, report.missing)

    def open_group(self, group: ServiceInfo) -> None:
        """Show the details of the service in full."""
        self.action_zoom()

    def details(self, row: ServiceInfo) -> Sequence[Line]:
        """Return deployments, handlers and settings."""
        return tuple(self._lines(row))

    def _lines(self, row: ServiceInfo) -> Iterator[Line]:
        revision = f", revision {row.revision}" if row.revision else ""
        yield Line(f"{row.name}  {row.type}{revision}{'' if row.public else ', not public'}",
                   "strong")  # fmt: skip
        yield from heading("Deployments")
        for deployment in self.report.deployments if self.report else ():
            counts = [one for one in row.counts if one.deployment == deployment.id]
            newest = deployment.id == row.deployment
            if not (counts or newest or any(_is(row, name) for name in deployment.services)):
                continue
            old = not newest and row.deployment and any(not one.ended for one in counts)
            yield Line(f"{deployment.id}{'  newest' if newest else ''}",
                       "warn" if old else "accent")  # fmt: skip
            created = deployment.created_at
            since = f"{age(created, self.dashboard.now())} old" if created else ""
            parts = (deployment.endpoint, deployment.sdk, deployment.protocol,
                     deployment.service_protocol and f"protocol {deployment.service_protocol}",
                     since)  # fmt: skip
            yield Line(", ".join(one_line(part) for part in parts if part), "dim", 2)
            yield Line(pinned_line(counts) or "no invocations", "warn" if old else "text", 2)
        waiting = [one for one in row.counts if one.deployment is None]
        if waiting:
            yield Line(f"not pinned yet: {pinned_line(waiting)}")
        yield from heading("Handlers")
        for handler in row.handlers:
            kind = " ".join(filter(None, (handler.type, "" if handler.public else "not public")))
            takes = f"({handler.input}) → {handler.output}" if handler.input else ""
            yield Line(f"{handler.name}  {kind}", "accent")
            if takes:
                yield Line(takes, indent=2)
            if handler.documentation:
                yield Line(one_line(handler.documentation), "dim", 2)
            for name, value in (handler.settings or {}).items():
                yield Line(f"{name.replace('_', ' ')}: {value}", "dim", 2)
        if row.settings:
            yield from heading("Settings")
            for name, value in row.settings.items():
                yield Line(f"{name.replace('_', ' ')}: {value}")

    def action_invocations(self) -> None:
        """Show the invocations of the service."""
        from playhead.filters.language import quote

        if (row := self.selected(self.listing.current)) is not None:
            self.show_in_list(f"service={quote(row.name)}")

    def action_send(self) -> None:
        """Send a request to a handler of the service."""
        from playhead_tui.actions.request import send_request

        if (row := self.selected(self.listing.current)) is not None:
            self.dashboard.run_dialog(send_request(self.dashboard, row.name))

    def action_check(self) -> None:
        """Check which journals of the service today's code would refuse."""
        if (row := self.selected(self.listing.current)) is not None:
            self.dashboard.push_screen(JournalCheckScreen(self.dashboard, row))


@dataclass(frozen=True)
class Checked:
    """One invocation, and the verdict of today's code on its journal."""

    row: Invocation
    lines: tuple[Line, ...] | None
    """None until it is checked."""
    underway: bool = False
    """Whether it is the next one to be checked."""

    @property
    def verdict(self) -> str:
        """The verdict in a word or two."""
        if self.lines is None:
            return "checking ..." if self.underway else "waiting ..."
        style = self.lines[0].style
        return {"good": "accepted", "bad": "refused"}.get(style, "not checked")


class JournalCheckScreen(DetailScreen[Checked]):
    """Replays of the open invocations of a service, one after the other, without side effects."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "replay", "Replay"),
    ]
    NAME = "Would today's code accept them?"
    EMPTY = "The service has no invocation that has not ended."
    DETAILS = "Verdict"
    SECONDS = 0.1
    SHARE = 0.0

    def __init__(self, dashboard: Dashboard, service: ServiceInfo) -> None:
        super().__init__(dashboard)
        self.service = service
        self._checked: dict[str, Checked] | None = None
        self._missing: tuple[str, ...] = ()
        self._more = False

    def columns(self) -> Sequence[Column[Checked]]:
        """Return the columns."""

        def old(one: Checked) -> str:
            pinned = one.row.deployment_id
            return "old" if pinned and pinned != self.service.deployment else ""

        return (
            Column("VERDICT", 12, lambda r: r.verdict,
                   lambda r, p: {"refused": p.bad, "accepted": p.good}.get(r.verdict, p.dim),
                   importance=9),
            Column("TARGET", 14, lambda r: r.row.target, lambda r, p: p.text, flexible=True,
                   importance=8),
            Column("STATUS", 11, lambda r: r.row.status, lambda r, p: p.dim, importance=5),
            Column("CODE", 4, old, lambda r, p: p.warn, importance=4),
            Column("AGE", 4, lambda r: age(r.row.created_at, self.dashboard.now()),
                   lambda r, p: p.dim, True, importance=3),
        )  # fmt: skip

    def key_of(self, group: Checked) -> str:
        """Return the id."""
        return group.row.id

    @property
    def place(self) -> str:
        """Nothing: no row is kept."""
        return ""

    async def read_groups(self, filter_: str) -> Groups[Checked]:
        """List the invocations; in each later round, check one of them."""
        from playhead_tui.actions.journal_check import check_journal

        if self._checked is None:
            await self._list()
        checked = self._checked or {}
        waiting = next((one for one in checked.values() if one.lines is None), None)
        if waiting and self._loaded:
            lines = tuple(await check_journal(self.dashboard, waiting.row.id))
            checked[waiting.row.id] = Checked(waiting.row, lines)
        left = sum(one.lines is None for one in checked.values())
        if self.poller and not left:
            self.poller.seconds = CHECKED_SECONDS
        refused = sum(one.verdict == "refused" for one in checked.values())
        title = f"{self.service.name}: {len(checked) - left} of {len(checked)} checked"
        title += f", {refused} refused" if refused else ""
        notes = [*self._missing]
        if self._more:
            notes.append(f"Only the newest {LIMIT} open invocations are checked.")
        wanted = filter_.lower()
        following = next((one for one in checked.values() if one.lines is None), None)
        rows = [
            replace(one, underway=one is following)
            for one in checked.values()
            if wanted in one.row.target.lower()
        ]
        return Groups(rows, title, tuple(notes))

    async def _list(self) -> None:
        from playhead.filters.language import quote

        page = await self.dashboard.reader.invocations(
            filter=f"service={quote(self.service.name)} status:active", limit=LIMIT
        )
        self._checked = {row.id: Checked(row, None) for row in page.rows}
        self._missing, self._more = page.missing, page.more

    def details(self, row: Checked) -> Sequence[Line]:
        """Return the verdict with its reason."""
        lines = row.lines or (Line("Not checked yet.", "dim"),)
        deployment = row.row.deployment_id or "none yet"
        return (Line(row.row.id, "strong"), pair("target", row.row.target),
                pair("deployment", deployment), Line(""), *lines)  # fmt: skip

    def open_group(self, group: Checked) -> None:
        """Open the invocation."""
        self.dashboard.open_invocation(group.row.id)

    def action_replay(self) -> None:
        """Replay the invocation, with every difference."""
        if (one := self.selected(self.listing.current)) is not None:
            self.dashboard.open_replay(one.row.id, one.row.target)


def _is(service: ServiceInfo, named: str) -> bool:
    return named == service.name or named.rpartition(" (")[0] == service.name
