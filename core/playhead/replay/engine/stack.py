"""Where the user's code stands: frames of one call, and of every task that waits."""

from __future__ import annotations

import asyncio
import re
import reprlib
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from playhead.replay.stop import Frame

__all__ = ["UserCode", "frames_above", "frames_of_tasks"]

_TRACING = find_spec("playhead_tracing")
_OURS = (
    str(Path(__file__).resolve().parents[1]),
    *(str(Path(p).resolve()) for p in (_TRACING and _TRACING.submodule_search_locations) or ()),
)
_LIBRARY = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")}
)
_MAX_LOCALS = 40
HANDLER_TASK = "handler"
"""Name of the task in which an attempt runs its handler."""
_TASK_STEP = asyncio.Handle._run.__code__  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]
"""Below this lies what runs the event loop."""

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 120
_repr.maxlevel = 4


class UserCode:
    """Tells the user's files from libraries."""

    def __init__(self, root: str | None = None) -> None:
        """`root`: the folder of the app's package, which counts even if it is installed."""
        self._root = root
        self.owns = lru_cache(maxsize=None)(self._owns)

    def _owns(self, filename: str) -> bool:
        if filename.startswith("<"):
            return False
        path = str(Path(filename).resolve())
        if self._root is not None and path.startswith(self._root):
            return True
        return not path.startswith((*_LIBRARY, *_OURS))


def frames_above(user: UserCode, frame: FrameType | None) -> Iterator[FrameType]:
    """The user's frames of the running task, from this one outwards, innermost first."""
    while frame is not None and frame.f_code is not _TASK_STEP:
        if user.owns(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


def where(user: UserCode) -> str | None:
    """`file:line` of the user's innermost frame at this moment."""
    frame = next(frames_above(user, sys._getframe(1)), None)  # pyright: ignore[reportPrivateUsage]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def raised_at(user: UserCode, stacktrace: str) -> str | None:
    """`file:line` of the user's innermost frame in a formatted traceback."""
    found = re.findall(r'File "([^"]+)", line (\d+)', stacktrace)
    return next((f"{f}:{n}" for f, n in reversed(found) if user.owns(f)), None)


def describe(frame: FrameType, *, variables: bool = True) -> Frame:
    """A frame as text; reprs are cut and never raise."""
    code = frame.f_code
    values = snapshot(frame) if variables else {}
    return Frame(code.co_filename, frame.f_lineno, _name(code), values)


def snapshot(frame: FrameType) -> dict[str, str]:
    """The frame's variables as short texts."""
    found: dict[str, str] = {}
    for name, value in frame.f_locals.items():
        if len(found) == _MAX_LOCALS:
            found["…"] = "more variables"
            break
        found[name] = short(value)
    return found


def short(value: Any) -> str:
    """A short repr of anything; what raises says so."""
    try:
        return _repr.repr(value)
    except Exception as error:
        return f"<repr raised {type(error).__name__}>"


def frames_of_tasks(
    user: UserCode, loop: asyncio.AbstractEventLoop
) -> dict[str, tuple[FrameType, ...]]:
    """The user's frames of every task that waits, innermost first, by the task's name."""
    found: dict[str, tuple[FrameType, ...]] = {}
    for task in asyncio.all_tasks(loop):
        frames = [f for f in _awaited(task.get_coro()) if user.owns(f.f_code.co_filename)]
        if frames:
            found[task.get_name()] = tuple(reversed(frames))
    return found


def handler_at(user: UserCode, loop: asyncio.AbstractEventLoop) -> str | None:
    """`file:line` of the user's innermost frame in the handler's own task, while it waits.

    For what frameworks do in tasks of their own: the handler asked for it there.
    """
    frames = frames_of_tasks(user, loop).get(HANDLER_TASK)
    return f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else None


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
