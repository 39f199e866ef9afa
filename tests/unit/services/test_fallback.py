"""A gateway's traffic put together with what the console recorded, over the two nodes of tests/tiny.py."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from db.work import Database
from services import attention
from services.domain import frames
from services.domain.cost import HOLD_SPANS, NODE_SPANS, TICKS, keys
from services.domain.fallback.reasons import Serving
from services.domain.scope import Scope, Sight
from services.domain.startup import Phase
from services.errors import SourceUnavailable
from services.fallback import board, evidence, money, read, tiers
from services.ports import Sources
from services.reading import Absence
from tests import costing, fallbacks, started, tiny
from tests.conftest import NOW
from tests.gateway import FILE, PLACE, MemoryGateway, config_ref, installed
from tests.memory import MemoryCluster
from tests.started import start

HOUR = Scope(range="1h")
MINUTE = timedelta(minutes=1)
OURS = FILE.replace("http://vllm.llm:8000/v1", "http://chat.web:8000/v1")
"""The own tier is the workload chat of namespace web."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Two starts of chat that waited five minutes for room, eighteen minutes ago."""
    waited = {Phase.WAIT: 300.0, Phase.LOAD: 60.0}
    with started.kept(tmp_path, [start("one", 18, waited), start("two", 17, waited)]) as found:
        yield found


class Both:
    """The gateway's objects, and the nodes and pods of the tiny estate."""

    def __init__(self) -> None:
        self.memory = MemoryCluster()
        installed(self.memory, OURS.replace("east", "tiny"), "tiny")
        self._tiny = tiny.sources().clusters["tiny"].cluster

    def __getattr__(self, name: str) -> object:
        return getattr(self.memory if name in ("read", "patch", "create", "delete") else self._tiny, name)


def sources(work: Database | None = None, **more: object) -> Sources:
    metrics = fallbacks.CountedMetrics(tiny.cards(), NOW, grew=fallbacks.outage(), **more)  # type: ignore[arg-type]
    whole = tiny.sources()
    gateway = MemoryGateway(OURS)
    one = replace(whole.clusters["tiny"], cluster=Both(), metrics=metrics, gateway=gateway, gateway_place=PLACE)
    return replace(whole, clusters={"tiny": one}, work=work)


def spans(
    database: Database, *nodes: tuple[str, int, int | None], holds: tuple[tuple[str, int, int | None], ...] = ()
) -> None:
    """Nodes of eight GPUs in pool h100, and pods of chat that held all of one, each from minutes ago to minutes ago."""

    def at(ago: int | None) -> object:
        return None if ago is None else NOW - ago * MINUTE

    place, owner = keys.place(*costing.H100), keys.owner(*costing.CHAT)
    node_rows = [("tiny", f"uid-{n}", at(a), at(b), n, place, 8, 0, 0, False) for n, a, b in nodes]
    hold_rows = [
        ("tiny", f"pod-{n}-{a}", f"uid-{n}", at(a), at(b), "held", owner, f"chat-{n}-{a}", 8 * TICKS)
        for n, a, b in holds
    ]
    with database() as unit:
        unit.costs.save_spans(
            frames.table(NODE_SPANS, node_rows),
            frames.table(HOLD_SPANS, hold_rows),
            costing.owners(costing.CHAT),
            costing.places(costing.H100),
        )
        unit.commit()


def only(found: Sources, scope: Scope = HOUR) -> board.Board:
    value = board.board(found, "tiny", scope).value
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("base", "found"),
    [
        ("chat.web:8000", True),
        ("chat.web", True),
        ("chat.web.svc.cluster.local:8000", True),
        ("chat.web.tiny.internal", True),
        ("chat.lab:8000", False),
        ("api.openai.com", False),
        ("localhost:8000", False),
        ("", False),
        ("os.environ/AZURE_API_BASE", False),
    ],
)
def test_an_address_leads_to_the_workload_it_names(base: str, found: bool) -> None:
    of = evidence.serving(sources(), "tiny", base)
    assert (of is not None) == found
    if of is not None:
        assert (of.cluster, of.namespace, of.workload) == ("tiny", "web", "chat")


def test_the_burst_is_told_with_the_pods_that_waited_and_the_pool_that_was_full(database: Database) -> None:
    spans(database, ("a", 500, None), ("b", 500, None), holds=(("a", 400, None), ("b", 400, None)))
    found = sources(database)
    stock = evidence.serving(found, "tiny", "chat.web")
    assert stock is not None
    known = evidence.gathered(found, replace(stock, pool="h100"), NOW - 16 * MINUTE, NOW - 8 * MINUTE)
    assert known.free is not None
    assert known.free["free"].max() == 0.0
    (one,) = only(found).explained
    whole = NOW.replace(second=0)  # the steps of minutes that hold 15.5 to 8.5 minutes ago
    assert (one.burst.begin, one.burst.end) == (whole - 15 * MINUTE, whole - 7 * MINUTE)
    assert one.because.endswith("2 pods waited 5 min for a node")


def test_half_a_pool_that_nobody_holds_is_free(database: Database) -> None:
    spans(database, ("a", 500, None), ("b", 500, None), holds=(("a", 400, None),))
    known = evidence.gathered(
        sources(database), Serving("tiny", "web", "chat", "h100"), NOW - 16 * MINUTE, NOW - 8 * MINUTE
    )
    assert known.free is not None
    assert set(known.free["free"]) == {8.0}


