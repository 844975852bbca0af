"""Frames of the user's code: of the running call, and of every task that waits."""

from __future__ import annotations

import asyncio
import inspect
import re
import reprlib
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from playhead.replay.engine.sdk import TASK_STEP
from playhead.replay.stop import Frame

__all__ = [
    "HANDLER_TASK",
    "UserCode",
    "describe",
    "frames_above",
    "frames_of_tasks",
    "handler_at",
    "raised_at",
    "waiting_at",
    "where",
]

_TRACING = find_spec("playhead_tracing")
_PLAYHEAD = (
    str(Path(__file__).resolve().parents[1]),
    *(str(Path(p).resolve()) for p in (_TRACING and _TRACING.submodule_search_locations) or ()),
)
_LIBRARY = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")}
)
_MAX_LOCALS = 40
HANDLER_TASK = "handler"
"""Name of the task that runs the handler."""

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 120
_repr.maxlevel = 4


class UserCode:
    """The user's files, as opposed to libraries."""

    def __init__(self, root: str | None = None) -> None:
        """Take the folder of the app's package, which is user code even if it is installed."""
        self._root = root
        self.owns = lru_cache(maxsize=None)(self._owns)

    def _owns(self, filename: str) -> bool:
        if filename.startswith("<"):
            return False
        path = str(Path(filename).resolve())
        if self._root is not None and path.startswith(self._root):
            return True
        return not path.startswith((*_LIBRARY, *_PLAYHEAD))


def frames_above(user: UserCode, frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the user's frames of the running task, from this one outwards, innermost first."""
    while frame is not None and frame.f_code is not TASK_STEP:
        if user.owns(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


def where(user: UserCode) -> str | None:
    """Return `file:line` of the user's innermost frame at this moment."""
    frame = next(frames_above(user, inspect.currentframe()), None)
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def raised_at(user: UserCode, stacktrace: str) -> str | None:
    """Return `file:line` of the user's innermost frame in a formatted traceback."""
    found = re.findall(r'File "([^"]+)", line (\d+)', stacktrace)
    return next((f"{f}:{n}" for f, n in reversed(found) if user.owns(f)), None)


def describe(frame: FrameType, *, variables: bool = True) -> Frame:
    """Return a frame as text; each `repr` is shortened and never raises."""
    code = frame.f_code
    values = snapshot(frame) if variables else {}
    return Frame(code.co_filename, frame.f_lineno, _name(code), values)


def snapshot(frame: FrameType) -> dict[str, str]:
    """Return the frame's variables as short texts."""
    found: dict[str, str] = {}
    for name, value in frame.f_locals.items():
        if len(found) == _MAX_LOCALS:
            found["…"] = "more variables"
            break
        found[name] = short(value)
    return found


def short(value: Any) -> str:
    """Return a short `repr` of any value, or the name of the exception that it raised."""
    try:
        return _repr.repr(value)
    except Exception as error:
        return f"<repr raised {type(error).__name__}>"


def frames_of_tasks(
    user: UserCode, loop: asyncio.AbstractEventLoop
) -> dict[str, tuple[FrameType, ...]]:
    """Return the user's frames of each waiting task, innermost first, by the task's name."""
    found: dict[str, tuple[FrameType, ...]] = {}
    for task in asyncio.all_tasks(loop):
        frames = [f for f in _awaited(task.get_coro()) if user.owns(f.f_code.co_filename)]
        if frames:
            found[task.get_name()] = tuple(reversed(frames))
    return found


def handler_at(user: UserCode, loop: asyncio.AbstractEventLoop) -> str | None:
    """Return `file:line` of the user's innermost frame in the handler's task, while it waits.

    Frameworks write commands in separate tasks, on behalf of the handler.
    """
    frames = frames_of_tasks(user, loop).get(HANDLER_TASK)
    return f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else None


def waiting_at(user: UserCode, loop: asyncio.AbstractEventLoop) -> str | None:
    """Return `file:line` where the user's code waits; its own tasks come before the handler."""
    stacks = frames_of_tasks(user, loop)
    for name in sorted(stacks, key=lambda n: n == HANDLER_TASK):
        frame = stacks[name][0]
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return None


def _awaited(awaitable: Any) -> Iterator[FrameType]:
    while awaitable is not None:
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(awaitable, f"{prefix}_frame", None)
            if frame is not None:
                yield frame
                inner = "gi_yieldfrom" if prefix == "gi" else f"{prefix}_await"
                awaitable = getattr(awaitable, inner, None)
                break
        else:
            return


def _name(code: CodeType) -> str:
    return getattr(code, "co_qualname", code.co_name).replace("<locals>.", "")
