"""Costs from looks to facts: hours are closed, once, and worked out again when prices change."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd
import pytest

from db.work import Database
from services import demo
from services.domain import frames
from services.domain.cost import MICRO, TICKS, rates
from services.domain.counters import COUNTERS
from services.errors import SourceUnavailable
from services.jobs.metering import HOUR, LAG, MARK, MEASURE_EVERY, Metering
from services.ports import NODE_PRICES, ClusterSource, CostPolicy, Policy, Samples, Sources
from tests.conftest import Inline
from tests.factories import NOW, node, pod
from tests.fakes import Clock
from tests.unit.jobs.watched import CLUSTER, Shown

MINUTE = timedelta(minutes=1)
NEXT = NOW.replace(minute=0, second=0, microsecond=0) + HOUR
"""The first whole hour after recording began."""
CARD = frames.table(
    rates.CARD, [("", "p5.48xlarge", "", "", "", "", "instance", 80 * MICRO, 0.0, "", NOW - 90 * 24 * HOUR, None)]
)


class Read:
    """Utilisation of every pod, or a source that is away."""

    def __init__(self) -> None:
        self.away = False
        self.opencost: float | None = None
        self.gpu_price: float | None = None

    def range(self, query, window, only=None) -> Samples:
        if self.away:
            raise SourceUnavailable("prometheus", "Prometheus does not answer.")
        at = [window.start + window.step * (number + 1) for number in range(window.points)]
        frame = pd.DataFrame({"at": pd.to_datetime(at, utc=True), "node": "n1", "namespace": "ns", "pod": "a"})
        return Samples(frame.assign(value=0.25, weight=1.0))

    def grown(self, counter, begin, end, step) -> Samples:
        """A gateway that spends two dollars an hour and answers a hundred times; an engine on pod a."""
        if self.away:
            raise SourceUnavailable("prometheus", "Prometheus does not answer.")
        known = COUNTERS[counter]
        rows = {"gateway_spend": 2.0, "gateway_requests": 100.0, "engine_prompt_tokens": 5e6}
        rows |= {} if self.opencost is None else {"node_price": self.opencost}
        rows |= {} if self.gpu_price is None else {"gpu_price": self.gpu_price}
        if counter not in rows:
            return Samples(frames.empty(known.columns))
        said = {
            "model_group": "chat",
            "model": "gpt-4o",
            "provider": "openai",
            "team": "search",
            "namespace": "ns",
            "pod": "a",
            "node": "n1",
        }
        at = [begin + step * (number + 1) for number in range((end - begin) // step)]
        frame = pd.DataFrame({"at": pd.to_datetime(at, utc=True), "value": rows[counter]})
        return Samples(frame.assign(**{name: said.get(name, "") for name in known.dimensions})[list(known.columns)])


@pytest.fixture
def cluster() -> Shown:
    shown = Shown()
    h100 = {**node().metadata.labels, "node.kubernetes.io/instance-type": "p5.48xlarge"}
    shown.put("nodes", node("n1", labels=h100))
    shown.put("pods", pod("a", units={"nvidia.com/gpu": 2}, owner=("StatefulSet", "rank", "u"), since=NOW - MINUTE))
    return shown


def metering(
    cluster: Shown, work: Database, read: Read | None = None, zone: str = "UTC", hold=None, **more
) -> Metering:
    source = ClusterSource(CLUSTER, cluster, read, **more)  # type: ignore[arg-type]
    policy = Policy(cost=CostPolicy(zone=zone))
    return Metering(
        Sources("live", {CLUSTER: source}, Clock(NOW), Inline(), policy, work), work, hold or (lambda unit: None)
    )


def begun(made: Metering, work: Database, at: datetime) -> Metering:
    with work() as unit:
        made.begin(unit, at)
        unit.commit()
    return lived(made, at, at)


def lived(made: Metering, begin: datetime, end: datetime) -> Metering:
    """Look every minute."""
    while begin <= end:
        made.look(begin)
        begin += MINUTE
    made.write(end, whole=True)
    return made


def facts(work: Database) -> pd.DataFrame:
    with work.reading() as unit:
        return unit.costs.hours(NOW - 30 * HOUR, NOW + 30 * HOUR)


def money(work: Database) -> dict[tuple[int, str], int]:
    """Micro-dollars by hours after the first whole one, and kind."""
    found = facts(work)
    after = ((found["hour"] - pd.Timestamp(NEXT)) / pd.Timedelta(hours=1)).astype("int64")
    return {(hour, kind): micro for hour, kind, micro in zip(after, found["kind"], found["micro"], strict=True)}


def test_an_hour_is_closed_some_minutes_after_its_end_and_not_the_one_recording_began_in(cluster, work):
    made = begun(metering(cluster, work), work, NOW)
    lived(made, NOW, NEXT + HOUR)
    assert not made.close(NEXT + HOUR)
    lived(made, NEXT + HOUR, NEXT + HOUR + LAG)
    assert made.close(NEXT + HOUR + LAG)
    assert not made.close(NEXT + HOUR + LAG)
    # p5.48xlarge: 55.04 dollars an hour at list price; 2 of 8 GPUs held
    assert money(work) == {(0, "held"): 13_760_000, (0, "free"): 41_280_000}
    with work.reading() as unit:
        (control,) = unit.costs.controls(NOW - HOUR, NOW + 9 * HOUR).to_dict("records")
    assert (control["micro"], control["gpu_ticks"], control["nodes"]) == (55_040_000, 8 * 3600 * TICKS, 1)


def test_the_day_is_summed_when_its_last_hour_is_closed(cluster, work):
    made = begun(metering(cluster, work), work, NOW)
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0) + 24 * HOUR
    lived(made, midnight, midnight + LAG)
    while made.close(midnight + LAG):
        pass
    with work.reading() as unit:
        days = unit.costs.days("2000-01-01", "2100-01-01")
        hours = unit.costs.hours(NOW, midnight)
    assert set(days["day"]) == {str(NOW.date())}
    assert days["micro"].sum() == hours["micro"].sum() == 55_040_000 * ((midnight - NEXT) // HOUR)


def test_what_was_used_is_read_when_the_hour_is_closed(cluster, work):
    made = begun(metering(cluster, work, Read()), work, NOW)
    lived(made, NEXT, NEXT + HOUR + LAG)
    made.close(NEXT + HOUR + LAG)
    held = facts(work).query("kind == 'held'").iloc[0]
    assert (held["measured_micro"], held["used_micro"]) == (13_760_000, 3_440_000)


def test_spend_and_tokens_are_read_with_it_and_engines_belong_to_their_pods_workload(cluster, work):
    made = begun(metering(cluster, work, Read()), work, NOW)
    lived(made, NEXT, NEXT + HOUR + LAG)
    made.close(NEXT + HOUR + LAG)
    with work.reading() as unit:
        rows = unit.costs.llm(NEXT, NEXT + HOUR)
    told = rows[["source", "model_group", "model", "team", "workload", "requests", "prompt_tokens", "micro"]]
    assert told.to_numpy().tolist() == [
        ["engine", "", "gpt-4o", "", "rank", 0.0, 5e6, 0],
        ["gateway", "chat", "gpt-4o", "search", "", 100.0, 0.0, 2_000_000],
    ]


def test_what_opencost_counts_a_node_at_is_the_price_where_no_card_says_another(cluster, work):
    read = Read()
    read.opencost = 40.0
    made = begun(metering(cluster, work, read), work, NOW)
    lived(made, NEXT, NEXT + HOUR + LAG)
    made.close(NEXT + HOUR + LAG)
    assert money(work) == {(0, "held"): 10_000_000, (0, "free"): 30_000_000}
    assert set(facts(work)["basis"]) == {"OpenCost"}


def test_opencosts_default_for_gpus_it_does_not_know_is_called_so(cluster, work):
    read = Read()
    read.opencost, read.gpu_price = 40.0, 0.95
    made = begun(metering(cluster, work, read), work, NOW)
    lived(made, NEXT, NEXT + HOUR + LAG)
    made.close(NEXT + HOUR + LAG)
    assert set(facts(work)["basis"]) == {"OpenCost, its default"}


class Priced:
    """An OpenCost asked itself: four dollars an hour, or away."""

    def __init__(self) -> None:
        self.away = False

    def nodes(self, begin, end) -> pd.DataFrame:
        if self.away:
            raise SourceUnavailable("opencost", "OpenCost does not answer.")
        at = [begin + HOUR * number for number in range((end - begin) // HOUR)]
        return frames.conform(
            pd.DataFrame({"node": "n1", "hour": pd.to_datetime(at, utc=True), "usd": 4.0, "gpu_usd": 0.4}), NODE_PRICES
        )


def test_an_opencost_that_is_away_costs_no_reading_and_prices_the_hour_when_it_is_back(cluster, work):
    priced = Priced()
    priced.away = True
    made = begun(metering(cluster, work, Read(), pricing=priced), work, NOW)
    end = NEXT + HOUR + LAG
    lived(made, NEXT, end)
    made.close(end)
    assert set(facts(work)["basis"]) == {"list price 2026-07-20"}
    assert facts(work)["measured_ticks"].sum() > 0
    priced.away = False
    lived(made, end, end + MEASURE_EVERY)
    made.close(end + MEASURE_EVERY)
    assert set(facts(work)["basis"]) == {"OpenCost"}
    assert money(work) == {(0, "held"): 1_000_000, (0, "free"): 3_000_000}


@pytest.mark.parametrize("away", [True, False])
def test_prices_opencost_tells_no_longer_are_those_of_the_record(cluster, work, away):
    read = Read()
    read.opencost = 40.0
    made = begun(metering(cluster, work, read), work, NOW)
    end = NEXT + HOUR + LAG
    lived(made, NEXT, end)
    made.close(end)
    read.opencost, read.away = None, away
    other = CARD.assign(instance_type="p4d.24xlarge", begins=pd.Timestamp(NEXT))
    with work() as unit:
        unit.costs.add_card(
            pd.concat([CARD.assign(ends=pd.Timestamp(NEXT)), other]), after=0, at=end, actor="pat", reason="contract"
        )
        unit.commit()
    assert made.close(end)
    assert set(facts(work)["card"]) == {1}
    assert money(work) == {(0, "held"): 10_000_000, (0, "free"): 30_000_000}
    assert set(facts(work)["basis"]) == {"OpenCost"}


def test_an_hour_whose_readings_cannot_be_had_is_closed_and_read_later(cluster, work):
    read = Read()
    read.away = True
    made = begun(metering(cluster, work, read), work, NOW)
    end = NEXT + HOUR + LAG
    lived(made, NEXT, end)
    made.close(end)
    held = facts(work).query("kind == 'held'").iloc[0]
    assert (held["micro"], held["measured_ticks"]) == (13_760_000, 0)
    read.away = False
    assert not made.close(end + MINUTE)
    assert made.close(end + MEASURE_EVERY)
    held = facts(work).query("kind == 'held'").iloc[0]
    assert (held["micro"], held["measured_micro"], held["used_micro"]) == (13_760_000, 13_760_000, 3_440_000)
    assert not made.close(end + 2 * MEASURE_EVERY)


def test_another_process_goes_on_where_the_first_one_was_and_writes_the_same(cluster, work):
    first = begun(metering(cluster, work), work, NOW)
    lived(first, NOW, NEXT + 20 * MINUTE)
    second = metering(cluster, work)
    with work() as unit:
        second.begin(unit, NEXT + 21 * MINUTE)
        unit.commit()
    lived(second, NEXT + 21 * MINUTE, NEXT + HOUR + LAG)
    second.close(NEXT + HOUR + LAG)
    once = facts(work)
    late = metering(cluster, work)
    with work() as unit:
        mark = dict(unit.starts.mark(CLUSTER, MARK) or {})
        unit.starts.set_mark(CLUSTER, MARK, {**mark, "next": NEXT.isoformat()}, NEXT)
        unit.commit()
    begun(late, work, NEXT + HOUR + LAG)
    assert late.close(NEXT + HOUR + LAG)
    pd.testing.assert_frame_equal(facts(work), once)
    assert money(work) == {(0, "held"): 13_760_000, (0, "free"): 41_280_000}


def test_new_prices_of_the_past_are_worked_out_again_and_the_old_ones_stay(cluster, work):
    made = begun(metering(cluster, work, Read()), work, NOW)
    end = NEXT + HOUR + LAG
    lived(made, NEXT, end)
    made.close(end)
    with work() as unit:
        unit.costs.add_card(CARD, after=0, at=end, actor="pat", reason="contract")
        unit.commit()
    assert made.close(end)
    assert not made.close(end)
    assert money(work) == {(0, "held"): 20_000_000, (0, "free"): 60_000_000}
    held = facts(work).query("kind == 'held'").iloc[0]
    assert held["used_micro"] == 5_000_000  # a quarter, as it was read before
    with work.reading() as unit:
        before = unit.costs.hours(NOW, NOW + 9 * HOUR, card=0)
    assert before["micro"].sum() == 55_040_000


def test_a_day_that_could_not_be_worked_out_again_is_not_forgotten(cluster, work):
    away = []

    def hold(_unit) -> None:
        if away:
            raise SourceUnavailable("database", away.pop())

    made = begun(metering(cluster, work, hold=hold), work, NOW)
    end = NEXT + HOUR + LAG
    lived(made, NEXT, end)
    made.close(end)
    with work() as unit:
        unit.costs.add_card(CARD, after=0, at=end, actor="pat", reason="contract")
        unit.commit()
    away.append("The database is away.")
    with pytest.raises(SourceUnavailable):
        made.close(end)
    made.write(end, whole=True)
    resumed = metering(cluster, work)
    with work() as unit:
        resumed.begin(unit, end)
        unit.commit()
    assert resumed.close(end)
    assert set(facts(work)["card"]) == {1}


def test_whoever_dies_while_the_past_is_filled_in_leaves_all_that_is_missing_to_be_done(work):
    """After every step each hour of the two days is closed, or noted as to be done."""
    clock, end = Clock(NOW), NOW.replace(minute=0, second=0, microsecond=0)

    def estate(at) -> Mapping[str, ClusterSource]:
        return demo.build(clock=at, pool=Inline(), gpus=64)

    sources = Sources("demo", estate(clock), clock, Inline(), work=work, past=estate)
    made = Metering(sources, work, lambda unit: None, days=1)
    with work() as unit:
        made.begin(unit, NOW)
        unit.commit()
    steps = 0
    while made.past():
        steps += 1
        made.write(NOW, whole=True)
        with work.reading() as unit:
            for name in sources.clusters:
                mark = unit.starts.mark(name, MARK)
                todo = [tuple(map(datetime.fromisoformat, pair)) for pair in mark["todo"]]
                closed = set(unit.costs.controls(NOW - 99 * HOUR, NOW, (name,))["hour"])
                at = (NOW - 24 * HOUR).replace(hour=0, minute=0, second=0, microsecond=0)
                while at < end:
                    assert at in closed or any(first <= at < last for first, last in todo), (steps, name, at)
                    at += HOUR
    assert steps > 20
    assert todo == []


def test_hours_begin_with_the_clock_of_the_reporting_zone(cluster, work):
    made = begun(metering(cluster, work, zone="Asia/Kolkata"), work, NOW)
    lived(made, NEXT, NEXT + 2 * HOUR + LAG)
    while made.close(NEXT + 2 * HOUR + LAG):
        pass
    assert set(facts(work)["hour"].dt.minute) == {30}


def test_without_nodes_an_hour_is_closed_all_the_same(work):
    made = begun(metering(Shown(), work), work, NOW)
    lived(made, NEXT, NEXT + HOUR + LAG)
    assert made.close(NEXT + HOUR + LAG)
    with work.reading() as unit:
        controls = unit.costs.controls(NOW - HOUR, NOW + 9 * HOUR)
    assert controls[["nodes", "micro"]].to_numpy().tolist() == [[0, 0]]
