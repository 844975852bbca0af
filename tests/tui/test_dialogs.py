"""Confirmation of changes, answers, copying, help, the palette."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead.errors import RefusedError
from playhead.model import Waiting
from playhead.restate.handlers import Handler
from playhead_tui.actions.copy import as_json, curl
from playhead_tui.app import PlayheadApp
from playhead_tui.dialogs.dialog import Menu, Prompt
from playhead_tui.drawing.glyphs import ASCII, UNICODE
from playhead_tui.key_table import key_rows
from playhead_tui.screens.agent_calls import AgentCallsScreen
from playhead_tui.screens.agents import AgentsScreen
from playhead_tui.screens.failures import FailuresScreen
from playhead_tui.screens.help import HelpScreen
from playhead_tui.screens.invocation_groups import InvocationGroupsScreen
from playhead_tui.screens.objects import HistoryScreen, ObjectsScreen
from playhead_tui.screens.services import JournalCheckScreen, ServicesScreen
from playhead_tui.screens.sql import SqlScreen
from textual.command import CommandList
from tui_fakes import FakeControl, FakeReader
from tui_stories import details


@pytest.fixture
def source() -> FakeReader:
    found = FakeReader()
    found.details = details(found.rows)
    return found


async def at(s, ident: str):
    screen = s.app.screen
    await s.until(lambda: screen.listing.rows)
    screen.listing.go_to(ident)
    return screen


async def test_no_change_without_confirmation(stage, source) -> None:
    actions = FakeControl()
    async with stage(source, actions) as s:
        await at(s, "inv_1aWeather")
        cancel, kill = "Cancel the invocation?", "Kill the invocation?"
        for letter, verb, no in (("c", cancel, "n"), ("c", cancel, "escape"),
                                 ("k", kill, "n"), ("", "", "escape")):  # fmt: skip
            await s.press("x")
            await s.until(lambda: isinstance(s.app.screen, Menu))
            if letter:
                await s.press(letter)
                await s.until(lambda verb=verb: s.app.screen.title_text == verb)
            await s.press(no)
            await s.until(lambda: len(s.app.screen_stack) == 1)
        assert actions.done == []


@pytest.mark.parametrize(
    ("ident", "letter", "verb"),
    [("inv_1aWeather", "c", "cancel"), ("inv_1aWeather", "k", "kill"),
     ("inv_1aWeather", "p", "pause"), ("inv_1aWeather", "r", "resume"),
     ("inv_1lPause", "r", "resume")],
)  # fmt: skip
async def test_every_action_after_confirmation(stage, source, ident, letter, verb) -> None:
    actions = FakeControl()
    async with stage(source, actions) as s:
        await at(s, ident)
        await s.press("x")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press(letter)
        await s.until(lambda: f"{verb.capitalize()} the invocation?" in s.text)
        await s.press("y")
        await s.until(lambda: actions.done)
        assert actions.done == [(verb, ident)]


async def test_purging_requires_the_word(stage, source) -> None:
    actions = FakeControl()
    async with stage(source, actions) as s:
        await at(s, "inv_1iFail")
        await s.press("x")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press("P")
        await s.until(lambda: isinstance(s.app.screen, Prompt))
        await s.press("y", "enter")
        await s.shows("Type the word purge")
        assert actions.done == []
        await s.press("backspace", *"purge", "enter")
        await s.until(lambda: actions.done == [("purge", "inv_1iFail")])


@pytest.mark.parametrize(
    ("keys", "done"),
    [
        (["y"], ("resolve_awakeable", "sign_1aBcDeFgHiJk", "True")),
        (["n"], ("resolve_awakeable", "sign_1aBcDeFgHiJk", "False")),
        (["v", *"tru", "enter"], ("resolve_awakeable", "sign_1aBcDeFgHiJk", "tru")),
        (["v", *'{"a": 1}', "enter"], ("resolve_awakeable", "sign_1aBcDeFgHiJk", "{'a': 1}")),
        (["v", *'{"a', "enter"], None),
        (["v", "enter"], None),
        (["r", *"no", "enter"], ("reject_awakeable", "sign_1aBcDeFgHiJk", "no")),
    ],
)
async def test_an_approval_is_answered_from_the_list(stage, source, keys, done) -> None:
    actions = FakeControl()
    async with stage(source, actions) as s:
        await at(s, "inv_1bApprove")
        await s.press("a")
        await s.shows("The model requests refund")
        assert '"amount": 120.0' in s.text
        await s.press(keys[0])
        if len(keys) > 1:
            await s.until(lambda: isinstance(s.app.screen, Prompt))
            await s.press(*keys[1:])
        if done is None:
            await s.shows("Not valid JSON" if len(keys) > 2 else "Type a value.")
            assert actions.done == []
        else:
            await s.until(lambda: actions.done == [done])


async def test_the_actions_offer_what_its_status_allows(stage, source) -> None:
    waiting = Waiting("awakeable", "waits for an answer")
    source.rows = [
        replace(row, waiting=waiting) if row.id == "inv_1bApprove" else row for row in source.rows
    ]
    async with stage(source, FakeControl()) as s:
        found: dict[str, str] = {}
        for id_ in ("inv_1bApprove", "inv_1aWeather", "inv_1lPause", "inv_1iFail"):
            screen = await at(s, id_)
            await s.press("x")
            await s.until(lambda: isinstance(s.app.screen, Menu))
            found[screen.current.status] = "".join(c.key for c in s.app.screen.choices)
            await s.press("escape")
        assert found == {
            "suspended": "ackns", "backing-off": "cprkns", "paused": "crkns", "failed": "nsP",
        }  # fmt: skip
        await at(s, "inv_1bApprove")
        await s.press("x", "a")
        await s.shows("The model requests refund")


@pytest.mark.parametrize(
    ("key", "typed", "sent"),
    [("1", '{"yes": 1}', {"yes": 1}), ("1", "plain", "plain"), ("2", "7", "7"), ("3", None, None)],
)
async def test_a_promise_is_answered_through_a_handler(stage, source, key, typed, sent) -> None:
    handlers = (
        Handler("decide", shared=True, public=True, input="application/json"),
        Handler("comment", shared=True, public=True, input="text/plain"),
        Handler("refuse", shared=True, public=True, input="none"),
    )
    called: list[tuple[object, ...]] = []

    class Flow:
        async def shared_handlers(self, service: str) -> tuple[Handler, ...]:
            assert service == "ApprovalAgent"
            return handlers

        async def call_handler(self, *args: object) -> str:
            called.append(args)
            return "thanks"

    detail = source.details["inv_1bApprove"]
    steps = [
        replace(step, kind="promise", type="Command: GetPromise", name="await decision")
        if step.kind == "awakeable"
        else step
        for step in detail.steps
    ]
    row = replace(detail.summary, key="w1")
    source.details["inv_1bApprove"] = replace(detail, summary=row, steps=tuple(steps))
    async with stage(source, Flow()) as s:
        await at(s, "inv_1bApprove")
        await s.press("a")
        await s.shows("Call which handler?")
        await s.press(key)
        if typed is not None:
            await s.until(lambda: isinstance(s.app.screen, Prompt))
            await s.press(*typed, "enter")
        await s.until(lambda: called)
        assert called == [("ApprovalAgent", "w1", handlers[int(key) - 1], sent)]


async def test_the_header_shows_a_pending_answer(stage, source) -> None:
    async with stage(source, FakeControl()) as s:
        s.app.open_invocation("inv_1bApprove")
        await s.shows('Waiting for an answer for 1m 34s: refund {"order": "A-1009"')
        await s.shows("a answer")


async def test_read_only_forbids_changes(stage, source) -> None:
    actions = FakeControl()
    async with stage(source, actions, read_only=True) as s:
        for ident, key in (("inv_1aWeather", "x"), ("inv_1bApprove", "a")):
            await at(s, ident)
            await s.press(key)
            await s.shows("Read-only: start Playhead without --read-only")
            s.app.clear_notifications()
            assert len(s.app.screen_stack) == 1
            assert key not in s.app.screen.active_bindings
            await s.until(lambda: "x Actions" not in s.text and "a answer" not in s.text)
        assert s.app.control is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("The server refused: [/] already"), "The server refused: [/] already"),
        (RefusedError("Nothing was changed", "Try again."), "Nothing was changed. Try again."),
        (RefusedError("It says no.", "Try again."), "It says no. Try again."),
    ],
)
async def test_an_error_of_the_server_is_shown(stage, source, error, text) -> None:
    class Refusing:
        async def cancel(self, invocation_id: str) -> None:
            raise error

    async with stage(source, Refusing()) as s:
        await at(s, "inv_1aWeather")
        await s.press("x")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press("c")
        await s.until(lambda: "Cancel the invocation?" in s.text)
        await s.press("y")
        await s.shows(text)


async def test_copies_go_to_the_clipboard(stage, source) -> None:
    async with stage(source) as s:
        source.payloads[0] = b'{"city": "Oslo"}'
        await at(s, "inv_1aWeather")
        for key, wanted in (("i", "inv_1aWeather"), ("c", "curl --json"), ("j", '"target"')):
            await s.press("y")
            await s.until(lambda: isinstance(s.app.screen, Menu))
            await s.press(key)
            await s.until(lambda wanted=wanted: wanted in s.app.clipboard)
        assert json.loads(s.app.clipboard)["summary"]["id"] == "inv_1aWeather"


CURL = """#!{python}
import json, sys
body = sys.stdin.buffer.read() if "@-" in sys.argv else sys.argv[-2].encode()
print(json.dumps([sys.argv[1:], body.hex()]))
"""


@pytest.mark.parametrize(
    ("body", "flag"),
    [
        (b'{"message": "it\'s $HOME `x` \\\\ \xf0\x9f\x97\xbc", "n": 1.10}', "--json"),
        (b'"@file"', "--json"),
        (b"@/etc/hostname, as text\n", "--data-raw"),
        (b"\x00\xff\x1b[31m", "--data-binary"),
        (b"text\x00", "--data-binary"),
        (b'{"long": "' + b"it's " * 50_000 + b'"}', "--json"),
    ],
)
def test_curl_sends_the_exact_input_from_a_shell(
    source, tmp_path: Path, body: bytes, flag: str
) -> None:
    (tmp_path / "curl").write_text(CURL.format(python=sys.executable))
    (tmp_path / "curl").chmod(0o755)
    row = source.details["inv_1gChat"].summary
    command = curl(row, body, "http://localhost:8080")
    done = subprocess.run(
        ["sh"], input=command, capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    arguments, sent = json.loads(done.stdout)
    assert flag in arguments
    assert arguments[-1] == "http://localhost:8080/ChatAgent/user-1/message"
    # A document ends with a line.
    assert bytes.fromhex(sent).removesuffix(b"\n") == body.removesuffix(b"\n")


def test_the_state_is_copied_as_json(source) -> None:
    detail = source.details["inv_1gChat"]
    assert json.loads(as_json(detail))["state"]["messages"][0]["role"] == "user"


async def test_no_command_is_copied_for_an_unknown_input(stage, source) -> None:
    async def none(invocation_id: str, index: int) -> None:
        return None

    source.raw_entry = source.payload_bytes = none
    async with stage(source) as s:
        await at(s, "inv_1aWeather")
        await s.press("y")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press("c")
        await s.shows("The input cannot be read: the invocation has no journal.")
        assert not s.app.clipboard


async def test_help_lists_every_key_of_the_documentation(stage, source) -> None:
    async with stage(source, size=(120, 40)) as s:
        await s.press("question_mark")
        await s.shows("Statuses")
        from playhead_tui.widgets.text_pane import TextPane

        text = s.app.screen.query_one(TextPane).text
        for _, key, what in key_rows(PlayheadApp.BINDINGS):
            assert f"{key}: {what}" in text
        assert text.index("Next sort column") < text.index("Statuses") < text.index("Everywhere")
        for glyph in (*UNICODE.status.values(), *UNICODE.kind.values(), *UNICODE.states.values()):
            assert f"\n{glyph} " in text
        for glyphs in (UNICODE, ASCII):  # beside a row's kind there is room for these
            assert not {glyphs.folded, glyphs.unfolded} & set(glyphs.kind.values())
        await s.press("escape")
        assert len(s.app.screen_stack) == 1


@pytest.mark.parametrize(
    ("kind", "own", "others"),
    [
        (AgentsScreen, {"i"}, {"b", "V", "o", "s"}),
        (AgentCallsScreen, {"s", "e", "r"}, {"i", "o"}),
        (FailuresScreen, {"o"}, {"b", "v", "V", "i"}),
        (InvocationGroupsScreen, {"b", "v", "V"}, {"o", "i"}),
        (ObjectsScreen, {"i"}, {"h", "e", "d"}),
        (HistoryScreen, {"+ ="}, {"h", "e", "d", "i"}),
        (ServicesScreen, {"i", "c"}, {"r"}),
        (JournalCheckScreen, {"r"}, {"i", "c"}),
    ],
)
def test_help_begins_with_the_keys_of_this_screen_and_no_others(
    kind: Any, own: set[str], others: set[str]
) -> None:
    screen = object.__new__(kind)
    rows = key_rows(PlayheadApp.BINDINGS, screen)
    keys = {key for place, key, _ in rows if place == rows[0][0]}
    assert keys >= own | {"/", "esc", "y"}
    assert not keys & others


def test_documented_keys_exist() -> None:
    found = {key for _, keys, _ in key_rows(PlayheadApp.BINDINGS) for key in keys.split()}
    assert found >= set("jkgGqefnNyaxsSu?/:+[]123t") | {
        "ctrl+d",
        "ctrl+u",
        "ctrl+p",
        "space",
        "esc",
    }
    assert all(what for _, _, what in key_rows(PlayheadApp.BINDINGS))


async def test_the_palette_offers_the_keys(stage, source) -> None:
    async with stage(source) as s:
        await at(s, "inv_1aWeather")
        titles = [command.title for command in s.app.get_system_commands(s.app.screen)]
        assert len(titles) == len(set(titles))
        commands = set(titles)
        assert commands >= {"Filter", "Errors", "Hold view", "Actions", "Theme", "Quit"}
        for key in ("colon", "ctrl+p"):
            await s.press(key)
            await s.until(lambda: len(s.app.screen_stack) == 2)
            await s.press("escape")
            await s.until(lambda: len(s.app.screen_stack) == 1)


@pytest.mark.parametrize(
    ("label", "screen"),
    [
        ("Failures", FailuresScreen),
        ("Agents", AgentsScreen),
        ("State of objects", ObjectsScreen),
        ("Services and deployments", ServicesScreen),
        ("SQL console", SqlScreen),
        ("Help", HelpScreen),
    ],
)
async def test_the_palette_opens_screens(stage, source, label: str, screen: type) -> None:
    async with stage(source) as s:
        await at(s, "inv_1aWeather")
        await s.press("colon")
        await s.until(lambda: s.app.screen.query(CommandList))
        await s.press(*("space" if character == " " else character for character in label.lower()))
        found = s.app.screen.query_one(CommandList)
        await s.until(lambda: found.highlighted == 0 and label in s.text)
        await s.press("enter")
        await s.until(lambda: type(s.app.screen) is screen)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_at_most_seven_keys_in_the_footer(stage, source, size) -> None:
    from textual.widgets._footer import FooterKey

    async with stage(source, size=size) as s:
        await at(s, "inv_1aWeather")
        await s.until(lambda: 0 < len(s.app.screen.query(FooterKey)) <= 7)
        await s.press("enter")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.until(lambda: 0 < len(s.app.screen.query(FooterKey)) <= 7)


async def test_ascii_draws_ascii_only(stage, source) -> None:
    for row in (*source.rows, *(d.summary for d in source.details.values())):
        if not row.target.isascii():
            source.rows.remove(row)
    async with stage(source, FakeControl(), size=(80, 24), ascii_only=True) as s:
        screen = await at(s, "inv_1aWeather")
        assert s.text.isascii()
        await s.press("slash", *"agent")
        assert s.text.isascii()
        await s.press("enter", "enter")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.until(lambda: s.app.screen.waterfall.rows)
        assert s.text.isascii(), s.text
        await s.press("x")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        assert s.text.isascii(), s.text
        await s.press("escape", "escape", "y")
        assert screen.listing.rows
        assert s.text.isascii(), s.text
