"""Which hosts of gateways have no rule."""

import pytest

from services.domain import breakers
from services.domain.breakers.hosts import Unguarded, unguarded

WORKLOADS = frozenset({"chat.serving.svc.cluster.local", "embed.search.svc.cluster.local"})
AWAY = "chat.serving.east.internal"


def found(*bases: tuple[str, str], taken: str = "none.example") -> list[Unguarded]:
    rule = breakers.read({"metadata": {"namespace": "gateway", "name": "x"}, "spec": {"host": taken}})
    return unguarded(bases, "gateway", [rule], WORKLOADS)


def test_a_service_gets_its_rule_in_its_own_namespace_and_any_other_host_beside_the_gateway() -> None:
    assert found(("chat", "chat.serving:8000"), ("cheap", "chat.serving.svc"), ("far", AWAY)) == [
        Unguarded(AWAY, "gateway", ("far",)),
        Unguarded("chat.serving.svc.cluster.local", "serving", ("chat", "cheap")),
    ]


def test_a_host_with_a_rule_is_not_named() -> None:
    assert found(("chat", "chat.serving:8000"), taken="chat.serving.svc.cluster.local") == []
    assert found(("far", AWAY), taken=AWAY) == []


def test_a_short_name_is_a_service_beside_the_gateway() -> None:
    assert found(("local", "vllm:8000")) == [Unguarded("vllm.gateway.svc.cluster.local", "gateway", ("local",))]


@pytest.mark.parametrize(
    "base",
    ["10.0.0.7:8000", "fd00::1:8000", "os.environ/VLLM_BASE", "", "models.example", "-x.y.z", "a" * 300 + ".b.c"],
)
def test_what_no_rule_can_be_made_for_is_left_out(base: str) -> None:
    assert found(("chat", base)) == []
