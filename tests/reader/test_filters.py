"""Filters over a real server and store, compared with what was sent and with each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playhead.filters.language import parse
from playhead.filters.rows import matches
from playhead.filters.store import stored_ids
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient

SIMPLE = "a simple question"
TOOL_FAILS = "a tool that fails twice, then works"
LLM_BUSY = "an LLM that answers 429 once"
WAITS = "an approval that waits for you"
CHAT = ("a conversation starts", "the conversation remembers", "the conversation ends")
CLAIM = "an agent that consults two other agents"
WEATHER = (SIMPLE, TOOL_FAILS, LLM_BUSY)
ALL = (*WEATHER, WAITS, *CHAT, CLAIM)


def others(*titles: str) -> tuple[str, ...]:
    return tuple(title for title in ALL if title not in titles)


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("", ALL),
        # Only prompts, answers and errors contain these words.
        ("denver", (TOOL_FAILS,)),
        ("DENVER", (TOOL_FAILS,)),
        ("-denver", others(TOOL_FAILS)),
        ("storm roof", (WAITS,)),
        ("weatheragent", WEATHER),
        ("ChatAgent/ada", CHAT),
        # Keys of the messages are not contents.
        ("role", ()),
        ("status:suspended", (WAITS,)),
        ("-status:completed", (WAITS,)),
        ("status:active wait:approval", (WAITS,)),
        ("wait:sleep", ()),
        ("-wait:approval service:*agent", (*WEATHER, *CHAT)),
        ("service:weatheragent", WEATHER),
        ("service=weatheragent", ()),
        ("service:weather*,claim*", (*WEATHER, CLAIM)),
        ("key:ada handler:message", CHAT),
        ("-key:ada", others(*CHAT, CLAIM)),
        ("target:agent/ada", CHAT),
        ("tool:get_weather", WEATHER),
        ("-tool:get_*", others(*WEATHER)),
        ("agent:approval", (WAITS,)),
        ('step:"get weather"', WEATHER),
        ("attempts>=2 status:succeeded", (TOOL_FAILS, LLM_BUSY)),
        ("attempts=3", (TOOL_FAILS,)),
        ("-attempts>=2", others(TOOL_FAILS, LLM_BUSY)),
        ("failures>0", (TOOL_FAILS, LLM_BUSY)),
        ("failures=0", others(TOOL_FAILS, LLM_BUSY)),
        ("failures>0 denver", (TOOL_FAILS,)),
        ("calls>=5", (CLAIM,)),
        ("calls:1 -status:suspended", CHAT),
        ("llm:gpt", ALL),
        ("llm:claude", ()),
        ("since:1h", ALL),
        ("until:1h", ()),
        ("duration>1000h", ()),
        ("duration<1000h", ALL),
        ("error:nothing", ()),
    ],
)
async def test_a_filter_finds_what_was_sent(
    reader: Reader, ran: Any, text: str, titles: tuple[str, ...]
) -> None:
    page = await reader.invocations(filter=text)
    assert page.missing == ()
    by_id = {id_: title for title, id_ in ran.ids.items()}
    assert sorted(by_id[row.id] for row in page.rows) == sorted(titles)


async def test_server_store_and_rows_agree(
    reader: Reader, client: RestateClient, source: StoreClient, ran: Any
) -> None:
    """The same condition in three forms: the server's SQL, the store's SQL, and Python."""
    now = datetime.now(UTC) + timedelta(seconds=1)
    rows = (await reader.invocations()).rows
    some = next(row for row in rows if row.id == ran.ids[WAITS])
    # An age instead would change what it finds from one query to the next.
    middle = sorted(row.created_at for row in rows)[len(rows) // 2].isoformat()
    for text in (
        "status:completed", "-status:stuck,failed", "service:w*t", "key:ADA", "-key:ada",
        f"id:{some.id[:20]}", f"deployment:{some.deployment_id}", "-parent:inv", "restarted:x",
        "handler:run", "target:a/m", "duration>1ms", ["duration>=1s", "<2s"][0],
        "-duration<1s", f'since:"{middle}"', f'-until:"{middle}"', 'error:""',
    ):  # fmt: skip
        wanted = parse(text)
        by_row = {row.id for row in rows if matches(wanted, row, now)}
        alone = await Reader(client, None).invocations(filter=text)
        copied = await Reader(None, source).invocations(filter=text)
        ended = {row.id for row in rows if row.ended}
        if "duration" not in text:
            assert {row.id for row in alone.rows} == by_row, text
            assert {row.id for row in copied.rows} == by_row, text
        assert {row.id for row in alone.rows} & ended == by_row & ended, text
        assert {row.id for row in copied.rows} & ended == by_row & ended, text


async def test_pages_of_a_filter_have_no_gap(reader: Reader, ran: Any) -> None:
    found: list[str] = []
    before = None
    while True:
        page = await reader.invocations(filter="tokens>0 -denver", limit=2, before=before)
        found += [row.id for row in page.rows]
        if not page.more:
            break
        before = page.rows[-1]
    assert sorted(found) == sorted(ran.ids[title] for title in others(TOOL_FAILS))


async def test_what_cannot_be_answered_is_said(client: RestateClient, ran: Any) -> None:
    alone = Reader(client, None)
    page = await alone.invocations(filter="tokens>1 tool:x")
    assert page.rows == ()
    assert page.sources == ("live",)
    assert "Without a recorder, tokens, tool cannot be checked." in page.missing
    page = await alone.invocations(filter="weather")
    assert {row.id for row in page.rows} == {ran.ids[title] for title in WEATHER}
    assert any(sentence.startswith("Without a recorder, text is") for sentence in page.missing)


async def test_ids_of_stored_invocations_for_other_modules(source: StoreClient, ran: Any) -> None:
    sql, params = stored_ids(parse("tool:get_weather -denver"), datetime.now(UTC))
    rows = await source.rows(sql, params)
    assert {row["id"] for row in rows} == {ran.ids[SIMPLE], ran.ids[LLM_BUSY]}
