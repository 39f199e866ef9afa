"""What :class:`services.ports.Costs` says, of the record in memory and in both databases."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, LISTLESS, LLM, NODE_SPANS, OWNERS, PLACES
from services.domain.cost.rates import CARD
from services.errors import Conflict
from services.ports import Card, Costs

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALWAYS = TEN - 1000 * HOUR, TEN + 1000 * HOUR
EVER = "2000-01-01", "2099-12-31"
BIG = 2**62
NOTHING = {"nodes": NODE_SPANS, "holds": HOLD_SPANS, "owners": OWNERS, "places": PLACES}

OWNER = {"owner": BIG + 7, "cluster": "east", "namespace": "speech", "workload_kind": "Deployment", "workload": "asr",
         "team": "voice", "labels": '{"größe":"1"}'}  # fmt: skip
PLACE = {"place": BIG + 3, "cluster": "east", "pool": "h100", "model": "H100", "instance_type": "p5.48xlarge",
         "capacity_type": "spot", "region": "eu-1", "zone": "eu-1a"}  # fmt: skip
NODE = {"cluster": "east", "uid": "n1", "begin": TEN, "end": None, "node": "a-1", "place": BIG + 3, "gpus": 8,
        "out": 27_720, "remainder": 0, "closed": True}  # fmt: skip
HOLD = {"cluster": "east", "pod_uid": "p1", "node_uid": "n1", "begin": TEN + timedelta(microseconds=1),
        "end": TEN + HOUR, "kind": "held", "owner": BIG + 7, "pod": "asr-1", "ticks": 4 * 27_720}  # fmt: skip
FACT = {"card": 0, "owner": BIG + 7, "place": BIG + 3, "kind": "held", "basis": "rate card",
        "ticks": 24_000_000_000_000, "micro": 6_880_000, "list_micro": LISTLESS, "measured_ticks": 90,
        "used_ticks": 30, "measured_micro": 9, "used_micro": 3}  # fmt: skip
CONTROL = {"cluster": "east", "hour": TEN, "card": 0, "nodes": 1, "gpu_ticks": 100, "unpriced_ticks": 25,
           "micro": 6_880_000, "closed_at": TEN + timedelta(minutes=65)}  # fmt: skip
SPEND = {"cluster": "east", "hour": TEN, "source": "gateway", "model_group": "chat", "model": "gpt-5",
         "provider": "openai", "team": "voice", "key_alias": "asr-prod", "namespace": "", "workload": "",
         "requests": 3.0, "prompt_tokens": 1500.5, "completion_tokens": 0.0, "micro": 12_345}  # fmt: skip
LINE = {"cluster": "", "instance_type": "p5.48xlarge", "zone": "", "region": "", "capacity_type": "spot", "model": "",
        "per": "instance", "micro_per_hour": 55_040_000, "discount": 0.125, "term": "reserved, 1 year",
        "begins": TEN - 24 * HOUR, "ends": None}  # fmt: skip


def rows(columns: Mapping[str, str], *given: Mapping[str, Any]) -> pd.DataFrame:
    return frames.table(columns, [[row[name] for name in columns] for row in given])


def told(frame: pd.DataFrame, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows, None for what is not there; columns and their types are the contract's."""
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == dict(columns)
    assert list(frame.index) == list(range(len(frame)))
    return [
        {name: None if value is pd.NaT else value for name, value in row.items()} for row in frame.to_dict("records")
    ]


def do(record: Any, what: Callable[[Costs], Any]) -> Any:
    with record() as unit:
        answer = what(unit.costs)
        unit.commit()
    return answer


def save(record: Any, **given: Any) -> None:
    """Save spans, owners or places."""
    do(record, lambda costs: costs.save_spans(*(rows(NOTHING[name], *given.get(name, ())) for name in NOTHING)))


def close(record: Any, *facts: Mapping[str, Any], controls: Any = None) -> None:
    """Close the hours of the facts (one at ten o'clock in "east" unless they say otherwise), with their controls."""
    whole = [{"cluster": "east", "hour": TEN, **FACT, **fact} for fact in facts]
    hours = {(one["cluster"], one["hour"], one["card"]) for one in whole}
    if controls is None:
        controls = [{**CONTROL, "cluster": cluster, "hour": hour, "card": card} for cluster, hour, card in hours]
    do(record, lambda costs: costs.close(rows(HOURS, *whole), rows(CONTROLS, *controls)))


