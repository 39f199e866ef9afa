"""Every failure is one sentence for a person, in the right branch of the error tree."""

import ssl

import pytest
from urllib3 import exceptions as transport

from services.adapters.kube_words import (
    Expired,
    Unauthenticated,
    not_permitted,
    refusal,
    said,
    unreachable,
    without_credentials,
)
from services.domain.kinds import KINDS
from services.errors import Busy, Forbidden, NotFound, Rejected, SourceUnavailable
from tests.apiserver import recorded

HERE = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("file", "title", "kind"),
    [
        ("access-and-discovery", "invalid bearer token", Unauthenticated),
        ("access-and-discovery", "list pods without rights", Forbidden),
        ("access-and-discovery", "unknown resource in a known group", NotFound),
        ("access-and-discovery", "unknown API group", NotFound),
        ("lists-and-watches", "bad continue token", Rejected),
        ("lists-and-watches", "unsupported field selector", Rejected),
    ],
)
def test_recorded_refusals_become_our_errors(file, title, kind):
    answer = recorded(file, title)["response"]
    body = answer["body"]
    raw = body.encode() if isinstance(body, str) else str(body).replace("'", '"').encode()
    error = refusal(answer["status"], said(raw)[1], HERE)
    assert type(error) is kind
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("code", "kind"), [(410, Expired), (429, Busy), (500, SourceUnavailable), (503, SourceUnavailable), (422, Rejected)]
)
def test_codes_have_their_place_in_the_error_tree(code, kind):
    assert type(refusal(code, "because", HERE)) is kind


def test_the_wait_a_busy_server_asks_for_is_kept():
    assert refusal(429, "", HERE, "7").retry_after_s == 7.0
    assert refusal(429, "", HERE, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after_s == 0.0


def test_long_messages_are_cut():
    error = refusal(500, "very " * 200, HERE)
    assert len(str(error)) < 400
    assert str(error).endswith("...")


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (transport.ProxyError("no", OSError("no")), "The proxy in front of"),
        (transport.ConnectTimeoutError(None, "late"), "did not accept a connection in time"),
        (transport.ReadTimeoutError(None, HERE, "late"), "did not answer in time"),
        (caused(transport.NewConnectionError(None, "no"), ConnectionRefusedError()), "refused the connection"),
        (transport.NewConnectionError(None, "Network is unreachable"), "No connection to"),
        (transport.LocationValueError("No host specified."), "is not an address"),
        (transport.ProtocolError("broken", ConnectionResetError()), "broke off"),
        (transport.SSLError(ssl.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")), "has expired"),
        (transport.SSLError(ssl.SSLError("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]")), "No TLS connection"),
    ],
)
def test_connections_fail_in_one_sentence(error, says):
    told = unreachable(error, HERE)
    assert says in str(told)
    assert str(told).count(".") <= 1 + HERE.count(".")
    assert told.source == "kubernetes"


def test_the_rule_that_is_missing_names_the_group_and_the_namespace():
    message, hint = not_permitted(KINDS["deployments"], "team-a", Forbidden("kubernetes", 'User "ana" cannot list'))
    assert message == "ana may not read deployments in namespace team-a (403)."
    assert hint == (
        'Bind a Role with this rule: {apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", "watch"]}'
    )
    assert not_permitted(KINDS["pods"], "", Forbidden("kubernetes", "no"))[0].startswith("Our account may not")


def test_addresses_lose_their_credentials():
    assert without_credentials("https://ana:sesame@host:6443/base?token=sesame#x") == "https://host:6443/base"
