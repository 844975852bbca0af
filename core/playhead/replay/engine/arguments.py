"""What a step's closure was given: its arguments and the variables it closes over."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any, cast

from restate.context import Context
from restate.server_context import ServerInvocationContext

__all__ = ["StepCall", "changed_leaves", "described", "step_call"]

_STEP_CODES = (ServerInvocationContext.run.__code__, ServerInvocationContext.run_typed.__code__)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NEW_EACH_TIME = frozenset(
    {"timestamp", "run_id", "conversation_id", "trace_id", "span_id", "started_at"}
)
_DEPTH = 12
_FRAMES = 8

StepCall = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""A step's closure and the arguments that it is to be called with."""


def step_call() -> StepCall | None:
    """What the step does that is being registered by a caller of this function."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    for _ in range(_FRAMES):
        if frame is None:
            return None
        if frame.f_code in _STEP_CODES:
            names = frame.f_locals
            return names["action"], tuple(names.get("args") or ()), names.get("kwargs") or {}
        frame = frame.f_back
    return None


def changed_leaves(recorded: Any, current: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places where two JSON values differ: (path, recorded, current); None where absent."""
    if isinstance(recorded, dict) and isinstance(current, dict):
        old, new = cast("dict[str, Any]", recorded), cast("dict[str, Any]", current)
        for name in dict.fromkeys((*old, *new)):
            inner = f"{path}.{name}" if path else str(name)
            yield from changed_leaves(old.get(name), new.get(name), inner)
    elif isinstance(recorded, list) and isinstance(current, list):
        olds, news = cast("list[Any]", recorded), cast("list[Any]", current)
        for i in range(max(len(olds), len(news))):
            old_item = olds[i] if i < len(olds) else None
            new_item = news[i] if i < len(news) else None
            yield from changed_leaves(old_item, new_item, f"{path}[{i}]")
    elif recorded != current:
        yield (path, recorded, current)


def described(call: StepCall) -> Any:
    """What a step's closure is given.

    Returns:
        `{"args": […], "kwargs": {…}, "variables": {…}}` as JSON data, without empty members.
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
            if not _is_plumbing(value):
                variables[name] = _plain(value)
    found = {
        "args": [_plain(a) for a in args if not _is_plumbing(a)],
        "kwargs": {k: _plain(v) for k, v in kwargs.items() if not _is_plumbing(v)},
        "variables": variables,
    }
    return {name: value for name, value in found.items() if value}


def _is_plumbing(value: Any) -> bool:
    if isinstance(value, ModuleType | Context | type) or inspect.isroutine(value):
        return True
    # Run contexts and models of the agent frameworks: machinery, with the prompt beside them.
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
        kept = {n: v for n, v in members.items() if not n.startswith("_") and not callable(v)}
        return _plain(kept, depth + 1)
    return _ADDRESS.sub("", repr(value))


def _dumped(value: Any) -> Any:
    try:
        return value.model_dump(mode="json")
    except Exception:
        return _ADDRESS.sub("", repr(value))
