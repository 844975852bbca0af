"""The screens of virtual objects and workflows: all of them, one of them, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from playhead.errors import NotFoundError
from playhead.formatting import (
    age,
    count,
    date_time,
    one_line,
    payload_text,
    pretty,
    size,
    unexplained_line,
)
from playhead.model import ObjectState, ObjectSummary, StateChange, StateValue
from textual.binding import Binding, BindingType

from playhead_tui.drawing.document import Line, heading, pair, value_lines
from playhead_tui.interfaces import Dashboard
from playhead_tui.screens.details import DetailScreen, NamedScreen
from playhead_tui.screens.groups import Groups
from playhead_tui.widgets.group_list import Column

__all__ = ["HistoryScreen", "ObjectScreen", "ObjectsScreen"]

LIMIT = 1000
"""Objects that are read."""
INVOCATIONS = 100
"""Newest invocations whose journals are read for a history."""
PREVIEW = 200
"""Characters of a value in a list."""
EMPTY_KEY = '""'
PartKind = Literal["state", "promise", "lock", "queued"]


class ObjectsScreen(NamedScreen[ObjectSummary]):
    """Virtual objects and workflows; Enter shows the state of one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "invocations", "Invocations"),
    ]
    NAME = "State"
    EMPTY = (
        "No virtual object or workflow has state.\n\nThey appear here when a handler calls "
        "ctx.set(), resolves a promise, or holds the lock of its key."
    )
    SECONDS = 5.0
    SHARE = 50.0
    """The server scans its whole state for the list."""
    _has_several = False

    def columns(self) -> Sequence[Column[ObjectSummary]]:
        """Return the columns."""
        return (
            Column("OBJECT", 16, self._object_name, lambda r, p: p.strong, flexible=True,
                   importance=9),
            Column("KEYS", 4, lambda r: count(r.keys), lambda r, p: p.text, True, importance=6),
            Column("SIZE", 8, lambda r: size(r.size), lambda r, p: p.text, True, importance=5),
            Column("PROMISES", 8, lambda r: count(r.promises), lambda r, p: p.dim, True,
                   importance=3),
            Column("QUEUE", 5, lambda r: count(r.queued),
                   lambda r, p: p.warn if r.queued else p.dim, True, importance=8),
            Column("LOCK", 38, lambda r: r.holder or "", lambda r, p: p.accent, importance=2),
        )  # fmt: skip

    def key_of(self, group: ObjectSummary) -> str:
        """Return `Service/key`, with the cluster if the list has several."""
        return self._object_name(group)

    def _object_name(self, row: ObjectSummary) -> str:
        """Return `Service/key`, with the cluster if the list has several."""
        return f"{row.name} ({row.cluster})" if self._has_several and row.cluster else row.name

    async def read_groups(self, filter_: str) -> Groups[ObjectSummary]:
        """Read the objects."""
        page = await self.dashboard.reader.objects.objects(text=filter_, limit=LIMIT)
        self._has_several = page.several_clusters
        title = f"{count(page.total)} object{'' if page.total == 1 else 's'}"
        if len(page.rows) < page.total:
            title += f", the first {len(page.rows)} shown"
        if page.origin == "stored":
            title += ", as last copied by the recorder"
        return Groups(page.rows, title, page.missing)

    def open_group(self, group: ObjectSummary) -> None:
        """Show the state of the object."""
        screen = ObjectScreen(self.dashboard, group.service, group.key, group.cluster or "")
        self.dashboard.push_screen(screen)

    def action_invocations(self) -> None:
        """Show the invocations of the object."""
        if (row := self.selected(self.listing.current)) is not None:
            self.show_in_list(_filter_of(row.service, row.key))


@dataclass(frozen=True)
class Part:
    """One row of an object: a key of its state, a promise, the lock, a queued invocation."""

    kind: PartKind
    name: str
    text: str
    size: int | None = None
    value: StateValue | None = None
    invocation: str | None = None


