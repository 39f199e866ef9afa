"""Changing circuit breakers, beyond what every action is proven with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.actions.edit_breaker import BreakerParams
from services.domain.change.refs import Ref
from services.domain.kinds import KINDS
from services.errors import NotFound, Refused
from tests.proving import LAB, RULE, Bench, bench, everything, lab

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


def test_a_limit_is_removed_and_undo_puts_it_back(ground: Bench) -> None:
    before, engine = spec(ground), ground.engine()
    id = ground.applied(
        engine, ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", unset=("interval",)))
    )
    assert spec(ground)["trafficPolicy"] == {"outlierDetection": {"consecutiveErrors": 7}}
    assert ground.taken_back(engine, id).state == "done"
    assert spec(ground) == before


def test_the_pool_is_set_beside_the_detection(ground: Bench) -> None:
    engine = ground.engine()
    want = BreakerParams(LAB, "web", "tiny", requests=200, per_connection=0, connections=50, connect_timeout="2s")
    plan = ground.plan(engine, "edit-breaker", want)
    assert {(change.path[-1], change.after) for change in plan.changes} == {
        ("http2MaxRequests", 200), ("maxRequestsPerConnection", 0), ("maxConnections", 50), ("connectTimeout", "2s"),
    }  # fmt: skip
    ground.applied(engine, plan)
    assert spec(ground)["trafficPolicy"] == {
        "outlierDetection": RULE["trafficPolicy"]["outlierDetection"],
        "connectionPool": {
            "http": {"http2MaxRequests": 200, "maxRequestsPerConnection": 0},
            "tcp": {"maxConnections": 50, "connectTimeout": "2s"},
        },
    }


def test_what_the_deprecated_number_counted_is_warned_of(ground: Bench) -> None:
    engine = ground.engine()
    plan = ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", replace_errors=True))
    assert "consecutiveErrors stood for 502, 503 and 504; consecutive5xxErrors counts every 5xx." in plan.warnings


def test_a_host_outside_is_warned_of_and_the_rule_holds_for_its_own_namespace(ground: Bench) -> None:
    engine = ground.engine()
    plan = ground.plan(engine, "edit-breaker", BreakerParams(LAB, "llm", host="chat.serving.east.internal", errors=5))
    assert "The host is no Service of the cluster: proxies know it through a ServiceEntry, or not." in plan.warnings
    assert plan.blast[0].startswith("Requests from namespace llm through the mesh to chat.serving.east.internal")
    assert plan.blast[0].endswith("all requests do where that is the mesh's root namespace or has the ServiceEntry.")


def test_a_rule_in_the_namespace_of_its_service_holds_for_everybody(ground: Bench) -> None:
    engine = ground.engine()
    plan = ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", errors=5))
    assert plan.blast == ("Every request through the mesh to tiny follows the new settings within seconds.",)


@pytest.mark.parametrize("mesh", KINDS["destinationrules"].groups)
@pytest.mark.parametrize("kind", ["memory", "api"])
def test_rules_are_read_changed_and_made_in_the_one_version_that_is_served(
    kind: str, mesh: str, tmp_path: Path
) -> None:
    with bench(kind, tmp_path, mesh=mesh) as ground:
        engine = ground.engine()
        cluster = ground.sources.clusters[LAB].cluster
        tiny = Ref.of(LAB, "DestinationRule", "tiny", "web", api=mesh)
        changed = ground.applied(
            engine, ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", errors=3))
        )
        assert cluster.read(tiny).body["spec"]["trafficPolicy"]["outlierDetection"]["consecutive5xxErrors"] == 3
        made = ground.applied(
            engine, ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", host="chat", errors=4))
        )
        fresh = cluster.read(Ref.of(LAB, "DestinationRule", "chat-breaker", "web", api=mesh))
        assert (fresh.body["apiVersion"], fresh.body["spec"]["host"]) == (mesh, "chat.web.svc.cluster.local")
        assert {(written.verb, written.ref.api) for written in ground.writes} == {("patch", mesh), ("create", mesh)}
        assert [ground.operation(id).state for id in (changed, made)] == ["done", "done"]
        assert [ground.taken_back(engine, id).state for id in (made, changed)] == ["done", "done"]
        with pytest.raises(NotFound):
            cluster.read(fresh.ref)
        assert cluster.read(tiny).body["spec"] == RULE


@pytest.mark.parametrize("mesh", KINDS["destinationrules"].groups)
def test_where_no_rule_exists_yet_the_version_is_found_and_not_guessed(mesh: str, tmp_path: Path) -> None:
    with bench("api", tmp_path, mesh=mesh) as ground:
        assert ground.server is not None
        ground.server.delete("destinationrules", "tiny", "web")
        plan = ground.plan(ground.engine(), "edit-breaker", BreakerParams(LAB, "web", host="tiny", errors=4))
        assert plan.steps[0].ref == Ref.of(LAB, "DestinationRule", "tiny-breaker", "web", api=mesh)
        id = ground.applied(ground.engine(), plan)
        assert ground.operation(id).state == "done"


def test_a_rule_is_not_made_in_a_version_nobody_found(ground: Bench) -> None:
    ground.spies[LAB]._cluster.mesh = ""
    engine = ground.engine()
    with pytest.raises(Refused, match="It is not known in which version lab serves DestinationRules"):
        ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", host="chat", errors=4))
    changes = ground.plan(engine, "edit-breaker", BreakerParams(LAB, "web", "tiny", errors=4)).changes
    assert [change.after for change in changes] == [4], "a rule that is there is found without"


@pytest.mark.parametrize(
    ("want", "says"),
    [
        (BreakerParams("moon", "web", "tiny", errors=3), "There is no cluster called moon."),
        (BreakerParams(LAB, "web", "gone", errors=3), "There is no DestinationRule web/gone"),
        (BreakerParams(LAB, "../web", "tiny", host="tiny", errors=3), "no Kubernetes name"),
        (BreakerParams(LAB, "web", host="tiny", errors=3), "The rule web/tiny names tiny already"),
        (BreakerParams(LAB, "web", host="chat"), "Nothing to set was named"),
        (BreakerParams(LAB, "web", host="chat", unset=("errors",)), "Nothing to set was named"),
        (BreakerParams(LAB, "llm", host="tiny.web.svc.cluster.local", errors=3), "A rule elsewhere names"),
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
