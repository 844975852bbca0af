"""Every private part of restate-sdk, asyncio and Pydantic AI that a replay uses, in one file.

The other modules of the engine import them from here.

Required; `require` raises without them:

- `restate.server` looks up `VMWrapper` (the state machine) and `ServerInvocationContext` by name
  for each invocation: `substituted` replaces them by those of a replay.
- `restate.vm.VMWrapper` has a method for each journal command (`COMMANDS`), and `do_progress`
  returns the closures of steps to execute.
- `restate._internal.VMException` is raised when the state machine refuses a command.
- `Handler` is a dataclass with `fn` and `context_managers`.

Optional; without them a replay is slower or less detailed (`limitations`):

- `ServerInvocationContext.run` and `.run_typed` have a step's closure and its arguments in local
  variables (`step_call`).
- `restate.server_context` looks up `LazyFuture`, `RunAction`, `copy` and `inspect` by name, and
  asyncio's loops have `_ready` (`SHORTCUTS`, `others_ready`; see `shortcuts`).
- `asyncio.Handle._run` calls every task step (`TASK_STEP`; see `stack`).
- Pydantic AI's model methods and closures name their arguments, and its instrumentation writes a
  prompt through `InstrumentationSettings.handle_messages` (`model_request`, `prompt_attributes`).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Generator, Mapping
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from types import CodeType
from typing import Any, NamedTuple

from playhead.errors import AppError

try:
    from restate import server, server_context
    from restate._internal import VMException  # pyright: ignore[reportMissingModuleSource, reportAttributeAccessIssue, reportUnknownVariableType]
    from restate.handler import Handler
    from restate.vm import (
        DO_PROGRESS_ANY_COMPLETED,
        DO_PROGRESS_CANCEL_SIGNAL_RECEIVED,
        DO_PROGRESS_WAIT_EXTERNAL_PROGRESS,
        NOT_READY,
        AllCompletedUnresolvedFuture,
        DoProgressExecuteRun,
        DoProgressWaitExternalProgress,
        Failure,
        FirstCompletedUnresolvedFuture,
        Invocation,
        Run,
        SingleUnresolvedFuture,
        VMWrapper,
    )
except ImportError as error:
    raise AppError(
        f"The installed restate-sdk cannot replay: {error}",
        "Install Playhead in this environment again: it declares the versions of restate-sdk.",
    ) from error

__all__ = [
    "COMMANDS",
    "DO_PROGRESS_ANY_COMPLETED",
    "DO_PROGRESS_CANCEL_SIGNAL_RECEIVED",
    "DO_PROGRESS_WAIT_EXTERNAL_PROGRESS",
    "NOT_READY",
    "SHORTCUTS",
    "TASK_STEP",
    "AllCompletedUnresolvedFuture",
    "DoProgressExecuteRun",
    "DoProgressWaitExternalProgress",
    "Failure",
    "FirstCompletedUnresolvedFuture",
    "Invocation",
    "LazyFuture",
    "ModelRequest",
    "Run",
    "SingleUnresolvedFuture",
    "StepCall",
    "VMException",
    "VMWrapper",
    "limitations",
    "model_request",
    "others_ready",
    "problems",
    "prompt_attributes",
    "require",
    "shortcuts_in_place",
    "shortcuts_missing",
    "step_call",
    "substituted",
]

COMMANDS = {
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
"""Every method of the state machine that writes one command, and the command's type."""

_NO_COMMANDS = frozenset({"sys_awakeable", "sys_end", "sys_input", "sys_signal"})
_NEEDED_METHODS = frozenset({"do_progress", "notify_error", "take_notification", "is_completed"})
_NEEDED_FIELDS = frozenset({"context_managers", "fn"})
_SUBSTITUTED = ("VMWrapper", "ServerInvocationContext")
_STEP_DEPTH = 8
"""Frames between a step's method of the state machine and the context's `run`."""

SHORTCUTS = ("LazyFuture", "RunAction", "copy", "inspect")
"""Names of `restate.server_context` that `shortcuts` replaces by cheaper ones."""

LazyFuture: Any = getattr(server_context, "LazyFuture", object)
"""A task that is created when it is first awaited."""

TASK_STEP: CodeType | None = getattr(getattr(asyncio.Handle, "_run", None), "__code__", None)
"""Code of the frame below which all frames belong to the event loop."""

Handling = Callable[..., Any]
"""A handler's coroutine function."""
StepCall = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""A step's closure and the arguments it is called with."""


class ModelRequest(NamedTuple):
    """A request of Pydantic AI to a model."""

    messages: Any
    parameters: Any


# --- probes


def problems() -> list[str]:
    """Return the parts that the installed restate-sdk is missing for replays; empty if complete."""
    found = [f"restate.server has no {name}" for name in _SUBSTITUTED if not hasattr(server, name)]
    if missing := {*COMMANDS, *_NEEDED_METHODS} - set(vars(VMWrapper)):
        found.append(f"VMWrapper has no {', '.join(sorted(missing))}")
    if unknown := {n for n in vars(VMWrapper) if n.startswith("sys_")} - {*COMMANDS, *_NO_COMMANDS}:
        found.append(f"VMWrapper writes unknown commands: {', '.join(sorted(unknown))}")
    names = {f.name for f in dataclasses.fields(Handler)}
    if missing := _NEEDED_FIELDS - names:
        found.append(f"Handler has no {', '.join(sorted(missing))}")
    return found


def require() -> None:
    """Check that a replay is possible with the installed restate-sdk.

    Raises:
        AppError: A required part is missing; the title names it.
    """
    found = problems()
    if found:
        raise AppError(
            f"restate-sdk {_version('restate-sdk')} cannot replay: {'; '.join(found)}",
            "Install Playhead in this environment again: it declares the versions of restate-sdk.",
        )


