"""The text index: which invocations may have a text, in a folder beside the database.

tantivy keeps it, in files of its own format. A lost or damaged index is written again.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playhead.regular_file import is_other, read_regular
from playhead.store.background import made_in_background
from playhead.store.texts.documents import Document
from playhead.store.texts.grams import LENGTH, document_texts, grams_of

if TYPE_CHECKING:
    import tantivy

__all__ = ["FOLDER", "Found", "TextIndex"]

FOLDER = "text-index"
VERSION = 1
"""Version of the documents and their parts; an index of another one is written again."""
_NAME = "generation"
_OWN = re.compile(r"generation|meta\.json|\.managed\.json|\.tantivy-[a-z-]+\.lock|[0-9a-f]{32}\..*")
"""Names of the index's files."""
MEMORY = 20_000_000
"""Bytes of documents in memory before they are written."""
GRAMS = 48
"""Parts of a long text that are looked up; more would hardly exclude another document."""


@dataclass(frozen=True, slots=True)
class Found:
    """Invocations that may have the texts, newest first."""

    ids: tuple[str, ...]
    floor_us: int | None
    """No invocation created at this time or later is missing; None if none is missing at all."""


class TextIndex:
    """An index with one writer at a time. Methods raise ValueError or OSError when it is damaged.

    Attributes:
        generation: Number that identifies the index: another one has been written since.
    """

    def __init__(self, folder: Path) -> None:
        """Open the index in this folder, or create it."""
        self._folder = folder / FOLDER
        found = self._read_generation()
        self.generation = self._create() if found is None else found
        self._index = _open(self._folder)
        self._schema = self._index.schema
        self._writer: tantivy.IndexWriter | None = None

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents or replace them; they are durable and found when this returns."""
        import tantivy

        writer = self._writing()
        for document in documents:
            short, wide = document_texts(document.text)
            writer.delete_documents_by_term("id", document.id)
            writer.add_document(
                tantivy.Document(id=document.id, created=document.created_us, short=short,
                                 wide=wide)
            )  # fmt: skip
        writer.commit()
        self._index.reload()

    def remove(self, ids: Iterable[str]) -> None:
        """Remove documents."""
        writer = self._writing()
        for id_ in ids:
            writer.delete_documents_by_term("id", id_)
        writer.commit()
        self._index.reload()

    def rest(self) -> None:
        """Give back the memory of the writer."""
        if self._writer is not None:
            self._writer.wait_merging_threads()  # ends the writer
            self._writer = None

    def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return the invocations that may have all these texts, or None if all may have them.

        Args:
            texts: The texts.
            until_us: Latest creation time, in microseconds since 1970.
            limit: Number of invocations that is enough.
        """
        import tantivy

        grams = [grams_of(text) for text in texts]
        wanted = [
            *(("short", gram) for one in grams for gram in sorted(one.short)[:GRAMS]),
            *(("wide", gram) for one in grams for gram in sorted(one.wide)[:GRAMS]),
        ]
        if not wanted:
            return None
        query = tantivy.Query
        conditions = [
            (tantivy.Occur.Must, query.term_query(self._schema, name, gram, index_option="basic"))
            for name, gram in wanted
        ]
        if until_us is not None:
            kind = tantivy.FieldType.Integer
            until = query.range_query(self._schema, "created", kind, -(2**62), until_us)
            conditions.append((tantivy.Occur.Must, until))
        searcher = self._index.searcher()
        hits: list[tuple[int, Any]] = searcher.search(
            query.boolean_query(conditions), limit=limit, order_by_field="created"
        ).hits
        floor = None if len(hits) < limit else int(hits[-1][0]) + 1
        ids = (
            str(searcher.doc(address)["id"][0])
            for created, address in hits
            if floor is None or created >= floor
        )
        return Found(tuple(ids), floor)

    @staticmethod
    def discard(folder: Path) -> None:
        """Remove the index in this folder, so that the next one begins empty."""
        _remove(folder / FOLDER)

    def _writing(self) -> tantivy.IndexWriter:
        """Return the writer, whose threads give way."""
        if self._writer is None:
            try:
                self._writer = made_in_background(lambda: self._index.writer(MEMORY, num_threads=1))
            except ValueError as error:  # another writer, or a full disk
                raise OSError(f"{self._folder} cannot be written") from error
        return self._writer

    def _read_generation(self) -> int | None:
        try:
            if any(is_other(path) for path in self._folder.iterdir()):
                return None  # tantivy would wait for the writer of a pipe
            version, _, number = (
                read_regular(self._folder / _NAME, most=100).decode().partition(" ")
            )
            return int(number) if int(version) == VERSION else None
        except (OSError, ValueError):
            return None

    def _create(self) -> int:
        _remove(self._folder)
        self._folder.mkdir(mode=0o700, parents=True)
        _open(self._folder)
        number = secrets.randbits(31)
        (self._folder / _NAME).write_text(f"{VERSION} {number}")
        return number


def _remove(folder: Path) -> None:
    """Remove an index. Raises OSError if the folder has something else in it."""
    if not folder.is_dir() or folder.is_symlink():  # rmtree waits for the writer of a pipe
        return
    for path in folder.iterdir():
        if not _OWN.match(path.name) or path.is_dir():
            raise OSError(f"{path} is not a file of the text index: move it away")
    shutil.rmtree(folder, ignore_errors=True)


def _open(folder: Path) -> tantivy.Index:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    schema.add_integer_field("created", indexed=True, fast=True)
    lengths = {"short": (LENGTH, LENGTH), "wide": (1, LENGTH - 1)}
    for name in lengths:
        schema.add_text_field(name, tokenizer_name=name, index_option="basic")
    index = tantivy.Index(schema.build(), path=str(folder))
    for name, (least, most) in lengths.items():
        analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.ngram(least, most, False)).build()
        index.register_tokenizer(name, analyzer)
    return index
