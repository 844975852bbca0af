"""A client of the query API of a recorder."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from playhead.errors import QueryError, RecorderError
from playhead.http_client import HttpClient
from playhead.plain_http import PlainTransport
from playhead.record.change_feed import Changes, parse_changes
from playhead.record.endpoint import (
    CLIENT_HEADER,
    PROOF_HEADER,
    SCHEME,
    RecorderEndpoint,
    proof,
    signature,
)
from playhead.record.queries import statuses as query_statuses
from playhead.record.shared_requests import SharedRequests, are_shared

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable
    from playhead.store.texts.index import Found

__all__ = ["RecorderAuth", "RecorderClient"]

HEALTH_SECONDS = 2.0
QUERY_SECONDS = 60.0


class RecorderClient:
    """A client of a recorder; see `playhead.record.client.StoreClient`."""

    def __init__(self, endpoint: RecorderEndpoint, token: str) -> None:
        """Take the recorder's address and its token, which is never sent."""
        self._endpoint: RecorderEndpoint = endpoint
        self._http = _client(endpoint, token)
        self._requests = SharedRequests(self._results)
        self._takes_several = True
        """Whether the recorder accepts several queries in one request."""

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT, as JSON-compatible values."""
        if are_shared() and self._takes_several:
            [result] = await self._requests.ask({"sql": sql, "params": list(params)})
            return _rows(result)
        response = await self._post_query(sql, params, "application/json")
        return _rows(response.json())

    async def rows_of(
        self, sql: str, params: Sequence[Any], *of_ids: str
    ) -> tuple[list[dict[str, Any]], ...]:
        """Return the rows of a SELECT, and those of others for the ids in them."""
        if not self._takes_several:
            from playhead.store.kept_queries import params_of

            heads = await self.rows(sql, params)
            ids = [head["id"] for head in heads]
            return heads, *[await self.rows(one, params_of(one, ids)) for one in of_ids]
        first = {"sql": sql, "params": list(params)}
        others = [{"sql": one, "ids_of": 0} for one in of_ids]
        return tuple(map(_rows, await self._requests.ask(first, *others)))

    async def _results(self, queries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the results of queries in one request; see `playhead.record.queries.batch`."""
        response = await self._post("/queries", {"queries": queries}, "application/json")
        if response is not None:
            return response.json()["results"]
        from playhead.store.kept_queries import params_of

        self._takes_several = False  # a recorder of an earlier version
        results: list[dict[str, Any]] = []
        for query in queries:
            if "health" in query:
                results.append({"health": await self.health()})
                continue
            params: list[Any] = query.get("params", [])
            try:
                if (place := query.get("ids_of")) is not None:
                    params = params_of(
                        query["sql"], [row["id"] for row in _rows(results[int(place)])]
                    )
                results.append({"rows": await self.rows(query["sql"], params)})
            except QueryError as error:
                status = query_statuses.status(error)
                results.append({"status": status, "error": error.title, "hint": error.hint})
        return results

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        """Return the rows of one SELECT as an Arrow table."""
        from playhead.store.arrow import pa

        kind = "application/vnd.apache.arrow.stream"
        with pa.ipc.open_stream((await self._post_query(sql, params, kind)).content) as reader:
            return reader.read_all()

    async def health(self) -> dict[str, Any] | None:
        """Return the recorder's counts."""
        if are_shared() and self._takes_several:
            [result] = await self._requests.ask({"health": True})
            return result["health"]
        try:
            response = await self._http.get("/health", timeout=HEALTH_SECONDS)
            document: dict[str, Any] = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError, OSError) as error:
            raise RecorderError(
                f"No recorder answers at {self._endpoint.api_url}", "Start `playhead record`."
            ) from error
        return document

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Return what changed in the store since a position."""
        asked = urlencode({"wait": str(wait)} | ({"since": since} if since else {}))
        try:
            response = await self._http.get(f"/changes?{asked}", timeout=wait + HEALTH_SECONDS)
            if response.status_code == 404:  # a recorder of an earlier version
                return None
            return parse_changes(response.raise_for_status().json())
        except (httpx.HTTPError, ValueError, OSError) as error:
            raise RecorderError(
                f"No recorder answers at {self._endpoint.api_url}", "Start `playhead record`."
            ) from error

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return the invocations that may have all these texts."""
        from playhead.store.texts.index import Found

        body = {"texts": list(texts), "until_us": until_us, "limit": limit}
        try:
            response = await self._http.post("/search", json=body)
            if response.status_code == 404:  # a recorder of an earlier version
                return None
            found: dict[str, Any] = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError, OSError) as error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} does not answer: {error}",
                "Start `playhead record` again.",
            ) from error
        return None if found["ids"] is None else Found(tuple(found["ids"]), found["floor_us"])

    def describe(self) -> str:
        """Return a description of the recorder."""
        return f"recorder at {self._endpoint.api_url}"

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def _post_query(self, sql: str, params: Sequence[Any], accept: str) -> httpx.Response:
        found = await self._post("/query", {"sql": sql, "params": list(params)}, accept)
        if found is None:
            raise RecorderError(f"The recorder at {self._endpoint.api_url} has no query API")
        return found

    async def _post(self, path: str, body: Mapping[str, Any], accept: str) -> httpx.Response | None:
        """Return the answer to a request; None if the recorder does not know the path."""
        headers = {"accept": accept}
        try:
            response = await self._http.post(path, json=body, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} does not answer: {error}",
                "Start `playhead record` again.",
            ) from error
        if response.status_code == 404:
            return None
        if (kind := query_statuses.ERRORS.get(response.status_code)) is not None:
            raise kind(*_reason(response))
        if response.is_error:
            raise RecorderError(
                f"The recorder at {self._endpoint.api_url} answered {response.status_code}: "
                f"{_reason(response)[0]}"
            )
        return response


