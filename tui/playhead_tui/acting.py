"""What changes the server, over Restate's admin API and ingress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playhead.restate import RestateClient

__all__ = ["ServerActions"]


class ServerActions:
    """The actions of `playhead_tui.source.Actions`. Each raises RestateError."""

    def __init__(self, client: RestateClient, ingress_url: str) -> None:
        """Over an open client; `ingress_url` is where awakeables are answered."""
        self._client = client
        self._ingress = ingress_url

    async def _change(self, invocation_id: str, verb: str) -> None:
        await self._client.change("PATCH", f"/invocations/{invocation_id}/{verb}")

    async def cancel(self, invocation_id: str) -> None:
        """Let it clean up, then end."""
        await self._change(invocation_id, "cancel")

    async def kill(self, invocation_id: str) -> None:
        """End it at once."""
        await self._change(invocation_id, "kill")

    async def pause(self, invocation_id: str) -> None:
        """No further tries until it is resumed."""
        await self._change(invocation_id, "pause")

    async def resume(self, invocation_id: str) -> None:
        """Try again now."""
        await self._change(invocation_id, "resume")

    async def purge(self, invocation_id: str) -> None:
        """Forget it and its journal."""
        await self._change(invocation_id, "purge")

    async def resolve_awakeable(self, awakeable_id: str, value: Any) -> None:
        """Answer what an invocation waits for."""
        await self._answer(awakeable_id, "resolve", value)

    async def reject_awakeable(self, awakeable_id: str, reason: str) -> None:
        """Let what an invocation waits for fail."""
        await self._answer(awakeable_id, "reject", reason)

    async def _answer(self, awakeable_id: str, verb: str, body: Any) -> None:
        url = f"{self._ingress}/restate/awakeables/{awakeable_id}/{verb}"
        await self._client.send("POST", url, body=body)
