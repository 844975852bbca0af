"""A state machine that never refuses a command, so every difference of a handler is visible.

It replaces the state machine below the SDK's context. A `Runtime` answers each command.
"""
# ruff: noqa: D102 - the methods are those of the SDK's VMWrapper

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Protocol

from playhead.conventions import MODEL_STEPS
from playhead.decode.prompts import Messages
from playhead.journal.commands import ResultKey
from playhead.journal.recording import Recording
from playhead.replay.engine.arguments import arguments_of, prompt_of
from playhead.replay.engine.calls import Answer
from playhead.replay.engine.results import Results
from playhead.replay.engine.sdk import (
    DO_PROGRESS_ANY_COMPLETED,
    DO_PROGRESS_CANCEL_SIGNAL_RECEIVED,
    DO_PROGRESS_WAIT_EXTERNAL_PROGRESS,
    NOT_READY,
    DoProgressExecuteRun,
    Failure,
    Invocation,
    Run,
    step_call,
)
from playhead.replay.engine.seed import random_seed
from playhead.restate.ids import decode_invocation_id
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL

__all__ = ["EmulatedVM", "Runtime"]


class Runtime(Protocol):
    """The source of answers to commands."""

    results: Results

    def command(
        self,
        type_: str,
        name: str,
        fields: dict[str, Any],
        arguments: Any = None,
        messages: Messages | None = None,
    ) -> Answer:
        """Answer a command that the code writes.

        Args:
            type_: Type, such as `Run`.
            name: Name; see `Call.name`.
            fields: Other contents of the command.
            arguments: Inputs of a step's closure.
            messages: Prompt of a model call.
        """
        ...

    def output(self, value: bytes | None, failure: Failure | None) -> None:
        """Record the end of the handler."""
        ...

    def failed(self, message: str, stacktrace: str) -> None:
        """Record an exception of the handler; the server would retry."""
        ...

    def parked(self, waiting: bool) -> None:
        """Record whether the handler awaits a result that does not exist."""
        ...

    def started(self) -> None:
        """Record that a closure is about to run."""
        ...

    def executed(self, result: ResultKey, value: bytes | Failure) -> None:
        """Record the result of a closure under its key."""
        ...

    @property
    def replaying(self) -> bool:
        """Whether recorded commands are left."""
        ...


@dataclass(frozen=True, slots=True)
class _CallHandles:
    invocation_id_handle: int
    result_handle: int


