"""Ledgers worked by hand, every cell to the micro-dollar."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.domain.cost import LISTLESS, MICRO, days
from services.domain.cost.hours import LIVE
from tests.unit.domain.cost.books import TWO, at, balanced, cells, closed, hold, line, node, seconds, use

CARD = [line("h100", 36), line("a100", 18)]
"""A second of the one is a cent, of the other half a cent."""
HALF = 1800


def test_three_nodes_whole_gpus_and_what_nobody_holds_is_free():
    # a: 8 GPUs for 36: 4.5 each. Owner 1 holds 4 all hour = 18; owner 2 holds 2 for half an hour = 4.5; rest 13.5 free.
    # b: 2 GPUs for 18: owner 1 holds one for 20 minutes = 9 × 1/3 = 3; rest 15 free.
    # c: nobody: 18 free.
    found = closed(
        [node("a", gpus=8), node("b", kind="a100", gpus=2), node("c", kind="a100", gpus=2)],
        [
            hold("p", "a", gpus=4),
            hold("q", "a", at(HALF), gpus=2, owner=2),
            hold("r", "b", at(0), at(1200), gpus=1),
        ],
        CARD,
    )
    assert cells(found) == {
        (0, "h100", "held", 1): 18_000_000,
        (0, "h100", "held", 2): 4_500_000,
        (0, "h100", "free", 0): 13_500_000,
        (0, "a100", "held", 1): 3_000_000,
        (0, "a100", "free", 0): 33_000_000,
    }
    assert balanced(found)


def test_mig_instances_and_the_remainder_make_up_the_gpu():
    # One GPU for 36.000001 an hour, cut into 3g + 2g + 1g; a seventh is left over. In micro-dollars 36_000_001 / 7 is
    # 5_142_857.285714…: 1/7 of it 5_142_857 (rest .2857), twice; 2/7 10_285_714 (rest .5714); 3/7 15_428_571 (.8571).
    # The whole parts sum to 35_999_999: the two that are left go to the largest rests, 3g and 2g.
    found = closed(
        [node("a", remainder=1 / 7)],
        [
            hold("p", "a", gpus=3 / 7, owner=1),
            hold("q", "a", gpus=2 / 7, owner=2),
            hold("r", "a", gpus=1 / 7, owner=3),
        ],
        [line("h100", 36.000001)],
    )
    assert cells(found) == {
        (0, "h100", "held", 1): 15_428_572,
        (0, "h100", "held", 2): 10_285_715,
        (0, "h100", "held", 3): 5_142_857,
        (0, "h100", "remainder", 0): 5_142_857,
    }
    assert balanced(found)


def test_time_sliced_replicas_are_shares_of_the_gpu_and_the_unsold_one_is_free():
    # 4 replicas of a GPU for 36: 9 each; three are held.
    found = closed(
        [node("a")], [hold(pod, "a", gpus=0.25, owner=owner) for pod, owner in (("p", 1), ("q", 1), ("r", 2))], CARD
    )
    assert cells(found) == {
        (0, "h100", "held", 1): 18_000_000,
        (0, "h100", "held", 2): 9_000_000,
        (0, "h100", "free", 0): 9_000_000,
    }


def test_a_pod_that_is_made_anew_elsewhere_is_paid_for_on_both_nodes():
    # 10 minutes at a cent a second, then, 5 minutes later, 45 minutes at half a cent.
    found = closed(
        [node("a"), node("b", kind="a100")],
        [hold("p-1", "a", end=at(600)), hold("p-2", "b", at(900))],
        CARD,
    )
    assert cells(found) == {
        (0, "h100", "held", 1): 6_000_000,
        (0, "h100", "free", 0): 30_000_000,
        (0, "a100", "held", 1): 13_500_000,
        (0, "a100", "free", 0): 4_500_000,
    }


def test_a_spot_node_that_dies_within_the_hour_costs_until_then_and_so_does_its_pod():
    # 0.25 an hour of spot; 25 minutes and 1 second of it: 0.25 × 1501 / 3600 = 0.104236…; the pod came after 600 s.
    found = closed([node("s", kind="spot", end=at(1501))], [hold("p", "s", at(600), at(1501))])
    # 0.1042361 to the micro-dollar is 104_236; of 1501 s the pod held 901: 62_569.2…, free 600: 41_666.7…
    assert cells(found) == {(0, "spot", "held", 1): 62_569, (0, "spot", "free", 0): 41_667}
    # On demand it is 1 an hour at list: 416_944; 901/1501 of it 250_278 (250_277.7…), the rest 166_666 (166_666.3…).
    listed = found.facts.set_index("kind")["list_micro"].to_dict()
    assert listed == {"held": 250_278, "free": 166_666}
    assert balanced(found)


def test_a_price_that_changes_within_the_hour_counts_from_its_minute_on():
    # 36 until 14:20, 72 after it: 12 + 48 = 60; the pod is there from 14:10 to 14:30: 6 + 12 = 18.
    card = [line("h100", 36, end=at(1200)), line("h100", 72, at(1200))]
    found = closed([node("a")], [hold("p", "a", at(600), at(HALF))], card)
    assert cells(found) == {(0, "h100", "held", 1): 18_000_000, (0, "h100", "free", 0): 42_000_000}


def test_a_price_that_changes_between_two_seconds_counts_from_the_nearest_one_on():
    # 36 until 14:20:00.4, 72 after it: 1,200 s at a cent and 2,400 s at two.
    turn = at(1200.4)
    found = closed([node("a")], [], [line("h100", 36, end=turn), line("h100", 72, turn)])
    assert cells(found) == {(0, "h100", "free", 0): 60_000_000}


def test_nodes_of_one_name_and_uid_in_two_clusters_are_two():
    # lab: 2 GPUs for 36, one of them held = 18 and 18 free; east: nobody is on the 4 GPUs, 36 free.
    east = ("east", *node("a", gpus=4)[1:])
    found = closed([node("a", gpus=2), east], [hold("p", "a")], CARD)
    assert found.facts[["cluster", "kind", "micro"]].to_numpy().tolist() == [
        ["east", "free", 36_000_000],
        ["lab", "free", 18_000_000],
        ["lab", "held", 18_000_000],
    ]
    assert found.controls[["cluster", "nodes", "gpu_ticks", "micro"]].to_numpy().tolist() == [
        ["east", 1, 4 * 3600 * 27_720, 36_000_000],
        ["lab", 1, 2 * 3600 * 27_720, 36_000_000],
    ]


def test_the_hours_of_a_day_with_a_price_change_at_noon():
    begin = datetime(2026, 6, 2, tzinfo=UTC)
    noon = begin + timedelta(hours=12)
    found = closed([node("a")], [], [line("h100", 24, end=noon), line("h100", 36, noon)], begin=begin, number=24)
    by_hour = [cells(found, begin)[hour, "h100", "free", 0] for hour in range(24)]
    assert by_hour == [24_000_000] * 12 + [36_000_000] * 12


def test_a_month_ends_at_midnight_in_kolkata_half_an_hour_before_the_hour():
    # 1 June begins in Kolkata at 18:30 UTC of 31 May. Hours begin at half past; a pod holds from 18:00 to 19:00 UTC.
    begin = datetime(2026, 5, 31, 17, 30, tzinfo=UTC)
    half = timedelta(minutes=30)
    found = closed([node("a")], [hold("p", "a", begin + half, begin + 3 * half)], CARD, begin=begin, number=2)
    by_day = days.days(found.facts, "Asia/Kolkata")
    assert by_day.set_index(["day", "kind"])["micro"].to_dict() == {
        ("2026-05-31", "held"): 18_000_000,
        ("2026-05-31", "free"): 18_000_000,
        ("2026-06-01", "held"): 18_000_000,
        ("2026-06-01", "free"): 18_000_000,
    }


@pytest.mark.parametrize(
    ("begin", "number", "day"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23, "2026-03-29"),  # clocks go forward
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25, "2026-10-25"),  # and back
    ],
)
def test_the_days_of_23_and_25_hours_cost_as_many_hours(begin, number, day):
    found = closed([node("a")], [hold("p", "a")], CARD, begin=begin, number=number)
    by_day = days.days(found.facts, "Europe/Berlin")
    assert by_day[["day", "kind", "micro"]].to_numpy().tolist() == [[day, "held", number * 36_000_000]]


def test_a_node_without_a_price_is_in_no_total_and_its_time_is_counted():
    found = closed([node("a"), node("m", kind="metal", gpus=2)], [hold("p", "m")], CARD)
    assert cells(found) == {
        (0, "h100", "free", 0): 36_000_000,
        (0, "metal", "held", 1): 0,
        (0, "metal", "free", 0): 0,
    }
    rows = found.facts[found.facts["basis"] == ""]
    assert rows["ticks"].sum() == found.controls["unpriced_ticks"].sum() == 2 * 3600 * 27_720
    assert set(rows["list_micro"]) == {LISTLESS}
    assert balanced(found)


def test_a_node_of_a_place_that_is_not_in_the_record_has_no_price_and_takes_nobody_elses():
    lost = (*node("b")[:5], 99, *node("b")[6:])
    found = closed([lost, node("a"), node("m", kind="metal")], [], CARD)
    assert found.facts.set_index("place")["micro"].to_dict() == {0: 36_000_000, 3: 0, 99: 0}
    assert found.controls["unpriced_ticks"].tolist() == [2 * 3600 * 27_720]


def test_what_opencost_counts_a_node_at_comes_before_list_prices_and_after_the_card():
    rows = [("lab", name, pd.Timestamp(TWO), 9 * MICRO, "OpenCost") for name in ("node-a", "node-s")]
    live = pd.DataFrame(rows, columns=list(LIVE))
    found = closed([node("a"), node("s", kind="spot")], [], CARD, live=live, number=2)
    by_basis = found.facts.set_index(["hour", "basis"])["micro"].to_dict()
    assert by_basis == {
        (pd.Timestamp(TWO), "rate card"): 36_000_000,
        (pd.Timestamp(TWO), "OpenCost"): 9_000_000,
        (pd.Timestamp(at(3600)), "rate card"): 36_000_000,
        (pd.Timestamp(at(3600)), "list price 2026-07-20"): 250_000,
    }


def test_a_node_of_which_nobody_knows_how_many_gpus_it_has_is_in_no_account():
    found = closed([node("a"), node("b", gpus=0)], [hold("p", "b")], CARD)
    assert cells(found) == {(0, "h100", "free", 0): 36_000_000}
    assert found.orphans["pod"].tolist() == ["ns/p"]
    assert balanced(found)


def test_where_more_is_accounted_for_than_was_there_all_give_way_and_nothing_is_free():
    # Two pods on one GPU all hour (one end was missed), one of them on a GPU that is half out: 1 + 1 + 0.5 on 1 GPU.
    found = closed([node("a", out=0.5)], [hold("p", "a"), hold("q", "a", owner=2)], CARD)
    assert cells(found) == {
        (0, "h100", "held", 1): 14_400_000,
        (0, "h100", "held", 2): 14_400_000,
        (0, "h100", "out", 0): 7_200_000,
    }
    assert balanced(found)


def test_a_closed_node_has_nothing_free_and_placeholders_are_warm():
    found = closed(
        [node("a", gpus=4, end=at(HALF)), node("a", at(HALF), gpus=4, closed=True)],
        [hold("p", "a"), hold("w", "a", at(0), at(HALF), kind="warm", owner=0)],
        CARD,
    )
    # 9 a GPU: held 9; warm 4.5; until half past two are free = 9, after it three are out = 13.5.
    assert cells(found) == {
        (0, "h100", "held", 1): 9_000_000,
        (0, "h100", "warm", 0): 4_500_000,
        (0, "h100", "free", 0): 9_000_000,
        (0, "h100", "out", 0): 13_500_000,
    }


def test_measured_and_used_are_parts_of_what_was_held():
    # 1,800 of 3,600 held GPU-seconds were measured, 600 of them used: 36 → 18 → 6.
    found = closed([node("a")], [hold("p", "a")], CARD, [use(TWO, 1, 1800, 600)])
    row = found.facts.iloc[0]
    assert (row["measured_micro"], row["used_micro"]) == (18_000_000, 6_000_000)


def test_halves_of_a_micro_dollar_go_to_the_even_one():
    # 5 micro-dollars an hour, half of it measured: 2.5 → 2; 7 of them: 3.5 → 4, of which half were used: 2.
    found = closed([node("a")], [hold("p", "a")], [line("h100", 0.000005)], [use(TWO, 1, 1800, 0)])
    assert found.facts[["measured_micro", "used_micro"]].to_numpy().tolist() == [[2, 0]]
    found = closed([node("a")], [hold("p", "a")], [line("h100", 0.000007)], [use(TWO, 1, 1800, 900)])
    assert found.facts[["measured_micro", "used_micro"]].to_numpy().tolist() == [[4, 2]]


def test_no_more_is_measured_than_was_held_and_none_of_what_nobody_held():
    # A pod held it for 1,800 s; readings say 3,600 s of its owner, and something of an owner who held nothing.
    readings = [use(TWO, 1, 3600, 900), use(TWO, 2, 3600, 3600)]
    found = closed([node("a")], [hold("p", "a", end=at(HALF))], CARD, readings)
    assert found.facts[["kind", "owner", "measured_micro", "used_micro"]].to_numpy().tolist() == [
        ["free", 0, 0, 0],
        ["held", 1, 18_000_000, 9_000_000],
    ]


def test_readings_are_split_over_the_prices_of_an_hour():
    # 12 until 14:20 and 48 after it, half of each used.
    card = [line("h100", 36, end=at(1200)), line("h100", 72, at(1200))]
    found = closed([node("a")], [hold("p", "a")], card, [use(TWO, 1, 3600, 1800)])
    assert found.facts["used_micro"].sum() == 30_000_000


def test_a_pod_on_a_node_nobody_saw_is_told_and_not_dropped():
    found = closed([node("a", at(HALF))], [hold("p", "a"), hold("q", "ghost", at(0), at(60))], CARD)
    told = found.orphans.set_index("pod")["seconds"].to_dict()
    assert told == {"ns/p": 1800, "ns/q": 60}
    assert seconds(found, "held") == 1800


def test_an_hour_without_nodes_is_closed_at_nothing():
    found = closed([node("a", end=at(3600))], [], CARD, number=2)
    assert found.controls[["nodes", "micro"]].to_numpy().tolist() == [[1, 36_000_000], [0, 0]]


def test_a_day_that_is_listless_in_part_has_no_list_price():
    hour = closed([node("s", kind="spot", end=at(3600))]).facts
    other = hour.assign(hour=hour["hour"] + pd.Timedelta(hours=1), list_micro=LISTLESS)
    assert days.days(pd.concat([hour, other]), "UTC")["list_micro"].tolist() == [LISTLESS]
