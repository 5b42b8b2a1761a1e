"""Whatever the store does, it does in SQLite and in PostgreSQL."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> "PostgreSQL | None":
    """The server that keeps the stores, or None where files do."""
    found: PostgreSQL | None = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    return found
