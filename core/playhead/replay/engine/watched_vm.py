"""The SDK's own state machine, watched: it judges, and no closure is ever executed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from restate._internal import VMException  # pyright: ignore[reportMissingModuleSource, reportAttributeAccessIssue, reportUnknownVariableType]
from restate.vm import DoProgressExecuteRun, DoProgressWaitExternalProgress, VMWrapper

__all__ = ["CALLS", "Observer", "WatchedVM"]

CALLS = {
    "sys_write_output_success": "Output",
    "sys_write_output_failure": "Output",
    "sys_get_state": "GetState",
    "sys_get_state_keys": "GetStateKeys",
    "sys_set_state": "SetState",
    "sys_clear_state": "ClearState",
    "sys_clear_all_state": "ClearAllState",
    "sys_sleep": "Sleep",
    "sys_call": "Call",
    "sys_send": "OneWayCall",
    "sys_run": "Run",
    "sys_resolve_awakeable": "CompleteAwakeable",
    "sys_reject_awakeable": "CompleteAwakeable",
    "sys_resolve_signal": "SendSignal",
    "sys_reject_signal": "SendSignal",
    "sys_cancel": "SendSignal",
    "sys_get_promise": "GetPromise",
    "sys_peek_promise": "PeekPromise",
    "sys_complete_promise_success": "CompletePromise",
    "sys_complete_promise_failure": "CompletePromise",
    "attach_invocation": "AttachInvocation",
}
"""Every call of the state machine that writes one command, and the command's type.

Awakeables and signals to wait for (`sys_awakeable`, `sys_signal`) write none.
"""


class Observer(Protocol):
    """Is told what the handler does."""

    def command(self, type_: str, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The handler is about to write a command."""
        ...

    def refused(self) -> None:
        """The state machine did not accept the command that it was told of last."""
        ...

    def parked(self, waiting: bool) -> None:
        """The handler awaits something; `waiting`: there is no result."""
        ...

    def wanted(self, name: str) -> None:
        """The handler awaits a step that has no result; its closure is not executed."""
        ...

    def failed(self, message: str, stacktrace: str) -> None:
        """The handler raised something that makes the server try again."""
        ...


class WatchedVM(VMWrapper):
    """Tells an observer of every command before it is written.

    A step without a result stays without one: its closure is never handed out. Handlers with
    explicit recovery are made to replay too, where the SDK would run them anew.
    """

    def __init__(
        self,
        observer: Observer,
        headers: list[tuple[str, str]],
        disable_payload_checks: bool = False,
        explicit_recovery: bool = False,
    ) -> None:
        """As the SDK makes one, with an observer before its arguments."""
        super().__init__(headers, disable_payload_checks, explicit_recovery=False)
        self._observer = observer
        self._run_names: dict[int, str] = {}
        """Of the steps that the journal does not hold."""
        self._parked = False
        for call, type_ in CALLS.items():
            setattr(self, call, self._watched(call, type_))

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuses to become another class, which could execute closures."""
        if name == "__class__":
            raise TypeError("the state machine of a replay cannot be replaced")
        super().__setattr__(name, value)

    def do_progress(self, unresolved_future: Any) -> Any:
        """As the SDK's, but a step to execute is noted and then left waiting."""
        progress = super().do_progress(unresolved_future)
        while isinstance(progress, DoProgressExecuteRun):
            self._observer.wanted(self._run_names.get(progress.handle, "?"))
            progress = super().do_progress(unresolved_future)
        waiting = isinstance(progress, DoProgressWaitExternalProgress)
        if waiting != self._parked:
            self._parked = waiting
            self._observer.parked(waiting)
        return progress

    def notify_error(self, error: str, stacktrace: str, delay_override: Any = None) -> None:
        """As the SDK's, told to the observer first."""
        self._observer.failed(error, stacktrace)
        super().notify_error(error, stacktrace, delay_override)

    def _watched(self, call: str, type_: str) -> Callable[..., Any]:
        original = getattr(super(), call)
        command, is_run = self._observer.command, type_ == "Run"

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            command(type_, call, args, kwargs)
            try:
                result = original(*args, **kwargs)
            except VMException:
                self._observer.refused()
                raise
            if is_run and not result.replayed:
                self._run_names[result.handle] = args[0]
            return result

        return watched
