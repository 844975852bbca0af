"""Fixtures of this folder."""

from __future__ import annotations

from journal_fixtures import client, handlers, restate

__all__ = ["client", "handlers", "restate"]