def test_a_node_that_went_under_the_workload_is_the_first_reason(database: Database) -> None:
    spans(database, ("a", 500, 15), ("b", 500, None), holds=(("a", 400, 15),))
    (one,) = only(sources(database)).explained
    assert one.because == "node a that chat ran on went away"
    assert "no pod of chat was ready" in [sign.says for sign in one.signs]


def test_without_a_record_the_errors_are_all_that_is_known() -> None:
    (one,) = only(sources()).explained
    assert one.signs == ()
    assert one.because == "chat-own answered that it is unavailable (503)"


def test_a_record_that_comes_later_is_found_when_it_is_looked_at_again(database: Database) -> None:
    spans(database, ("a", 500, 15), ("b", 500, None), holds=(("a", 400, 15),))
    none = sources()
    said = []
    for minutes, work in ((0, None), (0.5, database), (1, database), (7, None)):
        later = replace(none, work=work, now=lambda at=NOW + minutes * MINUTE: at)
        (one,) = only(later).explained
        said.append(one.because)
    assert said[0] == said[1] == "chat-own answered that it is unavailable (503)"
    assert said[2] == said[3] == "node a that chat ran on went away"


def test_who_may_not_see_the_workload_reads_nothing_of_it(database: Database) -> None:
    spans(database, ("a", 500, 15), holds=(("a", 400, 15),))
    mine = replace(HOUR, sees=Sight(namespaces=frozenset({"lab"}), teams=frozenset({"red"})))
    value = only(sources(database), mine)
    assert set(value.routes["team"]) == {"red"}
    (one,) = value.explained
    assert (one.serving, one.signs) == (None, ())


def test_all_gateways_together_are_one_summary() -> None:
    found = board.summary(sources(), HOUR).value
    assert found is not None
    assert (found.asked, found.lost, found.fallen_usd) == (1000, 20, pytest.approx(7.0))
    assert found.fallback_rate == pytest.approx(80 / 980)
    assert found.worst is not None
    assert found.worst.burst.group == "chat"


def test_a_source_that_dies_leaves_the_last_figures_with_their_age() -> None:
    found = sources()
    assert only(found).routes["requests"].sum() == pytest.approx(1000)
    metrics = found.clusters["tiny"].metrics
    object.__setattr__(metrics, "error", SourceUnavailable("prometheus", "It is away."))
    later = replace(found, now=lambda: NOW + 2 * MINUTE)
    reading = board.board(later, "tiny", HOUR)
    assert reading.value is not None
    assert reading.problem is not None
    assert (reading.problem.message, reading.problem.since) == ("It is away.", NOW + 2 * MINUTE)


def test_nobody_counts_is_not_collected_and_not_zero() -> None:
    found = sources()
    metrics = found.clusters["tiny"].metrics
    object.__setattr__(metrics, "grew", {})
    assert board.board(found, "tiny", HOUR).absence is Absence.NOT_COLLECTED
    assert board.summary(found, HOUR).absence is Absence.NOT_COLLECTED


def test_a_file_that_cannot_be_read_leaves_the_process_to_say_which_tier_is_first() -> None:
    found = sources()
    memory = found.clusters["tiny"].cluster.memory  # type: ignore[attr-defined]
    memory.set(config_ref("tiny"), {"data": {PLACE.key: "model_list: ["}})
    value = only(found)
    assert value.chains.deployments["chat-cloud"].rank == 2
    assert value.routes.groupby("outcome")["requests"].sum()["order"] == pytest.approx(60)


def test_times_and_attempts_are_those_of_the_window() -> None:
    speed = tiers.speed(sources(), "tiny", "1h").value
    assert speed is not None
    one = speed.set_index("id").loc["chat-own"]
    assert one["requests"] == 900
    assert (one["p50_s"], one["p95_s"]) == (pytest.approx(0.9), pytest.approx(1.8875))  # 450 of 500; 355 of 400
    assert (one["p95_from_s"], one["p95_to_s"]) == (1.0, 2.0)
    sent = tiers.attempts(sources(), "tiny", "1h").value
    assert sent is not None
    assert sent.set_index("id").loc["chat-own"].to_list() == [900.0, 48.0, "503", fallbacks.DOWN[1]]


def test_without_a_metrics_source_nothing_is_configured() -> None:
    found = sources()
    bare = replace(found, clusters={"tiny": replace(found.clusters["tiny"], metrics=None)})
    assert read.counted(bare, "tiny", "1h").absence is Absence.NOT_CONFIGURED
    assert tiers.speed(bare, "tiny", "1h").absence is Absence.NOT_CONFIGURED
    assert read.counted(found, "nowhere", "1h").absence is Absence.NOT_CONFIGURED


def test_home_is_unknown_without_a_price_of_own_tokens() -> None:
    cost = money.extra(sources(), Scope(), only(sources()).routes)
    assert (cost.paid, cost.home, cost.more, cost.unpriced) == (pytest.approx(7.0), None, None, ("chat",))


def test_what_fell_is_a_finding_with_its_reason(database: Database) -> None:
    spans(database, ("a", 500, 15), holds=(("a", 400, 15),))
    found = attention.read(sources(database), Scope()).value
    assert found is not None
    (one,) = [finding for finding in found if finding.key == "fallback/tiny/chat"]
    assert one.title == "2.0 % of chat got no answer in 24 hours"
    assert one.detail == "Most of it because node a that chat ran on went away."
    assert one.page == "fallback"
