"""A watched SDK state machine, which reports new commands and the arrival of results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span
from restate.vm import (
    DoProgressCancelSignalReceived,
    DoProgressWaitExternalProgress,
    NotReady,
    Run,
    Suspended,
    UnresolvedFuture,
    VMWrapper,
)

from playhead_tracing.attempt import Attempt, Step
from playhead_tracing.attributes import AWAKEABLE_EVENT, AWAKEABLE_ID
from playhead_tracing.request_body import RUN, command_at, run_completion_ids

if TYPE_CHECKING:
    from playhead_tracing.request_body import RequestBody

COMMANDS = (
    "attach_invocation",
    "sys_call",
    "sys_cancel",
    "sys_clear_all_state",
    "sys_clear_state",
    "sys_complete_promise_failure",
    "sys_complete_promise_success",
    "sys_get_promise",
    "sys_get_state",
    "sys_get_state_keys",
    "sys_peek_promise",
    "sys_reject_awakeable",
    "sys_reject_signal",
    "sys_resolve_awakeable",
    "sys_resolve_signal",
    "sys_send",
    "sys_set_state",
    "sys_sleep",
)
"""Methods of the state machine that each write one journal command. `sys_run` is handled
separately."""


class WatchedVM(VMWrapper):
    """The SDK's state machine, which also reports to an `Attempt`.

    `watch` turns an existing instance into one. Unlike a proxy, a subclass adds no cost to the
    methods that it does not override.
    """

    attempt: Attempt
    body: RequestBody | None
    new_runs: deque[list[int | None]]

    def sys_run(self, name: str) -> Run:
        """Handle the request for a durable step."""
        attempt = self.attempt
        attempt.commands += 1
        run = VMWrapper.sys_run(self, name)
        if run.replayed:
            attempt.mark_replayed()
            if not attempt.history.complete:
                attempt.replayed_runs.add(run.handle)
            return run
        if self.body is not None and self.body.holds_command(attempt.commands):
            attempt.mark_replayed()
            completion_id = self._known_completion_id(attempt.commands)
        else:
            attempt.mark_live()
            slot: list[int | None] = []
            self.new_runs.append(slot)
            completion_id = lambda: slot[0] if slot else None  # noqa: E731
        attempt.steps[run.handle] = Step(
            run.handle, name, attempt.commands, completion_id, get_current(), attempt.current()
        )
        return run

    def sys_awakeable(self) -> tuple[str, int]:
        """Handle the creation of an awakeable, which writes no command: the journal has no time."""
        awakeable = VMWrapper.sys_awakeable(self)
        if not self.attempt.replaying:
            get_current_span().add_event(AWAKEABLE_EVENT, {AWAKEABLE_ID: awakeable[0]})
        return awakeable

    def take_output(self) -> bytes:
        """Return the bytes for the server, with the ids of new steps before any of them runs."""
        output = VMWrapper.take_output(self)
        if self.new_runs and output:
            for completion_id in run_completion_ids(output):
                if self.new_runs:
                    self.new_runs.popleft().append(completion_id)
        return output

    def take_notification(self, handle: int) -> Any:
        """Handle the delivery of a result to the handler."""
        result = VMWrapper.take_notification(self, handle)
        if type(result) is bytes:
            self.attempt.deliver(handle)
        elif isinstance(result, Exception):
            self.attempt.broken = True
        elif isinstance(result, Suspended):
            self.attempt.suspended = True
        elif not isinstance(result, NotReady):
            self.attempt.deliver(handle)
        return result

    def do_progress(self, unresolved_future: UnresolvedFuture) -> Any:
        """Handle the wait for a result that is not available."""
        result = VMWrapper.do_progress(self, unresolved_future)
        if isinstance(result, DoProgressWaitExternalProgress):
            self.attempt.mark_live()
        elif isinstance(result, Suspended):
            self.attempt.suspended = True
            self.attempt.mark_live()
        elif isinstance(result, DoProgressCancelSignalReceived):
            self.attempt.cancelled = True
            self.attempt.mark_live()
        elif isinstance(result, Exception):
            # After a suspension or a failure this only means that the handler is still running.
            if not self.attempt.stopping and self.attempt.root.error is None:
                self.attempt.fail(self.attempt.current(), result)
            self.attempt.broken = True
        return result

    def _known_completion_id(self, command_index: int) -> Callable[[], int | None]:
        body = self.body

        def find() -> int | None:
            command = command_at(body.journal(), command_index) if body else None
            return command[1] if command and command[0] == RUN else None

        return find


def _counted(name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(VMWrapper, name)

    @wraps(method)
    def call(self: WatchedVM, *args: Any, **kwargs: Any) -> Any:
        attempt = self.attempt
        attempt.commands += 1
        attempt.issued()
        replaying = attempt.replaying
        result = method(self, *args, **kwargs)
        if replaying:
            attempt.mark_replayed()
        else:
            attempt.mark_live()
        return result

    return call


for _name in COMMANDS:
    setattr(WatchedVM, _name, _counted(_name))


def watch(vm: VMWrapper, attempt: Attempt, body: RequestBody | None) -> None:
    """Make the state machine of a new attempt report to `attempt`."""
    vm.__class__ = WatchedVM
    assert isinstance(vm, WatchedVM)
    vm.attempt = attempt
    vm.body = body
    vm.new_runs = deque()
