"""A handler without steps. Without an agent, its app is imported ten times as fast."""

from __future__ import annotations

from typing import Any

import restate

every = restate.Service("every")


@every.handler()
async def trivial(ctx: restate.Context, request: Any) -> None:
    return None


app = restate.app([every])
