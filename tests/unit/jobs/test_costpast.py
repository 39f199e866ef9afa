"""What a past span is said to have cost, from Kubernetes objects, against what the demo world really cost."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost import MICRO, TICKS, hours, rates, use
from services.domain.signals import Query
from services.domain.window import Window
from services.jobs import costpast
from services.jobs.backfill import Stretch
from services.jobs.spans import Pile
from services.ports import Policy
from services.snapshots import price_book
from tests import costoracle
from tests.unit.demo.handling import Hands

END = datetime(2026, 6, 3, 12, tzinfo=UTC)
BEGIN = END - timedelta(days=6)
"""Two spot nodes are reclaimed in between, and nodes come and go for bursts."""
PLACE = ["kind", "namespace", "workload"]


class Said(NamedTuple):
    """What the collector makes of a cluster's span: facts with the names of their owners, controls, orphans."""

    facts: pd.DataFrame
    controls: pd.DataFrame
    orphans: pd.DataFrame


def said(hands: Hands, cluster: str, begin: datetime, end: datetime, *, measure: bool = False) -> Said:
    source, pile, policy = hands.sources[cluster], Pile(cluster), Policy()
    clock: Any = hands.clock
    for _ in costpast.walk(source, clock, Stretch(cluster, begin, end), policy, pile):
        pass
    nodes, holds, owners, places = pile.frames()
    read, clock.at = frames.empty(use.USE), end
    if measure and source.metrics is not None:
        minute = timedelta(minutes=1)
        by_pod = Query("util", ("node", "namespace", "pod"))
        samples = source.metrics.range(by_pod, Window(begin, end, minute)).frame
        read = use.use(samples, nodes, holds, begin, end, minute)
    prices = hours.Prices(frames.empty(rates.CARD), 0, price_book())
    made = hours.closed(nodes, holds, places, prices, read, begin, end, (cluster,))
    facts = made.facts.merge(owners.drop(columns="cluster"), on="owner", how="left")
    return Said(facts, made.controls, made.orphans)


@pytest.fixture(scope="module")
def hands() -> Hands:
    made = Hands()
    made.clock.at = END
    return made


@pytest.mark.parametrize("cluster", ["demo-east", "demo-west"])
def test_six_days_cost_what_they_cost_by_workload(hands, cluster):
    """Every workload's money and GPU-hours within a thousandth, and the cluster's nodes to the cent."""
    hands.clock.at = END
    found = said(hands, cluster, BEGIN, END)
    assert found.orphans.empty
    whole = found.controls["micro"].sum() / MICRO
    assert whole == pytest.approx(costoracle.clusters(hands.world(), BEGIN, END)[cluster], abs=0.005)
    held = found.facts[found.facts["kind"].isin(["held", "warm"])].groupby(PLACE)[["ticks", "micro"]].sum()
    truth = costoracle.workloads(hands.world(), BEGIN, END)
    true = truth[truth["cluster"].eq(cluster)].set_index(PLACE)
    assert set(held.index) == set(true.index)
    assert (held["micro"] / MICRO).to_dict() == pytest.approx(true["usd"].to_dict(), rel=1e-3)
    assert (held["ticks"] / TICKS / 3600).to_dict() == pytest.approx(true["gpu_hours"].to_dict(), rel=1e-3)


def test_placeholders_are_warm_and_cost_what_they_keep(hands):
    own = Hands()
    own.clock.at = datetime(2026, 6, 3, 12, 2, tzinfo=UTC)  # four T4 nodes are free
    own.headroom(3)
    begin, end = END, END + timedelta(hours=4)
    own.clock.at = end
    found = said(own, "demo-east", begin, end)
    warm = found.facts[found.facts["kind"].eq("warm")]
    truth = costoracle.workloads(own.world(), begin, end)
    true = truth[truth["kind"].eq("warm")]
    assert true["usd"].sum() > 0
    assert warm["micro"].sum() / MICRO == pytest.approx(true["usd"].sum(), rel=1e-3)
    held = found.facts.loc[found.facts["kind"].eq("held"), "micro"].sum() / MICRO
    assert held == pytest.approx(
        truth.loc[truth["cluster"].eq("demo-east") & truth["kind"].eq("held"), "usd"].sum(), rel=1e-3
    )


@pytest.mark.parametrize("cluster", ["demo-east", "demo-west"])
def test_what_was_used_is_how_busy_the_units_were(hands, cluster):
    """Served models, which hold the same all the time: their used share of an hour is the mean of their pods'."""
    hands.clock.at = END
    begin = END - timedelta(hours=6)
    found = said(hands, cluster, begin, END, measure=True).facts
    namespace, workload = {"demo-east": ("assistants-prod", "chat-70b"), "demo-west": ("platform-tools", "moderation")}[
        cluster
    ]
    mine = found[found["namespace"].eq(namespace) & found["workload"].eq(workload)]
    assert mine["measured_ticks"].tolist() == mine["ticks"].tolist()
    true = costoracle.used(hands.world(), begin, END)
    of_pods = true[true["cluster"].eq(cluster) & true["pod"].str.startswith(f"{workload}-")]
    share = (mine["used_ticks"] / mine["ticks"]).groupby(mine["hour"]).sum()
    assert share.to_dict() == pytest.approx(of_pods.groupby("hour")["share"].mean().to_dict(), abs=0.01)