class EmulatedVM:
    """A state machine with the methods of the SDK's VMWrapper; created once per run."""

    def __init__(
        self,
        runtime: Runtime,
        recording: Recording,
        headers: list[tuple[str, str]],
        disable_payload_checks: bool = False,
        explicit_recovery: bool = False,
    ) -> None:
        """Take a runtime and the recording, then the arguments of the SDK's VMWrapper."""
        self._runtime = runtime
        self._recording = recording
        self._ident = decode_invocation_id(recording.id)
        self._has_prompts = any("messages" in step for step in recording.steps.values())
        self._keys: dict[int, ResultKey] = {}
        self._to_execute: list[int] = []
        self._executed: set[int] = set()
        self._next_signal = FIRST_AWAKEABLE_SIGNAL

    # --- the run

    def get_response_head(self) -> tuple[int, list[tuple[str, str]]]:
        return (200, [])

    def notify_input(self, input_buf: bytes) -> None: ...

    def notify_input_closed(self) -> None: ...

    def take_output(self) -> bytes:
        return b""

    def is_ready_to_execute(self) -> bool:
        return True

    def is_replaying(self) -> bool:
        return self._runtime.replaying

    def sys_input(self) -> Invocation:
        message = self._recording.journal().commands[0].message
        seed, row = self._recording.random_seed, self._recording.invocation
        return Invocation(
            invocation_id=self._recording.id,
            random_seed=random_seed(self._recording.id) if seed is None else seed,
            headers=[(h.key, h.value) for h in message.headers],
            input_buffer=bytes(message.value.content),
            key=self._recording.key or "",
            scope=row.get("scope"),
            limit_key=row.get("limit_key"),
            idempotency_key=row.get("idempotency_key"),
        )

    def sys_write_output_success(self, output: bytes) -> None:
        self._runtime.output(bytes(output), None)

    def sys_write_output_failure(self, output: Failure) -> None:
        self._runtime.output(None, output)

    def sys_end(self) -> None: ...

    def notify_error(self, error: str, stacktrace: str, delay_override: Any = None) -> None:
        self._runtime.failed(error, stacktrace)

    # --- waiting

    def is_completed(self, handle: int) -> bool:
        return self._runtime.results.visible(self._keys[handle])

    def do_progress(self, unresolved_future: Any) -> Any:
        state = self._runtime.results.advance(unresolved_future, self._keys)
        self._runtime.parked(state == "waiting" and not self._to_execute)
        match state:
            case "completed":
                return DO_PROGRESS_ANY_COMPLETED
            case "cancelled":
                return DO_PROGRESS_CANCEL_SIGNAL_RECEIVED
            case _:
                if self._to_execute:
                    self._runtime.started()
                    return DoProgressExecuteRun(self._to_execute.pop(0))
                return DO_PROGRESS_WAIT_EXTERNAL_PROGRESS

    def take_notification(self, handle: int) -> Any:
        key = self._keys[handle]
        if not self._runtime.results.visible(key):
            return NOT_READY
        return self._runtime.results.take(key)

    # --- commands

    def sys_run(self, name: str) -> Run:
        call = step_call()
        arguments = None if call is None else arguments_of(call)
        messages = prompt_of(call) if call and self._has_prompts and name in MODEL_STEPS else None
        answer = self._runtime.command("Run", name, {}, arguments, messages)
        handle = self._handle(answer.result)
        if answer.execute:
            self._to_execute.append(handle)
        return Run(replayed=not answer.execute, handle=handle)

    def propose_run_completion_success(self, handle: int, output: bytes) -> None:
        self._completed(handle, bytes(output))

    def propose_run_completion_failure(self, handle: int, output: Failure) -> None:
        self._completed(handle, output)

    def propose_run_completion_transient(
        self, handle: int, failure: Failure, attempt_duration_ms: int, config: Any
    ) -> None:
        # A server would retry; a replay shows the failure instead.
        self._completed(handle, failure)

    def propose_run_completion_transient_with_delay_override(
        self, handle: int, failure: Failure, *_: Any, **__: Any
    ) -> None:
        self._completed(handle, failure)

    def sys_get_state(self, name: str, entry_name: str | None = None) -> int:
        return self._simple("GetState", name)

    def sys_get_state_keys(self, entry_name: str | None = None) -> int:
        return self._simple("GetStateKeys")

    def sys_set_state(self, name: str, value: bytes, entry_name: str | None = None) -> None:
        self._simple("SetState", name, value=bytes(value))

    def sys_clear_state(self, name: str, entry_name: str | None = None) -> None:
        self._simple("ClearState", name)

    def sys_clear_all_state(self, entry_name: str | None = None) -> None:
        self._simple("ClearAllState")

    def sys_sleep(self, millis: int, name: str | None = None) -> int:
        return self._simple("Sleep", name or "", millis=millis)

    def sys_call(
        self,
        service: str,
        handler: str,
        parameter: bytes,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: list[tuple[str, str]] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> _CallHandles:
        answer = self._runtime.command(
            "Call", f"{service}/{handler}", _call(parameter, key, idempotency_key, headers)
        )
        return _CallHandles(self._handle(answer.invocation_id), self._handle(answer.result))

    def sys_send(
        self,
        service: str,
        handler: str,
        parameter: bytes,
        key: str | None = None,
        delay: int | None = None,
        idempotency_key: str | None = None,
        headers: list[tuple[str, str]] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> int:
        fields = {**_call(parameter, key, idempotency_key, headers), "millis": delay}
        answer = self._runtime.command("OneWayCall", f"{service}/{handler}", fields)
        return self._handle(answer.invocation_id)

    def sys_awakeable(self) -> tuple[str, int]:
        index = self._next_signal
        self._next_signal += 1
        token = base64.urlsafe_b64encode(self._ident + index.to_bytes(4, "big")).decode()
        return f"sign_1{token.rstrip('=')}", self._handle(("signal", index))

    def sys_resolve_awakeable(self, name: str, value: bytes) -> None:
        self._simple("CompleteAwakeable", target=name, value=bytes(value), failure=None)

    def sys_reject_awakeable(self, name: str, failure: Failure) -> None:
        self._simple("CompleteAwakeable", target=name, value=None, failure=failure.message)

    def sys_signal(self, signal_name: str) -> int:
        return self._handle(("signal", signal_name))

    def sys_resolve_signal(self, invocation_id: str, signal_name: str, value: bytes) -> None:
        fields = {"target": invocation_id, "value": bytes(value), "failure": None}
        self._simple("SendSignal", signal_name, **fields)

    def sys_reject_signal(self, invocation_id: str, signal_name: str, failure: Failure) -> None:
        fields = {"target": invocation_id, "value": None, "failure": failure.message}
        self._simple("SendSignal", signal_name, **fields)

    def sys_cancel(self, invocation_id: str) -> None:
        self._simple("SendSignal", "#1", target=invocation_id, value=None, failure=None)

    def sys_get_promise(self, name: str) -> int:
        return self._simple("GetPromise", name)

    def sys_peek_promise(self, name: str) -> int:
        return self._simple("PeekPromise", name)

    def sys_complete_promise_success(self, name: str, value: bytes) -> int:
        return self._simple("CompletePromise", name, value=bytes(value), failure=None)

    def sys_complete_promise_failure(self, name: str, failure: Failure) -> int:
        return self._simple("CompletePromise", name, value=None, failure=failure.message)

    def attach_invocation(self, invocation_id: str) -> int:
        return self._simple("AttachInvocation", target=invocation_id)

    # --- helpers

    def _simple(self, type_: str, name: str = "", **fields: Any) -> int:
        return self._handle(self._runtime.command(type_, name, fields).result)

    def _handle(self, key: ResultKey | None) -> int:
        handle = len(self._keys) + 1
        self._keys[handle] = key or ("completion", -handle)
        return handle

    def _completed(self, handle: int, value: bytes | Failure) -> None:
        self._runtime.executed(self._keys[handle], value)
        self._runtime.results.add(self._keys[handle], value)


def _call(
    parameter: bytes,
    key: str | None,
    idempotency_key: str | None,
    headers: list[tuple[str, str]] | None,
) -> dict[str, Any]:
    return {
        "key": key or None,
        "parameter": bytes(parameter),
        "headers": list(headers or ()),
        "idempotency_key": idempotency_key or None,
    }
