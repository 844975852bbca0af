"""Pure functions for text in cells, numbers and documents."""

from __future__ import annotations

import gc
import json
import weakref

import pytest
from playhead.formatting import count, duration, size
from playhead_tui.drawing.cells import cell, clip, fit, wrap
from playhead_tui.drawing.differences import difference_lines
from playhead_tui.drawing.document import LIMIT, value_lines
from playhead_tui.drawing.palette import DARK, LIGHT, _make
from playhead_tui.widgets.text_pane import _hang, _json_segments, _quotes, _wrap_hanging
from rich.cells import cell_len
from rich.style import Style
from textual.color import Color
from textual.theme import Theme

HOSTILE = [
    "plain", "[bold red]markup[/]", "\x1b[31mred\x1b[0m", "\x1b]52;c;ZXZpbA==\x07", "東京タワー",
    "🗼🙂👩‍👩‍👧", "a\tb\nc", "\u202eright-to-left", "é", "\x00\x07\x9b31m", "", " " * 50, "x" * 500,
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "[/]", "$primary", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [0, 1, 2, 7, 40])
def test_a_cell_has_the_requested_width_and_is_harmless(text: str, width: int) -> None:
    shown = cell(text, width, Style()).text
    assert cell_len(shown) == width
    assert not any(
        ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in shown
    )


def test_a_cut_is_marked() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("東京タワー", 5) == "東京…"
    assert fit("東京タワー", 4) == "東 …"
    assert fit("ab", 4, right=True) == "  ab"


@pytest.mark.parametrize("text", [t for t in HOSTILE if t.isprintable()])
@pytest.mark.parametrize("width", [2, 5, 17])
def test_wrapping_drops_only_spaces(text: str, width: int) -> None:
    parts = list(wrap(text, width))
    assert all(cell_len(part) <= width for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_wrapping_prefers_spaces() -> None:
    assert list(wrap("the weather in Paris", 12)) == ["the weather", "in Paris"]
    assert list(wrap("abcdefghij", 4)) == ["abcd", "efgh", "ij"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.0304, "30ms"), (0.9994, "999ms"), (0.9996, "1.0s"), (59.94, "59.9s"),
     (59.96, "1m 00s"), (3599.6, "1h 00m"), (7500, "2h 05m"), (90000, "1d 01h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_sizes() -> None:
    assert [count(n) for n in (0, 999, 1000, 9949, 9960, 34567, 1_802_000)] == [
        "0", "999", "1.0k", "9.9k", "10k", "35k", "1.8M"
    ]  # fmt: skip
    assert [size(n) for n in (999, 1400, 2_000_000)] == ["999 B", "1.4 KB", "2.0 MB"]


def test_json_is_written_as_json() -> None:
    value = {"città": ["東京", 1, None, True], "nested": {"a": "[b]"}}
    assert json.loads("\n".join(line.text for line in value_lines(value))) == value


@pytest.mark.parametrize(
    "value", ["x" * (LIMIT * 5), "line\n" * LIMIT, {"text": "y" * (LIMIT * 5)}, list(range(LIMIT)),
              b"\x00" * (LIMIT * 5)],
)  # fmt: skip
def test_a_cut_of_a_megabyte_is_marked(value: object) -> None:
    lines = list(value_lines(value))
    assert sum(len(line.text) for line in lines) <= 2 * LIMIT
    assert "not shown" in lines[-1].text


def test_a_dump_of_bytes_fits_beside_a_timeline() -> None:
    lines = [line.text for line in value_lines(bytes(range(60, 70)))]
    assert lines == [
        "000000  3c 3d 3e 3f 40 41 42 43  <=>?@ABC",
        "000008  44 45                    DE",
    ]


class Texts(list[str]):
    """A list that can be observed until it is gone."""


def test_a_value_of_which_a_part_is_shown_is_freed_at_once() -> None:
    value = Texts(["x" * 1000] * 1000)
    seen = weakref.ref(value)
    gc.disable()
    try:
        lines = list(value_lines(value))
        del value
        assert seen() is None
    finally:
        gc.enable()
    assert "not shown" in lines[-1].text


def test_values_outside_json_are_shown_as_text() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "".join(line.text for line in value_lines(loop))
    assert "3 bytes" in "".join(line.text for line in value_lines({"a": b"abc"}))


def test_a_text_that_is_cut_ends_in_dots() -> None:
    assert clip("a short one", 11) == "a short one"
    assert clip("a text that is too long", 11) == "a text t..."
    assert clip(f"a{' ' * 100}b", 20) == "a..."


@pytest.mark.parametrize(
    ("part", "is_inside", "texts"),
    [
        ('"number": 17,', False, [": ", ","]),
        ('partner 17 said: true", "a": 1', True, [", ", ": "]),  # the end of a string, then a key
        ('with \\"quotes\\" 17', True, []),
        ("17 true", True, []),
    ],
)
def test_the_rest_of_a_wrapped_string_is_colored_as_text(
    part: str, is_inside: bool, texts: list[str]
) -> None:
    palette = _make(LIGHT)
    segments = list(_json_segments(part, palette, is_inside=is_inside))
    assert "".join(segment.text for segment in segments) == part
    assert [segment.text for segment in segments if segment.style == palette.dim] == texts
    if is_inside:
        assert segments[0].style == palette.text
        assert not segments[0].text.startswith('"')
        assert _quotes(part) % 2 == bool(texts)


def test_wrapped_lines_of_a_difference_leave_the_column_of_signs_empty() -> None:
    line = next(one for one in difference_lines("", f"  {'word ' * 20}") if one.style == "good")
    first, *rest = _wrap_hanging(line, 40, _hang(line, 40))
    assert first.startswith("+  word")
    assert rest
    assert all(part.startswith("     word") for part in rest)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_all_texts_have_the_contrast_that_wcag_asks_for(theme: Theme) -> None:
    palette = _make(theme)
    colors = theme.to_color_system().generate()
    papers = [Color.parse(colors[name]) for name in ("background", "surface", "panel")]
    papers += [Color.from_rich_color(one.bgcolor) for one in (palette.cursor, palette.weak_cursor)]
    for name in ("text", "strong", "dim", "accent", "good", "bad", "warn", "wait", "llm", "tool"):
        ink = Color.from_rich_color(getattr(palette, name).color)
        for paper in papers:
            assert contrast(ink, paper) >= 4.5, (name, paper)


def contrast(one: Color, other: Color) -> float:
    """Return the ratio of WCAG 2."""

    def luminance(color: Color) -> float:
        parts = [part / 255 for part in color.rgb]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