def limitations() -> list[str]:
    """Return the limitations of replays with the installed versions; empty if there are none."""
    found: list[str] = []
    if not _step_codes():
        found.append(
            "arguments of steps cannot be compared: "
            "ServerInvocationContext.run and run_typed have changed"
        )
    if missing := shortcuts_missing():
        found.append(f"replay is slower than usual: {'; '.join(missing)}")
    if TASK_STEP is None:
        found.append("stacks show frames of the event loop: asyncio.Handle has no _run")
    return found


def shortcuts_missing() -> list[str]:
    """Return the parts that are missing for the shortcuts; empty if they can be used."""
    found = [
        f"restate.server_context has no {name}"
        for name in SHORTCUTS
        if not hasattr(server_context, name)
    ]
    if not {"async_def", "task"} <= set(getattr(LazyFuture, "__slots__", ())):
        found.append("LazyFuture has no async_def and task")
    loop = asyncio.new_event_loop()
    try:
        if not hasattr(loop, "_ready"):
            found.append("asyncio's event loop has no _ready")
    finally:
        loop.close()
    return found


# --- restate-sdk


@contextlib.contextmanager
def substituted(make_vm: Handling, watch: Callable[[Handling], Handling]) -> Generator[None]:
    """Make the SDK use another state machine and a watched handler for each invocation.

    Args:
        make_vm: Takes the arguments of `VMWrapper`; returns a replacement of it.
        watch: Takes a handler's function; returns the one to run.
    """
    make_context: Handling = getattr(server, "ServerInvocationContext")  # noqa: B009

    def context(*, handler: Any, **others: Any) -> Any:
        # The tracing bridge would substitute its own state machine for the replay's.
        managers = [m for m in handler.context_managers or () if not _is_tracing(m)]
        changes: dict[str, Any] = {"context_managers": managers, "fn": watch(handler.fn)}
        return make_context(handler=dataclasses.replace(handler, **changes), **others)

    with _replaced(server, {"VMWrapper": make_vm, "ServerInvocationContext": context}):
        yield


def shortcuts_in_place(
    replacements: Mapping[str, Any],
) -> contextlib.AbstractContextManager[None]:
    """Return a context in which the SDK finds replacements of `SHORTCUTS`."""
    return _replaced(server_context, replacements)


@contextlib.contextmanager
def _replaced(module: Any, replacements: Mapping[str, Any]) -> Generator[None]:
    originals = {name: getattr(module, name) for name in replacements}
    for name, replacement in replacements.items():
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)


def step_call() -> StepCall | None:
    """Return the closure, with its arguments, of the step that a caller is registering."""
    frame = inspect.currentframe()
    for _ in range(_STEP_DEPTH):
        frame = None if frame is None else frame.f_back
        if frame is None:
            return None
        if frame.f_code in _STEP_CODES:
            names = frame.f_locals
            return names["action"], tuple(names.get("args") or ()), names.get("kwargs") or {}
    return None


def _step_codes() -> tuple[CodeType, ...]:
    context: Any = getattr(server_context, "ServerInvocationContext", None)
    codes = [getattr(getattr(context, n, None), "__code__", None) for n in ("run", "run_typed")]
    return tuple(c for c in codes if c is not None and "action" in c.co_varnames)


_STEP_CODES = _step_codes()


def _is_tracing(manager: Any) -> bool:
    owner = getattr(manager, "__module__", None) or type(manager).__module__
    return owner.partition(".")[0] == "playhead_tracing"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(unknown version)"


# --- asyncio


def others_ready(loop: Any) -> bool:
    """Return whether the loop has callbacks to run before it would wait."""
    return bool(loop._ready)


# --- Pydantic AI


def model_request(call: StepCall) -> ModelRequest:
    """Return the request of a model call through Pydantic AI.

    Raises:
        Exception: The step belongs to another framework, or to an unsupported Pydantic AI.
    """
    names = _names_of(*call)
    _, parameters = names["self"].prepare_request(
        names["model_settings"], names["model_request_parameters"]
    )
    return ModelRequest(names["messages"], parameters)


def prompt_attributes(request: ModelRequest) -> dict[str, Any]:
    """Return the span attributes that Pydantic AI's own instrumentation writes for a prompt.

    They give today's prompt the same form as the recorded one.

    Raises:
        Exception: This version of Pydantic AI is not supported.
    """
    from pydantic_ai.messages import ModelResponse

    span = _Attributes()
    arguments: dict[str, Any] = {
        "input_messages": request.messages,
        "response": ModelResponse(parts=[]),
        "system": "",
        "span": span,
        "parameters": request.parameters,
        "message_json_cache": {},
    }
    write = _instrumentation_settings().handle_messages
    write(**{name: arguments[name] for name in inspect.signature(write).parameters})
    return span


class _Attributes(dict[str, Any]):
    """A stand-in for a span."""

    def is_recording(self) -> bool:
        return True

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self[key] = value


def _names_of(action: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a model's method with its arguments, or the variables of the closure of a stream."""
    if inspect.ismethod(action):
        bound = inspect.signature(action).bind(*args, **kwargs)
        return {"self": action.__self__, **bound.arguments}
    cells = zip(action.__code__.co_freevars, action.__closure__, strict=True)
    return {name: cell.cell_contents for name, cell in cells}


def _instrumentation_settings() -> Any:
    """Return the settings that the app gives to all agents, which may change how prompts look."""
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    given = getattr(Agent, "_instrument_default", None)
    if not isinstance(given, InstrumentationSettings):
        return InstrumentationSettings()
    settings = copy(given)
    settings.include_content = True
    return settings
