"""What would make starts faster and what needs attention, from starts recorded in the tiny estate.

Twelve starts of chat since 600 minutes ago, each 20 s of loading: every other one found its image on the node, the
others pulled it for 150 s. By hand: pulling ahead saves 150 s in 6 of 12 starts, 6 × 150 s in 600 minutes are 2,160 s a
day; the target of 120 s is missed by 6 of 12.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from db.work import Database
from services import attention
from services.domain.findings import Finding, Fix, Severity
from services.domain.scope import Scope, Sight
from services.domain.startup import Phase, Pulled
from services.domain.startup.frame import StartRecord
from services.ports import Sources, StoreState
from services.startup import advice
from tests import fakes, started, tiny
from tests.conftest import NOW
from tests.started import start

P = Phase
ALL = Scope()


def chats(**changes: object) -> Sequence[StartRecord]:
    return [
        start(f"{changes.get('workload', 'chat')}-{i}", 600 - 30 * i, {P.PULL: 150 * (i % 2), P.LOAD: 20},
              how=Pulled.PULLED if i % 2 else Pulled.CACHED, **changes)  # type: ignore[arg-type]
        for i in range(12)
    ]  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with started.kept(tmp_path, chats()) as found:
        started.alive(found)
        yield found


@pytest.fixture
def sources(database: Database) -> Sources:
    return replace(tiny.sources(), work=database)


def known(sources: Sources, scope: Scope = ALL, workload: str = "") -> advice.Advice:
    found = advice.advice(sources, scope, workload).value
    assert found is not None
    return found


def test_what_would_help_is_predicted_from_the_starts_that_had_it(sources: Sources) -> None:
    rows = known(sources).levers
    (row,) = rows[rows["lever"].eq("prepull")].to_dict("records")
    assert (row["starts"], row["of"], row["seconds_saved_mean"]) == (6, 12, 150)
    assert row["seconds_saved_per_day"] == pytest.approx(2160)
    assert (row["in_target_before"], row["in_target_after"]) == (0.5, 1)
    assert (row["action"], row["params"]) == (
        "prepull-images",
        {"cluster": "tiny", "pool": "h100", "images": ["reg.example/vllm:1"]},
    )


def test_images_are_told_with_the_nodes_that_may_hold_them(sources: Sources) -> None:
    (row,) = known(sources).images.to_dict("records")
    assert (row["image"], row["containers"], row["pulled"], row["cached_ratio"]) == ("reg.example/vllm:1", 12, 6, 0.5)
    assert row["pull_p50_s"] == 150
    assert (row["holding"], row["lacking"], row["unclear"]) == (0, 0, 2), "both nodes list nothing at all"


def test_where_nodes_cannot_be_read_it_is_not_known_who_holds_an_image(database: Database) -> None:
    ill = fakes.watched(tiny.sources())
    fakes.cluster_of(ill, "tiny").states = {"*": StoreState.LOADING}
    (row,) = known(replace(ill, work=database)).images.to_dict("records")
    assert row["holding"] != row["holding"], "NaN"


def test_one_workload_is_told_what_concerns_it(sources: Sources, database: Database) -> None:
    started.add(database, chats(workload="other", image="reg.example/other:1", pool="l4"))
    whole, mine = known(sources), known(sources, workload="web/chat")
    assert set(whole.images["image"]) == {"reg.example/vllm:1", "reg.example/other:1"}
    assert set(mine.images["image"]) == {"reg.example/vllm:1"}
    assert set(whole.pools["pool"]) == {"h100", "l4"}
    assert set(mine.pools["pool"]) == {"h100"}
    assert set(mine.levers["subject"]) == {"reg.example/vllm:1", "web/chat on H100 80GB HBM3"}
    assert set(whole.levers["subject"]) - set(mine.levers["subject"]) == {
        "reg.example/other:1",
        "web/other on H100 80GB HBM3",
    }


def test_others_starts_are_no_basis_of_what_one_person_is_told(sources: Sources, database: Database) -> None:
    cached = [record for record in chats(team="other", namespace="lab", workload="lab") if record.pull == Pulled.CACHED]
    started.add(database, [*cached, *chats(team="third", workload="own", image="reg.example/own:1")])
    scope = Scope(sees=Sight(namespaces=frozenset(), teams=frozenset({"other"})))
    mine = known(sources, scope)
    assert set(mine.images["image"]) == {"reg.example/vllm:1"}
    assert mine.images["containers"].tolist() == [6]
    assert mine.levers["lever"].tolist() == ["preload"], "nothing of theirs was pulled"
    assert mine.levers["subject"].tolist() == ["lab/lab on H100 80GB HBM3"]


def of(sources: Sources, scope: Scope = ALL) -> dict[str, Finding]:
    found = attention.read(sources, scope).value
    assert found is not None
    return {finding.key: finding for finding in found if finding.key.startswith("startup-")}


LEVER = "startup-lever/tiny/prepull/h100/reg.example/vllm:1"


def test_starts_that_are_late_and_what_would_help_need_attention(sources: Sources) -> None:
    found = of(sources)
    assert set(found) == {"startup-late/tiny", LEVER}
    assert found["startup-late/tiny"].title == "50% of 12 starts in tiny missed the target of 2 min"
    assert found["startup-late/tiny"].page == "startup"
    fix = found[LEVER].fix
    assert fix is not None
    assert fix.action == "prepull-images"


def test_a_cluster_nobody_looks_at_needs_attention(sources: Sources, database: Database) -> None:
    started.alive(database, NOW - timedelta(hours=2))
    assert of(sources)["startup-silent/tiny"].severity is Severity.WARNING


def test_a_scope_of_owners_has_the_findings_of_their_starts(sources: Sources, database: Database) -> None:
    started.alive(database, NOW - timedelta(hours=2))
    assert set(of(sources, Scope(team="product"))) == {"startup-late/tiny", LEVER}
    assert of(sources, Scope(team="research")) == {}


def test_who_sees_a_part_has_the_findings_of_that_part(sources: Sources) -> None:
    others = Sight(namespaces=frozenset({"lab"}), teams=frozenset({"research"}))
    assert of(sources, Scope(sees=others)) == {}
    mine = Sight(namespaces=frozenset(), teams=frozenset({"product"}))
    assert set(of(sources, Scope(sees=mine))) == {"startup-late/tiny", LEVER}


def test_a_lever_is_not_told_twice_where_a_finding_offers_the_same(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding(key: str, pool: str) -> Finding:
        fix = Fix("scale-headroom", "Keep it warm", {"cluster": "tiny", "pool": pool})
        return Finding(key, "", Severity.NOTICE, key, "", "tiny", fix=fix)

    monkeypatch.setattr(attention.headroom_findings, "cold", lambda *_: [finding("cold/tiny/h100", "h100")])
    levers = [finding("startup-lever/a", "h100"), finding("startup-lever/b", "l4"), finding("startup-late/c", "h100")]
    monkeypatch.setattr(advice, "findings", lambda *_: levers)
    assert set(of(sources)) == {"startup-lever/b", "startup-late/c"}


def test_without_a_record_nothing_is_found() -> None:
    assert list(advice.findings(tiny.sources(), ALL)) == []
    assert of(tiny.sources()) == {}
