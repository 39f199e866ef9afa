import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pages.ui.login import BackAfterLogin, secrets
from services.settings import ProviderAccess

HOST = "gpus.example.com"


def asked(path: str, *, base: str = "", answer: str = "/", **headers: str) -> tuple[str, list[str]]:
    """Where a console under ``base`` sends a browser on, and the cookies it sets."""

    async def respond(_: Request) -> Response:
        return RedirectResponse(answer, status_code=302)

    inner = Starlette(routes=[Route(path, respond)])
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": given, "scheme": "https", "server": (HOST, 443), "root_path": "",
    }  # fmt: skip
    # In a thread of its own: a browser test may have left its loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, BackAfterLogin(inner, base)(scope, receive, send)).result()  # type: ignore[arg-type]
    found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]  # type: ignore[attr-defined]
    return dict(found)["location"], [value for name, value in found if name == "set-cookie"]


def test_a_login_remembers_the_page_it_was_asked_from() -> None:
    place, cookies = asked("/auth/login", referer=f"https://{HOST}/workloads?cluster=west&ns=a", answer="https://idp")
    assert place == "https://idp"
    (cookie,) = cookies
    assert cookie.startswith(f"gfc_back_to={quote('/workloads?cluster=west&ns=a', safe='')};")
    assert all(part in cookie for part in ("HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"))


@pytest.mark.parametrize("referer", ["https://evil.example.com/x", "", "https://gpus.example.com.evil.example/x"])
def test_pages_of_others_are_not_remembered(referer: str) -> None:
    _, (cookie,) = asked("/auth/login", referer=referer)
    assert cookie.startswith('gfc_back_to="";')


def test_after_the_login_the_browser_is_led_back_and_the_cookie_is_gone() -> None:
    kept = f"gfc_back_to={quote('/workloads?cluster=west', safe='')}"
    place, (cookie,) = asked("/oauth2callback", cookie=kept)
    assert place == "/workloads?cluster=west"
    assert "Max-Age=0" in cookie


def test_under_a_base_path_only_its_own_addresses_count() -> None:
    kept = f"gfc_back_to={quote('/console/workloads', safe='')}"
    place, _ = asked("/console/oauth2callback", base="/console", answer="/console/", cookie=kept)
    assert place == "/console/workloads"
    assert asked("/oauth2callback", base="/console", cookie=kept) == ("/", [])


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example.com", "/\\evil.example.com", "https://evil.example.com", "evil", "", "/a\r\nSet-Cookie: x=y",
        "/" + "a" * 2000, "/\u202e",
    ],
)  # fmt: skip
def test_a_cookie_leads_nowhere_else(target: str) -> None:
    place, _ = asked("/oauth2callback", cookie=f"gfc_back_to={quote(target, safe='')}")
    assert place == "/"


def test_an_answer_that_does_not_lead_home_is_left_alone() -> None:
    place, cookies = asked("/oauth2callback", answer="/elsewhere", cookie="gfc_back_to=%2Fworkloads")
    assert (place, cookies) == ("/elsewhere", [])


def test_streamlit_is_told_of_the_provider() -> None:
    provider = ProviderAccess(
        metadata_url="https://login.example.com/meta",
        client_id="console",
        client_secret=SecretStr("s"),
        redirect_uri="https://gpus.example.com/oauth2callback",
        cookie_secret=SecretStr("c"),
        scopes=("openid", "groups"),
        fresh_s=900,
    )
    assert secrets(provider) == {
        "auth": {
            "redirect_uri": "https://gpus.example.com/oauth2callback",
            "cookie_secret": "c",
            "oidc": {
                "client_id": "console",
                "client_secret": "s",
                "server_metadata_url": "https://login.example.com/meta",
                "client_kwargs": {"scope": "openid groups"},
                "authorize_params": {"max_age": "900"},
            },
        }
    }
