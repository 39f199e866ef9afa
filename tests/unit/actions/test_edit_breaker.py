"""Changing circuit breakers, beyond what every action is proven with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.actions.edit_breaker import BreakerParams
from services.errors import Refused
from tests.proving import LAB, Bench, bench, everything, lab

TINY = lab("DestinationRule", "tiny", "web")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Bench]:
    with bench("memory", tmp_path) as found:
        yield found


def spec(ground: Bench, name: str = "tiny") -> Any:
    return ground.sources.clusters[LAB].cluster.read(lab("DestinationRule", name, "web")).body["spec"]


def test_the_deprecated_number_is_kept_under_its_new_name(ground: Bench) -> None:
    engine = ground.engine()
    want = BreakerParams(LAB, "web", "tiny", max_percent=50, replace_errors=True)
    ground.applied(engine, ground.plan(engine, "edit-breaker", want))
    outlier = {"consecutive5xxErrors": 7, "interval": "30s", "maxEjectionPercent": 50}
    assert spec(ground) == {"host": "tiny", "trafficPolicy": {"outlierDetection": outlier}}


def test_a_host_without_a_rule_gets_one_and_undo_takes_it_away(ground: Bench) -> None:
    assert ground.world is not None
    before, engine = set(everything(ground.world)), ground.engine()
    want = BreakerParams(LAB, "web", host="chat", errors=4, pending=64)
    id = ground.applied(engine, ground.plan(engine, "edit-breaker", want))
    assert spec(ground, "chat-breaker") == {
        "host": "chat.web.svc.cluster.local",
        "trafficPolicy": {
            "outlierDetection": {"consecutive5xxErrors": 4},
            "connectionPool": {"http": {"http1MaxPendingRequests": 64}},
        },
    }
    ground.taken_back(engine, id)
    assert set(everything(ground.world)) == before


def test_undo_leaves_no_part_that_was_not_there(ground: Bench) -> None:
    before, engine = spec(ground), ground.engine()
    id = ground.applied(engine, ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", pending=64)))
    assert "connectionPool" in spec(ground)["trafficPolicy"]
    assert ground.taken_back(engine, id).state == "done"
    assert spec(ground) == before


def test_all_replicas_out_at_once_is_warned_of(ground: Bench) -> None:
    engine = ground.engine()
    plan = ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", max_percent=100))
    assert any(one.startswith("All replicas may be taken out at once") for one in plan.warnings)


@pytest.mark.parametrize(
    ("want", "says"),
    [
        (BreakerParams("moon", "web", "tiny", errors=3), "There is no cluster called moon."),
        (BreakerParams(LAB, "web", "gone", errors=3), "There is no DestinationRule web/gone"),
        (BreakerParams(LAB, "../web", "tiny", host="tiny", errors=3), "no Kubernetes name"),
        (BreakerParams(LAB, "web", host="tiny", errors=3), "The rule web/tiny names tiny already"),
        (BreakerParams(LAB, "web", host="chat"), "Nothing to set was named"),
    ],
)
def test_what_cannot_be_is_refused_in_words(ground: Bench, want: BreakerParams, says: str) -> None:
    engine = ground.engine()
    with pytest.raises(Refused, match=says.replace("/", ".")):
        ground.plan(engine, "edit-breaker", want)


def test_a_cluster_without_the_mesh_is_told_so(ground: Bench) -> None:
    ground.spies[LAB]._cluster.absent.add("destinationrules")
    engine = ground.engine()
    with pytest.raises(Refused, match="Istio is not installed there"):
        ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", errors=3))
