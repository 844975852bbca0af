"""An invocation as a page: complete, escaped, and without anything from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

from exported_rows import Run, Write, row
from playhead.export.page import invocation_page
from playhead.model import (
    Attempt,
    Invocation,
    InvocationDetail,
    LlmCall,
    Message,
    Step,
    StepEvent,
    TimelineRow,
    Tokens,
)

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'\x1b[31m\u202eend {{ 7 * 7 }} &amp; <img src=//evil>"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def detail(text: str = "text") -> InvocationDetail:
    """Return an invocation with this text in every place that strangers write."""
    summary = Invocation(
        "inv_1", f"{text}/run", text, "run", text, "failed", START, at(10), at(10),
        attempts=2, attempts_at_least=2, suspensions=0, llm_calls=1, tokens=Tokens(3, 4),
        last_failure=text, deployment_id=text,
    )  # fmt: skip
    message = Message("user", ({"type": "text", "content": text}, {"type": text, text: text}))
    call = {"type": "tool_call", "id": "1", "name": text, "arguments": {text: text}}
    answer = {"type": "tool_call_response", "id": "1", "name": text, "response": text}
    llm = LlmCall(text, text, Tokens(3, 4), text, prompt=(message,), finish_reason=text,
                  response=(Message(text, (call, answer)),))  # fmt: skip
    event = StepEvent(at(2), text, text, stacktrace=f"Traceback\n  {text}", code=500)
    steps = (
        Step(1, 1, "llm", "Command: Run", text, "done", at(1), at(3), llm=llm, events=(event,)),
        Step(2, 2, "run", text, text, "failed", at(3), at(9), input={text: text}, output=text,
             error=text, truncated=True, raw_length=5_000_000),
    )  # fmt: skip
    timeline = (
        TimelineRow("attempt:1", 0, "attempt", text, at(0), at(4), "failed", 1, note=text),
        TimelineRow("step:1", 1, "step", text, at(1), at(3), "done", 1, step=steps[0],
                    failed_tries=((at(1), at(2)),), gaps=((at(2), at(2.5)),)),
        TimelineRow("step:2", 1, "step", text, None, None, "pending", 1, step=steps[1]),
    )  # fmt: skip
    attempts = (
        Attempt(1, "a", at(0), at(4), "failed", text),
        Attempt(2, "b", at(4), None, "running"),
    )
    return InvocationDetail(
        summary, steps, attempts, (), timeline, {text: text}, (event,), at(10), missing=(text,)
    )


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [v or "" for name, v in attrs if name in ("src", "href", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_everything_is_on_the_page() -> None:
    page = Page(invocation_page(detail("a text"), now=at(60)))
    for expected in ("a text/run", "failed", "inv_1", "Attempts", "Timeline", "Messages", "Steps",
                     "Errors", "State of a text/a text", "Traceback", "[500]", "#1", "#2",
                     "terminal error", "3/4", "5.0 MB", "playhead show inv_1 --step 2",
                     "2026-11-21 12:01:00 UTC"):  # fmt: skip
        assert expected in page.text, expected


def test_text_of_strangers_is_escaped_and_nothing_is_loaded() -> None:
    html = invocation_page(detail(EVIL), now=at(60))
    page = Page(html)
    assert page.tags.isdisjoint({"script", "img", "iframe", "link", "object", "form", "svg"})
    assert all(address.startswith("#step-") for address in page.addresses)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)
    assert "default-src 'none'" in html
    assert "url(" not in html
    assert "@import" not in html


def test_it_is_for_light_dark_and_paper() -> None:
    html = invocation_page(detail())
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_bars_stay_inside_the_timeline() -> None:
    found = detail()
    odd = replace(
        found.timeline[0],
        started_at=at(-5),  # A clock that differs.
        ended_at=at(30),
        gaps=((at(29), None),),
    )
    html = invocation_page(replace(found, timeline=(odd, *found.timeline)), now=at(60))
    bars = re.findall(r"left: ([\d.]+)%; width: ([\d.]+)%", html)
    assert len(bars) == 6
    assert all(float(a) >= 0 and float(a) + float(b) <= 100.01 for a, b in bars)


def test_an_invocation_without_anything() -> None:
    summary = replace(detail().summary, status="pending", completed_at=None)
    page = Page(invocation_page(InvocationDetail(summary, (), (), (), (), {})))
    assert "The journal is empty" in page.text
    assert "Steps" not in page.text


def test_the_command_writes_a_new_file(write: Write, run: Run, tmp_path: Path) -> None:
    write([row(1, invocation="inv_1", name="invocation-attempt Greeter/greet")])
    file = tmp_path / "page.html"
    missing = run("export", "html", "inv_nothing", str(file))
    assert missing.exit_code == 2
    assert not file.exists()
    file.write_text("mine")
    assert run("export", "html", "inv_1", str(file)).exit_code != 0
    assert file.read_text() == "mine"
