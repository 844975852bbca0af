"""Registered services, their handlers and deployments, and the invocations pinned to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from playhead.model.invocation import Origin
from playhead.model.status import Status

__all__ = ["DeploymentInfo", "HandlerInfo", "PinnedCount", "ServiceInfo", "ServiceReport"]


@dataclass(frozen=True, slots=True)
class HandlerInfo:
    """One handler of a service."""

    name: str
    type: str
    """`exclusive`, `shared`, `workflow`, or empty for handlers of plain services."""
    public: bool
    """Whether the ingress accepts requests for it."""
    input: str
    """Description of its input: `JSON 'ChatMessage'`, `none`, …; empty if it is unknown."""
    output: str
    """Description of its output, likewise."""
    documentation: str = ""
    settings: Mapping[str, str] | None = None
    """Settings that differ from those of the service."""


@dataclass(frozen=True, slots=True)
class PinnedCount:
    """Invocations of one service that are pinned to one deployment and have one status."""

    service: str
    deployment: str | None
    """None before the first attempt."""
    status: Status | Literal["ended"]
    number: int

    @property
    def ended(self) -> bool:
        """Whether these invocations have ended."""
        return self.status == "ended"


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A service with its newest revision."""

    name: str
    type: str
    """`service`, `virtual object` or `workflow`; empty if it is unknown."""
    revision: int | None
    """Number of the newest revision; None if it is unknown."""
    deployment: str | None
    """Id of the deployment that new invocations run on; None if it is unknown."""
    public: bool
    handlers: tuple[HandlerInfo, ...]
    settings: Mapping[str, str]
    """Retentions, timeouts and the retry policy, by the server's names."""
    counts: tuple[PinnedCount, ...] = ()
    """Its invocations, by deployment and status."""
    open: int = 0
    """Number of its invocations that have not ended."""
    outdated: int | None = None
    """Number of those that are pinned to another deployment; None if `deployment` is unknown."""


@dataclass(frozen=True, slots=True)
class DeploymentInfo:
    """A registered endpoint."""

    id: str
    endpoint: str | None
    """URL, or ARN of a Lambda function; None if it is unknown."""
    protocol: str
    """HTTP version and mode, such as `HTTP/2.0 BidiStream`; empty if it is unknown."""
    service_protocol: str
    """Versions of the service protocol, such as `5-7`; empty if they are unknown."""
    sdk: str
    """SDK and version, such as `restate-sdk-python/1.3.0`; empty if it is unknown."""
    created_at: datetime | None
    services: tuple[str, ...]
    """Services that it has a revision of, with its number: `Chat (2)`."""
    counts: tuple[PinnedCount, ...] = ()
    """The invocations that are pinned to it, by service and status."""
    newest_of: tuple[str, ...] = ()
    """Services whose new invocations run on it."""
    open: int = 0
    """Number of invocations that are pinned to it and have not ended."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """Services by name, and deployments, the newest first."""

    services: tuple[ServiceInfo, ...]
    deployments: tuple[DeploymentInfo, ...]
    origin: Origin
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""