class ObjectScreen(DetailScreen[Part]):
    """State, promises, lock and queue of one virtual object or workflow."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "history", "History"),
        Binding("e", "edit", "Edit"),
        Binding("d", "delete", "Delete", show=False),
        Binding("s", "send", "Send request", show=False),
        Binding("i", "invocations", "Invocations", show=False),
    ]
    CHANGES = frozenset({"edit", "delete", "send"})
    NAME = "State"
    EMPTY = "It has no state, promises, lock holder or queue."
    DETAILS = "Value"
    SECONDS = 2.0
    SHARE = 20.0

    def __init__(self, dashboard: Dashboard, service: str, key: str, cluster: str = "") -> None:
        super().__init__(dashboard)
        self.service = service
        self.object_key = key
        self.cluster = cluster
        self.found: ObjectState | None = None

    def columns(self) -> Sequence[Column[Part]]:
        """Return the columns."""
        return (
            Column("KIND", 7, lambda r: r.kind, lambda r, p: p.dim, importance=5),
            Column("NAME", 12, lambda r: r.name or '""', lambda r, p: p.strong, flexible=True,
                   importance=9),
            Column("SIZE", 8, lambda r: "" if r.size is None else size(r.size),
                   lambda r, p: p.dim, True, importance=4),
            Column("VALUE", 16, lambda r: r.text, lambda r, p: p.text, flexible=True,
                   importance=8),
        )  # fmt: skip

    def key_of(self, group: Part) -> str:
        """Return kind and name."""
        return f"{group.kind}\n{group.name}"

    @property
    def place(self) -> str:
        """Name under which the row is kept."""
        return f"{self.NAME} {self.service}/{self.object_key}"

    async def read_groups(self, filter_: str) -> Groups[Part]:
        """Read the object."""
        objects = self.dashboard.reader.objects
        try:
            found = await objects.object_state(self.service, self.object_key, cluster=self.cluster)
        except NotFoundError:
            self.found = None
            return Groups((), f"{self.service}/{self.object_key}")
        self.found = found
        wanted = filter_.lower()
        rows = [part for part in _parts(found) if wanted in part.name.lower()]
        lock = "" if found.origin == "stored" else f", lock {'held' if found.holder else 'free'}"
        queue = f", {len(found.queue)} queued" if found.queue else ""
        keys = f"{len(found.values)} key{'' if len(found.values) == 1 else 's'}"
        title = f"{found.name}  {keys}, {size(found.size)}{lock}{queue}"
        if found.origin == "stored":
            title += ", as last copied by the recorder"
        return Groups(rows, title, found.missing)

    def details(self, row: Part) -> Sequence[Line]:
        """Return the whole value."""
        if row.value is not None:
            return tuple(_value_lines(row.value))
        if row.invocation:
            return (Line(row.invocation, "strong"), Line(row.text), Line(""),
                    Line("Enter opens the invocation.", "dim"))  # fmt: skip
        return (Line(row.name, "strong"), Line(row.text))

    def open_group(self, group: Part) -> None:
        """Open the invocation of the row, or the history of the key."""
        if group.invocation:
            self.dashboard.open_invocation(group.invocation)
        elif group.kind == "state":
            self.action_history()

    def action_history(self) -> None:
        """Show how the key changed; without one, how the whole state did."""
        row = self.listing.current
        key = row.name if row and row.kind == "state" else None
        screen = HistoryScreen(self.dashboard, self.service, self.object_key, key, self.cluster)
        self.dashboard.push_screen(screen)

    def action_edit(self) -> None:
        """Edit the value of the key."""
        from playhead_tui.actions.state import edit_value

        row, found = self.listing.current, self.found
        if row and row.value and found:
            self.dashboard.run_dialog(edit_value(self.dashboard, found, row.value))
        else:
            self.dashboard.notify("Only a key of the state can be edited.")

    def action_send(self) -> None:
        """Send a request to a handler of the object."""
        from playhead_tui.actions.request import send_request

        self.dashboard.run_dialog(send_request(self.dashboard, self.service, key=self.object_key))

    def action_delete(self) -> None:
        """Delete the key from the state."""
        from playhead_tui.actions.state import delete_key

        row, found = self.listing.current, self.found
        if row and row.value and found:
            self.dashboard.run_dialog(delete_key(self.dashboard, found, row.value))
        else:
            self.dashboard.notify("Only a key of the state can be deleted.")

    def action_invocations(self) -> None:
        """Show the invocations of the object."""
        self.show_in_list(_filter_of(self.service, self.object_key))

    def copy_to_open(self) -> ObjectScreen:
        """Return a new screen of the same object."""
        return ObjectScreen(self.dashboard, self.service, self.object_key, self.cluster)

    def action_copy(self) -> None:
        """Copy the value."""
        row = self.selected(self.listing.current)
        if row and row.value is not None:
            self.dashboard.copy_text(payload_text(row.value.raw))
        elif row:
            self.dashboard.copy_text(row.invocation or row.text)


class HistoryScreen(DetailScreen[StateChange]):
    """Changes of the state of one object, with the difference of each."""

    NAME = "History"
    EMPTY = (
        "No journal that is available changed it.\n\nRestate keeps journals for a day by default, "
        "the recorder for longer. Journals do not contain changes through the admin API."
    )
    DETAILS = "Change"
    SECONDS = 5.0
    SHARE = 50.0

    def __init__(
        self, dashboard: Dashboard, service: str, key: str, state_key: str | None, cluster: str = ""
    ) -> None:
        super().__init__(dashboard)
        self.service = service
        self.object_key = key
        self.cluster = cluster
        self.state_key = state_key

    def columns(self) -> Sequence[Column[StateChange]]:
        """Return the columns."""
        now = self.dashboard.now
        return (
            Column("AGE", 4, lambda r: age(r.at, now()), lambda r, p: p.dim, True, importance=8),
            Column("KEY", 10, lambda r: "all keys" if r.key is None else r.key or '""',
                   lambda r, p: p.strong, flexible=True, importance=6),
            Column("CHANGE", 9, lambda r: r.action,
                   lambda r, p: p.text if r.action == "set" else p.warn, importance=7),
            Column("VALUE", 16, _preview, lambda r, p: p.text, flexible=True, importance=9),
            Column("STEP", 5, lambda r: f"#{r.index}", lambda r, p: p.dim, True, importance=2),
        )  # fmt: skip

    def key_of(self, group: StateChange) -> str:
        """Return invocation and journal index."""
        return f"{group.invocation_id} {group.index}"

    @property
    def place(self) -> str:
        """Nothing: a history begins with its newest change."""
        return ""

    async def read_groups(self, filter_: str) -> Groups[StateChange]:
        """Read the changes."""
        found = await self.dashboard.reader.state_history(
            self.service, self.object_key, limit=INVOCATIONS, cluster=self.cluster
        )
        wanted = filter_.lower()
        rows = [
            one
            for one in reversed(found.changes)
            if (self.state_key is None or one.key in (self.state_key, None))
            and wanted in (one.key or "").lower()
        ]
        of = "" if self.state_key is None else f" {one_line(self.state_key) or EMPTY_KEY}"
        changes = f"{count(len(rows))} change{'' if len(rows) == 1 else 's'}"
        title = f"{self.service}/{self.object_key}{of}  {changes}"
        if found.more:
            title += f" by the newest {INVOCATIONS} invocations"
        notes = [*found.missing]
        wrong = [k for k in found.unexplained if self.state_key in (None, k)]
        if wrong:
            notes.append(unexplained_line(wrong))
        return Groups(rows, title, tuple(notes))

    def details(self, row: StateChange) -> Sequence[Line]:
        """Return what changed, and by which step."""
        return tuple(self._change_lines(row))

    def _change_lines(self, row: StateChange) -> Iterator[Line]:
        from playhead_tui.drawing.differences import difference_lines

        yield pair("when", date_time(row.at, exact=True))
        yield pair("by", f"{row.handler} #{row.index}")
        yield pair("invocation", row.invocation_id)
        before = "" if row.before is None else pretty(row.before)
        if row.action == "clear all":
            yield from heading("Every key was cleared", "warn")
        elif row.action == "clear":
            yield from heading("The key was cleared; its value was", "warn")
            yield from difference_lines(before, "")
        elif row.before is None:
            yield from heading("New value; none before is known")
            yield from value_lines(row.value)
        else:
            yield from heading("Difference to the value before")
            yield from difference_lines(before, pretty(row.value))

    def open_group(self, group: StateChange) -> None:
        """Open the invocation at the step."""
        self.dashboard.open_invocation(group.invocation_id, group.index)


def _filter_of(service: str, key: str) -> str:
    from playhead.filters.language import quote

    return f"service={quote(service)} key={quote(key)}"


def _parts(found: ObjectState) -> Iterator[Part]:
    if found.holder:
        yield Part("lock", "held", f"by {found.holder}", invocation=found.holder)
    for queued in found.queue or ():
        since = f"since {date_time(queued.queued_at)}" if queued.queued_at else "waits for the lock"
        yield Part("queued", queued.id, since, invocation=queued.id)
    for promise in found.promises or ():
        text = "not completed"
        if promise.completed:
            text = promise.failure or one_line(pretty(promise.value), PREVIEW)
        yield Part("promise", promise.name, text)
    for value in found.values:
        text = one_line(payload_text(value.raw[: PREVIEW * 4]), PREVIEW)
        yield Part("state", value.key, text, value.size, value)


def _value_lines(value: StateValue) -> Iterator[Line]:
    yield pair("key", value.key or '""')
    yield pair("size", size(value.size))
    yield Line("")
    if isinstance(value.value, str) and value.raw[:1] == b'"':
        yield Line(payload_text(value.raw), syntax="json")
    else:
        yield from value_lines(value.value)


def _preview(change: StateChange) -> str:
    return one_line(pretty(change.value), PREVIEW) if change.action == "set" else ""
