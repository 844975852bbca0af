"""A hook of pytest: the session fixtures of a folder end with the last test of the folder.

Otherwise its servers would run beside the tests of all other folders, and take time without work.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any, cast

import pytest

__all__ = ["FolderFixtures"]


class FolderFixtures:
    """A plugin. A hook in `tests/conftest.py` would not be called: a session has no folder."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Let the folder of a session fixture end it."""
        value = yield
        parents = request._pyfuncitem.iter_parents()
        folder = next((node for node in parents if isinstance(node, pytest.Dir)), None)
        is_shared = fixturedef.scope == "session" and fixturedef.baseid
        if is_shared and folder is not None and folder.nodeid == fixturedef.baseid:
            folder.addfinalizer(partial(fixturedef.finish, cast(Any, request)))
        return value