class RecorderAuth(httpx.Auth):
    """Signs requests to a recorder, and accepts answers of this recorder only.

    Raises:
        RecorderError: Another program answered.
    """

    def __init__(self, endpoint: RecorderEndpoint, token: str) -> None:
        """Keep the token, which is never sent."""
        self._endpoint = endpoint
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Send the signed request, and check the answer."""
        nonce = secrets.token_hex(16)
        signed = signature(self._token, nonce, request.method)
        request.headers["authorization"] = f"{SCHEME} {nonce} {signed}"
        response = yield request
        if response.status_code == 404:  # a path that an earlier version does not look at
            return
        proved = response.headers.get(PROOF_HEADER, "").encode()
        if not hmac.compare_digest(proved, proof(self._token, nonce).encode()):
            if response.status_code == 503:  # answered before the signature was looked at
                raise RecorderError(
                    f"The recorder at {self._endpoint.api_url} is busy", "Try again in a moment."
                )
            raise RecorderError(
                f"The program at {self._endpoint.api_url} is not the recorder of this store",
                "Start `playhead record`.",
            )


def _client(endpoint: RecorderEndpoint, token: str) -> HttpClient:
    return HttpClient(
        base_url=endpoint.api_url,
        headers={CLIENT_HEADER: secrets.token_hex(8)},
        auth=RecorderAuth(endpoint, token),
        timeout=QUERY_SECONDS,
        trust_env=False,
        transport=PlainTransport(),
    )


def _rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a result. Raises QueryError or QueryLimitError if it has none."""
    if "error" in result:
        raise query_statuses.ERRORS.get(result["status"], QueryError)(
            str(result["error"]), str(result.get("hint") or "")
        )
    rows: list[dict[str, Any]] = result["rows"]
    return rows


def _reason(response: httpx.Response) -> tuple[str, str]:
    """Return the title and the hint of the API's error."""
    try:
        document = response.json()
        return str(document["error"]), str(document.get("hint") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.text[:500], ""
