"""Watching the SDK's state machine: which commands are new, which results arrive when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current
from restate.vm import (
    DoProgressCancelSignalReceived,
    DoProgressWaitExternalProgress,
    NotReady,
    Run,
    Suspended,
    UnresolvedFuture,
    VMWrapper,
)

from playhead_tracing import wire
from playhead_tracing.attempt import Attempt, Step

if TYPE_CHECKING:
    from playhead_tracing.intake import Intake

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
"""Methods of the state machine that write one journal command each; `sys_run` is another."""


class WatchedVM(VMWrapper):
    """The SDK's state machine, telling an `Attempt` what goes on.

    An existing instance becomes one by `watch`: a subclass costs nothing for the methods that it
    leaves alone, where a proxy would cost a call for each.
    """

    attempt: Attempt
    intake: Intake | None
    new_runs: deque[list[int | None]]

    def sys_run(self, name: str) -> Run:
        """A durable step is asked for."""
        attempt = self.attempt
        attempt.commands += 1
        run = VMWrapper.sys_run(self, name)
        if run.replayed:
            attempt.touch()
            if not attempt.history.complete:
                attempt.replayed_runs.add(run.handle)
            return run
        if self.intake is not None and self.intake.holds_command(attempt.commands):
            attempt.touch()
            completion_id = self._known_completion_id(attempt.commands)
        else:
            attempt.work()
            slot: list[int | None] = []
            self.new_runs.append(slot)
            completion_id = lambda: slot[0] if slot else None  # noqa: E731
        attempt.steps[run.handle] = Step(
            run.handle, name, attempt.commands, completion_id, get_current(), attempt.current()
        )
        return run

    def take_output(self) -> bytes:
        """What goes to the server; the ids of new steps are in it, before any of them runs."""
        output = VMWrapper.take_output(self)
        if self.new_runs and output:
            for completion_id in wire.run_completion_ids(output):
                if self.new_runs:
                    self.new_runs.popleft().append(completion_id)
        return output

    def take_notification(self, handle: int) -> Any:
        """The handler takes a result."""
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
        """The handler waits for a result that is not there."""
        result = VMWrapper.do_progress(self, unresolved_future)
        if isinstance(result, DoProgressWaitExternalProgress):
            self.attempt.work()
        elif isinstance(result, Suspended):
            self.attempt.suspended = True
            self.attempt.work()
        elif isinstance(result, DoProgressCancelSignalReceived):
            self.attempt.cancelled = True
            self.attempt.work()
        elif isinstance(result, Exception):
            # After a suspension or a failure this only says that the handler still goes on.
            if not self.attempt.stopping and self.attempt.root.error is None:
                self.attempt.fail(self.attempt.current(), result)
            self.attempt.broken = True
        return result

    def _known_completion_id(self, command_index: int) -> Callable[[], int | None]:
        intake = self.intake

        def find() -> int | None:
            command = wire.command_at(intake.journal(), command_index) if intake else None
            return command[1] if command and command[0] == wire.RUN else None

        return find


def _counted(name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(VMWrapper, name)

    @wraps(method)
    def call(self: WatchedVM, *args: Any, **kwargs: Any) -> Any:
        attempt = self.attempt
        attempt.commands += 1
        replaying = attempt.replaying
        result = method(self, *args, **kwargs)
        if replaying:
            attempt.touch()
        else:
            attempt.work()
        return result

    return call


for _name in COMMANDS:
    setattr(WatchedVM, _name, _counted(_name))


def watch(vm: VMWrapper, attempt: Attempt, intake: Intake | None) -> None:
    """Make the state machine of an attempt that begins tell `attempt`."""
    vm.__class__ = WatchedVM
    assert isinstance(vm, WatchedVM)
    vm.attempt = attempt
    vm.intake = intake
    vm.new_runs = deque()
