"""The record of costs and budgets three ways: in memory, in SQLite and in PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import migrate
from db.work import Database
from tests.conftest import empty_database
from tests.costbook import CostBook


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """What gives units of work with ``costs`` and ``budgets``."""
    if request.param == "memory":
        yield CostBook()
        return
    with empty_database(request.param, request, tmp_path) as url:
        made = Database(url)
        migrate.upgrade(made.engine)
        yield made
        made.close()
