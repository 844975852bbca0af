"""The inputs of a step: its closure's arguments and variables, and the prompt of a model call."""

from __future__ import annotations

import functools
import inspect
import re
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

from restate.context import Context

from playhead.decode.prompts import Messages, plain_messages
from playhead.decode.spans import complete_prompt
from playhead.replay.engine.sdk import StepCall, model_request, prompt_attributes

__all__ = ["arguments_of", "prompt_of"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NEW_EACH_TIME = frozenset(
    {"timestamp", "run_id", "conversation_id", "trace_id", "span_id", "started_at"}
)
_DEPTH = 12


def arguments_of(call: StepCall) -> Any:
    """Return the inputs of a step's closure.

    Returns:
        `{"args": […], "kwargs": {…}, "variables": {…}, "model": "…"}` as JSON data, without empty
        members. `model` is the name of the model whose method the closure is.
    """
    action, args, kwargs = call
    while isinstance(action, functools.partial):
        partial = cast("functools.partial[Any]", action)
        args, kwargs = (*partial.args, *args), {**partial.keywords, **kwargs}
        action = partial.func
    variables: dict[str, Any] = {}
    if inspect.isfunction(action) and action.__closure__:
        for name, cell in zip(action.__code__.co_freevars, action.__closure__, strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if not _is_machinery(value):
                variables[name] = _plain(value)
    found: dict[str, Any] = {
        "args": [_plain(a) for a in args if not _is_machinery(a)],
        "kwargs": {k: _plain(v) for k, v in kwargs.items() if not _is_machinery(v)},
        "variables": variables,
        "model": _model_name(action),
    }
    return {name: value for name, value in found.items() if value}


def prompt_of(call: StepCall) -> Messages | None:
    """Return the prompt of a model call; None when it is not certain.

    The messages have the form of those in a request's span. Only Pydantic AI is supported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            request = model_request(call)
            parts = [part for message in request.messages for part in message.parts]
            if any(_has_set(getattr(part, "content", None)) for part in parts):
                return None
            prompt = complete_prompt(prompt_attributes(request))
            return None if prompt is None else plain_messages(prompt)
    except Exception:  # another framework, or another version of Pydantic AI
        return None


def _model_name(action: Any) -> str | None:
    name = getattr(getattr(action, "__self__", None), "model_name", None)
    return name if isinstance(name, str) else None


def _is_machinery(value: Any) -> bool:
    if isinstance(value, ModuleType | Context | type) or inspect.isroutine(value):
        return True
    # Run contexts and models of agent frameworks; the prompt is not in them.
    name = type(value).__name__
    return name in ("RunContext", "ToolContext") or name.endswith(("Model", "Toolset", "Wrapper"))


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _DEPTH:
        return "…"
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {str(k): _plain(v, depth + 1) for k, v in items if str(k) not in _NEW_EACH_TIME}
    if isinstance(value, list | tuple | set | frozenset):
        plain = [_plain(v, depth + 1) for v in cast("list[Any]", value)]
        return sorted(plain, key=str) if isinstance(value, set | frozenset) else plain
    if hasattr(value, "model_dump"):
        return _plain(_dumped(value), depth + 1)
    if hasattr(value, "__dataclass_fields__"):
        members = {n: getattr(value, n, None) for n in value.__dataclass_fields__}
        public = {n: v for n, v in members.items() if not n.startswith("_") and not callable(v)}
        return _plain(public, depth + 1)
    return _ADDRESS.sub("", repr(value))


def _dumped(value: Any) -> Any:
    try:
        return value.model_dump(mode="json")
    except Exception:
        return _ADDRESS.sub("", repr(value))


def _has_set(value: Any) -> bool:
    """Return whether a set is in the value: its order differs from process to process."""
    if isinstance(value, set | frozenset):
        return True
    if isinstance(value, list | tuple):
        return any(map(_has_set, cast("list[Any]", value)))
    members = cast("Any", value if isinstance(value, Mapping) else getattr(value, "__dict__", {}))
    return any(map(_has_set, members.values()))
