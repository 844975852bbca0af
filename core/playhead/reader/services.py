"""Registered services and deployments, with the invocations pinned to each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.model import (
    DeploymentInfo,
    HandlerInfo,
    Origin,
    PinnedCount,
    ServiceInfo,
    ServiceReport,
    status_of,
)
from playhead.reader.sources import Sources, try_read
from playhead.restate import object_queries as queries
from playhead.restate.rows import parse_time
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["read_services"]

NOT_STORED = "Registered services are not stored: those of stored invocations are shown."
_TYPES = {"Service": "service", "VirtualObject": "virtual object", "Workflow": "workflow",
          "virtual_object": "virtual object"}  # fmt: skip
_SETTINGS = (
    "idempotency_retention", "workflow_completion_retention", "journal_retention",
    "inactivity_timeout", "abort_timeout", "enable_lazy_state", "ingress_private",
)  # fmt: skip
_COUNTS = """
SELECT target_service_name, pinned_deployment_id, status, count(*) AS number
FROM invocations GROUP BY ALL
"""
_HANDLERS = """
SELECT DISTINCT target_service_name, target_service_ty, target_handler_name FROM invocations
ORDER BY ALL
"""
_ATTEMPTS = """
SELECT pinned_deployment_id, list(DISTINCT target_service_name) AS services
FROM invocations WHERE pinned_deployment_id IS NOT NULL GROUP BY pinned_deployment_id
"""


async def read_services(sources: Sources) -> ServiceReport:
    """Return the services and deployments.

    Without a server, only those that stored invocations name. The server scans the status of all
    its invocations for the counts.

    Raises:
        UnreachableError: Neither the server nor the store can be read.
    """
    missing = sources.absent()
    origin: Origin = "live"
    found = await _live(sources, missing)
    if found is None and sources.store:
        origin = "stored"
        store = sources.store
        rows = await asyncio.gather(
            *(try_read(store.rows(sql), missing) for sql in (_COUNTS, _HANDLERS, _ATTEMPTS))
        )
        if None not in rows:
            found = _stored(*(part or [] for part in rows))
            missing.append(NOT_STORED)
    if found is None:
        raise await sources.unreachable(missing)
    services, deployments = found
    return ServiceReport(
        tuple(sorted(map(_with_numbers, services), key=lambda one: one.name)),
        tuple(
            replace(one, open=_open(one.counts)) for one in sorted(deployments, key=_newest_first)
        ),
        origin,
        await sources.all_missing(missing),
    )


async def _live(
    sources: Sources, missing: list[str]
) -> tuple[list[ServiceInfo], list[DeploymentInfo]] | None:
    server = sources.server
    if server is None:
        return None
    documents = await try_read(
        asyncio.gather(server.get("/services"), server.get("/deployments")), missing
    )
    if documents is None:
        return None
    counted = await try_read(server.query(queries.pinned_counts()), missing) or []
    counts = _counts(counted)
    services = [
        _service(as_dict(one), counts) for one in as_list(as_dict(documents[0]).get("services"))
    ]
    deployments = [
        _deployment(as_dict(one), counts, services)
        for one in as_list(as_dict(documents[1]).get("deployments"))
    ]
    return services, deployments


def _counts(rows: Iterable[Mapping[str, Any]]) -> tuple[PinnedCount, ...]:
    numbers: dict[PinnedCount, int] = {}
    for row in rows:
        place = PinnedCount(
            str(row.get("target_service_name") or ""),
            as_text(row.get("pinned_deployment_id")),
            "ended" if row.get("status") in ("completed", "gone") else status_of(row),
            0,
        )
        numbers[place] = numbers.get(place, 0) + as_int(row.get("number"))
    return tuple(replace(place, number=number) for place, number in numbers.items())


def _service(document: Mapping[str, Any], counts: Sequence[PinnedCount]) -> ServiceInfo:
    name = str(document.get("name") or "")
    return ServiceInfo(
        name=name,
        type=_TYPES.get(str(document.get("ty")), str(document.get("ty") or "")),
        revision=as_int(document.get("revision")) or None,
        deployment=as_text(document.get("deployment_id")),
        public=bool(document.get("public", True)),
        # The server has no order: it differs from answer to answer.
        handlers=tuple(
            sorted(
                (_handler(as_dict(one)) for one in as_list(document.get("handlers"))),
                key=lambda handler: handler.name,
            )
        ),
        settings=_settings(document),
        counts=tuple(one for one in counts if one.service == name),
    )


def _handler(document: Mapping[str, Any]) -> HandlerInfo:
    return HandlerInfo(
        name=str(document.get("name") or ""),
        type=str(document.get("ty") or "").lower(),
        public=bool(document.get("public", True)),
        input=str(document.get("input_description") or ""),
        output=str(document.get("output_description") or ""),
        documentation=str(document.get("documentation") or ""),
        settings=_settings(document) or None,
    )


def _settings(document: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _text(document[name]) for name in _SETTINGS if name in document}
    policy = as_dict(document.get("retry_policy"))
    parts = [f"{name} {_text(value)}" for name, value in policy.items() if value is not None]
    return {**found, "retry_policy": ", ".join(parts)} if parts else found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unlimited" if value is None else str(value)


def _deployment(
    document: Mapping[str, Any], counts: Sequence[PinnedCount], services: Sequence[ServiceInfo]
) -> DeploymentInfo:
    id_ = str(document.get("id") or "")
    least, most = document.get("min_protocol_version"), document.get("max_protocol_version")
    revisions = map(as_dict, as_list(document.get("services")))
    protocol = (document.get("http_version"), document.get("protocol_type"))
    return DeploymentInfo(
        id=id_,
        endpoint=as_text(document.get("uri")) or as_text(document.get("arn")),
        protocol=" ".join(str(part) for part in protocol if part),
        service_protocol=""
        if least is None
        else str(least)
        if least == most
        else f"{least}-{most}",
        sdk=str(document.get("sdk_version") or ""),
        created_at=parse_time(document.get("created_at")),
        services=tuple(f"{one.get('name')} ({one.get('revision')})" for one in revisions),
        counts=tuple(one for one in counts if one.deployment == id_),
        newest_of=tuple(one.name for one in services if one.deployment == id_),
    )


def _stored(
    counted: Sequence[Mapping[str, Any]],
    handlers: Sequence[Mapping[str, Any]],
    attempts: Sequence[Mapping[str, Any]],
) -> tuple[list[ServiceInfo], list[DeploymentInfo]]:
    counts = _counts(counted)
    found: dict[str, ServiceInfo] = {}
    for row in handlers:
        name = str(row.get("target_service_name") or "")
        kind = str(row.get("target_service_ty") or "")
        service = found.get(name) or ServiceInfo(
            name, _TYPES.get(kind, kind), None, None, public=True, handlers=(), settings={},
            counts=tuple(one for one in counts if one.service == name),
        )  # fmt: skip
        handler = HandlerInfo(str(row.get("target_handler_name") or ""), "", True, "", "")
        found[name] = replace(service, handlers=(*service.handlers, handler))
    deployments = [
        DeploymentInfo(
            id=str(row["pinned_deployment_id"]),
            endpoint=None,
            protocol="",
            service_protocol="",
            sdk="",
            created_at=None,
            services=tuple(sorted(str(name) for name in as_list(row.get("services")))),
            counts=tuple(one for one in counts if one.deployment == row["pinned_deployment_id"]),
        )
        for row in attempts
    ]
    return list(found.values()), deployments


def _with_numbers(service: ServiceInfo) -> ServiceInfo:
    others = [one for one in service.counts if one.deployment not in (None, service.deployment)]
    outdated = None if service.deployment is None else _open(others)
    return replace(service, open=_open(service.counts), outdated=outdated)


def _open(counts: Iterable[PinnedCount]) -> int:
    return sum(one.number for one in counts if not one.ended)


def _newest_first(deployment: DeploymentInfo) -> tuple[float, str]:
    at = deployment.created_at
    return (-at.timestamp() if at else 0.0, deployment.id)
