"""How the console is served: ``streamlit run asgi.py``.

Around ``app.py`` this adds what belongs to the process and not to a visitor: settings are checked before anything is
served, the embedded database is migrated, watching begins before the first page is asked for and ends in order. A wrong
setting stops the start with one sentence and exit code 2.
"""

import asyncio
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamlit import config

from db import migrate
from pages.ui import login
from services import runtime, settings
from services.errors import OpsError, WrongSetting

try:
    configured = settings.load(os.environ)
except WrongSetting as error:
    print(error, file=sys.stderr)  # noqa: T201 - the one sentence a command owes its caller
    sys.exit(2)


def _start() -> None:
    migrate.upgrade_embedded(configured)
    runtime.start(configured)


def _open_app() -> None:
    """Run ``app.py`` once, as a first visitor would.

    Until some session has reached ``st.navigation``, a process does not know its pages, and a visitor who comes by a
    deep link is told that the page does not exist. The health check of the script runs it; it also warms the caches.
    """
    host = str(st.get_option("server.address") or "127.0.0.1")
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    url = f"http://{host}:{st.get_option('server.port')}{_BASE}/_stcore/script-health-check"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(_TRIES):
        try:
            opener.open(url, timeout=30).close()
        except urllib.error.HTTPError:
            return  # the script was run, whatever it said
        except OSError:
            time.sleep(_PAUSE_S)  # not listening yet
        else:
            return


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Everything that lives as long as the process."""
    try:
        await asyncio.to_thread(_start)
    except OpsError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr, flush=True)  # noqa: T201 - as above
        # An exception that leaves here becomes a stack trace and the server's own exit code. Nothing is served yet.
        os._exit(2 if isinstance(error, WrongSetting) else 1)
    threading.Thread(target=_open_app, name="open-app", daemon=True).start()
    try:
        yield
    finally:
        await asyncio.to_thread(runtime.close)


async def no_such_api(request: Request) -> JSONResponse:
    """404 as RFC 9457 describes it; unknown paths would otherwise answer 200 with the page's HTML."""
    problem = {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such API.",
        "instance": request.url.path,
    }
    return JSONResponse(problem, status_code=404, media_type="application/problem+json")


_TRIES, _PAUSE_S = 100, 0.1
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_BASE = "/".join(["", *str(st.get_option("server.baseUrlPath")).strip("/").split("/")]).rstrip("/")

if configured.provider is not None:
    # Also signs the cookie that holds a login under way, which may come back to another replica.
    config.set_option("server.cookieSecret", configured.provider.cookie_secret.get_secret_value())

app = st.App(
    "app.py",
    secrets=None if configured.provider is None else login.secrets(configured.provider),
    middleware=[] if configured.provider is None else [Middleware(login.BackAfterLogin, base=_BASE)],
    lifespan=lifespan,
    routes=[Route(f"{_BASE}{path}", no_such_api, methods=_METHODS) for path in ("/api", "/api/{path:path}")],
)