def set_days(record: Any, *facts: Mapping[str, Any], clusters: tuple[str, ...] = ("east",), **over: Any) -> None:
    """Write facts of days of the cluster "east", 3 June and card 0 unless they say otherwise."""
    span = {"first": EVER[0], "last": EVER[1], "card": 0, **over}
    whole = [{"cluster": "east", "day": "2026-06-03", **FACT, "card": span["card"], **fact} for fact in facts]
    do(record, lambda costs: costs.set_days(rows(DAYS, *whole), clusters, span["first"], span["last"], span["card"]))


def hours(record: Any, *asked: Any, **more: Any) -> pd.DataFrame:
    with record.reading() as unit:
        return unit.costs.hours(*(asked or ALWAYS), **more)


def days(record: Any, *asked: Any, **more: Any) -> pd.DataFrame:
    with record.reading() as unit:
        return unit.costs.days(*(asked or EVER), **more)


def seen(frame: pd.DataFrame, *columns: str) -> list[Any]:
    """The values of some columns, sorted."""
    found = sorted(zip(*(frame[name] for name in columns), strict=True))
    return [one[0] if len(columns) == 1 else one for one in found]


# -- spans ---------------------------------------------------------------------------------------------------


def test_spans_owners_and_places_come_back_as_they_were_written(record: Any) -> None:
    save(record, nodes=[NODE], holds=[HOLD], owners=[OWNER], places=[PLACE])
    with record.reading() as unit:
        nodes, holds = unit.costs.spans(*ALWAYS)
        owners, places = unit.costs.owners(), unit.costs.places()
    assert told(nodes, NODE_SPANS) == [NODE]
    assert told(holds, HOLD_SPANS) == [HOLD]
    assert told(owners, OWNERS) == [OWNER]
    assert told(places, PLACES) == [PLACE]


def test_a_span_replaces_the_one_with_its_key_and_others_stay(record: Any) -> None:
    later = {**NODE, "begin": TEN + HOUR, "gpus": 4}
    save(record, nodes=[NODE, later], holds=[HOLD])
    save(record, nodes=[{**NODE, "end": TEN + HOUR}])
    with record.reading() as unit:
        nodes, holds = unit.costs.spans(*ALWAYS)
    assert told(nodes.sort_values("begin", ignore_index=True), NODE_SPANS) == [{**NODE, "end": TEN + HOUR}, later]
    assert told(holds, HOLD_SPANS) == [HOLD]


def test_an_owner_and_a_place_stay_what_their_number_stood_for_first(record: Any) -> None:
    save(record, owners=[OWNER], places=[PLACE])
    save(record, owners=[{**OWNER, "team": "other"}, {**OWNER, "owner": 1}], places=[{**PLACE, "pool": "other"}])
    with record.reading() as unit:
        assert seen(unit.costs.owners(), "owner", "team") == [(1, "voice"), (BIG + 7, "voice")]
        assert seen(unit.costs.places(), "pool") == ["h100"]


def test_spans_of_a_window_are_those_that_were_there_somewhere_in_it(record: Any) -> None:
    spans = {"before": (-3, -1), "touching": (-3, 0), "into": (-3, 1), "inside": (1, 2), "over": (-3, 9),
             "lasting": (1, None), "at the end": (4, 5)}  # fmt: skip
    nodes = [
        {**NODE, "uid": uid, "begin": TEN + begin * HOUR, "end": None if end is None else TEN + end * HOUR}
        for uid, (begin, end) in spans.items()
    ]
    save(record, nodes=nodes, holds=[{**HOLD, "pod_uid": one["uid"], **_bounds(one)} for one in nodes])
    with record.reading() as unit:
        found, held = unit.costs.spans(TEN, TEN + 4 * HOUR)
    assert seen(found, "uid") == ["inside", "into", "lasting", "over"]
    assert seen(held, "pod_uid") == ["inside", "into", "lasting", "over"]


def _bounds(span: Mapping[str, Any]) -> dict[str, Any]:
    return {"begin": span["begin"], "end": span["end"]}


def test_spans_are_those_of_the_clusters_asked_for(record: Any) -> None:
    save(record, nodes=[NODE, {**NODE, "cluster": "west"}], holds=[HOLD])
    with record.reading() as unit:
        assert [len(found) for found in unit.costs.spans(*ALWAYS, ("west",))] == [1, 0]
        assert [len(found) for found in unit.costs.spans(*ALWAYS, ())] == [0, 0]


