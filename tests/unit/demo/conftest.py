"""The everyday estate at a Wednesday afternoon."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from services import demo
from services.ports import ClusterSource

NOON = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture
def estate() -> Callable[..., dict[str, ClusterSource]]:
    """Builds an estate whose clock stands still."""

    def build(
        at: datetime = NOON,
        gpus: int | None = None,
        journal: demo.Journal | None = None,
    ) -> dict[str, ClusterSource]:
        return demo.build(clock=lambda: at, pool=ThreadPoolExecutor(1), gpus=gpus, journal=journal)

    return build
