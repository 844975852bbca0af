"""What the SDK does at every durable step, made cheaper where the outcome is the same.

Each takes the place of a name in `restate.server_context` for the time of one attempt. Without
them a replay spends most of its time here.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import inspect
from collections.abc import Coroutine, Generator
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from restate import RunOptions, server_context

__all__ = ["REPLACED", "shortcuts"]

_options: Any = RunOptions
_signatures: WeakKeyDictionary[Any, inspect.Signature] = WeakKeyDictionary()


class _Inspect:
    """`inspect`, whose `signature` looks at each function once."""

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)

    def signature(self, action: Any, *, eval_str: bool = False) -> inspect.Signature:
        if type(action) is not FunctionType or not eval_str:
            return inspect.signature(action, eval_str=eval_str)
        # A lambda is a new function each time; its code is not, and has all that there is to it.
        own = action.__annotations__ or action.__defaults__ or action.__kwdefaults__
        known_by = action if own or action.__dict__ else action.__code__
        found = _signatures.get(known_by)
        if found is None:
            found = _signatures[known_by] = inspect.signature(action, eval_str=True)
        return found


class _Copy:
    """`copy`, which takes no detours for the options of a step."""

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def copy(self, value: Any) -> Any:
        if type(value) is not _options:
            return copy.copy(value)
        found: Any = object.__new__(_options)
        found.__dict__.update(value.__dict__)
        return found


class _AnyType:
    """A type that only `typing.cast` sees, and that is not made anew at each step."""

    def __getitem__(self, parameters: Any) -> _AnyType:
        return self


class _LazyFuture(server_context.LazyFuture[Any]):
    """Begins at once when the loop has nothing else to do.

    The SDK makes a task of each future and awaits it in the same breath. When nothing else is
    ready, the loop would run that task next, and if the result is there, the awaiting task after
    it: the same order as without the detour. When something else is ready, or the result is not
    there, the SDK's way is kept.
    """

    __slots__ = ()

    async def get(self) -> Any:
        task: Any = self.task
        if task is None:
            loop: Any = asyncio.get_running_loop()
            task = loop.create_task(self.async_def()) if loop._ready else _begun(loop, self)
            self.task = task
        return await task


def _begun(loop: asyncio.AbstractEventLoop, lazy: _LazyFuture) -> Any:
    coroutine = lazy.async_def()
    context = contextvars.copy_context()  # As a task would have it.
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
    """What is left of a coroutine that waits for `awaited`."""

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
"""Names of `restate.server_context`, and what takes their place."""


@contextlib.contextmanager
def shortcuts() -> Generator[None]:
    """Put them in place."""
    module: Any = server_context
    originals = {name: getattr(module, name) for name in REPLACED}
    for name, replacement in REPLACED.items():
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)
