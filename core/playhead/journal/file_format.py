"""The file format of recordings, `playhead.journal/1`: decoding, validation, error messages.

msgspec decodes and validates the bytes in one pass, base64 included, and names the place of an
error. It starts in a hundredth of Pydantic's time, which would delay every command that loads a
recording.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, cast

import msgspec

from playhead.errors import RecordingError, UnsupportedJournalError

__all__ = ["FORMAT", "RecordingFile", "convert", "decode", "read", "require_supported_version"]

FORMAT = "playhead.journal/1"

_SAVE_HINT = "Save the invocation again with `playhead recording save ID FILE`."
_MOST_DIGITS = 9
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON, and for JSON of another form or too deep."""
_MAX_BYTES = 192 << 20
"""Size of a file that is read; journals of Restate are far smaller."""
_REQUIRED_COLUMNS = ("id", "target_service_name", "target_handler_name")


class FileEntry(msgspec.Struct, frozen=True, gc=False):
    """One journal entry."""

    index: int
    type: str
    appended_at: str | None
    raw: bytes
    """Base64 in the file."""
    name: str | None = None


class RecordingFile(msgspec.Struct, frozen=True):
    """The whole document. Fields of later versions are ignored."""

    format: str
    invocation: dict[str, Any]
    """The row of sys_invocation."""
    journal_version: int
    entries: list[FileEntry]
    state: dict[str, bytes]
    """Base64 in the file."""
    events: list[dict[str, Any]]
    """Rows of sys_journal_events."""
    sdk_version: str | None
    server_version: str | None
    random_seed: int | None
    steps: dict[str, dict[str, Any]] = {}
    """By command index, in decimal."""


class _PromptMessage(msgspec.Struct):
    role: str
    text: str


