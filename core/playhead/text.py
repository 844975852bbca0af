"""Cleaning of untrusted text for terminals."""

from __future__ import annotations

import re

__all__ = ["clean"]

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colors, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c)"  # terminated OSC, DCS, SOS, PM, APC
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_CONTROL = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0))),
    # Line and paragraph separators, and marks that change the writing direction.
    **dict.fromkeys((0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F))),
    **dict.fromkeys((*range(0x2066, 0x206A), 0xFEFF)),
    **dict.fromkeys(range(0xD800, 0xE000), "�"),
}
_ONE_LINE = {**_CONTROL, **dict.fromkeys(map(ord, "\n\t\x0b\x0c\u2028\u2029"), " ")}
_LINES = {**_CONTROL, ord("\n"): "\n", ord("\t"): "\t", 0x2028: "\n", 0x2029: "\n"}


def clean(text: str, *, lines: bool = False) -> str:
    r"""Return the text without escape sequences, control and bidirectional characters.

    Args:
        text: Any text; lone surrogates become U+FFFD.
        lines: Keep newlines and tabs; otherwise each becomes a space.
    """
    text = _ESCAPE.sub("", text.replace("\r\n", "\n"))
    return text.translate(_LINES if lines else _ONE_LINE)
