"""A migrated database for collectors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import migrate
from db.work import Database


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(made.engine)
    yield made
    made.close()
