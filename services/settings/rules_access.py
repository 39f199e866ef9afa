"""Rules about logins, rights, views, actions and gateways that look at several settings at once."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from services.access import ActionPolicy, Login
from services.domain.scope import Sight
from services.errors import WrongSetting
from services.settings import given_access, rules
from services.settings.access import GatewayAccess, OpenCostAccess, ProviderAccess
from services.settings.given import Gateway, Given, OpenCost
from services.settings.rules import Name

Base = Callable[[str], Path]
"""Field → the folder a relative path in it is relative to."""
_METADATA = "/.well-known/openid-configuration"
_CALLBACK = "/oauth2callback"
_SHORTEST_SECRET = 32
_PROVIDER = "https://login.example.com/realms/main"
_ALWAYS = {"login"}
_ONLY_FOR = {"oidc_": ("oidc",), "proxy_": ("proxy",)}


def login(given: Given, name: Name) -> Login:
    """How people log in. Raises WrongSetting for settings of a way that is not chosen: they would protect nothing."""
    for field in given_access.Login.model_fields:
        ways = next((ways for prefix, ways in _ONLY_FOR.items() if field.startswith(prefix)), ("oidc", "proxy"))
        if field in given.model_fields_set - _ALWAYS and given.login not in ways:
            raise WrongSetting(
                f"{name(field)} is set while {name('login')} is {given.login}; "
                f"expected it only where {name('login')} is {' or '.join(ways)}."
            )
    by_proxy = given.login == "proxy"
    return Login(
        how=given.login,
        issuer=given.oidc_issuer,
        audience=given.oidc_client_id,
        subject=given.proxy_user_header if by_proxy else given.oidc_subject_claim,
        name=given.proxy_name_header if by_proxy else given.oidc_name_claim,
        groups=given.proxy_groups_header if by_proxy else given.oidc_groups_claim,
        act_as=given.act_as_claim,
        prefix=given.act_as_prefix,
        roles={
            "viewer": frozenset(given.viewer_groups),
            "finance": frozenset(given.finance_groups),
            "operator": frozenset(given.operator_groups),
            "admin": frozenset(given.admin_groups),
        },
        views={
            group: Sight(namespaces=frozenset(view.namespaces), teams=frozenset(view.teams))
            for group, view in given.views.items()
        },
        see_all=frozenset(given.view_all_groups),
        max_age=timedelta(hours=given.login_hours),
        expires=given.oidc_expiry,
    )


def provider(given: Given, name: Name, base: Base) -> ProviderAccess | None:
    """The OpenID Connect provider; None where people do not log in by one."""
    if given.login != "oidc":
        return None
    issuer = rules.address(given.oidc_issuer, name("oidc_issuer"), like=_PROVIDER)
    metadata = given.oidc_metadata_url or issuer + _METADATA
    if not given.oidc_client_id:
        raise WrongSetting(f"{name('oidc_client_id')} is missing; expected the id of this console at the provider.")
    if "openid" not in given.oidc_scopes:
        raise WrongSetting(f"{name('oidc_scopes')} has no openid in it; expected names of scopes, openid among them.")
    return ProviderAccess(
        metadata_url=rules.address(metadata, name("oidc_metadata_url"), like=_PROVIDER + _METADATA),
        client_id=given.oidc_client_id,
        client_secret=_needed(given, "oidc_client_secret", name, base),
        redirect_uri=_redirect(given.oidc_redirect_uri, name("oidc_redirect_uri")),
        cookie_secret=_cookie_secret(given, name, base),
        scopes=given.oidc_scopes,
        fresh_s=round(60 * min(given.login_write_minutes, given.login_hours * 60)),
    )


def _redirect(given: str, name: str) -> str:
    like = f"https://gpus.example.com{_CALLBACK}"
    url = rules.address(given, name, like=like)
    if not urlsplit(url).path.endswith(_CALLBACK):
        raise WrongSetting(f"{name} does not end in {_CALLBACK}; expected an address such as {like}.")
    return url


def _cookie_secret(given: Given, name: Name, base: Base) -> SecretStr:
    secret = _needed(given, "oidc_cookie_secret", name, base)
    if len(secret.get_secret_value()) < _SHORTEST_SECRET:
        raise WrongSetting(
            f"{name('oidc_cookie_secret')} is short; expected a random text of at least {_SHORTEST_SECRET} characters."
        )
    return secret


def _needed(given: Given, field: str, name: Name, base: Base) -> SecretStr:
    called = f"{name(field)} or {name(f'{field}_file')}"
    if getattr(given, field) and getattr(given, f"{field}_file"):
        raise WrongSetting(f"{called} are both set; expected only one of the two.")
    secret = rules.secret(given, field, name, base(f"{field}_file"))
    if not secret.get_secret_value():
        raise WrongSetting(f"{called} is missing; expected it because {name('login')} is oidc.")
    return secret


def actions(given: Given) -> ActionPolicy:
    """What actions may do. Without a login there is nobody to impersonate."""
    return ActionPolicy(
        mode=given.actions,
        as_person=given.act_as == "person" and given.login != "none",
        login_max_age=timedelta(minutes=given.login_write_minutes),
        second_person=given.second_person,
        breaker_nodes=given.breaker_nodes,
        breaker_pool_ratio=given.breaker_pool_ratio,
        breaker_window=timedelta(minutes=given.breaker_window_minutes),
        audit_kept=timedelta(days=given.audit_days),
    )


def gateway(given: Gateway, name: Name, base: Path) -> GatewayAccess:
    """The way to the gateway and to its configuration; the names of the latter are given together or not at all."""
    place = {field: getattr(given, field) for field in ("namespace", "configmap", "deployment")}
    if not given.url and not any(place.values()):
        raise WrongSetting(f"{name('url')} is missing; expected an address such as http://litellm.serving:4000.")
    if any(place.values()) and not all(place.values()):
        empty = next(field for field, value in place.items() if not value)
        raise WrongSetting(
            f"{name(empty)} is missing; expected it together with "
            f"{' and '.join(name(field) for field in place if field != empty)}."
        )
    return GatewayAccess(
        url=rules.address(given.url, name("url"), like="http://litellm.serving:4000") if given.url else "",
        config_key=given.config_key,
        **_key(given, name, base),
        **place,
    )


def opencost(given: OpenCost, name: Name, base: Path) -> OpenCostAccess:
    """The way to OpenCost."""
    like = "http://opencost.opencost:9003"
    if not given.url:
        raise WrongSetting(f"{name('url')} is missing; expected an address such as {like}.")
    return OpenCostAccess(
        url=rules.address(given.url, name("url"), like=like),
        cluster_id=given.cluster_id.strip(),
        **_key(given, name, base),
    )


def _key(given: Gateway | OpenCost, name: Name, base: Path) -> dict[str, Any]:
    """What servers behind a key have in common, as :class:`KeyedAccess` has it."""
    if given.key and given.key_file:
        raise WrongSetting(f"{name('key')} or {name('key_file')} are both set; expected only one of the two.")
    ca_file, key_file = rules.anchored(given.ca_file, base), rules.anchored(given.key_file, base)
    if ca_file:
        rules.check_authorities(ca_file, name("ca_file"))
    if key_file:
        rules.secret_from(key_file, name("key_file"))
    return {
        "key": rules.one_line(given.key, name("key")),
        "key_file": key_file,
        "ca_file": ca_file,
        "connect_timeout_s": given.connect_timeout_s,
        "read_timeout_s": given.read_timeout_s,
    }
