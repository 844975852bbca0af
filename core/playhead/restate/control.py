"""Changes to a Restate server: invocations, awakeables, and calls to handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from playhead.errors import NotFoundError, RefusedError, RestateError
from playhead.restate.client import RestateClient
from playhead.restate.deployments import Deployment
from playhead.restate.handlers import (
    Handler,
    SentRequest,
    ServiceHandlers,
    handlers_of,
    request_body,
)
from playhead.restate.ids import is_invocation_id
from playhead.restate.state_edit import StateEdit, replace_state
from playhead.values import as_dict, decode_value

__all__ = ["Control"]

_PAUSE_ACCEPTED = 202
_ENDING_CHECKS = 100
_ENDING_PAUSE = 0.1
"""Seconds between two checks whether a killed invocation has ended."""


class Control:
    """Changes through the admin API. Every method raises RestateError when the server refuses."""

    def __init__(self, client: RestateClient) -> None:
        self._client = client

    async def cancel(self, invocation_id: str) -> None:
        """Cancel an invocation: its handler can clean up, then it ends."""
        await self._verb(invocation_id, "cancel")

    async def kill(self, invocation_id: str) -> None:
        """End an invocation at once; its handler cannot clean up."""
        await self._verb(invocation_id, "kill")

    async def pause(self, invocation_id: str) -> None:
        """Stop the attempts of an invocation until it is resumed.

        Raises:
            RefusedError: It does not run. For a suspended one, the server answers with success, and
                does nothing.
        """
        path = f"/invocations/{quote(invocation_id, safe='')}/pause"
        answer = await self._client.send("PATCH", self._client.admin_url + path)
        if answer.status_code == _PAUSE_ACCEPTED:
            return
        if (await self._row(invocation_id))["status"] == "suspended":
            raise RefusedError(
                "A suspended invocation cannot be paused",
                "Restate pauses invocations that run or back off.",
            )

    async def resume(self, invocation_id: str, *, deployment: str | None = None) -> None:
        """Resume a paused invocation, or retry a backing-off one now.

        Args:
            invocation_id: Id of the invocation.
            deployment: Id of the deployment to continue on, `latest`, or `keep`.
        """
        await self._verb(invocation_id, "resume", deployment=deployment)

    async def purge(self, invocation_id: str) -> None:
        """Delete a completed invocation, its journal and its idempotency key."""
        await self._verb(invocation_id, "purge")

    async def restart_as_new(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Start a new invocation with the same input and return its id.

        Args:
            invocation_id: A completed invocation with a retained journal.
            from_entry: Copy journal entries 0 to this one, with their results; the new invocation
                continues from there. None copies the input only.
            deployment: Id of the deployment to use, `latest`, or `keep`.
        """
        answer = await self._verb(
            invocation_id, "restart-as-new", **{"from": from_entry, "deployment": deployment}
        )
        new: str = answer["new_invocation_id"]
        return new

    async def kill_and_restart(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Kill an invocation that has not ended, restart it as new, and return the new id.

        The server restarts only invocations that have ended, and retains the journal of a killed
        one only if its handler has a journal retention. Arguments as for `restart_as_new`.

        Raises:
            RefusedError: The handler has no journal retention; nothing was killed.
            RestateError: The restart failed; the title says whether the invocation was killed.
        """
        row = await self._row(invocation_id)
        killed = row["status"] != "completed"
        if killed:
            if not any(digit in row.get("journal_retention", "") for digit in "123456789"):
                raise RefusedError(
                    "The handler keeps no journal (journal retention 0), and an invocation without "
                    "journal cannot be restarted: nothing was killed",
                    "Send its input as a new request, then kill it.",
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
                    f"The invocation was killed, but not restarted: {error.title}",
                    "Its journal is retained: restart it as new once more.",
                ) from error
            raise

    async def _ended(self, invocation_id: str) -> None:
        for _ in range(_ENDING_CHECKS):
            if (await self._row(invocation_id))["status"] == "completed":
                return
            await asyncio.sleep(_ENDING_PAUSE)
        raise RefusedError("The invocation has not ended yet", "Try again in a moment.")

    async def deployments(self) -> list[Deployment]:
        """Return the registered deployments, in the server's order."""
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

    async def shared_handlers(self, service: str) -> tuple[Handler, ...]:
        """Return the shared handlers of a workflow that the ingress accepts requests for.

        Restate completes a promise of a workflow only through them: it has no API for promises.
        """
        document = await self._client.get(f"/services/{quote(service, safe='')}")
        return tuple(h for h in handlers_of(document or {}) if h.shared and h.public)

    async def service_handlers(self, service: str) -> ServiceHandlers:
        """Return the handlers of a service, and whether requests to it name a key."""
        document = as_dict(await self._client.get(f"/services/{quote(service, safe='')}"))
        return ServiceHandlers(document.get("ty") != "Service", handlers_of(document))

    async def send_request(
        self, service: str, key: str | None, handler: Handler, value: Any
    ) -> SentRequest:
        """Start an invocation without waiting for its answer.

        Args:
            service: Name of the service.
            key: Key of the workflow or object; None for a service without keys.
            handler: The handler.
            value: A JSON value; a handler of text gets text without its quotes.
        """
        body = request_body(handler, value)
        parts = [service, *([] if key is None else [key]), handler.name]
        path = "/".join(quote(part, safe="") for part in parts)
        response = await self._client.send(
            "POST",
            f"{self._ingress}/{path}/send",
            content=body.content,
            content_type=body.content_type,
        )
        answer = as_dict(decode_value(response.content))
        return SentRequest(str(answer.get("invocationId")), answer.get("status") == "Accepted")

    async def call_handler(self, service: str, key: str, handler: Handler, value: Any) -> Any:
        """Call a handler of a workflow or virtual object, and return its answer.

        Args:
            service: Name of the service.
            key: Key of the workflow or object.
            handler: The handler.
            value: A JSON value; a handler of text gets text without its quotes.
        """
        body = request_body(handler, value)
        path = "/".join(quote(part, safe="") for part in (service, key, handler.name))
        response = await self._client.send(
            "POST", f"{self._ingress}/{path}", content=body.content, content_type=body.content_type
        )
        return decode_value(response.content)

    async def replace_state(
        self, service: str, key: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
    ) -> StateEdit:
        """Replace the state of a virtual object; see `playhead.restate.state_edit`."""
        return await replace_state(self._client, service, key, before, after)

    def _awakeable(self, awakeable_id: str, verb: str) -> str:
        return f"{self._ingress}/restate/awakeables/{quote(awakeable_id, safe='')}/{verb}"

    @property
    def _ingress(self) -> str:
        if self._client.ingress_url is None:
            raise RestateError("The URL of Restate's ingress is unknown",
                               "Set RESTATE_INGRESS_URL.")  # fmt: skip
        return self._client.ingress_url

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
        pairs = [f"{k}={quote(str(v))}" for k, v in parameters.items() if v is not None]
        query = f"?{'&'.join(pairs)}" if pairs else ""
        return await self._client.change(
            "PATCH", f"/invocations/{quote(invocation_id, safe='')}/{verb}{query}"
        )
