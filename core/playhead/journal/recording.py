"""A recording: the journal of one invocation, byte for byte, that can be saved as a file."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from playhead.errors import RecordingError, RestateError
from playhead.journal import file_format
from playhead.journal.commands import Entry, Journal
from playhead.regular_file import is_other
from playhead.restate.ids import is_invocation_id
from playhead.restate.invocation_tables import SERVER_TABLES, InvocationTables, read_tables
from playhead.restate.protocol import parse_entry
from playhead.values import as_dict, as_text

__all__ = ["SUFFIX", "Entry", "Recording"]

SUFFIX = ".journal.json"

_SAFE_HEADERS = frozenset({"accept", "accept-encoding", "content-length", "content-type"})
_REDACTED = "[redacted]"
_FETCH_SECONDS = 30.0


@dataclass(frozen=True)
class Recording:
    """The journal of one invocation, with everything needed to run code against it."""

    invocation: Mapping[str, Any]
    """The row of sys_invocation."""
    entries: tuple[Entry, ...]
    journal_version: int = 2
    state: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """State of the virtual object or workflow at the time of the recording, by key."""
    events: tuple[Mapping[str, Any], ...] = ()
    """Rows of sys_journal_events: failed attempts and pauses."""
    sdk_version: str | None = None
    server_version: str | None = None
    random_seed: int | None = None
    """Seed of the SDK's random numbers; None for the seed that derives from the id."""
    steps: Mapping[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    """Optional details of steps that are not in the journal, by command index.

    `arguments` and `millis` are those of the code at recording time (see `annotate`).
    `messages` is the prompt of a model call, each `{"role", "text"}`, from the call's span.
    """

    @property
    def id(self) -> str:
        """Id of the invocation."""
        return str(self.invocation["id"])

    @property
    def target(self) -> str:
        """Service, key and handler, as the server writes them: `Service/key/handler`."""
        return str(self.invocation.get("target", ""))

    @property
    def service(self) -> str:
        """Name of the service."""
        return str(self.invocation["target_service_name"])

    @property
    def handler(self) -> str:
        """Name of the handler."""
        return str(self.invocation["target_handler_name"])

    @property
    def key(self) -> str | None:
        """Key of the virtual object or workflow; None for a service."""
        key = self.invocation.get("target_service_key")
        return None if key is None else str(key)

    def journal(self) -> Journal:
        """Return the entries as commands with their results.

        Raises:
            RecordingError: The bytes of an entry do not match its type.
        """
        return self._journal

    @cached_property
    def _journal(self) -> Journal:
        return Journal.of(self.entries)

    def prefix(self, length: int) -> Recording:
        """Return a copy with only the first `length` entries."""
        return replace(self, entries=self.entries[:length])

    def redacted(self) -> Recording:
        """Return a copy in which the Input headers' values are replaced by `[redacted]`."""
        entries = list(self.entries)
        for position, entry in enumerate(entries):
            if entry.type != "Command: Input":
                continue
            message = parse_entry(entry.type, entry.raw)
            for header in message.headers:
                if header.key.lower() not in _SAFE_HEADERS:
                    header.value = _REDACTED
            entries[position] = replace(entry, raw=message.SerializeToString())
        return replace(self, entries=tuple(entries))

    # --- files

    def save(self, path: Path | str, *, keep_headers: bool = False) -> Path:
        """Write the recording to a file and return its path.

        Args:
            path: File to write, usually `*.journal.json`; folders are created.
            keep_headers: Keep the values of Input headers, which can be secret; only the owner can
                read the file.

        Raises:
            RecordingError: The file cannot be written.
        """
        path = Path(path)
        document = (self if keep_headers else self.redacted()).to_json()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            if is_other(path):
                raise RecordingError(f"{path} is not a file", "Name a file for the recording.")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            handle = os.open(part, flags, 0o600 if keep_headers else 0o666)
            try:
                with os.fdopen(handle, "wb") as file:
                    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
                    file.write(text.encode("utf-8", "backslashreplace"))
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise RecordingError(
                f"{path} cannot be written: {error.strerror}",
                "Name another place, which can be written and has room.",
            ) from error
        return path

    @classmethod
    def load(cls, path: Path | str) -> Recording:
        """Read a recording from a file.

        Raises:
            RecordingError: The file cannot be read or is not a recording; the title names the
                place in the file.
            UnsupportedJournalError: The journal has a version that cannot be replayed.
        """
        return cls.parse(file_format.read(Path(path)), str(path))

    @classmethod
    def parse(cls, data: bytes, source: str) -> Recording:
        """Return the recording in the bytes of a file; raises as `load` does.

        Args:
            data: Content of the file.
            source: Name of the file, for errors.
        """
        return cls._from_file(file_format.decode(data, source), source)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `save` writes, with all headers."""
        document: dict[str, Any] = {
            "format": file_format.FORMAT,
            "invocation": dict(self.invocation),
            "journal_version": self.journal_version,
            "entries": [
                {
                    "index": e.index,
                    "type": e.type,
                    "name": e.name,
                    "appended_at": e.appended_at,
                    "raw": base64.b64encode(e.raw).decode(),
                }
                for e in self.entries
            ],
            "state": {k: base64.b64encode(v).decode() for k, v in self.state.items()},
            "events": [dict(event) for event in self.events],
            "sdk_version": self.sdk_version,
            "server_version": self.server_version,
            "random_seed": self.random_seed,
        }
        if self.steps:
            document["steps"] = {str(index): dict(step) for index, step in self.steps.items()}
        return document

    @classmethod
    def from_json(cls, document: Any, *, source: str = "the recording") -> Recording:
        """Return the recording that a document describes.

        Args:
            document: A document as `to_json` returns it.
            source: Name of the document, for errors.

        Raises:
            RecordingError: The document is not a recording; the title names the place.
            UnsupportedJournalError: The journal has a version that cannot be replayed.
        """
        return cls._from_file(file_format.convert(document, source), source)

    @classmethod
    def _from_file(cls, file: file_format.RecordingFile, source: str) -> Recording:
        recording = cls(
            invocation=file.invocation,
            journal_version=file.journal_version,
            entries=tuple(
                Entry(e.index, e.type, e.name or "", e.raw, e.appended_at) for e in file.entries
            ),
            state=file.state,
            events=tuple(file.events),
            sdk_version=file.sdk_version,
            server_version=file.server_version,
            random_seed=file.random_seed,
            steps={int(number): step for number, step in file.steps.items()},
        )
        try:
            recording.journal()
        except RecordingError as error:
            raise RecordingError(f"{source}: {error.title}", error.hint) from error
        return recording

    # --- rows

    @classmethod
    def from_rows(
        cls,
        tables: InvocationTables,
        *,
        invocation_id: str,
        where: str,
        decode: Callable[[str], bytes],
        server_version: str | None = None,
    ) -> Recording:
        """Return the recording made from rows of Restate's system tables.

        Args:
            tables: Rows of one invocation.
            invocation_id: Id of the invocation, for errors.
            where: Origin of the rows, for errors.
            decode: Converts the text of a binary column to bytes: hex from the admin API, base64
                from the recorder.
            server_version: Version of the server that the rows come from, when known.

        Raises:
            RecordingError: The tables do not have the invocation or its journal.
            UnsupportedJournalError: The journal has a version that cannot be replayed.
        """
        invocation = next((_plain(row) for row in tables.invocations), None)
        if invocation is None:
            raise RecordingError(f"{where} has no invocation {invocation_id}")
        rows = sorted(tables.journal, key=lambda row: int(row["index"]))
        if not rows:
            raise RecordingError(
                f"{where} has no journal of {invocation_id} ({invocation.get('status')})",
                "Restate deletes a journal when its retention time after the end of the invocation "
                "is over. A running recorder keeps a copy.",
            )
        for row in rows:
            file_format.require_supported_version(int(row.get("version") or 2), invocation_id)
        return cls(
            invocation=invocation,
            entries=tuple(
                Entry(
                    int(row["index"]),
                    str(row["entry_type"]),
                    str(row.get("name") or ""),
                    decode(row["raw"] or ""),
                    _text(row.get("appended_at")),
                )
                for row in rows
            ),
            state={str(row["key"]): decode(row["value"] or "") for row in tables.state},
            events=tuple(_plain(row) for row in tables.events),
            sdk_version=invocation.get("last_attempt_server"),
            server_version=server_version or invocation.get("created_using_restate_version"),
        )

    @classmethod
    async def fetch(
        cls, admin_url: str, invocation_id: str, *, token: str | None = None
    ) -> Recording:
        """Read the journal of an invocation from a live server through its admin API.

        The recording has no prompts: only a recorder has them (`playhead recording save`).

        Args:
            admin_url: Base URL of the admin API, such as `http://localhost:9070`.
            invocation_id: A complete id: `inv_` and 34 more characters.
            token: Bearer token of the admin API.

        Raises:
            RecordingError: The server does not answer, or does not have the invocation.
            UnsupportedJournalError: The journal has a version that cannot be replayed.
        """
        from playhead.restate.client import RestateClient

        require_invocation_id(invocation_id)
        try:
            async with RestateClient(admin_url, auth_token=token, timeout=_FETCH_SECONDS) as client:
                version = as_text(as_dict(await client.get("/version")).get("version"))
                tables = await read_tables(client.query, invocation_id, SERVER_TABLES)
        except RestateError as error:
            raise RecordingError(error.title, error.hint) from error
        return cls.from_rows(
            tables,
            invocation_id=invocation_id,
            where=admin_url,
            decode=bytes.fromhex,
            server_version=version,
        )


def require_invocation_id(text: str) -> None:
    """Raise RecordingError unless the text is a complete invocation id."""
    if not is_invocation_id(text):
        raise RecordingError(
            f"{text!r} is not an invocation id",
            "An id is inv_ followed by 34 letters and digits. `playhead ls` lists ids.",
        )


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in row.items()
    }


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
