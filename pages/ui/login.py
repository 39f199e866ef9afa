"""What a login needs of the process and not of a page: Streamlit's configuration of it, and the way back."""

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.settings import ProviderAccess

PROVIDER = "oidc"
"""What Streamlit is told the provider is called."""
_COOKIE = "gfc_back_to"
_KEPT_S = 600
_LONGEST = 2000


def secrets(provider: ProviderAccess) -> dict[str, Any]:
    """The provider as Streamlit wants to be told of it, in memory only."""
    return {
        "auth": {
            "redirect_uri": provider.redirect_uri,
            "cookie_secret": provider.cookie_secret.get_secret_value(),
            PROVIDER: {
                "client_id": provider.client_id,
                "client_secret": provider.client_secret.get_secret_value(),
                "server_metadata_url": provider.metadata_url,
                "client_kwargs": {"scope": " ".join(provider.scopes)},
                # Whoever logs in to make changes has just proved who they are, and is not remembered from last week.
                "authorize_params": {"max_age": str(provider.fresh_s)},
            },
        }
    }


class BackAfterLogin:
    """Leads people back to the address they asked for: after a login, Streamlit itself sends everybody home.

    The address is where the browser comes from when it asks for the login; a cookie keeps it meanwhile. Only a path of
    this console is ever followed.
    """

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self._app, self._base = app, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and mark the beginning and the end of a login."""
        path = scope.get("path")
        if scope["type"] != "http" or path not in {f"{self._base}/auth/login", f"{self._base}/oauth2callback"}:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        begins = path == f"{self._base}/auth/login"
        wanted = _from(request) if begins else _inside(unquote(request.cookies.get(_COOKIE, "")))

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                if begins:
                    _remember(headers, wanted, self._base)
                elif headers.get("location") == f"{self._base}/":
                    headers["location"] = wanted or f"{self._base}/"
                    _remember(headers, "", self._base)
            await send(message)

        await self._app(scope, receive, marked)


def _from(request: Request) -> str:
    """Path and query of the page the browser comes from; "" when it is not one of ours."""
    page = urlsplit(request.headers.get("referer", ""))
    if page.netloc != request.headers.get("host"):
        return ""
    return _inside(f"{page.path}?{page.query}" if page.query else page.path)


def _inside(target: str) -> str:
    """The target if it is a path of this host, else ""."""
    like_a_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if like_a_path and target.isascii() and target.isprintable() and len(target) <= _LONGEST else ""


def _remember(headers: MutableHeaders, target: str, base: str) -> None:
    answer = Response()
    if target:
        answer.set_cookie(
            _COOKIE, quote(target, safe=""), max_age=_KEPT_S, path=f"{base}/", httponly=True, samesite="lax"
        )
    else:
        answer.delete_cookie(_COOKIE, path=f"{base}/", httponly=True, samesite="lax")
    headers.append("set-cookie", answer.headers["set-cookie"])
