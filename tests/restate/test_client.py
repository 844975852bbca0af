"""Queries, errors and changes on a real server; a small HTTP server simulates other answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from playhead.errors import (
    NotFoundError,
    QueryFailedError,
    RefusedError,
    UnansweredChangeError,
    UnauthorizedError,
    UnreachableError,
)
from playhead.local import free_port
from playhead.restate.client import RestateClient
from playhead.restate.control import Control
from playhead.restate.ids import awakeable_id, decode_invocation_id, is_invocation_id
from playhead.restate.queries import journal
from playhead.restate.rows import parse_bytes
from waiting import until_async


@contextmanager
def answering(*answers: tuple[int, str]) -> Generator[tuple[str, list[dict[str, str]]]]:
    """Start an HTTP server that returns these answers in order, then repeats the last one."""
    remaining = list(answers)
    requests: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append({k.lower(): v for k, v in self.headers.items()})
            self.rfile.read(int(self.headers["content-length"]))
            status, body = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_json_and_arrow_give_the_same_rows(handlers: Any, client: RestateClient) -> None:
    id_ = handlers.finish("every/everything", {"key": "arrow"})
    sql = journal(id_)
    rows = await client.query(sql)
    table = await client.query_arrow(sql)
    assert len(rows) == table.num_rows > 10
    for name in ("index", "entry_type", "raw_length", "entry_lite_json", "invoked_id"):
        assert [row.get(name) for row in rows] == table.column(name).to_pylist()
    raw = f"SELECT index, raw FROM sys_journal WHERE id = '{id_}' ORDER BY index"
    assert [parse_bytes(row["raw"]) for row in await client.query(raw)] == (
        await client.query_arrow(raw)
    ).column("raw").to_pylist()


async def test_the_error_of_a_bad_query_gives_the_reason(client: RestateClient) -> None:
    with pytest.raises(QueryFailedError, match="nonsense"):
        await client.query("SELECT * FROM nonsense")


async def test_a_closed_port_is_an_unreachable_server() -> None:
    async with RestateClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(UnreachableError, match="No Restate server answers") as caught:
            await client.query("SELECT 1")
    assert "RESTATE_ADMIN_URL" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "body"), [(404, "Not Found"), (400, '{"message": "bad path: /query"}')]
)
async def test_another_server_is_not_the_admin_api(status: int, body: str) -> None:
    """Such as a service, the recorder, or the ingress, which answers as the second one."""
    with answering((status, body)) as (url, _):
        async with RestateClient(url) as client:
            with pytest.raises(QueryFailedError, match="is not the admin API") as caught:
                await client.query("SELECT 1")
    assert url in caught.value.title
    assert "RESTATE_ADMIN_URL" in caught.value.hint


async def test_requests_to_a_busy_server_are_repeated_with_backoff() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    busy = (429, "")
    with answering(busy, busy, busy, (200, '{"rows": [{"one": 1}]}')) as (url, requests):
        async with RestateClient(url, sleep=sleep) as client:
            assert await client.query("SELECT 1 AS one") == [{"one": 1}]
    assert len(requests) == 4
    assert waits == [0.1, 0.2, 0.4]


async def test_retries_end_if_the_server_stays_busy() -> None:
    async def sleep(seconds: float) -> None:
        pass

    with answering((429, "")) as (url, requests):
        async with RestateClient(url, sleep=sleep) as client:
            with pytest.raises(UnreachableError, match="limits requests"):
                await client.query("SELECT 1")
    assert len(requests) == 6


async def test_the_token_is_sent_and_its_refusal_explained() -> None:
    with answering((401, "")) as (url, requests):
        async with RestateClient(url, auth_token="secret") as client:
            with pytest.raises(UnauthorizedError) as caught:
                await client.query("SELECT 1")
    assert requests[0]["authorization"] == "Bearer secret"
    assert "RESTATE_AUTH_TOKEN" in caught.value.hint


@pytest.mark.parametrize("body", ["<html>", "[]", '{"other": 1}'])
async def test_answers_that_are_not_rows_are_refused(body: str) -> None:
    with answering((200, body)) as (url, _):
        async with RestateClient(url) as client:
            with pytest.raises(QueryFailedError, match="has no rows"):
                await client.query("SELECT 1")
            with pytest.raises(QueryFailedError, match="is not an Arrow stream"):
                await client.query_arrow("SELECT 1")


def test_ids(handlers: Any) -> None:
    id_ = handlers.finish("every/trivial", {})
    assert is_invocation_id(id_)
    assert not is_invocation_id(id_[:-1])
    [row] = handlers.sql(f"SELECT partition_key FROM sys_invocation_status WHERE id = '{id_}'")
    assert int.from_bytes(decode_invocation_id(id_)[:8], "big") == row["partition_key"]
    for wrong in ("", "inv_1", "inv_1" + "Z" * 33, "dp_" + id_[4:]):
        with pytest.raises(ValueError, match="is not an invocation id"):
            awakeable_id(wrong, 17)


async def test_awakeables(handlers: Any, client: RestateClient) -> None:
    control = Control(client)
    for value in ({"ok": [1, "ü"]}, "text", 0):
        id_ = handlers.send("every/waits", {})
        await handlers.until(id_, "suspended")
        await control.resolve_awakeable(awakeable_id(id_, 17), value)
        await handlers.until(id_, "completed")
        [row] = handlers.sql(
            f"SELECT completion_result AS r FROM sys_invocation WHERE id = '{id_}'"
        )
        assert row["r"] == "success"
    id_ = handlers.send("every/waits", {})
    await handlers.until(id_, "suspended")
    await control.reject_awakeable(awakeable_id(id_, 17), "not today")
    await handlers.until(id_, "completed")
    [row] = handlers.sql(f"SELECT completion_failure AS f FROM sys_invocation WHERE id = '{id_}'")
    assert "not today" in row["f"]
    with pytest.raises((NotFoundError, RefusedError)):
        await control.resolve_awakeable("sign_1nonsense", 1)


async def test_changes(handlers: Any, client: RestateClient) -> None:
    control = Control(client)
    ended: dict[str, str] = {}
    for verb in (control.cancel, control.kill):
        id_ = handlers.send("every/naps", {})
        await handlers.until(id_, "suspended")
        await verb(id_)
        await handlers.until(id_, "completed")
        [row] = handlers.sql(f"SELECT completion_failure FROM sys_invocation WHERE id = '{id_}'")
        ended[verb.__name__] = row["completion_failure"]
    assert ended == {"cancel": "[409] cancelled", "kill": "[409] killed"}

    id_ = handlers.send("every/always_raises", {})
    await handlers.until(id_, "backing-off")
    await control.pause(id_)
    await handlers.until(id_, "paused")
    await control.pause(id_)  # again
    await control.resume(id_, deployment="latest")
    await handlers.until(id_, "backing-off")
    await control.kill(id_)

    first = handlers.finish("every/everything", {"key": "restart"})
    again = await control.restart_as_new(first, from_entry=3)
    await handlers.until(again, "completed")
    [row] = handlers.sql(f"SELECT restarted_from FROM sys_invocation WHERE id = '{again}'")
    assert row["restarted_from"] == first
    await control.purge(first)
    await until_async(
        lambda: not handlers.sql(f"SELECT id FROM sys_invocation WHERE id = '{first}'"),
        f"{first} is purged",
    )

    with pytest.raises(NotFoundError):
        await control.cancel(first)
    with pytest.raises(RefusedError, match="completed"):
        await control.resume(again)
    [deployment] = await control.deployments()
    assert {"every", "box", "flow", "ai"} <= set(deployment.services)


@pytest.mark.parametrize("status", ["suspended", "scheduled", "completed"])
async def test_what_does_not_run_cannot_be_paused(
    handlers: Any, client: RestateClient, status: str
) -> None:
    control = Control(client)
    if status == "completed":
        id_ = handlers.finish("every/everything", {"key": "pause"})
    elif status == "scheduled":
        id_ = handlers.call("every/naps/send?delay=60s", {})["invocationId"]
    else:
        id_ = handlers.send("every/naps", {})
    await handlers.until(id_, status)
    with pytest.raises(RefusedError, match=r"suspended|not running"):
        await control.pause(id_)
    await handlers.until(id_, status)
    if status != "completed":
        await control.kill(id_)


async def test_a_change_without_an_answer_may_have_been_made() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with RestateClient(url) as client:
            with pytest.raises(UnansweredChangeError) as sent:
                await Control(client).kill("inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz")
            with pytest.raises(UnreachableError) as asked:
                await client.query("SELECT 1")
    assert sent.value.title.startswith(f"Restate at {url} did not answer: ")
    assert "may have been made" in sent.value.hint
    assert not isinstance(asked.value, UnansweredChangeError)


async def test_a_change_that_was_never_sent_is_not_made() -> None:
    async with RestateClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(UnreachableError) as refused:
            await Control(client).kill("inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz")
    assert not isinstance(refused.value, UnansweredChangeError)