def test_open_spans_are_those_that_last(record: Any) -> None:
    save(record, nodes=[NODE, {**NODE, "uid": "n2", "end": TEN + HOUR}, {**NODE, "cluster": "west"}], holds=[HOLD])
    with record.reading() as unit:
        nodes, holds = unit.costs.open_spans("east")
    assert told(nodes, NODE_SPANS) == [NODE]
    assert told(holds, HOLD_SPANS) == []


# -- hours ---------------------------------------------------------------------------------------------------


def test_facts_of_an_hour_come_back_as_they_were_written(record: Any) -> None:
    close(record, {}, {"owner": 0, "kind": "free", "basis": "", "micro": 0, "list_micro": 17, "ticks": 1})
    free, held = sorted(told(hours(record), HOURS), key=lambda row: row["owner"])
    fact = {"cluster": "east", "hour": TEN, **FACT}
    assert held == fact
    assert free == {**fact, "owner": 0, "kind": "free", "basis": "", "micro": 0, "list_micro": 17, "ticks": 1}


def test_closing_an_hour_again_replaces_all_its_rows_and_no_others(record: Any) -> None:
    close(record, {"owner": 1}, {"owner": 2})
    close(record, {"owner": 3}, {"owner": 4, "hour": TEN + HOUR})
    close(record, {"owner": 5, "cluster": "west"})
    close(record, {"owner": 6, "micro": 11})
    assert seen(hours(record), "cluster", "hour", "owner", "micro") == [
        ("east", TEN, 6, 11), ("east", TEN + HOUR, 4, 6_880_000), ("west", TEN, 5, 6_880_000),
    ]  # fmt: skip


def test_of_an_hour_only_the_rows_of_its_newest_card_count(record: Any) -> None:
    close(record, {"owner": 1}, {"owner": 2})
    close(record, {"card": 2, "owner": 1, "micro": 5}, {"card": 2, "owner": 3, "micro": 6})
    close(record, {"owner": 9, "hour": TEN + HOUR})
    assert seen(hours(record), "hour", "card", "owner") == [(TEN, 2, 1), (TEN, 2, 3), (TEN + HOUR, 0, 9)]
    assert seen(hours(record, card=2), "card", "owner") == [(0, 9), (2, 1), (2, 3)]
    assert seen(hours(record, card=1), "hour", "card", "owner") == [(TEN, 0, 1), (TEN, 0, 2), (TEN + HOUR, 0, 9)]


def test_the_newest_card_is_each_cluster_s_own(record: Any) -> None:
    close(record, {"card": 1}, {"card": 1, "cluster": "west"})
    close(record, {"card": 2, "cluster": "west"})
    assert seen(hours(record), "cluster", "card") == [("east", 1), ("west", 2)]


def test_an_hour_closed_with_a_newer_card_and_no_rows_has_none(record: Any) -> None:
    close(record, {})
    close(record, controls=[{**CONTROL, "card": 1, "nodes": 0, "gpu_ticks": 0, "unpriced_ticks": 0, "micro": 0}])
    assert told(hours(record), HOURS) == []
    assert seen(hours(record, card=0), "card") == [0]


def test_facts_without_the_control_of_their_hour_are_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="control"):
        close(record, {}, controls=[{**CONTROL, "hour": TEN + HOUR}])


def test_hours_are_those_that_begin_in_the_window(record: Any) -> None:
    close(record, *({"owner": number, "hour": TEN + number * HOUR} for number in range(4)))
    assert seen(hours(record, TEN + HOUR, TEN + 3 * HOUR), "owner") == [1, 2]
    assert seen(hours(record, TEN + HOUR, TEN + 3 * HOUR, ("west",)), "owner") == []


def test_hours_may_begin_at_half_past(record: Any) -> None:
    half = TEN + timedelta(minutes=30)
    close(record, {"hour": half})
    assert seen(hours(record), "hour") == [half]


def test_nothing_is_a_frame_without_rows(record: Any) -> None:
    with record.reading() as unit:
        costs = unit.costs
        assert told(costs.hours(*ALWAYS), HOURS) == []
        assert told(costs.days(*EVER), DAYS) == []
        assert told(costs.controls(*ALWAYS), CONTROLS) == []
        assert told(costs.llm(*ALWAYS), LLM) == []
        assert told(costs.owners(), OWNERS) == []
        assert told(costs.places(), PLACES) == []
        assert [told(one, kind) for one, kind in zip(costs.spans(*ALWAYS), (NODE_SPANS, HOLD_SPANS), strict=True)] == [
            [], [],
        ]  # fmt: skip
        assert costs.extent("east") is None
        assert costs.card() is None
        assert list(costs.cards()) == []


