"""Rules beside what they did, over the demo and where nothing counts."""

import math
from dataclasses import replace

import pandas as pd

from services import attention
from services.breakers import board as breakers
from services.breakers import desk
from services.domain.change.refs import Ref
from services.domain.objects import Generic
from services.domain.scope import EVERYTHING, Scope, Sight
from services.errors import SourceUnavailable
from services.ports import Sources
from services.reading import Absence
from tests.conftest import demo_sources

AWAY = "rerank.search-prod.demo-east.internal"
SEARCH = Sight(namespaces=frozenset({"search-prod"}), teams=frozenset())


def with_rule(given: Sources, namespace: str, name: str, host: str) -> Sources:
    """The demo with one more rule in the gateway's cluster."""
    ref = Ref.of("demo-west", "DestinationRule", name, namespace)
    given.clusters["demo-west"].cluster.create(ref, {"spec": {"host": host}})
    return given


def test_an_outage_opens_the_breaker_of_its_host_and_no_other() -> None:
    rows = breakers.board(demo_sources(), Scope(range="7d")).value
    assert rows is not None
    mesh = rows[rows["by"] == breakers.ISTIO].set_index("name")
    assert mesh.loc["chat-70b", "taken_out"] > 0
    assert mesh.loc["chat-70b", "refused"] > 0
    assert mesh.loc[["chat-8b", "embed"], ["taken_out", "refused", "blocked"]].to_numpy().tolist() == [[0.0] * 3] * 2


def test_what_happened_counts_once_however_many_parts_and_rules_a_host_has() -> None:
    nan = math.nan
    istio = ("demo-west", "team", breakers.ISTIO)
    parts = [  # rule, host, part, taken out, blocked, out now, turned away, refused
        ("a", "chat", "trafficPolicy", 9.0, 1.0, 2.0, 4.0, 7.0),
        ("a", "chat", "subset v1", 5.0, 1.0, 1.0, 4.0, 7.0),
        ("b", "chat.team.svc.cluster.local", "trafficPolicy", 9.0, 1.0, 2.0, 4.0, 7.0),
        ("c", "embed", "subset v1", 2.0, nan, 0.0, nan, 5.0),
        ("c", "embed", "subset v2", 3.0, nan, 1.0, nan, 5.0),
        ("c", "embed", "subset v2, port 8000", 3.0, nan, 1.0, nan, 5.0),
    ]
    columns = ["cluster", "namespace", "by", "name", "host", "policy", *breakers.DID]
    rows = pd.DataFrame([(*istio, *part) for part in parts], columns=columns)
    gateway = pd.DataFrame(
        [["demo-west", "ai", breakers.LITELLM, "config", "chat", "", 6.0, *[nan] * 4]], columns=columns
    )
    told = breakers.once(pd.concat([rows, gateway], ignore_index=True))
    assert told[list(breakers.DID)].sum().to_dict() == {
        "taken_out": 9.0 + 5.0 + 6.0, "blocked": 1.0, "out_now": 3.0, "turned_away": 4.0, "refused": 12.0,
    }  # fmt: skip
    assert len(told) == 3
    assert math.isnan(told.loc[told["by"] == breakers.LITELLM, "out_now"].iat[0])


def test_what_nobody_counts_is_unknown_and_says_how_to_count_it() -> None:
    given = demo_sources()
    without = {name: replace(source, metrics=None) for name, source in given.clusters.items()}
    reading = breakers.board(replace(given, clusters=without), Scope(cluster="demo-west"))
    assert reading.value is not None
    assert all(math.isnan(value) for value in reading.value["taken_out"])
    assert any("proxyStatsMatcher.inclusionRegexps" in note for note in reading.notes)


def test_a_cluster_without_the_mesh_is_not_collected_and_no_error() -> None:
    reading = breakers.board(demo_sources(), Scope(cluster="demo-east"))
    assert (reading.value, reading.problem, reading.absence) == (None, None, Absence.NOT_COLLECTED)


