"""What may be asked of a breaker, and the fields that come of it."""

from typing import Any

import pytest

from services.domain import breakers
from services.domain.breakers import Policy, Rule, edit
from services.domain.breakers.edit import BreakerParams
from services.domain.change import patch


def body(host: str = "chat", name: str = "chat", **outlier: Any) -> dict[str, Any]:
    policy = {"outlierDetection": outlier} if outlier else {}
    spec = {"host": host, **({"trafficPolicy": policy} if policy else {})}
    return {"metadata": {"namespace": "team", "name": name}, "spec": spec}


def rule(host: str = "chat", name: str = "chat", **outlier: Any) -> Rule:
    return breakers.read(body(host, name, **outlier))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"errors": 1001}, "consecutive5xxErrors is a number from 0 to 1000."),
        ({"errors": -1}, "consecutive5xxErrors is a number from 0 to 1000."),
        ({"max_percent": 101}, "maxEjectionPercent is a number from 1 to 100."),
        ({"max_percent": 0}, "maxEjectionPercent is a number from 1 to 100."),
        ({"retries": 0}, "maxRetries is a number from 1 to 1000000."),
        ({"interval": "0s"}, "interval is a duration from 1ms to 1h in whole milliseconds, such as 30s."),
        ({"ejection": "61m"}, "baseEjectionTime is a duration from 1ms to 1h in whole milliseconds, such as 30s."),
        (
            {"connect_timeout": "1.5ms"},
            "connectTimeout is a duration from 1ms to 1h in whole milliseconds, such as 30s.",
        ),
        ({"unset": ("host",)}, "host cannot be removed: it is no field of a rule, or it is set at once."),
        (
            {"unset": ("errors",), "errors": 3},
            "errors cannot be removed: it is no field of a rule, or it is set at once.",
        ),
        ({"host": "other"}, "The rule team/chat is for chat; the host of a rule is not changed here."),
        ({"name": "", "host": "*.team"}, "*.team stands for many services; a breaker changed here is for one."),
        ({"name": "", "host": "x.far"}, "x.far is in another namespace than the rule: write the host in full."),
        ({"name": "", "host": "a b"}, "The host is no DNS name. Write it as chat, or chat.team.svc.cluster.local."),
        ({"name": "", "host": "chat.team"}, "The rule team/chat names chat.team already: change or remove that one."),
        ({"namespace": "../x"}, "The namespace or the name of the rule is no Kubernetes name."),
    ],
)
def test_what_is_out_of_bounds_or_in_conflict_is_refused(given: dict[str, Any], says: str) -> None:
    want = BreakerParams(**({"cluster": "east", "namespace": "team", "name": "chat"} | given))
    assert edit.refusal(want, [rule()]) == says


def test_a_rule_of_another_namespace_is_not_named() -> None:
    far = breakers.read(
        {"metadata": {"namespace": "secret", "name": "x"}, "spec": {"host": "chat.team.svc.cluster.local"}}
    )
    said = edit.refusal(BreakerParams("east", "team", host="chat", errors=3), [far])
    assert said == "A rule elsewhere names chat already: change or remove that one."


@pytest.mark.parametrize(
    "given",
    [
        {"name": "chat", "errors": 0, "max_percent": 100, "interval": "1ms", "ejection": "1h"},
        {"host": "new", "errors": 1000},
        {"host": "x.far.svc.cluster.local", "errors": 1},
    ],
)
def test_what_is_within_bounds_is_not_refused(given: dict[str, Any]) -> None:
    assert edit.refusal(BreakerParams("east", "team", **given), [rule()]) == ""


def test_only_the_fields_asked_for_are_set() -> None:
    found = edit.fields(BreakerParams("east", "team", "chat", max_percent=50, retries=2), None)
    assert found == {
        "spec": {
            "trafficPolicy": {
                "outlierDetection": {"maxEjectionPercent": 50},
                "connectionPool": {"http": {"maxRetries": 2}},
            }
        }
    }


@pytest.mark.parametrize(
    ("before", "errors", "after"),
    [
        ({"consecutiveErrors": 7}, None, {"consecutiveErrors": None, "consecutive5xxErrors": 7}),
        ({"consecutiveErrors": 7}, 3, {"consecutiveErrors": None, "consecutive5xxErrors": 3}),
        ({"consecutiveErrors": 7, "consecutive5xxErrors": 4}, None, {"consecutiveErrors": None}),
        ({"consecutiveErrors": "x"}, None, {"consecutiveErrors": None, "consecutive5xxErrors": 5}),
    ],
)
def test_the_deprecated_errors_are_replaced(before: dict[str, Any], errors: int | None, after: dict[str, Any]) -> None:
    want = BreakerParams("east", "team", "chat", errors=errors, replace_errors=True)
    found = edit.fields(want, rule(**before).policies[0])
    assert found == {"spec": {"trafficPolicy": {"outlierDetection": after}}}


def test_every_parameter_has_its_place_and_only_that() -> None:
    values: dict[str, Any] = dict.fromkeys(edit.BOUNDS, 7) | dict.fromkeys(edit.SPANS, "7s")
    found = edit.fields(BreakerParams("east", "team", "chat", **values), None)
    assert found["spec"]["trafficPolicy"] == {
        "outlierDetection": {
            "consecutive5xxErrors": 7,
            "consecutiveGatewayErrors": 7,
            "interval": "7s",
            "baseEjectionTime": "7s",
            "maxEjectionPercent": 7,
            "minHealthPercent": 7,
        },
        "connectionPool": {
            "tcp": {"maxConnections": 7, "connectTimeout": "7s"},
            "http": {
                "http1MaxPendingRequests": 7,
                "http2MaxRequests": 7,
                "maxRequestsPerConnection": 7,
                "maxRetries": 7,
            },
        },
    }


def test_a_field_is_removed_and_comes_back() -> None:
    before = body(consecutive5xxErrors=3, interval="5s")
    change = edit.fields(BreakerParams("east", "team", "chat", unset=("interval",)), None)
    assert patch.applied(before, change) == body(consecutive5xxErrors=3)
    assert patch.applied(patch.applied(before, change), edit.back(before, change)) == before


def test_what_would_stand_there_is_told_before_it_does() -> None:
    policy = rule(consecutiveErrors=7, interval="5s").policies[0]
    want = BreakerParams("east", "team", "chat", pending=64, unset=("interval",), replace_errors=True)
    found = edit.after(want, policy)
    assert (found.outlier, found.http) == ({"consecutive5xxErrors": 7}, {"http1MaxPendingRequests": 64})
    assert edit.after(BreakerParams("east", "team", "chat", pending=64), Policy(())).outlier is None


def test_taking_back_leaves_no_empty_outlier_detection_that_would_eject() -> None:
    before = body()
    change = {"spec": {"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 3, "interval": "5s"}}}}
    back = edit.back(before, change)
    assert back == {"spec": {"trafficPolicy": None}}
    assert patch.applied(patch.applied(before, change), back) == before


def test_a_new_rule_is_named_after_its_service() -> None:
    assert edit.new_name("chat", "team") == "chat-breaker"
    assert edit.new_name("api.openai.com", "team") == "api-breaker"