def test_writing_nothing_changes_nothing(record: Any) -> None:
    close(record, {})
    close(record)
    save(record)
    do(record, lambda costs: costs.save_llm(frames.empty(LLM), "east", "gateway", []))
    assert len(hours(record)) == 1


def test_controls_come_back_oldest_first_and_of_the_newest_card(record: Any) -> None:
    later = {**CONTROL, "hour": TEN + HOUR}
    close(record, controls=[later, {**CONTROL, "cluster": "west"}, CONTROL])
    close(record, controls=[{**CONTROL, "card": 1, "micro": 7}])
    with record.reading() as unit:
        found = unit.costs.controls(*ALWAYS, ("east",))
        before = unit.costs.controls(*ALWAYS, ("east",), card=0)
        every = unit.costs.controls(TEN, TEN + HOUR)
    assert told(found, CONTROLS) == [{**CONTROL, "card": 1, "micro": 7}, later]
    assert told(before, CONTROLS) == [CONTROL, later]
    assert seen(every, "cluster", "card") == [("east", 1), ("west", 0)]


def test_the_extent_is_the_first_and_the_last_closed_hour_of_a_cluster(record: Any) -> None:
    close(record, controls=[{**CONTROL, "hour": TEN + number * HOUR} for number in (5, 0, 3)])
    with record.reading() as unit:
        assert unit.costs.extent("east") == (TEN, TEN + 5 * HOUR)
        assert unit.costs.extent("west") is None


# -- days ----------------------------------------------------------------------------------------------------


def test_facts_of_a_day_come_back_as_they_were_written(record: Any) -> None:
    set_days(record, {})
    assert told(days(record), DAYS) == [{"cluster": "east", "day": "2026-06-03", **FACT}]


def test_days_are_replaced_by_cluster_day_and_card(record: Any) -> None:
    set_days(record, *({"day": f"2026-06-0{day}", "owner": day} for day in (1, 2, 3, 4)))
    set_days(record, {"cluster": "west", "day": "2026-06-02", "owner": 9}, clusters=("west",))
    set_days(record, {"day": "2026-06-02", "owner": 5}, first="2026-06-02", last="2026-06-03")
    assert seen(days(record), "day", "owner") == [
        ("2026-06-01", 1), ("2026-06-02", 5), ("2026-06-02", 9), ("2026-06-04", 4),
    ]  # fmt: skip


def test_of_a_day_only_the_rows_of_its_newest_card_count(record: Any) -> None:
    set_days(record, {"day": "2026-06-01", "owner": 1}, {"day": "2026-06-01", "owner": 2}, {"owner": 3})
    set_days(record, {"day": "2026-06-01", "owner": 2, "micro": 4}, card=3)
    assert seen(days(record), "day", "card", "owner") == [("2026-06-01", 3, 2), ("2026-06-03", 0, 3)]
    assert seen(days(record, card=2), "owner") == [1, 2, 3]
    assert seen(days(record, "2026-06-01", "2026-06-01"), "owner") == [2]


def test_days_are_those_from_the_first_to_the_last_both_included(record: Any) -> None:
    set_days(record, *({"day": f"2026-06-0{day}", "owner": day} for day in (1, 2, 3, 4)))
    assert seen(days(record, "2026-06-02", "2026-06-03"), "owner") == [2, 3]
    assert seen(days(record, *EVER, ("west",)), "owner") == []
    assert seen(days(record, *EVER, ("west", "east")), "owner") == [1, 2, 3, 4]


# -- language models -----------------------------------------------------------------------------------------


def test_spend_of_an_hour_and_source_is_replaced_and_comes_back_oldest_first(record: Any) -> None:
    later, engine = {**SPEND, "hour": TEN + HOUR}, {**SPEND, "source": "engine", "namespace": "speech"}

    def write(*given: Mapping[str, Any], source: str = "gateway", at: tuple[datetime, ...] = (TEN,)) -> None:
        do(record, lambda costs: costs.save_llm(rows(LLM, *given), "east", source, at))

    write(later, {**SPEND, "team": "old"}, at=(TEN, TEN + HOUR))
    write(engine, source="engine")
    write(SPEND)
    with record.reading() as unit:
        found = unit.costs.llm(*ALWAYS)
        assert seen(unit.costs.llm(TEN + HOUR, TEN + 2 * HOUR, ("east",)), "hour") == [TEN + HOUR]
        assert seen(unit.costs.llm(*ALWAYS, ("west",)), "hour") == []
    assert told(found, LLM)[2] == later
    assert sorted(told(found, LLM)[:2], key=lambda row: row["source"]) == [engine, SPEND]


