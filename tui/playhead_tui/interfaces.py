"""Contracts between the parts of the dashboard; `playhead.reader` and tests implement them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from playhead.kept_values import KeptValues
from playhead.model import (
    Activity,
    AgentCallPage,
    AgentReport,
    CallChoice,
    CallOrder,
    FailureGroups,
    GroupKey,
    Invocation,
    InvocationDetail,
    InvocationGroups,
    InvocationPage,
    Order,
    ServiceReport,
    Span,
    StateHistory,
    Status,
    Totals,
)

from playhead_tui.drawing.glyphs import Glyphs

if TYPE_CHECKING:
    from playhead.reader.console import SqlConsole
    from playhead.reader.invocation.call_tree import CallTree
    from playhead.reader.listing.live import ServerChanges
    from playhead.reader.objects import ObjectReader
    from playhead.record.change_feed import Changes
    from playhead.replay import Recording
    from playhead.restate.handlers import Handler, SentRequest, ServiceHandlers
    from playhead.restate.state_edit import StateEdit
    from playhead.saved_views import SavedView
    from textual.notifications import SeverityLevel
    from textual.screen import Screen

__all__ = ["AppLocation", "Connect", "Connection", "Dashboard", "InvocationReader", "ServerControl"]

Result = TypeVar("Result")


class InvocationReader(Protocol):
    """A reader of invocations, such as `playhead.reader.Reader`.

    A source that does not answer is reported as a `missing` sentence, not as an exception.
    """

    async def invocations(
        self,
        *,
        limit: int = 100,
        status: Iterable[Status] | None = None,
        filter: str | None = None,  # noqa: A002
        before: Invocation | None = None,
        order: Order | None = None,
        figures: bool = True,
    ) -> InvocationPage:
        """Return the newest matching invocations, newest first, or the first of another order.

        Args:
            limit: maximum number of rows.
            status: statuses to include; None for all.
            filter: further conditions, in the filter language.
            before: return only rows older than this one.
            order: another order, over all invocations; not with `before`.
            figures: also read attempts, LLM calls, tokens, times and reasons.
        """
        ...

    async def server_changes(
        self, ids: Sequence[str], *, newest: int = 0, since: datetime | None = None
    ) -> ServerChanges | None:
        """Return what shows which invocations have changed; None without a server.

        Args:
            ids: invocations whose times of modification are wanted.
            newest: number of the last modified of all invocations to return, by a scan.
            since: only last modified ones that were modified at this time or later.
        """
        ...

    async def refresh(self, ids: Sequence[str], *, figures: bool = False) -> InvocationPage:
        """Return rows by id; `sources` is empty if the server does not answer.

        Args:
            ids: complete ids.
            figures: also read attempts, LLM calls, tokens, times and reasons.
        """
        ...

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Wait for changes in the store after a position; None without a recorder."""
        ...

    async def copy_problems(self) -> tuple[str, ...]:
        """Return what the recorder has not copied from the server, as sentences."""
        ...

    async def groups(
        self,
        by: GroupKey,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> InvocationGroups:
        """Return groups of the invocations that match, the largest first."""
        ...

    async def totals(self, *, filter: str | None = None) -> Totals:  # noqa: A002
        """Return the sums over all invocations that match."""
        ...

    async def activity(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        minutes: int = 60,
    ) -> Activity:
        """Return the numbers of invocations that were started, and that failed, by minute."""
        ...

    async def failures(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> FailureGroups:
        """Return groups of equal failures in the store, the most frequent first."""
        ...

    async def agents(
        self,
        *,
        filter: str | None = None,  # noqa: A002
    ) -> AgentReport:
        """Return the calls of models, tools and steps in the store, by agent."""
        ...

    async def agent_calls(
        self,
        choice: CallChoice | None = None,
        *,
        filter: str | None = None,  # noqa: A002
        order: CallOrder = "newest",
        limit: int = 100,
    ) -> AgentCallPage:
        """Return single calls of models and tools in the store, the first in an order."""
        ...

    async def invocation(
        self, invocation_id: str, *, outline: bool = False
    ) -> InvocationDetail | None:
        """Return one invocation in full; None when no source has it.

        Args:
            invocation_id: the invocation.
            outline: leave out prompts, answers and other contents of the spans of a large trace.
        """
        ...

    async def spans(self, invocation_id: str, span_ids: Sequence[str]) -> Sequence[Span]:
        """Return some spans of an invocation with all they have."""
        ...

    def forget(self, invocation_id: str) -> None:
        """Free the memory of what is kept of an invocation that is no longer shown."""
        ...

    @property
    def objects(self) -> ObjectReader:
        """Reader of virtual objects and workflows."""
        ...

    @property
    def console(self) -> SqlConsole:
        """SQL queries on the store and on the server."""
        ...

    async def services(self) -> ServiceReport:
        """Return the registered services and deployments."""
        ...

    async def state_history(
        self, service: str, key: str, *, limit: int = 1000, cluster: str = ""
    ) -> StateHistory:
        """Return how invocations changed the state of an object, oldest first."""
        ...

    async def calls(self, invocation_id: str) -> CallTree | None:
        """Return an invocation with everything that it called; None when no source has it."""
        ...

    async def raw_entry(self, invocation_id: str, index: int) -> bytes | None:
        """Return the bytes of a journal entry; None when it does not exist."""
        ...

    async def payload(self, invocation_id: str, index: int) -> Any:
        """Return the decoded content of one journal entry."""
        ...

    async def payload_bytes(self, invocation_id: str, index: int) -> bytes | None:
        """Return the content of one journal entry as the handler sent or received it."""
        ...


class ServerControl(Protocol):
    """A control of the server's invocations, such as `playhead.restate.control.Control`.

    Each method raises an exception with a message for the user.
    """

    async def cancel(self, invocation_id: str) -> None:
        """Cancel the invocation: its handler can clean up, then it ends."""
        ...

    async def kill(self, invocation_id: str) -> None:
        """End the invocation at once, without cleanup."""
        ...

    async def pause(self, invocation_id: str) -> None:
        """Stop retrying until the invocation is resumed."""
        ...

    async def resume(self, invocation_id: str, *, deployment: str | None = None) -> None:
        """Retry the invocation now, with `deployment="latest"` on the newest deployment."""
        ...

    async def restart_as_new(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Restart an ended invocation as a new one that keeps entries up to `from_entry`.

        Returns:
            The id of the new invocation.
        """
        ...

    async def kill_and_restart(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Kill an invocation that has not ended, then restart it as a new one."""
        ...

    async def purge(self, invocation_id: str) -> None:
        """Delete the invocation and its journal."""
        ...

    async def resolve_awakeable(self, awakeable_id: str, value: Any) -> None:
        """Complete an awakeable with a value."""
        ...

    async def shared_handlers(self, service: str) -> tuple[Handler, ...]:
        """Return the shared handlers of a workflow that requests can be sent to."""
        ...

    async def service_handlers(self, service: str) -> ServiceHandlers:
        """Return the handlers of a service, and whether requests to it name a key."""
        ...

    async def send_request(
        self, service: str, key: str | None, handler: Handler, value: Any
    ) -> SentRequest:
        """Start an invocation without waiting for its answer."""
        ...

    async def call_handler(self, service: str, key: str, handler: Handler, value: Any) -> Any:
        """Call a handler of a workflow and return its answer."""
        ...

    async def replace_state(
        self, service: str, key: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
    ) -> StateEdit:
        """Replace the state of a virtual object, unless it has changed since it was read."""
        ...

    async def reject_awakeable(self, awakeable_id: str, reason: str) -> None:
        """Complete an awakeable with a terminal error."""
        ...


async def _nothing_to_close() -> None:
    return None


@dataclass(frozen=True)
class AppLocation:
    """Location of the user's app, for replays."""

    app: str
    """`module:attribute`; empty when unknown."""
    app_dir: str = ""
    """Folder to import it from; the current folder when empty."""


@dataclass(frozen=True)
class Connection:
    """Open connections to the server and to the recorder."""

    reader: InvocationReader
    control: ServerControl | None
    """None without a server."""
    labels: tuple[str, ...] = ()
    """Short descriptions of the connections, for the header."""
    notes: tuple[str, ...] = ()
    """Missing sources and their remedies, as sentences that stay on screen."""
    announcement: str = ""
    """Action that was taken for the user, shown as a toast."""
    ingress_url: str = "http://localhost:8080"
    fetch_recording: Callable[[str], Awaitable[Recording]] | None = None
    """Fetches the whole journal of an invocation, from the server or from the store."""
    app_location: AppLocation = AppLocation("")
    """App named by the settings."""
    close: Callable[[], Awaitable[None]] = field(default=_nothing_to_close)


Connect = Callable[[Callable[[Connection], object]], Awaitable[None]]
"""Opens the connections and publishes them, and again when they change; runs in a worker."""


class Dashboard(Protocol):
    """The app, as far as screens and actions use it."""

    app_location: AppLocation
    """App that was replayed last, or the one named by the settings."""

    @property
    def glyphs(self) -> Glyphs:
        """Glyphs to draw with."""
        ...

    @property
    def now(self) -> Callable[[], datetime]:
        """The clock."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes on the server are forbidden."""
        ...

    @property
    def connection(self) -> Connection | None:
        """Current connection; None until the connections are open."""
        ...

    @property
    def reader(self) -> InvocationReader:
        """Reader of invocations; only for use once `connection` is set."""
        ...

    @property
    def control(self) -> ServerControl | None:
        """Control of the server; None in read-only mode or without a server."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the connection."""
        ...

    @property
    def kept(self) -> KeptValues:
        """Values that are kept between runs."""
        ...

    def open_invocation(
        self, invocation_id: str, index: int | None = None, span_id: str | None = None
    ) -> None:
        """Push the screen of one invocation, at a step if one is named."""
        ...

    def show_view(self, view: SavedView) -> None:
        """Close all screens but the list of invocations, and show a view there.

        A view of groups opens those.
        """
        ...

    def show_invocations(self, filter_: str, back: Callable[[], object]) -> None:
        """Close all screens but the list of invocations, and filter that.

        Args:
            filter_: the filter.
            back: opens the screen from which it was called, when the filter is removed.
        """
        ...

    def open_replay(self, invocation_id: str, target: str) -> None:
        """Push the replay of one invocation."""
        ...

    def push_screen(
        self, screen: Screen[Result], callback: Callable[[Result | None], None] | None = None
    ) -> object:
        """Push a screen; the callback takes its result."""
        ...

    async def push_screen_wait(self, screen: Screen[Result]) -> Result | None:
        """Push a screen and return its result; only for use in a worker."""
        ...

    def run_dialog(self, dialog: Coroutine[Any, Any, None]) -> None:
        """Run a dialog and the change that follows from it, even if its screen is closed."""
        ...

    def run_change(self, change: Coroutine[Any, Any, None]) -> None:
        """Run a change to its end, whichever screens and dialogs open or close meanwhile."""
        ...

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information"
    ) -> None:
        """Show a toast, as plain text."""
        ...

    def copy_text(self, text: str) -> None:
        """Copy a text to the clipboard (OSC 52), and show its size and how it begins."""
        ...

    def refresh_now(self) -> None:
        """Refresh every screen at once, after a change."""
        ...