def test_a_namespace_in_the_scope_leaves_only_its_rules() -> None:
    rows = breakers.board(demo_sources(), Scope(namespace="search-prod")).value
    assert rows is not None
    assert rows["name"].tolist() == ["embed"]


def test_a_rule_for_the_same_host_in_a_hidden_namespace_is_not_named() -> None:
    given = with_rule(demo_sources(), "ai-gateway", "hush", "embed.search-prod.svc.cluster.local")
    rows = breakers.board(given, Scope(sees=SEARCH)).value
    assert rows is not None
    assert rows["name"].tolist() == ["embed"]
    look = desk.look(given, "demo-west", "search-prod", "embed", SEARCH)
    assert look is not None
    told = " ".join(one.says for one in look.lints)
    assert "Another rule, of a namespace hidden here, names the same host" in told
    assert "ai-gateway" not in told
    whole = desk.look(given, "demo-west", "search-prod", "embed", EVERYTHING)
    assert whole is not None
    assert any(one.says.startswith("ai-gateway/hush names the same host") for one in whole.lints)


def test_a_finding_of_the_overview_does_not_name_it_either() -> None:
    given = with_rule(demo_sources(), "search-prod", "mine", "api.example.com")
    found = attention.read(with_rule(given, "ai-gateway", "hush", "api.example.com"), Scope(sees=SEARCH)).value
    assert found is not None
    mine = {one.key: one for one in found if one.key.startswith("circuit/")}
    assert sorted(mine) == ["circuit/demo-west/search-prod/embed", "circuit/demo-west/search-prod/mine"]
    assert "Another rule, of a namespace hidden here, names the same host" in mine[max(mine)].title
    assert "hush" not in repr(mine)


def test_a_rule_in_a_hidden_namespace_cannot_be_looked_at() -> None:
    assert desk.look(demo_sources(), "demo-west", "assistants-prod", "chat-8b", SEARCH) is None
    assert desk.look(demo_sources(), "demo-west", "search-prod", "nobody", EVERYTHING) is None


def test_replicas_are_those_of_the_workload_behind_the_host() -> None:
    look = desk.look(demo_sources(), "demo-west", "search-prod", "embed", EVERYTHING)
    assert look is not None
    bodies = demo_sources().clusters["demo-west"].cluster.snapshot("deployments").objects
    (embed,) = [one for one in bodies if one.metadata.name == "embed"]
    assert isinstance(embed, Generic)
    assert look.replicas == embed.spec["replicas"]
    assert look.top.outlier == {"consecutiveErrors": 7, "interval": "30s", "baseEjectionTime": "30s"}


def test_a_host_gateways_call_without_a_rule_is_offered_until_it_has_one() -> None:
    given = demo_sources()
    found = desk.unguarded(given, Scope()).value
    assert found is not None
    assert [(one.cluster, one.unguarded.host, one.unguarded.namespace, one.unguarded.groups) for one in found] == [
        ("demo-west", AWAY, "ai-gateway", ("rerank",))
    ]
    assert desk.unguarded(with_rule(given, "ai-gateway", "rerank", AWAY), Scope()).value == ()


def test_hosts_are_of_the_scope_and_of_what_is_seen() -> None:
    assert desk.unguarded(demo_sources(), Scope(sees=SEARCH)).value == ()
    assert desk.unguarded(demo_sources(), Scope(namespace="search-prod")).value == ()
    assert desk.unguarded(demo_sources(), Scope(cluster="demo-east")).absence is Absence.NOT_CONFIGURED


def test_a_gateway_whose_file_cannot_be_read_is_a_problem_and_not_an_empty_list() -> None:
    given = demo_sources()
    west = given.clusters["demo-west"]

    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(west.cluster, name)

        def read(self, ref: Ref) -> None:
            raise SourceUnavailable("kubernetes", "Gone for a walk.")

    clusters = dict(given.clusters) | {"demo-west": replace(west, cluster=Broken())}  # type: ignore[arg-type]
    reading = desk.unguarded(replace(given, clusters=clusters), Scope())
    assert reading.value is None
    assert reading.problem is not None
    assert "Gone for a walk" in reading.problem.message
