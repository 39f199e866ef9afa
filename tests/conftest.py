"""What all tests share: the clock, a database server, and (see below) the demo's sources."""

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright

from services.ports import Sources, Work
from tests import image, postgresql
from tests.needs import need

_NUMBERS = itertools.count(1)
_FLAGS = [
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
]

NOW = datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC)
"""The instant tests call now: a Wednesday noon, half a minute past the step."""


@pytest.fixture
def now() -> datetime:
    """A frozen now."""
    return NOW


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a console of their own configured in the environment."""
    for name in os.environ:
        if name.startswith("GFC_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The socket folder of a PostgreSQL server that lives as long as the test run."""
    with postgresql.server() as folder:
        yield folder


@contextmanager
def empty_database(engine: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of an empty database on an engine, ``sqlite`` or ``postgresql``."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'console.sqlite3'}"
        return
    socket = request.getfixturevalue("postgresql_server")
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://postgres@/{name}?host={socket}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, on either engine."""
    with empty_database(request.param, request, tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's browser, one for the run: Playwright can be started once per thread."""
    program = need("chromium")
    flags = [*_FLAGS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds, in a folder of its own: what is served cannot change while the tests run."""
    folder = tmp_path_factory.mktemp("console")
    image.copied_to(folder)
    return folder


class Inline(Executor):
    """Runs what is submitted at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as executors do
            future.set_exception(error)
        return future


def demo_sources(
    at: datetime = NOW, *, clock: Callable[[], datetime] | None = None, work: Work | None = None, **changes: Any
) -> Sources:
    """The demo estate at a frozen instant, or by a ``clock``; what is written to it is kept in memory.

    ``changes`` go to :func:`services.demo.build`: a ``journal`` to share, ``forbidden`` verbs, ``gpus``…
    """
    from services import demo

    now, pool = clock or (lambda: at), Inline()
    return Sources(mode="demo", clusters=demo.build(clock=now, pool=pool, **changes), now=now, pool=pool, work=work)


@pytest.fixture
def sources() -> Sources:
    """The demo estate at :data:`NOW`, with work done inline."""
    return demo_sources()
