"""What all tests share: the clock, a database server, and (see below) the demo's sources."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests import postgresql

NOW = datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC)
"""The instant tests call now: a Wednesday noon, half a minute past the step."""


@pytest.fixture
def now() -> datetime:
    """A frozen now."""
    return NOW


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a console of their own configured in the environment."""
    import os

    for name in os.environ:
        if name.startswith("GFC_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The socket folder of a PostgreSQL server that lives as long as the test run."""
    with postgresql.server() as folder:
        yield folder


# The fixture `sources` (the demo's runtime with an inline executor) belongs here.
