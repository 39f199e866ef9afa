"""Rules about channels and the console's own address."""

from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Any

from services.domain.alerts import Channel
from services.domain.findings import Severity
from services.errors import WrongSetting
from services.settings import given_alerts, rules
from services.settings.access import ChannelAccess
from services.settings.given import Given

Name = Callable[..., str]
_CALLBACK = "/oauth2callback"
_ALONE = "alerts"
"""Name of a channel the environment describes without one."""


def channels(given: Given, name: Name, base: Path, *, alone: bool) -> tuple[ChannelAccess, ...]:
    """Where alerts go. ``base`` anchors relative paths; ``alone`` is the one the environment describes."""

    def named(index: int) -> Callable[[str], str]:
        return lambda field: name("channels", index, field)

    return tuple(_channel(one, named(index), base, alone=alone) for index, one in enumerate(given.channels))


def _channel(given: given_alerts.Channel, name: Callable[[str], str], base: Path, *, alone: bool) -> ChannelAccess:
    if not given.name and not alone:
        raise WrongSetting(f"{name('name')} is missing; expected a name for the channel.")
    if given.url and given.url_file:
        raise WrongSetting(f"{name('url')} and {name('url_file')} are both set; expected only one of the two.")
    url = rules.secret(given, "url", name, base)
    if not url.get_secret_value():
        raise WrongSetting(f"{name('url')} or {name('url_file')} is missing; expected the address of the channel.")
    begin, _, end = given.quiet.partition("-")
    channel = Channel(
        name=given.name or _ALONE,
        least=Severity[given.min_severity.upper()],
        topics=frozenset(given.kinds),
        teams=frozenset(given.teams),
        digest=given.digest,
        quiet=(time.fromisoformat(begin), time.fromisoformat(end)) if given.quiet else None,
        zone=given.zone,
        critical_at_once=given.critical_at_once,
    )
    return ChannelAccess(channel, url)


def public_url(given: Given, name: Callable[..., Any]) -> str:
    """The console's own address: as it was given, or the one the login comes back to; "" where nobody said."""
    if given.public_url:
        return rules.address(given.public_url, name("public_url"), like="https://gpus.example.com")
    return given.oidc_redirect_uri.removesuffix(_CALLBACK) if given.login == "oidc" else ""
