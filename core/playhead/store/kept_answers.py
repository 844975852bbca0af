"""Answers of queries that do not depend on spans, kept until a row that they read may be written.

A list reads the newest invocations again and again, mostly while nothing but spans is written.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

__all__ = ["KeptAnswers"]

MOST_ANSWERS = 50
LARGEST_ANSWER = 64 * 1024


class KeptAnswers:
    """Rows of queries as JSON lists, by their text and parameters. Any thread may use it."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._version = 0

    @property
    def version(self) -> int:
        """Return a number that changes when the answers may have changed."""
        return self._version

    def get(self, sql: str, params: Sequence[Any]) -> str | None:
        """Return the rows of a query; None if they are not kept."""
        key = sql, repr(params)
        with self._lock:
            if (found := self._answers.get(key)) is not None:
                self._answers.move_to_end(key)
            return found

    def keep(self, sql: str, params: Sequence[Any], rows: str, version: int) -> None:
        """Keep the rows of a query, unless they may have changed since.

        Args:
            sql: The query.
            params: Its parameters.
            rows: The rows.
            version: The version before the transaction began that read them.
        """
        with self._lock:
            if version == self._version and len(rows) <= LARGEST_ANSWER:
                self._answers[sql, repr(params)] = rows
                if len(self._answers) > MOST_ANSWERS:
                    self._answers.popitem(last=False)

    def forget(self) -> None:
        """Forget all answers. Call it after the commit of what may have changed them."""
        with self._lock:
            self._version += 1
            self._answers.clear()
