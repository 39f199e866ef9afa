"""What is found in rules, case by case."""

from typing import Any

import pytest

from services.domain import breakers
from services.domain.breakers import Rule
from services.domain.breakers.findings import stale
from services.domain.breakers.lint import Known, lint
from services.domain.findings import Severity
from services.domain.scope import Sight

HOST = "chat.team.svc.cluster.local"


def rule(name: str = "chat", host: str = "chat", **policy: Any) -> Rule:
    spec = {"host": host, "trafficPolicy": policy}
    return breakers.read({"metadata": {"namespace": "team", "name": name}, "spec": spec})


def codes(*rules: Rule, known: Known | None = None) -> list[str]:
    return [one.code for one in lint(rules, known)["team", "chat"]]


def test_a_good_rule_has_nothing_wrong() -> None:
    outlier = {"consecutive5xxErrors": 5, "consecutiveGatewayErrors": 3, "maxEjectionPercent": 50}
    assert codes(rule(outlierDetection=outlier), known=Known(frozenset({HOST}), {HOST: 3})) == []


@pytest.mark.parametrize(
    ("outlier", "code"),
    [
        ({"consecutiveErrors": 7}, "consecutive-errors"),
        ({"consecutive5xxError": 3}, "misspelt"),
        ({"colour": 3}, "unknown-field"),
        ({"interval": "10"}, "duration"),
        ({"interval": "0s"}, "duration"),
        ({"interval": "1500us"}, "duration"),
        ({"maxEjectionPercent": 101}, "percentage"),
        ({"minHealthPercent": "half"}, "percentage"),
        ({"maxEjectionPercent": 0}, "no-percentage"),
        ({"consecutiveLocalOriginFailures": 3}, "local-errors"),
        ({"consecutive5xxErrors": 0}, "off"),
        ({"consecutiveGatewayErrors": 5}, "gateway-errors"),
        ({"maxEjectionPercent": 100}, "all-ejected"),
        ({"baseEjectionTime": "10m"}, "long-ejection"),
    ],
)
def test_each_mistake_is_found_once(outlier: dict[str, Any], code: str) -> None:
    assert codes(rule(outlierDetection=outlier)) == [code]


def test_a_misspelt_field_comes_with_the_name_that_was_meant() -> None:
    (found,) = lint([rule(outlierDetection={"maxEjectionPercentage": 50})])["team", "chat"]
    assert found.do == "Write maxEjectionPercent if that is what was meant."
    assert found.place == "trafficPolicy: outlierDetection.maxEjectionPercentage"


def test_errors_off_is_no_fault_where_gateway_errors_eject() -> None:
    assert codes(rule(outlierDetection={"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 3})) == []


def test_unknown_fields_of_the_connection_pool_are_found() -> None:
    assert codes(rule(connectionPool={"http": {"maxRetry": 1}, "udp": {}})) == ["misspelt", "unknown-field"]


def test_an_idle_timeout_of_0_is_one_of_tcp_alone() -> None:
    assert codes(rule(connectionPool={"tcp": {"idleTimeout": "0s"}})) == []
    assert codes(rule(connectionPool={"http": {"idleTimeout": "0s"}})) == ["duration"]


def test_errors_of_ones_own_count_where_they_are_split_off() -> None:
    split = {"splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": 3}
    assert codes(rule(outlierDetection=split)) == []


@pytest.mark.parametrize(
    ("percent", "replicas", "found"),
    [
        (None, 9, ["few-replicas"]),
        (None, 10, []),
        (33, 3, ["few-replicas"]),
        (34, 3, []),
        (50, 2, []),
        (99, 1, ["one-replica"]),
    ],
)
def test_a_percentage_that_takes_nothing_out_is_told(percent: int | None, replicas: int, found: list[str]) -> None:
    outlier = {} if percent is None else {"maxEjectionPercent": percent}
    assert codes(rule(outlierDetection=outlier), known=Known(None, {HOST: replicas})) == found


def test_a_percentage_comes_with_the_least_that_works() -> None:
    (found,) = lint([rule(outlierDetection={})], Known(None, {HOST: 3}))["team", "chat"]
    assert found.do == "Set maxEjectionPercent to 34 or more."


@pytest.mark.parametrize(
    ("host", "found"), [("chat.team.svc", ["short-host"]), ("chat.team", ["short-host"]), ("models.example", [])]
)
def test_a_host_istio_does_not_complete_is_told(host: str, found: list[str]) -> None:
    assert codes(rule(host=host), known=Known(frozenset({HOST}))) == found


def test_a_host_nobody_knows_is_told_unless_it_is_outside_the_cluster() -> None:
    nobody = Known(frozenset())
    assert codes(rule(), known=nobody) == ["unknown-host"]
    assert codes(rule(host="api.openai.com"), known=nobody) == []
    assert codes(rule(), known=Known()) == [], "what is known is not known"


def test_two_rules_for_one_host_conflict_however_it_is_written() -> None:
    found = lint([rule(), rule("other", HOST)])["team", "chat"]
    assert [one.code for one in found] == ["two-rules"]
    assert found[0].says.startswith("team/other names the same host")


def test_a_rule_of_a_namespace_that_is_not_seen_is_not_named() -> None:
    far = breakers.read({"metadata": {"namespace": "secret", "name": "hush"}, "spec": {"host": HOST}})
    rules, mine = [rule(), far], Sight(namespaces=frozenset({"team"}))
    (hidden,), (shown,) = lint(rules, sees=mine)["team", "chat"], lint(rules)["team", "chat"]
    assert hidden.says.startswith("Another rule, of a namespace hidden here, names the same host:")
    assert shown.says.startswith("secret/hush names the same host:")


def test_replicas_of_what_is_not_seen_are_not_told() -> None:
    far = rule(host="chat.secret.svc.cluster.local", outlierDetection={})
    known = Known(None, {"chat.secret.svc.cluster.local": 3})
    assert lint([far], known, Sight(namespaces=frozenset({"team"})))["team", "chat"] == []
    assert [one.code for one in lint([far], known)["team", "chat"]] == ["few-replicas"]


def test_a_stale_rule_is_a_finding_that_can_be_mended() -> None:
    rules = [rule(outlierDetection={"consecutiveErrors": 7})]
    (found,) = stale("east", rules, lint(rules))
    assert (found.severity, found.page) == (Severity.WARNING, "breakers")
    assert found.fix is not None
    wanted = {"cluster": "east", "namespace": "team", "name": "chat", "host": "chat", "replace_errors": True}
    assert (found.fix.action, found.fix.params) == ("edit-breaker", wanted)


def test_what_is_only_worth_knowing_is_no_finding() -> None:
    rules = [rule(outlierDetection={"baseEjectionTime": "10m"})]
    assert list(stale("east", rules, lint(rules))) == []
