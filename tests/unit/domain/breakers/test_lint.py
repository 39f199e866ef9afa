"""What is found in rules, case by case."""

from typing import Any

import pytest

from services.domain import breakers
from services.domain.breakers import Rule
from services.domain.breakers.findings import stale
from services.domain.breakers.lint import Known, lint
from services.domain.findings import Severity

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


def test_ten_percent_of_few_replicas_is_told_and_of_many_it_is_not() -> None:
    one = rule(outlierDetection={})
    assert codes(one, known=Known(None, {HOST: 3})) == ["few-replicas"]
    assert codes(one, known=Known(None, {HOST: 10})) == []


def test_a_host_nobody_knows_is_told_unless_it_is_outside_the_cluster() -> None:
    nobody = Known(frozenset())
    assert codes(rule(), known=nobody) == ["unknown-host"]
    assert codes(rule(host="api.openai.com"), known=nobody) == []
    assert codes(rule(), known=Known()) == [], "what is known is not known"


def test_two_rules_for_one_host_conflict_however_it_is_written() -> None:
    found = lint([rule(), rule("other", HOST)])["team", "chat"]
    assert [one.code for one in found] == ["two-rules"]
    assert found[0].says.startswith("team/other names the same host")


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
