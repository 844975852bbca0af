"""A server as Restate Cloud has it: https, and a bearer token; with a certificate of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from journal_fixtures import Handlers
from playhead.errors import UnauthorizedError, UnreachableError
from playhead.record.recorder import RecorderOptions, open_recorder
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from waiting import until_async

TOKEN = "key_of_the_cloud"
SELECT = "SELECT id FROM sys_invocation"


@dataclass(frozen=True)
class Cloud:
    url: str
    certificate: Path


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that is signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "playhead tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
async def cloud(handlers: Handlers, tmp_path: Path) -> AsyncIterator[Cloud]:
    """An https server that asks for the token, in front of a real server."""
    certificate, key = write_certificate(tmp_path)

    async def forward(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response(status_code=401)
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.request(
                request.method,
                f"{handlers.server.admin_url}{request.url.path}",
                content=await request.body(),
                headers={
                    name: value
                    for name, value in request.headers.items()
                    if name in ("accept", "content-type")
                },
            )
        return Response(answer.content, answer.status_code,
                        media_type=answer.headers.get("content-type"))  # fmt: skip

    app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, ssl_certfile=certificate, ssl_keyfile=key, log_level="error")
    )
    running = asyncio.create_task(server.serve([sock]))
    await until_async(lambda: server.started)
    yield Cloud(f"https://127.0.0.1:{sock.getsockname()[1]}", certificate)
    server.should_exit = True
    await running


async def test_an_unknown_certificate_is_refused(cloud: Cloud) -> None:
    async with RestateClient(cloud.url, auth_token=TOKEN) as client:
        with pytest.raises(UnreachableError, match=r"(?i)certificate"):
            await client.query(SELECT)


async def test_the_token_is_sent_to_a_trusted_server(
    cloud: Cloud, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud.certificate))
    id_ = handlers.finish("every/trivial", None)
    async with RestateClient(cloud.url, auth_token=TOKEN) as client:
        assert {"id": id_} in await client.query(SELECT)
    async with RestateClient(cloud.url, auth_token="other") as client:
        with pytest.raises(UnauthorizedError):
            await client.query(SELECT)


async def test_a_recorder_copies_journals_from_it(
    cloud: Cloud, handlers: Handlers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud.certificate))
    id_ = handlers.finish("every/trivial", None)
    settings = Settings(admin_url=cloud.url, auth_token=TOKEN, store=tmp_path / "store")
    options = RecorderOptions(otlp_grpc_port=0, otlp_http_port=0, api_port=0)
    async with open_recorder(settings, options) as recorder:

        def copied() -> bool:
            sql = "SELECT final FROM journal_copies WHERE id = ?"
            with recorder.store.cursor() as cursor:
                return cursor.execute(sql, [id_]).fetchall() == [(True,)]

        await until_async(copied)
        await until_async(lambda: recorder.health()["journals"]["problem"] is None)

        def watched() -> bool:
            with recorder.store.cursor() as cursor:
                return bool(cursor.execute("SELECT cluster FROM recordings").fetchall())

        await until_async(watched)
