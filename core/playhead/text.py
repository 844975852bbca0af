"""Cleaning of untrusted text for terminals."""

from __future__ import annotations

import re

__all__ = ["clean", "clean_output", "escape_json", "without_password"]


def _utf16(code: int) -> list[int]:
    if code < 0x10000:
        return [code]
    return [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]


_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colors, cursor
    # Terminated OSC, DCS, SOS, PM, APC. Without escapes in them, the search takes linear time.
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)
_INVISIBLE = (
    # Line and paragraph separators, and marks that change the writing direction.
    *(0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070)),
    *(0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080)),
)
_CREDENTIALS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#'\"<>]*@")
_SURROGATES = range(0xD800, 0xE000)
_CONTROL = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *_INVISIBLE)),
    **dict.fromkeys(_SURROGATES, "�"),
}
_JSON_ESCAPES = {
    code: "".join(f"\\u{unit:04x}" for unit in _utf16(code))
    for code in (*range(0x7F, 0xA0), *_INVISIBLE, *_SURROGATES)
}
_OUTPUT = re.compile(
    # What commands write themselves: colors, and the lines of a progress bar.
    r"(\x1b\[(?:[0-9;]*m|[0-9]*[AK]|\?25[hl]))"
    rf"|{_ESCAPE.pattern}"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
    f"|[{''.join(map(chr, _INVISIBLE))}]"
)
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


def escape_json(document: str) -> str:
    r"""Return a JSON document in which DEL, C1 controls and bidirectional characters are `\u…`.

    JSON allows them in strings, where a terminal would obey them. The value stays the same.
    """
    return document.translate(_JSON_ESCAPES)


def clean_output(text: str) -> str:
    """Return the text of a stream with no escape sequences but colors and progress bars.

    The last barrier before a terminal: text from outside has been through `clean` before.
    """
    return _OUTPUT.sub(r"\1", text)


def without_password(text: str) -> str:
    """Return the text with `***` for the credentials of each URL in it."""
    return _CREDENTIALS.sub(r"\1***@", text)
