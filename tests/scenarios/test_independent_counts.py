"""The sources of the independent counts, and how claims are compared with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playhead_samples import attempt_log
from playhead_samples.attempt_log import HandlerAttempt, current_invocation, recorded
from playhead_samples.scenarios.testbed.claims import Claims, agrees, disagreements
from playhead_samples.scenarios.testbed.server_log import FAILURE, START, ServerLog

SUSPENSION, ERROR, END, COMMAND = 1, 2, 3, 0x400


@pytest.mark.parametrize(
    ("claim", "count", "exact", "certain_or_not"),
    [
        ("4", 4, True, True),
        ("3", 4, False, False),
        ("≥ 3", 4, False, True),
        ("≥ 5", 4, False, False),
        ("≥ 3", 4, True, False),
        ("?", 4, False, True),
        ("?", 4, True, False),
        ("–", 0, True, False),
        (None, 4, True, True),
        ("1.5k", 1_480, True, True),
        ("1.5k", 1_600, True, False),
        ("12k", 12_400, True, True),
        ("many", 4, False, False),
    ],
)
def test_a_claim_is_true_or_not(
    claim: str | None, count: int, exact: bool, certain_or_not: bool
) -> None:
    assert agrees(claim, count, exact=exact) is certain_or_not


def test_a_figure_without_its_source_may_be_a_lower_limit() -> None:
    counts = Claims(status="failed", attempts="4", llm_calls="2")
    said = Claims(status="killed", attempts="≥ 3", llm_calls="?")
    assert disagreements(said, counts, lost=frozenset({"attempts", "llm_calls"})) == [
        "status killed, counted failed"
    ]
    assert disagreements(said, counts, lost=frozenset()) == [
        "status killed, counted failed",
        "attempts ≥ 3, counted 4",
        "llm calls ?, counted 2",
    ]


def test_attempts_are_counted_in_the_server_log(tmp_path: Path) -> None:
    def line(message: str, invocation: str) -> str:
        return json.dumps({"fields": {"message": message, "restate.invocation.id": invocation}})

    path = tmp_path / "server.log"
    path.write_text(
        "\n".join(
            [
                "warning: a notice that is not JSON",
                line(f"{START} at deployment", "inv_1"),
                line(f"{FAILURE}, retrying in 1s.", "inv_1"),
                line(f"{START} at deployment", "inv_1"),
                line(f"{START} at deployment", "inv_2"),
                '{"fields": {"message": "' + START,
            ]
        )
    )
    log = ServerLog(path)
    assert dict(log.attempts) == {"inv_1": 2, "inv_2": 1}
    assert dict(log.failures) == {"inv_1": 1}
    assert not ServerLog(tmp_path / "absent").attempts


@pytest.mark.parametrize("cut", [1, 3, 9, 1000])
@pytest.mark.parametrize(
    ("kind", "ending"), [(SUSPENSION, "suspended"), (ERROR, "failed"), (END, "completed")]
)
async def test_an_attempt_is_recorded_with_its_ending(
    kind: int, ending: str, cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = frame(COMMAND, b"x" * 20) + frame(kind, b"why")
    seen: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current_invocation.get())
        for start in range(0, len(body), cut):
            await send({"type": "http.response.body", "body": body[start : start + cut]})

    attempts = await attempts_of(app, tmp_path, monkeypatch)
    assert seen == ["inv_1"]
    assert [(a.invocation_id, a.ending) for a in attempts] == [("inv_1", ending)]
    assert attempts[0].ended_at is not None
    assert attempts[0].ended_at >= attempts[0].started_at


async def test_an_attempt_without_a_last_message_was_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": frame(COMMAND, b"x")})

    assert [a.ending for a in await attempts_of(app, tmp_path, monkeypatch)] == ["disconnected"]


def test_an_attempt_without_an_end_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_text(json.dumps({"attempt": "a", "invocation": "inv_1", "at": 5.0}) + "\n")
    assert attempt_log.read(path) == [HandlerAttempt("inv_1", 5.0, None, "lost")]
    assert attempt_log.read(tmp_path / "absent") == []


async def attempts_of(
    app: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[HandlerAttempt]:
    path = folder / "attempts.jsonl"
    monkeypatch.setenv(attempt_log.VARIABLE, str(path))

    async def nothing(*_: Any) -> None: ...

    await recorded(app)({"headers": [(attempt_log.ID_HEADER, b"inv_1")]}, nothing, nothing)
    await recorded(nothing)({"headers": []}, nothing, nothing)
    return attempt_log.read(path)


def frame(kind: int, message: bytes) -> bytes:
    return kind.to_bytes(2, "big") + b"\x00\x00" + len(message).to_bytes(4, "big") + message
