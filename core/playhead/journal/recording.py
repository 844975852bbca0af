"""A recording: one invocation's journal as a file, whole and byte for byte."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from playhead.errors import RecordingError, RestateError
from playhead.journal.commands import Entry, Journal
from playhead.journal.document import FORMAT, check, refuse_version
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
    """A journal, and what is needed to run code against it."""

    invocation: Mapping[str, Any]
    """The row of sys_invocation."""
    entries: tuple[Entry, ...]
    journal_version: int = 2
    state: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """State of the virtual object or workflow when the recording was made."""
    events: tuple[Mapping[str, Any], ...] = ()
    """Rows of sys_journal_events: failed attempts, pauses."""
    sdk_version: str | None = None
    server_version: str | None = None
    random_seed: int | None = None
    """The seed of the SDK's random numbers; None: the one derived from the id."""
    steps: Mapping[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    """What is known of steps that no journal holds, by command index (optional).

    `arguments` and `millis`, as the code of that day passed them (see `annotate`), or
    `messages`, the prompt of a step that asked a model, each `{"role", "text"}`, as its span
    told it.
    """

    @property
    def id(self) -> str:
        """The invocation id."""
        return str(self.invocation["id"])

    @property
    def target(self) -> str:
        """Service, key and handler, as the server writes them."""
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
        """The entries as commands with their results.

        Raises:
            RecordingError: an entry's bytes are not what its type says.
        """
        return self._journal

    @cached_property
    def _journal(self) -> Journal:
        return Journal.of(self.entries)

    def prefix(self, length: int) -> Recording:
        """The same recording with its first `length` entries only."""
        return replace(self, entries=self.entries[:length])

    def redacted(self) -> Recording:
        """A copy whose Input headers keep their names but not their values."""
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
        """Write it to a file; Input header values are left out unless `keep_headers`.

        Raises:
            RecordingError: the file cannot be written.
        """
        path = Path(path)
        document = (self if keep_headers else self.redacted()).to_json()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
            part.replace(path)
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from error
        return path

    @classmethod
    def load(cls, path: Path | str) -> Recording:
        """Read a file.

        Raises:
            RecordingError: it cannot be read or is no recording; the text says what is wrong.
            UnsupportedJournalError: its journal is of a kind that cannot be replayed.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise RecordingError(f"{path}: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecordingError(f"{path} cannot be read: {error}") from error
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            cut = " (the file seems to be cut off)" if error.pos >= len(text.rstrip()) - 1 else ""
            raise RecordingError(
                f"{path} is no JSON{cut}: line {error.lineno}, column {error.colno}: {error.msg}"
            ) from error
        return cls.from_json(document, source=str(path))

    def to_json(self) -> dict[str, Any]:
        """The document that is written to files."""
        document: dict[str, Any] = {
            "format": FORMAT,
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
        """The recording that a document holds.

        Args:
            document: what `to_json` returned, or was parsed from a file.
            source: named in errors.

        Raises:
            RecordingError: it is no recording; the text says what is wrong.
            UnsupportedJournalError: its journal is of a kind that cannot be replayed.
        """
        check(document, source)
        recording = cls(
            invocation=document["invocation"],
            journal_version=document["journal_version"],
            entries=tuple(
                Entry(
                    e["index"], e["type"], e.get("name") or "", _bytes(e["raw"]), e["appended_at"]
                )
                for e in document["entries"]
            ),
            state={k: _bytes(v) for k, v in document["state"].items()},
            events=tuple(document["events"]),
            sdk_version=document["sdk_version"],
            server_version=document["server_version"],
            random_seed=document["random_seed"],
            steps={int(k): v for k, v in document.get("steps", {}).items()},
        )
        try:
            recording.journal()
        except RecordingError as error:
            raise RecordingError(f"{source}: {error}") from error
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
        """The recording that rows of Restate's system tables make.

        Args:
            tables: the rows.
            invocation_id: named in errors.
            where: where the rows come from; named in errors.
            decode: bytes from their text; the admin API writes hex, the recorder base64.
            server_version: of the server that was asked, when it was.

        Raises:
            RecordingError: the rows hold no such invocation, or no journal of it.
            UnsupportedJournalError: the journal is of a version that cannot be replayed.
        """
        invocation = next((_plain(row) for row in tables.invocations), None)
        if invocation is None:
            raise RecordingError(f"{where} has no invocation {invocation_id}")
        rows = sorted(tables.journal, key=lambda row: int(row["index"]))
        if not rows:
            raise RecordingError(
                f"{where} has no journal of {invocation_id} ({invocation.get('status')})",
                "Restate deletes a journal some time after the invocation ends (journal "
                "retention). A running recorder keeps it.",
            )
        for row in rows:
            refuse_version(int(row.get("version") or 2), invocation_id)
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
        """Read it from a live server through its admin API.

        Prompts are not in it: those come from a recorder, which `playhead recording save` asks.

        Args:
            admin_url: base address of the admin API, such as `http://localhost:9070`.
            invocation_id: a whole id.
            token: sent as a bearer token.

        Raises:
            RecordingError: the server cannot be reached, or does not have the invocation.
            UnsupportedJournalError: its journal is of a kind that cannot be replayed.
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
    """Raise RecordingError unless the text is a whole invocation id."""
    if not is_invocation_id(text):
        raise RecordingError(
            f"{text!r} is not an invocation id", "An id is inv_ followed by 34 letters and digits."
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


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise RecordingError(f"{text[:40]!r} is no base64: {error}") from error
