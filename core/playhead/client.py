"""The client for scripts and commands: an `AsyncClient` in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from playhead.async_client import AsyncClient
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.journal.recording import Recording
    from playhead.model import (
        Activity,
        AgentCallPage,
        AgentReport,
        CallChoice,
        CallOrder,
        FailureGroups,
        FigureKind,
        GroupKey,
        Invocation,
        InvocationDetail,
        InvocationGroups,
        InvocationPage,
        Order,
        Totals,
    )
    from playhead.reader.invocation.call_tree import CallTree
    from playhead.reader.invocation.descendants import InvocationTree

__all__ = ["Client"]

_T = TypeVar("_T")
_CLOSING_SECONDS = 5.0
"""Time in which work that was cancelled can end."""


class Client:
    """A client of a Restate server and of the store of a recorder.

    Each source is optional. The server provides the status and journal of the invocations that it
    still has; the store adds attempts, prompts, spans, and invocations that the server has deleted.
    If a source cannot be read, the result's `missing` has a sentence about it.

    Use it as a context manager, or call `close()`. Its methods block and may be called from several
    threads. They also work while an event loop is running (in a notebook, for example), since the
    client runs its own in a separate thread. In asynchronous code, use `AsyncClient`.

    Example:
        ```python
        import playhead

        with playhead.Client() as client:
            for row in client.invocations(status="failed", limit=10).rows:
                print(row.id, row.target, row.last_failure)
                for step in client.invocation(row.id).steps:
                    print(f"  #{step.index} {step.kind} {step.name} {step.state}")
        ```
    """

    def __init__(
        self,
        admin_url: str | None = None,
        store: str | Path | None = None,
        *,
        auth_token: str | None = None,
        settings: Settings | None = None,
        archived: bool = False,
    ) -> None:
        """Configure the client without connecting.

        Args:
            admin_url: Base URL of Restate's admin API. Default: `RESTATE_ADMIN_URL`, the settings
                file, or `http://localhost:9070`.
            store: Folder of the store. Default: `PLAYHEAD_STORE`, the settings file, or the
                platform's data folder.
            auth_token: Bearer token for the server. Default: `RESTATE_AUTH_TOKEN` or the
                settings file.
            settings: All settings at once; the other arguments are then ignored.
            archived: Whether lists also have archived invocations, which takes longer.

        Raises:
            SettingsError: A setting has an invalid value.
        """
        self._client = AsyncClient(
            admin_url, store, auth_token=auth_token, settings=settings, archived=archived
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: weakref.finalize[..., Client] | None = None
        self._starting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """The effective settings."""
        return self._client.settings

    def invocations(
        self,
        *,
        limit: int = 100,
        status: str | Iterable[str] | None = None,
        service: str | None = None,
        text: str | None = None,
        since: datetime | timedelta | None = None,
        before: Invocation | None = None,
        filter: str | None = None,  # noqa: A002
        order: Order | None = None,
        figures: bool = True,
    ) -> InvocationPage:
        """Return the newest invocations that match, newest first.

        Args:
            limit: Maximum number of invocations.
            status: A `playhead.model.Status`, or several; an invocation must have one of them.
            service: Name of the service.
            text: Words; each occurs in the id, target, status or last failure, or in the prompts,
                answers, inputs, outputs and errors that were recorded, in any case.
            since: Earliest creation time, or maximum age. A time without a zone is local time.
            before: Return only invocations older than this one. Pass the last row of a page to get
                the next page.
            filter: Further conditions in the filter language, such as `tokens>1000 -key:u1`.
            order: Another order, such as `playhead.model.Order("cost")`: the first `limit` of all
                invocations; not with `before`.
            figures: Also read attempts, LLM calls, tokens, times and reasons.

        Returns:
            A `playhead.model.InvocationPage`: `rows`, each a `playhead.model.Invocation` with
            times in UTC; `more`, whether older ones match; `missing`, sentences about data that
            could not be read.

        Raises:
            FilterError: The text of the filter is wrong.
            UnreachableError: Neither the server nor the store can be read.
        """
        return self._run(
            self._client.invocations(
                limit=limit,
                status=status,
                service=service,
                text=text,
                since=since,
                before=before,
                filter=filter,
                order=order,
                figures=figures,
            )
        )

    def invocation(self, invocation_id: str) -> InvocationDetail:
        """Return everything about one invocation.

        Args:
            invocation_id: The id, or a unique prefix of it.

        Returns:
            A `playhead.model.InvocationDetail`: `summary`, `steps`, `attempts`, `spans`,
            `timeline`, `state`, and `missing`, sentences about data that could not be read.

        Raises:
            NotFoundError: Neither the server nor the store has it.
            AmbiguousIdError: Several invocation ids begin with this text; the hint lists some of
                them.
            UnreachableError: Neither the server nor the store can be read.
        """
        return self._run(self._client.invocation(invocation_id))

    def calls(self, invocation_id: str) -> CallTree:
        """Return an invocation with everything that it called, across services.

        Args:
            invocation_id: The id, or a unique prefix of it.

        Returns:
            A `playhead.reader.invocation.call_tree.CallTree`: `nodes`, callers before the called,
            each with its `depth`, and the tokens and cost of its whole branch.

        Raises:
            NotFoundError: Neither the server nor the store has it.
            AmbiguousIdError: Several invocation ids begin with this text.
            UnreachableError: Neither the server nor the store can be read.
        """
        return self._run(self._client.calls(invocation_id))

    def tree(self, invocation_id: str) -> InvocationTree:
        """Return an invocation with all that it called, in full, on one time axis.

        Args:
            invocation_id: The id, or a unique prefix of it.

        Returns:
            A `playhead.reader.invocation.descendants.InvocationTree`: `root`, the invocation;
            `called`, each called invocation once, with the step that called it; `timeline`, the
            rows of all; `llm_calls`, `tokens` and `cost` of all, each invocation counted once.

        Raises:
            NotFoundError: Neither the server nor the store has it.
            AmbiguousIdError: Several invocation ids begin with this text.
            UnreachableError: Neither the server nor the store can be read.
        """
        return self._run(self._client.tree(invocation_id))

    def payload(self, invocation_id: str, index: int) -> Any:
        """Return the content of one journal entry, for steps that are marked `truncated`.

        Args:
            invocation_id: The id, or a unique prefix of it.
            index: The journal index: `step.index` for the input of a step,
                `step.notification_index` for its output.

        Returns:
            JSON values where the payload is JSON, else text, else bytes; `{"failure": "[code]
            message"}` for a terminal error; None when the entry has no content.

        Raises:
            RestateError: The server does not answer.
            RecorderError: The recorder does not answer.
            NotFoundError: No invocation id begins with this text.
            AmbiguousIdError: Several invocation ids begin with this text.
        """
        return self._run(self._client.payload(invocation_id, index))

    def recording(self, invocation_id: str) -> Recording:
        """Return the journal of one invocation, ready to save or replay.

        Args:
            invocation_id: The id, or a unique prefix of it.

        Returns:
            A `playhead.Recording`, with the prompts of LLM calls where the store has them.

        Raises:
            RecordingError: Neither the server nor the store has the journal.
            UnreachableError: Neither the server nor the store can be read.
            UnsupportedJournalError: The journal has a version that cannot be replayed.
            NotFoundError: No invocation id begins with this text.
            AmbiguousIdError: Several invocation ids begin with this text.

        Example:
            ```python
            report = playhead.replay.replay("agent:app", client.recording("inv_1h3k"))
            ```
        """
        return self._run(self._client.recording(invocation_id))

    def groups(
        self,
        by: GroupKey,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> InvocationGroups:
        """Return groups of invocations, the largest first.

        Args:
            by: What the invocations of a group have in common: `service`, `status`, `error` (first
                line of the last failure) or `key` (of the virtual object or workflow).
            filter: Only invocations that match, in the filter language.
            limit: Maximum number of groups.

        Returns:
            A `playhead.model.InvocationGroups`: `groups`, each with its `name` and `totals`.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            UnreachableError: Neither the server nor the store can be read.
            RecorderError: The store cannot be read, and is needed.
        """
        return self._run(self._client.groups(by, filter=filter, limit=limit))

    def totals(self, *, filter: str | None = None) -> Totals:  # noqa: A002
        """Return the number, LLM calls, tokens and cost of all invocations that match.

        Args:
            filter: Only invocations that match, in the filter language.

        Returns:
            A `playhead.model.Totals`; without a recorder, only the numbers of invocations.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            UnreachableError: Neither the server nor the store can be read.
            RecorderError: The store cannot be read, and is needed.
        """
        return self._run(self._client.totals(filter=filter))

    def activity(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        minutes: int = 60,
    ) -> Activity:
        """Return the numbers of invocations that were started, and that failed, by minute.

        Counts everything that matches, from the store; without a recorder, from the server.

        Args:
            filter: Only invocations that match, in the filter language.
            minutes: Number of minutes, up to the current one.

        Returns:
            A `playhead.model.Activity`: `started` and `failed`, one number a minute from `since`.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            UnreachableError: Neither the server nor the store can be read.
            RecorderError: The store cannot be read, and is needed.
        """
        return self._run(self._client.activity(filter=filter, minutes=minutes))

    def failures(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
        fingerprint: str = "",
    ) -> FailureGroups:
        """Return groups of equal failures in the store, the most frequent first.

        Args:
            filter: Only failures of invocations that match, in the filter language.
            limit: Maximum number of groups.
            fingerprint: Only groups whose fingerprint begins with this.

        Returns:
            A `playhead.model.FailureGroups`: `groups`, each with count, first and last time,
            trend, deployments and an example; `total` and `failures` over all groups.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RecorderError: There is no store, or it cannot be read.
        """
        return self._run(self._client.failures(filter=filter, limit=limit, fingerprint=fingerprint))

    def agents(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        kinds: Sequence[FigureKind] = ("model", "tool", "step"),
    ) -> AgentReport:
        """Return the calls of models, tools and steps in the store, by agent.

        Args:
            filter: Only calls of invocations that match, in the filter language.
            kinds: What to count: `model`, `tool`, `step`.

        Returns:
            A `playhead.model.AgentReport`: `rows`, each a `playhead.model.AgentFigures` with
            calls, errors, retries, tokens, cost and latencies.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RecorderError: There is no store, or it cannot be read.
        """
        return self._run(self._client.agents(filter=filter, kinds=kinds))

    def agent_calls(
        self,
        choice: CallChoice | None = None,
        *,
        filter: str | None = None,  # noqa: A002
        order: CallOrder = "newest",
        limit: int = 100,
    ) -> AgentCallPage:
        """Return single calls of models and tools in the store, the first in an order.

        Args:
            choice: Which calls, as a `playhead.model.CallChoice`; None for all.
            filter: Only calls of invocations that match, in the filter language.
            order: `newest`, `slowest`, `tokens` or `cost` (the most first).
            limit: Maximum number of calls.

        Returns:
            A `playhead.model.AgentCallPage`: `rows`, each a `playhead.model.AgentCall` with
            outcome, tokens, cost, duration and invocation, and `more`, whether others follow.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RecorderError: There is no store, or it cannot be read.
        """
        return self._run(self._client.agent_calls(choice, filter=filter, order=order, limit=limit))

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of one SELECT over the store, each a dict by column name.

        Args:
            query: SQL in DuckDB's dialect. Tables: `spans`, `invocations`, `journal`,
                `journal_events`, `state`; views: `llm_calls`, `tool_calls`, `attempts`.

        Returns:
            JSON-compatible values: times as ISO 8601 text in UTC, blobs as base64 text, JSON
            columns as JSON text.

        Raises:
            QueryError: The SQL is invalid, or is not read-only.
            QueryLimitError: The query takes too long, or its result is too large.
            RecorderError: No recorder is running and there is no store, or it cannot be read.
        """
        return self._run(self._client.sql(query))

    def close(self) -> None:
        """Close the connections and end the thread."""
        if self._loop is not None:
            self._run(self._client.close())
        with self._starting:
            stop, self._stop, self._loop = self._stop, None, None
        if stop is not None:
            stop()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            return future.result()
        except BaseException:
            # After Ctrl+C in this thread, the work must not continue in the other one.
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="playhead-client", daemon=True
                )
                thread.start()
                # Also called when the client is forgotten, and when the interpreter exits.
                self._stop = weakref.finalize(self, _stop, self._loop, thread)
            return self._loop


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():  # a forgotten client may be collected in any
        thread.join()
        cancelled = asyncio.all_tasks(loop)  # after Ctrl+C
        for task in cancelled:
            task.cancel()
        if cancelled:
            loop.run_until_complete(asyncio.wait(cancelled, timeout=_CLOSING_SECONDS))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
