"""Rules that look at several settings at once, and at the files they name."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from services.errors import WrongSetting
from services.ports import CostPolicy
from services.settings.access import KubeAccess, MetricsAccess
from services.settings.given import Given, Kubernetes, Prometheus

Name = Callable[[str], str]
"""Field → what to call it in a message."""

_AUTH_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "none": (),
    "basic": (("username",), ("password", "password_file")),
    "bearer": (("token", "token_file"),),
    "header": (("header_name",), ("header_value", "header_value_file")),
}
"""Per kind of authentication: groups of fields, of each of which exactly one must be given."""


def kubernetes(given: Kubernetes, name: Name, base: Path) -> KubeAccess:
    """The way to the API server; exactly one of in-cluster and kubeconfig. ``base`` anchors relative paths."""
    by_kubeconfig = next((field for field in ("kubeconfig", "context") if getattr(given, field)), "")
    if given.in_cluster and by_kubeconfig:
        raise WrongSetting(
            f"{name('in_cluster')} is true and {name(by_kubeconfig)} is set as well; expected only one of the two."
        )
    if not given.in_cluster and not by_kubeconfig:
        raise WrongSetting(
            f"{name('context')} is missing; expected the name of a context in the kubeconfig, "
            f"or {name('kubeconfig')}, or {name('in_cluster')} true."
        )
    return KubeAccess(
        in_cluster=given.in_cluster,
        kubeconfig=anchored(given.kubeconfig, base),
        context=given.context,
        namespaces=given.namespaces,
        connect_timeout_s=given.connect_timeout_s,
        read_timeout_s=given.read_timeout_s,
    )


def prometheus(given: Prometheus, name: Name, base: Path) -> MetricsAccess:
    """The way to the metrics. Raises WrongSetting for a wrong address, authentication or file."""
    _check_authentication(given, name)
    url = address(given.url, name("url"))
    if url.endswith("/api/v1"):
        raise WrongSetting(f"{name('url')} ends with /api/v1; expected the address without it.")
    ca_file = anchored(given.ca_file, base)
    if ca_file:
        check_authorities(ca_file, name("ca_file"))
    token_file = anchored(given.token_file, base)
    if token_file:
        secret_from(token_file, name("token_file"))
    return MetricsAccess(
        url=url,
        auth=given.auth,
        username=given.username,
        password=secret(given, "password", name, base),
        token=one_line(given.token, name("token")),
        token_file=token_file,
        header_name=given.header_name,
        header_value=secret(given, "header_value", name, base),
        ca_file=ca_file,
        connect_timeout_s=given.connect_timeout_s,
        read_timeout_s=given.read_timeout_s,
        matchers=dict(given.matchers),
        scrape_interval_s=given.scrape_interval_s,
        max_series=given.max_series,
    )


def secret_from(path: str, name: str) -> SecretStr:
    """The secret in a file, without the line end editors add. Raises WrongSetting, never repeating it."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{name} names {path}, which cannot be read; expected the path of a text file.") from error
    if not text.strip():
        raise WrongSetting(f"{name} names {path}, which is empty; expected a secret on one line.")
    return one_line(SecretStr(text), name)


def one_line(given: SecretStr | None, name: str) -> SecretStr:
    """A secret as it was given, empty without one. Raises WrongSetting for line breaks in it."""
    if given is None:
        return SecretStr("")
    if any(not sign.isprintable() for sign in given.get_secret_value()):
        raise WrongSetting(f"{name} has a line break or a control character in it; expected a secret on one line.")
    return given


def secret(given: Any, field: str, name: Name, base: Path) -> SecretStr:
    """A secret given directly or by a file; empty when it is not given."""
    path = anchored(getattr(given, f"{field}_file"), base)
    return secret_from(path, name(f"{field}_file")) if path else one_line(getattr(given, field), name(field))


def _check_authentication(given: Prometheus, name: Name) -> None:
    """Every field the chosen authentication needs, none of another's, no secret twice."""
    wanted = _AUTH_FIELDS[given.auth]
    allowed = {field for group in wanted for field in group}
    for auth, groups in _AUTH_FIELDS.items():
        for field in (field for group in groups for field in group):
            if getattr(given, field) and field not in allowed:
                raise WrongSetting(
                    f"{name(field)} is set while {name('auth')} is {given.auth}; "
                    f"expected it only where {name('auth')} is {auth}."
                )
    for group in wanted:
        present = [field for field in group if getattr(given, field)]
        called = " or ".join(name(field) for field in group)
        if not present:
            raise WrongSetting(f"{called} is missing; expected it because {name('auth')} is {given.auth}.")
        if len(present) > 1:
            raise WrongSetting(f"{called} are both set; expected only one of the two.")


def cost(given: Given) -> CostPolicy:
    """How money is counted."""
    return CostPolicy(
        zone=given.report_zone,
        labels=tuple(dict.fromkeys(given.cost_labels)),
        keep_hours=timedelta(days=given.keep_cost_hours_days),
        pue=given.energy_pue,
        usd_per_kwh=given.energy_usd_per_kwh,
        grams_per_kwh=given.energy_grams_per_kwh,
    )


def address(url: str, called: str, *, like: str = "https://prometheus.example.com") -> str:
    """A checked http(s) address without a slash at its end. What is wrong is described, never repeated whole."""
    like = f"expected an address such as {like}"
    if not url:
        raise WrongSetting(f"{called} is missing; {like}.")
    if "@" in url:
        raise WrongSetting(
            f"{called} has a user name or password in it; expected an address without them: they have settings of "
            "their own."
        )
    try:
        parts = urlsplit(url)
        usable = parts.port is None or parts.port > 0
    except ValueError as error:
        raise WrongSetting(f"{called} is not an address; {like}.") from error
    if parts.scheme not in {"http", "https"}:
        given = f'starts with "{parts.scheme}:"' if parts.scheme else "does not start with http:// or https://"
        raise WrongSetting(f"{called} {given}; {like}.")
    if not parts.hostname or not usable or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise WrongSetting(f"{called} is not an address; {like}.")
    if "?" in url or "#" in url:
        raise WrongSetting(f"{called} has a query or a fragment in it; {like}.")
    return url.rstrip("/")


def check_authorities(path: str, name: str) -> None:
    """Raise WrongSetting unless the file holds certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise WrongSetting(f"{name} names {path}, which holds no certificate; expected a PEM file.") from error
    except OSError as error:
        raise WrongSetting(f"{name} names {path}, which cannot be read; expected a PEM file.") from error


def anchored(path: str, base: Path) -> str:
    """A path with ~ expanded, and relative to ``base`` when it is relative; "" stays ""."""
    return str(base / Path(path).expanduser()) if path else ""
