"""What a policy does, in words."""

from typing import Any

import pytest

from services.domain import breakers
from services.domain.breakers import Policy
from services.domain.breakers.least import least, out
from services.domain.breakers.told import failing, sending


def policy(**parts: Any) -> Policy:
    return breakers.read({"spec": {"trafficPolicy": parts}}).policies[0]


def test_a_rule_without_detection_takes_nothing_out() -> None:
    assert failing(policy()) == ["No replica is taken out, however often it fails."]


def test_an_empty_detection_is_told_with_istios_own_settings() -> None:
    assert failing(policy(outlierDetection={}), 20) == [
        "A replica is taken out after 5 errors (5xx, or no connection) in a row, for 30s the first time and longer "
        "each time.",
        "At most 10 % of replicas are out at once: 2 of 20.",
        "Every 10s those whose time is over come back.",
    ]


@pytest.mark.parametrize(
    ("outlier", "replicas", "says"),
    [
        ({}, 3, "At most 10 % of replicas are out at once, which of 3 is none: nothing is taken out."),
        ({}, None, "At most 10 % of replicas are out at once."),
        ({"maxEjectionPercent": 0}, 20, "At most 10 % of replicas are out at once: 2 of 20."),
        ({"consecutive5xxErrors": 0}, 3, "Errors never take a replica out."),
        ({"minHealthPercent": 30}, 3, "With less than 30 % of replicas healthy, requests go to all of them again."),
        ({"interval": "90.5s"}, 3, "Every 1m30s500ms those whose time is over come back."),
        ({"interval": "soon"}, 3, "How often those whose time is over come back cannot be read."),
    ],
)
def test_each_setting_is_told(outlier: dict[str, Any], replicas: int | None, says: str) -> None:
    assert says in failing(policy(outlierDetection=outlier), replicas)


@pytest.mark.parametrize(("errors", "gateway", "told"), [(5, 3, 2), (5, 5, 1), (0, 3, 1)])
def test_gateway_errors_are_told_where_they_count(errors: int, gateway: int, told: int) -> None:
    outlier = {"consecutive5xxErrors": errors, "consecutiveGatewayErrors": gateway}
    found = [one for one in failing(policy(outlierDetection=outlier)) if one.startswith("A replica is taken out")]
    assert len(found) == told
    assert any(f"after {gateway} answers with 502, 503 or 504" in one for one in found) == (gateway != errors)


def test_limits_are_told_and_what_is_no_limit_is_not() -> None:
    http = {
        "http1MaxPendingRequests": 1,
        "http2MaxRequests": 0,
        "maxRetries": 2**32 - 1,
        "maxRequestsPerConnection": 10,
    }
    assert sending(policy(connectionPool={"http": http, "tcp": {"connectTimeout": "500ms"}})) == [
        "At most 1 request may wait for a connection; more are answered 503.",
        "A connection is closed after 10 requests.",
        "Opening a connection may take 500ms.",
    ]
    assert sending(policy(connectionPool={"http": {}})) == ["Nothing limits requests, connections or retries."]


@pytest.mark.parametrize("replicas", range(1, 40))
def test_the_least_percentage_lets_one_out_and_one_less_lets_out_none(replicas: int) -> None:
    assert out(least(replicas), replicas) >= 1
    assert out(least(replicas) - 1, replicas) == 0
