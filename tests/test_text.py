"""Text from any source is made safe for a terminal."""

from __future__ import annotations

import pytest
from playhead.text import clean


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("plain [bold]text[/bold]", "plain [bold]text[/bold]"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPdevice\x1b\\b", "ab"),
        ("a\x1b]never ends", "anever ends"),
        ("a\x9b2Jb", "ab"),
        ("a\x1bcb", "ab"),
        ("bell\x07 back\x08 del\x7f c1\x85", "bell back del c1"),
        ("evil\u202egnp.exe\u2066x\u2069", "evilgnp.exex"),
        ("one\r\ntwo\nthree\tfour", "one two three four"),
        ("rewrite\rover", "rewriteover"),
        ("lone \ud800 surrogate", "lone � surrogate"),
        ("日本語 🦊 é", "日本語 🦊 é"),
    ],
)
def test_one_line(text: str, want: str) -> None:
    assert clean(text) == want


def test_lines_are_kept_on_request() -> None:
    assert clean("a\r\n\tb\u2028c\x1b[2J", lines=True) == "a\n\tb\nc"


def test_clean_text_is_printable() -> None:
    everything = "".join(map(chr, range(0x3000)))
    left = clean(everything)
    assert all(ch == " " or not ch.isspace() or ord(ch) > 0x9F for ch in left)
    assert not [ch for ch in left if ord(ch) < 0x20 or 0x7F <= ord(ch) < 0xA0]
    left.encode()
