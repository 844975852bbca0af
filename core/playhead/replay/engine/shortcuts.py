"""Cheaper replacements of the SDK's work at every durable step, with the same outcome.

Each shortcut replaces a name in `restate.server_context` during a run. Without them, a replay
spends most of its time on this work.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import functools
import inspect
from collections.abc import Coroutine, Generator
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from restate import RunOptions

from playhead.replay.engine.sdk import (
    LazyFuture,
    others_ready,
    shortcuts_in_place,
    shortcuts_missing,
)

__all__ = ["REPLACED", "are_available", "shortcuts"]

_options: Any = RunOptions
_signatures: WeakKeyDictionary[Any, inspect.Signature] = WeakKeyDictionary()


class _Inspect:
    """`inspect`, with a `signature` that inspects each function once."""

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)

    def signature(self, action: Any, *, eval_str: bool = False) -> inspect.Signature:
        if type(action) is not FunctionType or not eval_str:
            return inspect.signature(action, eval_str=eval_str)
        # A lambda is a new function each time; its code is not, and determines the signature.
        own = action.__annotations__ or action.__defaults__ or action.__kwdefaults__
        known_by = action if own or action.__dict__ else action.__code__
        found = _signatures.get(known_by)
        if found is None:
            found = _signatures[known_by] = inspect.signature(action, eval_str=True)
        return found


class _Copy:
    """`copy`, with a faster path for the options of a step."""

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def copy(self, value: Any) -> Any:
        if type(value) is not _options:
            return copy.copy(value)
        found: Any = object.__new__(_options)
        found.__dict__.update(value.__dict__)
        return found


class _AnyType:
    """A type for `typing.cast` only, instead of a new one at each step."""

    def __getitem__(self, parameters: Any) -> _AnyType:
        return self


class _LazyFuture(LazyFuture):  # pyright: ignore[reportUntypedBaseClass]
    """A future that starts at once when the loop has no other callback to run.

    The SDK creates a task for each future and awaits it immediately. If no other callback is ready,
    the loop would run that task next and then, if the result is available, the awaiting task: the
    order is the same without the task. Otherwise, the behavior of the SDK is kept.
    """

    __slots__ = ()

    async def get(self) -> Any:
        task: Any = self.task
        if task is None:
            loop: Any = asyncio.get_running_loop()
            task = loop.create_task(self.async_def()) if others_ready(loop) else _begun(loop, self)
            self.task = task
        return await task


def _begun(loop: asyncio.AbstractEventLoop, lazy: _LazyFuture) -> Any:
    coroutine = lazy.async_def()
    context = contextvars.copy_context()  # A task would run in a copy, too.
    future = loop.create_future()
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration as end:
        future.set_result(end.value)
    except asyncio.CancelledError:
        future.cancel()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        future.set_exception(error)
    else:
        return loop.create_task(_finish(coroutine, awaited), context=context)
    return future


async def _finish(coroutine: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    return await _Rest(coroutine, awaited)


class _Rest:
    """The rest of a coroutine that waits for `awaited`."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine, self._awaited = coroutine, awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited = self._awaited
        while True:
            try:
                try:
                    sent = yield awaited
                except BaseException as error:
                    awaited = self._coroutine.throw(error)
                else:
                    awaited = self._coroutine.send(sent)
            except StopIteration as end:
                return end.value


REPLACED: dict[str, Any] = {
    "LazyFuture": _LazyFuture,
    "RunAction": _AnyType(),
    "copy": _Copy(),
    "inspect": _Inspect(),
}
"""Replacements of `sdk.SHORTCUTS`."""


@functools.cache
def are_available() -> bool:
    """Return whether the installed versions allow the shortcuts."""
    return not shortcuts_missing()


def shortcuts() -> contextlib.AbstractContextManager[None]:
    """Return a context in which the SDK uses the shortcuts, if its version allows them."""
    return shortcuts_in_place(REPLACED) if are_available() else contextlib.nullcontext()
