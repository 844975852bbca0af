"""Threads that run queries: those of slow ones give way to everything else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from playhead.store.background import give_way

__all__ = ["QueryThreads"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class QueryThreads:
    """Threads that are kept while their queries are quick. The number of calls bounds them."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._idle: list[_Worker] = []

    async def run(self, function: Callable[[], _T], *, slow_seconds: float) -> _T:
        """Return the result of a function that runs in a thread.

        The thread runs on when this is cancelled; it does not keep the process alive.

        Args:
            function: The function.
            slow_seconds: Time after which its thread gives way to others.
        """
        loop = asyncio.get_running_loop()
        worker = self._idle.pop() if self._idle else _Worker()
        call = _Call(function, loop.create_future(), loop)
        worker.calls.put(call)
        timer = loop.call_later(slow_seconds, worker.give_way)
        try:
            found = await call.future
        except asyncio.CancelledError:
            worker.calls.put(None)  # it ends after the call
            raise
        except BaseException:
            self._keep(worker)
            raise
        finally:
            timer.cancel()
        self._keep(worker)
        return cast("_T", found)

    def _keep(self, worker: _Worker) -> None:
        """Use a thread again, unless it gives way: only privileged processes can take that back."""
        if worker.gives_way:
            worker.calls.put(None)
        else:
            self._idle.append(worker)


class _Worker:
    """A thread that runs one call after the other."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call | None] = SimpleQueue()
        self.gives_way = False
        self._thread = threading.Thread(target=self._run, name="query", daemon=True)
        self._thread.start()

    def give_way(self) -> None:
        """Let the processor run other threads before this one, until it ends."""
        self.gives_way = True
        if self._thread.native_id is not None:
            give_way(self._thread.native_id)

    def _run(self) -> None:
        while (call := self.calls.get()) is not None:
            _answer(call)
            del call  # with its result


def _answer(call: _Call) -> None:
    def tell(found: Any, error: BaseException | None) -> None:
        if call.future.done():
            return  # it was cancelled
        if error is None:
            call.future.set_result(found)
        else:
            call.future.set_exception(error)

    try:
        found, failed = call.function(), None
    except BaseException as error:
        found, failed = None, error
    with contextlib.suppress(RuntimeError):  # the event loop is closed
        call.loop.call_soon_threadsafe(tell, found, failed)