def read(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        RecordingError: It cannot be read, or is not a file: a pipe in a folder of recordings would
            block the command.
    """
    try:
        # A pipe that the shell makes for `<(command)` is meant to be read.
        waits = str(path).startswith(("/dev/fd/", "/proc/self/fd/"))
        more = 0 if waits else os.O_NONBLOCK
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | more)) as file:
            if not (waits or stat.S_ISREG(os.fstat(file.fileno()).st_mode)):
                raise RecordingError(f"{path} is not a file", "Give a *.journal.json file.")
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: no such file",
            "Give an invocation id, a recording, or a folder of recordings.",
        ) from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
    if len(data) > _MAX_BYTES:
        raise RecordingError(f"{path} is larger than {_MAX_BYTES >> 20} MiB", _SAVE_HINT)
    return data


def decode(data: bytes, source: str) -> RecordingFile:
    """Decode and check the bytes of a file; the entries' messages are not parsed.

    Args:
        data: Content of the file.
        source: Name of the file, for errors.

    Raises:
        RecordingError: The bytes are not a recording; the title names the place in the document.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
    """
    try:
        return _checked(msgspec.json.decode(data, type=RecordingFile), source)
    except _UNREADABLE as error:
        # A typed decoder stops at the first wrong type, before it has seen the rest of the bytes.
        try:
            document = msgspec.json.decode(data)
        except _UNREADABLE as unreadable:
            raise _not_json(data, source, unreadable) from error
        raise _explained(error, document, source) from error


def convert(document: Any, source: str) -> RecordingFile:
    """Check a parsed document. Raises the same errors as `decode`."""
    try:
        return _checked(msgspec.convert(document, RecordingFile), source)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _explained(error, document, source) from error


def require_supported_version(version: int, source: str) -> None:
    """Raise UnsupportedJournalError for any journal version but 2."""
    if version == 1:
        raise UnsupportedJournalError(
            f"{source}: the journal has version 1, of service protocols up to 4",
            "Current SDKs cannot read it: its entries mix commands and results. Invocations on "
            "SDKs of 2025 and later have version 2.",
        )
    if version != 2:
        raise UnsupportedJournalError(
            f"{source}: the journal has the unknown version {version}",
            "Use a newer version of Playhead.",
        )


def _checked(file: RecordingFile, source: str) -> RecordingFile:
    """Return the file after the checks that types cannot express."""
    _require_format(file.format, source)
    for name in _REQUIRED_COLUMNS:
        if not isinstance(file.invocation.get(name), str):
            raise RecordingError(f"{source}: invocation.{name} is not a string", _SAVE_HINT)
    require_supported_version(file.journal_version, source)
    if not file.entries:
        raise RecordingError(
            f"{source}: entries is empty",
            "The server deletes a journal some time after the invocation ends; a recorder keeps "
            f"it. {_SAVE_HINT}",
        )
    for position, entry in enumerate(file.entries):
        if entry.index != position:
            raise RecordingError(
                f"{source}: entries[{position}] has index {entry.index}: entries must count from "
                "0 without gaps",
                _SAVE_HINT,
            )
    for number, step in file.steps.items():
        _check_step(number, step, source)
    return file


def _check_step(number: str, step: dict[str, Any], source: str) -> None:
    place = f"steps[{number!r}]"
    if not (number.isdecimal() and len(number) <= _MOST_DIGITS):
        raise RecordingError(f"{source}: {place}: the key must be the ordinal of a command")
    try:
        msgspec.convert(step.get("messages", []), list[_PromptMessage])
    except msgspec.ValidationError as error:
        raise _explained_place(error, source, f"{place}.messages") from error


def _require_format(found: object, source: str) -> None:
    if not isinstance(found, str) or not found.startswith("playhead.journal/"):
        raise RecordingError(
            f'{source} is not a recording: it has no "format": "{FORMAT}"',
            "Save a recording with `playhead recording save ID FILE`.",
        )
    if found != FORMAT:
        raise RecordingError(
            f"{source} has format {found!r}; this version of Playhead reads {FORMAT!r}",
            "Use a newer version of Playhead.",
        )


def _explained(error: Exception, document: Any, source: str) -> RecordingError:
    """Return the error to raise for a document that has another form."""
    if not isinstance(document, dict):
        return _explained_place(error, f"{source} is not a recording")
    fields = cast("dict[str, Any]", document)
    try:
        _require_format(fields.get("format"), source)
    except RecordingError as other_format:
        return other_format
    for name, kind in (("state", bytes), ("steps", dict)):
        # msgspec names the field of a mapping, but not the key in it.
        if f"$.{name}[...]" in str(error):
            for key, value in fields[name].items():
                try:
                    msgspec.convert(value, kind)
                except msgspec.ValidationError as inner:
                    return _explained_place(inner, source, f"{name}[{key!r}]")
    return _explained_place(error, source)


def _explained_place(error: Exception, source: str, within: str = "") -> RecordingError:
    reason, _, path = str(error).replace("`", "").partition(" - at $")
    place = (within + path).lstrip(".")
    found, _, missing = reason.partition("Object missing required field ")
    if not found:
        return RecordingError(f"{source}: {place and place + '.'}{missing} is missing", _SAVE_HINT)
    reason = reason[0].lower() + reason[1:]
    return RecordingError(f"{source}: {place and place + ': '}{reason}", _SAVE_HINT)


def _not_json(data: bytes, source: str, error: Exception) -> RecordingError:
    """Return the error to raise for bytes that are not JSON, with line and column."""
    try:
        json.loads(data.decode())
    except json.JSONDecodeError as found:
        cut = " (it seems to be cut off)" if found.pos >= len(found.doc.rstrip()) - 1 else ""
        reason = f"line {found.lineno}, column {found.colno}: {found.msg}"
        return RecordingError(f"{source} is not JSON{cut}: {reason}", _SAVE_HINT)
    except UnicodeDecodeError as found:
        error = found
    except RecursionError:
        return RecordingError(f"{source} cannot be read: it is nested too deeply", _SAVE_HINT)
    except ValueError:  # Python converts no more than 4,300 digits
        return RecordingError(f"{source} cannot be read: a number has too many digits", _SAVE_HINT)
    return RecordingError(f"{source} cannot be read: {error}", _SAVE_HINT)