# -- rate cards ----------------------------------------------------------------------------------------------


def test_a_rate_card_comes_back_as_it_was_written(record: Any) -> None:
    second = {**LINE, "zone": "eu-1a", "ends": TEN}
    lines = rows(CARD, LINE, second)
    number = do(record, lambda costs: costs.add_card(lines, after=0, at=TEN, actor="ada", reason="Größe: neu"))
    with record.reading() as unit:
        card = unit.costs.card()
    assert number == 1
    assert (card.version, card.at, card.actor, card.reason) == (1, TEN, "ada", "Größe: neu")
    assert told(card.lines, CARD) == [LINE, second]


def test_versions_count_from_1_and_every_one_stays(record: Any) -> None:
    for version, price in enumerate((10, 20)):
        lines = rows(CARD, {**LINE, "micro_per_hour": price})
        do(record, lambda costs, lines=lines, version=version: costs.add_card(
            lines, after=version, at=TEN, actor="ada", reason=""))  # fmt: skip
    do(record, lambda costs: costs.add_card(frames.empty(CARD), after=2, at=TEN, actor="bob", reason="none"))
    with record.reading() as unit:
        assert [card.version for card in unit.costs.cards()] == [3, 2, 1]
        assert unit.costs.card(1).lines["micro_per_hour"].tolist() == [10]
        assert unit.costs.card(2).lines["micro_per_hour"].tolist() == [20]
        assert (unit.costs.card().version, told(unit.costs.card().lines, CARD)) == (3, [])
        assert unit.costs.card(4) is None


@pytest.mark.parametrize("after", [0, 2])
def test_a_card_that_does_not_follow_the_newest_is_a_conflict(record: Any, after: int) -> None:
    def add(number: int) -> Callable[[Costs], int]:
        return lambda costs: costs.add_card(rows(CARD, LINE), after=number, at=TEN, actor="ada", reason="")

    do(record, add(0))
    with pytest.raises(Conflict):
        do(record, add(after))
    with record.reading() as unit:
        cards: list[Card] = list(unit.costs.cards())
    assert [card.version for card in cards] == [1]


# -- forgetting ----------------------------------------------------------------------------------------------


def test_old_hours_and_spans_that_ended_are_removed_and_days_stay(record: Any) -> None:
    close(record, {"hour": TEN - HOUR}, {"hour": TEN - HOUR, "card": 1}, {"owner": 2})
    set_days(record, {"day": "2020-01-01"})
    nodes = [{**NODE, "uid": f"n{number}", "end": end} for number, end in enumerate((None, TEN - HOUR, TEN))]
    holds = [{**HOLD, "pod_uid": f"p{number}", "end": end} for number, end in enumerate((None, TEN - HOUR, TEN))]
    save(record, nodes=[{**one, "begin": TEN - 9 * HOUR} for one in nodes],
         holds=[{**one, "begin": TEN - 9 * HOUR} for one in holds], owners=[OWNER])  # fmt: skip
    gone = []
    while not gone or gone[-1]:
        gone.append(do(record, lambda costs: costs.prune(TEN, 100)))
    assert sum(gone) == 6  # two facts, their two controls, a node and a hold
    assert seen(hours(record), "hour", "owner") == [(TEN, 2)]
    assert len(days(record)) == 1
    with record.reading() as unit:
        left, held = unit.costs.spans(*ALWAYS)
        assert (seen(left, "uid"), seen(held, "pod_uid")) == (["n0", "n2"], ["p0", "p2"])
        assert len(unit.costs.owners()) == 1
        assert unit.costs.extent("east") == (TEN, TEN)


def test_spend_of_old_hours_stays_for_nothing_sums_it_by_day(record: Any) -> None:
    old = {**SPEND, "hour": TEN - HOUR}
    do(record, lambda costs: costs.save_llm(rows(LLM, old, SPEND), "east", "gateway", (TEN, TEN - HOUR)))
    while do(record, lambda costs: costs.prune(TEN, 100)):
        pass
    with record.reading() as unit:
        assert told(unit.costs.llm(*ALWAYS), LLM) == [old, SPEND]
