"""A database per test, on both engines."""

from collections.abc import Iterator

import pytest

from db import migrate
from db.work import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    made = Database(database_url)
    migrate.upgrade(made.engine)
    yield made
    made.close()
