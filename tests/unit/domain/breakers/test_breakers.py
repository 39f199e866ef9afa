"""What a DestinationRule says, whatever shape it has."""

from datetime import timedelta

import pytest

from services.domain import breakers
from services.domain.breakers import Upstream

WHOLE = {
    "metadata": {"namespace": "team", "name": "chat"},
    "spec": {
        "host": "chat",
        "trafficPolicy": {
            "outlierDetection": {"consecutive5xxErrors": 3, "interval": "1m30s"},
            "connectionPool": {"http": {"maxRetries": 2}, "tcp": {"maxConnections": 9}, "udp": {}},
            "portLevelSettings": [{"port": {"number": 8000}, "outlierDetection": {"maxEjectionPercent": 40}}],
        },
        "subsets": [{"name": "v2", "trafficPolicy": {"outlierDetection": {}}}, {"name": "v3"}],
    },
}


def test_every_policy_of_a_rule_is_read_in_its_place() -> None:
    rule = breakers.read(WHOLE)
    assert (rule.target, rule.subsets) == ("chat.team.svc.cluster.local", ("v2", "v3"))
    assert [one.place for one in rule.policies] == ["trafficPolicy", "port 8000", "subset v2"]
    top, port, subset = rule.policies
    assert (top.errors, top.percent, top.interval) == (3, 10, timedelta(seconds=90))
    assert (top.http, top.tcp, top.pool_unknown) == ({"maxRetries": 2}, {"maxConnections": 9}, ("udp",))
    assert (port.errors, port.percent) == (5, 40)
    assert (subset.errors, subset.ejection) == (5, timedelta(seconds=30)), "an empty one is one with its defaults"


@pytest.mark.parametrize(
    "spec",
    [None, [], "x", {"trafficPolicy": []}, {"host": 7, "subsets": {"a": 1}}, {"subsets": [None, 3, {"name": []}]},
     {"trafficPolicy": {"outlierDetection": 3, "connectionPool": [1], "portLevelSettings": [None, {"port": 8}]}}],
)  # fmt: skip
def test_what_has_another_shape_is_left_out(spec: object) -> None:
    rule = breakers.read({"metadata": {"namespace": "team", "name": "x"}, "spec": spec})
    assert rule.host == ""
    assert all(one.outlier is None for one in rule.policies)


@pytest.mark.parametrize(
    ("host", "means"),
    [
        ("chat", "chat.team.svc.cluster.local"),
        ("Chat.other.svc.cluster.local.", "chat.other.svc.cluster.local"),
        ("chat.other", "chat.other"),
        ("chat.other.svc", "chat.other.svc"),
        ("api.openai.com", "api.openai.com"),
        ("*.team.svc.cluster.local", "*.team.svc.cluster.local"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_istio_completes_only_hosts_without_a_dot(host: str, means: str) -> None:
    assert breakers.full(host, "team") == means


@pytest.mark.parametrize(
    ("host", "means"),
    [
        ("chat", "chat.team.svc.cluster.local"),
        ("chat.other", "chat.other.svc.cluster.local"),
        ("chat.other.svc", "chat.other.svc.cluster.local"),
        ("chat.other.svc.cluster.local", "chat.other.svc.cluster.local"),
        ("api.openai.com", "api.openai.com"),
        ("*.com", "*.com"),
    ],
)
def test_a_person_may_have_meant_a_service(host: str, means: str) -> None:
    assert breakers.meant(host, "team") == means


def test_a_percentage_of_0_is_read_as_istio_reads_it() -> None:
    body = {"spec": {"trafficPolicy": {"outlierDetection": {"maxEjectionPercent": 0}}}}
    assert breakers.read(body).policies[0].percent == 10


def test_a_cluster_of_envoy_is_taken_apart() -> None:
    found = breakers.upstream("outbound|8000|v2|chat-8b.assistants-prod.svc.cluster.local")
    assert found == Upstream("outbound", 8000, "v2", "chat-8b.assistants-prod.svc.cluster.local")
    assert [breakers.upstream(name) for name in ("", "xds-grpc", "outbound|x||a", "a|1||b")] == [None] * 4


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("30s", 30), ("1h1m1s", 3661), ("1.5s", 1.5), ("500ms", 0.5), ("0s", 0), ("", None), ("30", None), (30, None),
     ("30 s", None), ("-1s", None), ("9" * 60 + "s", None), ("s", None), ("999999999999h", None)],
)  # fmt: skip
def test_durations_are_those_istio_takes(given: object, seconds: float | None) -> None:
    assert breakers.duration(given) == (None if seconds is None else timedelta(seconds=seconds))
