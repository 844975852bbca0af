"""What changes a Restate server: the verbs for invocations, deployments and awakeables."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from playhead.errors import NotFoundError, RefusedError, RestateError
from playhead.restate.client import RestateClient
from playhead.restate.deployments import Deployment
from playhead.restate.ids import is_invocation_id

__all__ = ["Control"]

_ENDING_CHECKS = 100
_ENDING_PAUSE = 0.1
"""Seconds between two looks whether a killed invocation has ended."""


class Control:
    """Changes to a server. Every method raises RestateError."""

    def __init__(self, client: RestateClient) -> None:
        self._client = client

    async def cancel(self, invocation_id: str) -> None:
        """Ask it to stop: the handler sees a terminal error and may compensate."""
        await self._verb(invocation_id, "cancel")

    async def kill(self, invocation_id: str) -> None:
        """End it at once, without compensation."""
        await self._verb(invocation_id, "kill")

    async def pause(self, invocation_id: str) -> None:
        """Stop its attempts until it is resumed."""
        await self._verb(invocation_id, "pause")

    async def resume(self, invocation_id: str, *, deployment: str | None = None) -> None:
        """Let a paused or backing-off invocation go on now.

        Args:
            invocation_id: which.
            deployment: id of the deployment to go on with, `latest`, or `keep`.
        """
        await self._verb(invocation_id, "resume", deployment=deployment)

    async def purge(self, invocation_id: str) -> None:
        """Forget a completed invocation, its journal and its idempotency key."""
        await self._verb(invocation_id, "purge")

    async def purge_journal(self, invocation_id: str) -> None:
        """Forget the journal of a completed invocation."""
        await self._verb(invocation_id, "purge-journal")

    async def restart_as_new(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Start a new invocation with the same input; returns its id.

        Args:
            invocation_id: a completed invocation whose journal is retained.
            from_entry: copy journal entries 0 to this one, and their results, so that the new
                one goes on from there; None starts afresh.
            deployment: id of the deployment to use, `latest`, or `keep`.
        """
        answer = await self._verb(
            invocation_id, "restart-as-new", **{"from": from_entry, "deployment": deployment}
        )
        new: str = answer["new_invocation_id"]
        return new

    async def kill_and_restart(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Kill an invocation that has not ended, and restart it as new; returns the new id.

        The server restarts only invocations that have ended, and keeps the journal of a killed one
        only if its handler has a journal retention. Arguments as for `restart_as_new`.

        Raises:
            RefusedError: the handler keeps no journal; nothing was killed.
            RestateError: the restart failed; the title says whether the invocation was killed.
        """
        row = await self._row(invocation_id)
        killed = row["status"] != "completed"
        if killed:
            if not any(digit in row.get("journal_retention", "") for digit in "123456789"):
                raise RefusedError(
                    "Its handler keeps no journal (journal retention 0), and without the journal "
                    "it could not be restarted: nothing was done",
                    "Send its input again, then kill it.",
                )
            await self.kill(invocation_id)
        try:
            await self._ended(invocation_id)
            return await self.restart_as_new(
                invocation_id, from_entry=from_entry, deployment=deployment
            )
        except RestateError as error:
            if killed:
                raise type(error)(
                    f"It was killed, but not restarted: {error.title}",
                    "Its journal is kept: restart it as new once more.",
                ) from error
            raise

    async def _ended(self, invocation_id: str) -> None:
        for _ in range(_ENDING_CHECKS):
            if (await self._row(invocation_id))["status"] == "completed":
                return
            await asyncio.sleep(_ENDING_PAUSE)
        raise RefusedError("it has not ended yet")

    async def deployments(self) -> list[Deployment]:
        """The registered deployments, as the server lists them."""
        document = await self._client.get("/deployments")
        return [
            Deployment(
                id=row["id"],
                uri=row.get("uri"),
                created_at=row.get("created_at", ""),
                services=tuple(service["name"] for service in row.get("services", ())),
            )
            for row in document["deployments"]
        ]

    async def resolve_awakeable(self, awakeable_id: str, value: Any = None) -> None:
        """Complete an awakeable with a JSON value."""
        await self._client.send("POST", self._awakeable(awakeable_id, "resolve"), body=value)

    async def reject_awakeable(self, awakeable_id: str, reason: str) -> None:
        """Fail an awakeable with a terminal error."""
        await self._client.send("POST", self._awakeable(awakeable_id, "reject"), text=reason)

    def _awakeable(self, awakeable_id: str, verb: str) -> str:
        if self._client.ingress_url is None:
            raise RestateError("The address of Restate's ingress is not known",
                               "Set RESTATE_INGRESS_URL.")  # fmt: skip
        return (
            f"{self._client.ingress_url}/restate/awakeables/{quote(awakeable_id, safe='')}/{verb}"
        )

    async def _row(self, invocation_id: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        if is_invocation_id(invocation_id):
            rows = await self._client.query(
                f"SELECT status, journal_retention FROM sys_invocation WHERE id = '{invocation_id}'"
            )
        if not rows:
            raise NotFoundError(f"The server has no invocation {invocation_id}")
        return rows[0]

    async def _verb(self, invocation_id: str, verb: str, **parameters: Any) -> Any:
        given = [f"{k}={quote(str(v))}" for k, v in parameters.items() if v is not None]
        query = f"?{'&'.join(given)}" if given else ""
        return await self._client.change(
            "PATCH", f"/invocations/{quote(invocation_id, safe='')}/{verb}{query}"
        )
