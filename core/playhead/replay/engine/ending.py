"""Where in the user's code a handler ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any

from playhead.replay.engine.stack import UserCode

__all__ = ["Ending"]

Handler = Callable[..., Awaitable[Any]]


class Ending:
    """Watches a handler from outside it: nothing of it runs another way than without."""

    def __init__(self, user: UserCode) -> None:
        self._user = user
        self.frame: FrameType | None = None
        """The user's frame that returned or raised, with its variables; None while it runs."""

    def watched(self, handler: Handler) -> Handler:
        """The handler, noting where it ends."""

        async def watched(*args: Any) -> Any:
            running = handler(*args)
            # Held, a frame keeps its last line and variables when its coroutine is done.
            frame: FrameType | None = getattr(running, "cr_frame", None)
            try:
                result = await running
            except Exception as error:
                self.frame = self._raising(error.__traceback__)
                raise
            self.frame = frame if self._owns(frame) else None
            return result

        return watched

    @property
    def where(self) -> str | None:
        """`file:line`; None while it runs, or when what ended is no code of the user's."""
        frame = self.frame
        return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"

    def _raising(self, traceback: TracebackType | None) -> FrameType | None:
        found: FrameType | None = None
        while traceback is not None:
            if self._owns(traceback.tb_frame):
                found = traceback.tb_frame
            traceback = traceback.tb_next
        return found

    def _owns(self, frame: FrameType | None) -> bool:
        return frame is not None and self._user.owns(frame.f_code.co_filename)
