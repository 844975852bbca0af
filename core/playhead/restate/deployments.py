"""Registered deployments: the service endpoints that a Restate server sends invocations to.

The functions here are synchronous, for code that starts processes. `Control.deployments` lists
the deployments from an event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from playhead.errors import RefusedError
from playhead.restate.client import answer_error, connection_error

__all__ = ["Deployment", "register_deployment", "remove_deployment"]

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """A registered endpoint."""

    id: str
    uri: str | None
    """None for a Lambda function."""
    created_at: str
    services: tuple[str, ...]


def register_deployment(
    admin_url: str,
    service_url: str,
    *,
    force: bool = False,
    use_http_11: bool = False,
    token: str | None = None,
    timeout: float = TIMEOUT,
) -> str:
    """Register a service endpoint and return the id of its deployment.

    Args:
        admin_url: Base URL of the admin API.
        service_url: URL of the endpoint, as the server reaches it.
        force: Replace a deployment that is registered at the same URL.
        use_http_11: Discover the endpoint over HTTP/1.1.
        token: Bearer token of the admin API.
        timeout: Seconds to wait for the answer.

    Raises:
        RestateError: The server does not answer, or refuses the endpoint.
    """
    body: dict[str, Any] = {"uri": service_url, "force": force}
    if use_http_11:
        body["use_http_11"] = True
    try:
        response = _send("POST", f"{admin_url}/deployments", token, timeout, json=body)
    except RefusedError as error:
        raise RefusedError(
            f"Restate refused {service_url}: {error.title}",
            "Check that the service is running at this address and serves restate.app(...).",
        ) from error
    deployment: str = response.json()["id"]
    return deployment


def remove_deployment(
    admin_url: str, deployment_id: str, *, token: str | None = None, timeout: float = TIMEOUT
) -> None:
    """Remove a deployment, even while invocations are pinned to it.

    Raises:
        RestateError: The server does not answer, or has no such deployment.
    """
    url = f"{admin_url}/deployments/{quote(deployment_id, safe='')}?force=true"
    _send("DELETE", url, token, timeout)


def _send(
    method: str, url: str, token: str | None, timeout: float, *, json: Any = None
) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        response = httpx.request(method, url, json=json, headers=headers, timeout=timeout)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise connection_error(url, error) from error
    if response.is_error:
        raise answer_error(response)
    return response
