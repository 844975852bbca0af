"""Tokens, passwords and files reach nobody but their owner."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from playhead import settings as settings_module
from playhead.cli import cli
from playhead.doctor.check import failed
from playhead.errors import RecorderError, SettingsError, StoreError
from playhead.record import endpoint
from playhead.record.client import connect
from playhead.record.ownership import exposure
from playhead.record.recorder import open_recorder
from playhead.replay import Recording
from playhead.restate.client import RestateClient
from playhead.settings import Settings, require_header_token
from playhead.text import without_password

from helpers import FREE  # isort: skip
from otlp import PROTOBUF, request, spans  # isort: skip

RECORDING = Path(__file__).parents[1] / "recordings" / "v6" / "run_ok.journal.json"
SECRET = "s3cret-of-a-user"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=tmp_path / "store")


@asynccontextmanager
async def impostor(store: Path, answer: bytes) -> AsyncGenerator[list[bytes]]:
    """A program on the port of a recorder that has ended, and what it was sent."""
    received: list[bytes] = []
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            while data := await reader.read(1 << 16):
                received.append(data)
                writer.write(answer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found = endpoint.read_endpoint(store)
    assert found is not None
    port = server.sockets[0].getsockname()[1]
    endpoint.write_endpoint(store, replace(found, api_port=port))
    async with server:
        yield received
    for task in serving:
        assert task is not None
        task.cancel()
    await asyncio.gather(*filter(None, serving), return_exceptions=True)


HEALTHY = b'{"spans": 0, "pid": 1}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\ncontent-type: application/json\r\n%s\r\n%s"


@pytest.mark.parametrize("proof", [b"", b"playhead-proof: 00\r\n", b"playhead-proof: \xff\r\n"])
async def test_an_impostor_on_a_stale_port_learns_nothing_and_is_not_believed(
    settings: Settings, proof: bytes
) -> None:
    async with open_recorder(settings, FREE) as recorder:
        live = recorder.endpoint
        token = endpoint.read_token(settings.store)
    assert token is not None
    endpoint.write_endpoint(settings.store, live)  # as after `kill -9`
    async with impostor(settings.store, ANSWER % (len(HEALTHY), proof, HEALTHY)) as received:
        client = await connect(settings)
        assert client is not None
        assert not client.recording  # it reads the file
        assert await client.rows("SELECT 1 AS one") == [{"one": 1}]
        await client.close()
    assert received
    assert token.encode() not in b"".join(received)


async def test_a_client_that_is_connected_does_not_believe_an_impostor(settings: Settings) -> None:
    async with open_recorder(settings, FREE) as recorder:
        client = await connect(settings)
        assert client is not None
        assert client.recording
        live = recorder.endpoint
    settings.store.joinpath("playhead.duckdb").rename(settings.store / "away")
    endpoint.write_endpoint(settings.store, live)
    rows = b'{"rows": [{"one": 2}]}'
    async with impostor(settings.store, ANSWER % (len(rows), b"", rows)):
        with pytest.raises(RecorderError):
            await client.rows("SELECT 1 AS one")
    await client.close()


async def test_a_client_follows_a_recorder_with_a_new_token(settings: Settings) -> None:
    async with open_recorder(settings, FREE):
        client = await connect(settings)
        assert client is not None
    async with open_recorder(settings, FREE):
        assert await client.rows("SELECT 1 AS one") == [{"one": 1}]
        assert client.recording
    await client.close()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"a b", b"short", b"x" * 5000, b"a\nb" * 20])
def test_a_file_without_a_token_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / endpoint.TOKEN_FILE).write_bytes(content)
    assert endpoint.read_token(tmp_path) is None


async def test_a_folder_in_place_of_the_token_is_an_error_with_a_hint(settings: Settings) -> None:
    (settings.store / endpoint.TOKEN_FILE).mkdir(parents=True)
    settings.store.chmod(0o700)
    with pytest.raises(StoreError, match=r"recorder\.token cannot be written") as caught:
        async with open_recorder(settings, FREE):
            pass
    assert "Remove" in caught.value.hint


@pytest.mark.parametrize(
    "token", [f"{SECRET}\n", f"a {SECRET}", f"{SECRET}é", f"\x1b{SECRET}", "\0"]
)
def test_a_token_that_is_no_header_is_refused_without_being_printed(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text(f"auth_token = {json.dumps(token)}")
    monkeypatch.setattr(settings_module, "config_file", lambda: tmp_path / "config.toml")
    result = CliRunner().invoke(cli, ["--store", str(tmp_path), "ls"])
    assert result.exit_code == 2
    assert "the token has spaces" in result.output
    assert SECRET not in result.output
    with pytest.raises(SettingsError) as caught:
        RestateClient("http://127.0.0.1:9", auth_token=token)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_only_printable_ascii_is_a_token() -> None:
    refused: list[str] = []
    for character in map(chr, [*range(0x300), 0x202E, 0xFF21, 0x1F511, 0xDC80]):
        try:
            require_header_token(f"t{character}", "here")
        except SettingsError:
            refused.append(character)
    assert set(map(chr, range(0x21, 0x7F))).isdisjoint(refused)
    assert len(refused) == 0x300 + 4 - len(range(0x21, 0x7F))


@pytest.mark.parametrize("command", [["ls"], ["doctor"], ["doctor", "--json"], ["stats"]])
def test_the_password_of_a_url_is_not_printed(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTATE_ADMIN_URL", f"http://me:{SECRET}@127.0.0.1:9")
    monkeypatch.setenv("RESTATE_INGRESS_URL", f"http://me:{SECRET}@127.0.0.1:9")
    result = CliRunner().invoke(cli, ["--store", str(tmp_path), *command])
    assert "127.0.0.1:9" in result.output
    assert SECRET not in result.output


def test_credentials_in_texts() -> None:
    assert without_password(f"at http://a:{SECRET}@h:1/x") == "at http://***@h:1/x"
    assert without_password(f"postgres://{SECRET}@h") == "postgres://***@h"
    assert without_password("mail a@b, http://h/x@y") == "mail a@b, http://h/x@y"
    assert (
        SECRET not in RecorderError(f"https://x:{SECRET}@h failed", f"see http://{SECRET}@h").hint
    )
    assert SECRET not in failed("a", "no-recorder", f"http://a:{SECRET}@h").finding
    with pytest.raises(SettingsError) as caught:
        settings_module.load({"admin_url": f"ftp://a:{SECRET}@h"}, environ={}, file=Path("/none"))
    assert SECRET not in str(caught.value)


def test_a_recording_with_headers_is_private(tmp_path: Path) -> None:
    recording = Recording.load(RECORDING)
    path = tmp_path / "kept.journal.json"
    path.with_name(path.name + ".part").write_text("left")
    path.with_name(path.name + ".part").chmod(0o666)
    recording.save(path, keep_headers=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Recording.load(path) == recording
    recording.save(path)  # a redacted one is an ordinary file again
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


def test_a_recording_does_not_write_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "a.journal.json.part").symlink_to(victim)
    Recording.load(RECORDING).save(tmp_path / "a.journal.json")
    assert victim.read_text() == "mine"


async def test_a_store_that_others_can_write_to_is_refused(settings: Settings) -> None:
    settings.store.mkdir()
    settings.store.chmod(0o777)
    with pytest.raises(StoreError, match="Every user of this machine can write"):
        async with open_recorder(settings, FREE):
            pass


def test_a_store_that_others_can_read_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = exposure(tmp_path)
    assert found is not None
    assert "its group and all users" in found
    assert f"chmod 700 {tmp_path}" in found
    tmp_path.chmod(0o700)
    assert exposure(tmp_path) is None


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", "Bearer top", "bearer top-1"])
async def test_otlp_without_the_token_is_refused(settings: Settings, given: str | None) -> None:
    token = "top-1"
    async with open_recorder(replace(settings, otlp_token=token), FREE) as recorder:
        body = request(2).SerializeToString()
        url = f"http://127.0.0.1:{recorder.endpoint.otlp_http_port}/v1/traces"
        async with httpx.AsyncClient() as http:
            for header, status in ((given, 401), (f"Bearer {token}", 200)):
                headers = {"content-type": PROTOBUF} | ({"authorization": header} if header else {})
                answer = await http.post(url, content=body, headers=headers)
                assert answer.status_code == status
                assert token not in answer.text
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{recorder.endpoint.otlp_grpc_port}")
        async with channel:
            export: Any = TraceServiceStub(channel).Export  # pyright: ignore[reportArgumentType]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await export(request(1), metadata=[("authorization", given)] if given else [])
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
            await export(request(3), metadata=[("authorization", f"Bearer {token}")])
        assert len(await spans(recorder)) == 3  # those with the token; two were sent twice
