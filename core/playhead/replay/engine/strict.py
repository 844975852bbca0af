"""The run of a handler under the SDK's own state machine, and the transcript of it."""

# ruff: noqa: D102 - some methods are those of the SDK's VMWrapper

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from playhead.journal.recording import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.handler_run import HandlerRun, request_body
from playhead.replay.engine.sdk import (
    COMMANDS,
    AllCompletedUnresolvedFuture,
    DoProgressExecuteRun,
    DoProgressWaitExternalProgress,
    FirstCompletedUnresolvedFuture,
    SingleUnresolvedFuture,
    VMException,  # pyright: ignore[reportUnknownVariableType]
    VMWrapper,
)
from playhead.replay.engine.stack import raised_at, where
from playhead.replay.engine.transcript import OperationCall, Transcript

__all__ = ["ALSO_NOTED", "FUTURES", "JOURNAL_MISMATCH", "Observer", "StrictRun", "WatchedVM"]

JOURNAL_MISMATCH = 570
"""The SDK's error code for code that does not match its journal."""

FUTURES = {"first": FirstCompletedUnresolvedFuture, "all": AllCompletedUnresolvedFuture}
"""What a handler waits for, by its name in a transcript; a handle stands for itself."""

ALSO_NOTED = ("sys_awakeable", "sys_end", "sys_input", "sys_signal", "take_notification")
"""Methods that write no command, and change what the state machine does next."""


class Observer(Protocol):
    """The receiver of what happens on a `WatchedVM`."""

    def called(self, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Record a call before the state machine carries it out."""
        ...

    def command(self, type_: str, call: str, args: tuple[Any, ...]) -> None:
        """Record a command that the handler is about to write."""
        ...

    def refused(self) -> None:
        """Record that the state machine refused its last command."""
        ...

    def parked(self, waiting: bool) -> None:
        """Record whether the handler awaits a result that does not exist."""
        ...

    def missing_result(self, step: str) -> None:
        """Record a step without a result that the handler awaits; its closure does not run."""
        ...

    def failed(self, message: str, stacktrace: str) -> None:
        """Record an exception of the handler, after which the server would retry."""
        ...


class StrictRun:
    """One run of a handler in this process, with a journal; no closure is executed."""

    def __init__(
        self, app: App, recording: Recording, blocked: Callable[[], bool] = lambda: False
    ) -> None:
        """Prepare the run.

        Args:
            app: App that serves the handler.
            recording: Recording to replay.
            blocked: Returns whether a side effect of the handler was blocked so far.
        """
        self.app = app
        self.recording = recording
        self._written = 1  # Input
        self._commands = len(recording.journal().commands)
        self._calls: list[OperationCall] = []
        self._checks = True
        self._raised_at: str | None = None
        self._last_where: str | None = None
        self._blocked = blocked
        self._certain: bool | None = None
        """Whether nothing was blocked before the state machine refused a command."""
        self._run = HandlerRun(
            app, recording, self._vm, replaying=lambda: self._written < self._commands
        )

    def transcript(self) -> Transcript:
        """Run the handler and return what it did.

        Raises:
            AppError: The app does not serve this handler.
        """
        self._run.run(request_body(self.recording))
        return Transcript(
            self._calls,
            self._checks,
            self._last_where,
            self._raised_at,
            self._run.waiting_at,
            self._blocked(),
            bool(self._certain),
        )

    def _vm(
        self,
        headers: list[tuple[str, str]],
        disable_payload_checks: bool = False,
        explicit_recovery: bool = False,
    ) -> WatchedVM:
        self._checks = not disable_payload_checks
        return WatchedVM(self, headers, disable_payload_checks)

    # --- called by the state machine

    def called(self, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Add a call to the transcript."""
        if call == "do_progress":
            args = (_handles(args[0]),)
        self._calls.append((call, list(args), kwargs))

    def command(self, type_: str, call: str, args: tuple[Any, ...]) -> None:
        """Count a command that the handler is about to write."""
        self._written += 1

    def refused(self) -> None:
        """Record the place in the code: the state machine refused its last command."""
        self._last_where = where(self.app.user)
        if self._certain is None:
            self._certain = not self._blocked()

    def parked(self, waiting: bool) -> None:
        """Let timers wait while a result is missing."""
        self._run.parked = waiting

    def missing_result(self, step: str) -> None:
        """Ignore the step: only the verdict names it."""

    def failed(self, message: str, stacktrace: str) -> None:
        """Record where the handler raised an exception."""
        self._raised_at = raised_at(self.app.user, stacktrace)


class WatchedVM(VMWrapper):
    """The SDK's own state machine; notifies an observer of each command before it is written.

    A step without a result stays without one: its closure is never handed out. Handlers with
    explicit recovery are replayed, too; the SDK would run them from the start.
    """

    def __init__(
        self,
        observer: Observer,
        headers: list[tuple[str, str]],
        disable_payload_checks: bool = False,
    ) -> None:
        super().__init__(headers, disable_payload_checks, explicit_recovery=False)
        self._observer = observer
        self._run_names: dict[int, str] = {}
        """Names of the steps that are not in the journal, by handle."""
        self._parked = False
        for call, type_ in COMMANDS.items():
            setattr(self, call, self._watched(call, type_))
        for call in ALSO_NOTED:
            setattr(self, call, self._noted(call))

    def __setattr__(self, name: str, value: Any) -> None:
        # Another class could execute closures.
        if name == "__class__":
            raise TypeError("the state machine of a replay cannot be replaced")
        super().__setattr__(name, value)

    def do_progress(self, unresolved_future: Any) -> Any:
        self._observer.called("do_progress", (unresolved_future,), {})
        progress = super().do_progress(unresolved_future)
        while isinstance(progress, DoProgressExecuteRun):
            self._observer.missing_result(self._run_names.get(progress.handle, "?"))
            progress = super().do_progress(unresolved_future)
        waiting = isinstance(progress, DoProgressWaitExternalProgress)
        if waiting != self._parked:
            self._parked = waiting
            self._observer.parked(waiting)
        return progress

    def notify_error(self, error: str, stacktrace: str, delay_override: Any = None) -> None:
        self._observer.called("notify_error", (error, stacktrace), {})
        self._observer.failed(error, stacktrace)
        super().notify_error(error, stacktrace, delay_override)

    def _watched(self, call: str, type_: str) -> Callable[..., Any]:
        original = getattr(super(), call)
        called, command, is_run = self._observer.called, self._observer.command, type_ == "Run"

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            called(call, args, kwargs)
            command(type_, call, args)
            try:
                result = original(*args, **kwargs)
            except VMException:
                self._observer.refused()
                raise
            if is_run and not result.replayed:
                self._run_names[result.handle] = args[0]
            return result

        return watched

    def _noted(self, call: str) -> Callable[..., Any]:
        original, called = getattr(super(), call), self._observer.called

        @functools.wraps(original)
        def noted(*args: Any, **kwargs: Any) -> Any:
            called(call, args, kwargs)
            return original(*args, **kwargs)

        return noted


def _handles(future: Any) -> Any:
    """Return what a handler waits for as JSON data."""
    if isinstance(future, SingleUnresolvedFuture):
        return future.handle
    name = next(name for name, kind in FUTURES.items() if isinstance(future, kind))
    return [name, *map(_handles, future.children)]
