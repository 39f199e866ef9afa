import math
from dataclasses import replace

import pytest

from services.domain.headroom import Place, Shape
from services.domain.headroom.growth import Growth
from services.domain.headroom.guards import Replica, Survey, answer

GPU = Shape("nvidia.com/gpu", 1, "8", "64Gi")
ROOMY = Survey(
    place=Place("spot", "", {}, [], []),
    shape=GPU,
    offers={"nvidia.com/gpu": 8.0},
    fit=2,
    growth=Growth("Karpenter", 10, 2),
    usd_per_day=5.0,
    per_node=1.0,
    node_usd_per_day=5.0,
)
FIXED = replace(ROOMY, growth=Growth())


def test_units_that_fit_cost_their_list_price_and_need_no_node() -> None:
    said = answer(ROOMY, 1, method="placeholder")
    assert (said.refusal, said.warnings, said.new_nodes, said.deadline_s) == ("", (), False, 120)
    assert said.usd_per_day == 5.0
    assert said.blast == (
        "Holds 1 × 1 GPU of pool spot: about $5.00 a day at list prices.",
        "Pods of priority 0 and above take their place at once; the units are then made again.",
    )


def test_the_last_room_is_taken_with_a_word_of_warning() -> None:
    assert answer(ROOMY, 2, method="placeholder").warnings == (
        "This takes the last room in the pool. Ordinary pods still get it, by preemption.",
    )


def test_units_beyond_what_is_free_wait_for_the_autoscaler_a_quarter_of_an_hour() -> None:
    said = answer(ROOMY, 4, method="placeholder")
    assert (said.refusal, said.new_nodes, said.deadline_s) == ("", True, 900)
    assert said.warnings == ("Karpenter has to bring nodes for 2 units: that takes minutes and can fail.",)


def test_units_beyond_the_pools_limit_are_refused() -> None:
    assert answer(ROOMY, 5, method="placeholder").refusal == (
        "Karpenter may add 2 nvidia.com/gpu to pool spot, and 2 more fit now; 3 more would be needed."
    )


def test_where_nothing_brings_nodes_what_does_not_fit_would_wait_for_ever() -> None:
    assert answer(FIXED, 2, method="placeholder").refusal == ""
    assert answer(FIXED, 3, method="placeholder").refusal == (
        "Nothing adds nodes to pool spot, and 2 more fit now: the rest would wait for ever."
    )
    assert "none fits now" in answer(replace(FIXED, fit=0), 1, method="placeholder").refusal


def test_where_the_autoscaler_cannot_be_asked_it_is_a_warning() -> None:
    said = answer(replace(FIXED, growth_known=False), 3, method="placeholder")
    assert said.refusal == ""
    assert said.warnings[0].startswith("An autoscaler, if the pool has one, has to bring nodes for 1 unit")


def test_units_that_are_warm_already_need_no_more_room() -> None:
    kept = replace(FIXED, fit=0, ready=2, set=2)
    assert answer(kept, 2, method="placeholder").refusal == ""
    assert answer(kept, 1, method="placeholder").refusal == ""
    assert answer(kept, 3, method="placeholder").refusal != ""


def test_fewer_units_are_never_refused_for_want_of_room() -> None:
    """Five were asked for, one is warm, four wait and nothing more may come: four are as good as five."""
    waiting = replace(ROOMY, fit=0, growth=Growth("Karpenter", 10, 0), set=5, ready=1, waiting=4)
    for units in (4, 5):
        said = answer(waiting, units, method="placeholder")
        assert said.refusal == ""
        assert not any("has to bring nodes" in text for text in said.warnings)
    assert "may add 0" in answer(waiting, 6, method="placeholder").refusal


def test_nodes_come_whole() -> None:
    """One GPU short of a pool whose nodes have eight at 1,320 USD a day, and a limit that leaves six."""
    big = replace(ROOMY, fit=0, growth=Growth("Karpenter", 30, 6), per_node=8.0, node_usd_per_day=1320.0)
    assert answer(big, 1, method="placeholder").warnings[1:] == (
        "Karpenter may add 6 nvidia.com/gpu; the smallest node of the pool has 8.",
        "A new node costs about $1,320 a day as a whole, whoever uses the rest of it.",
    )


@pytest.mark.parametrize(
    ("survey", "part"),
    [
        (replace(ROOMY, through_claims=True), "through resource claims"),
        (replace(ROOMY, offers={"nvidia.com/gpu.shared": 32.0}), "offers nvidia.com/gpu.shared, not nvidia.com/gpu"),
        (replace(ROOMY, holds=False), "No node of pool spot is large enough for 1 GPU with 8 CPUs and 64Gi of memory"),
        (replace(ROOMY, quota=1.0), "A quota of the headroom namespace allows 1 more units of 1 GPU"),
    ],
)
def test_what_cannot_work_is_refused_and_says_why(survey: Survey, part: str) -> None:
    assert part in answer(survey, 2, method="placeholder").refusal


def test_a_workload_that_never_preempts_or_ranks_too_low_cannot_use_placeholders_but_can_use_a_buffer() -> None:
    polite, low = Replica("batch", 0, preempts=False), Replica("scavenger", -10, preempts=True)
    assert "preemptionPolicy Never" in answer(ROOMY, 1, method="placeholder", replica=polite).refusal
    assert "has priority -10" in answer(ROOMY, 1, method="placeholder", replica=low).refusal
    for replica in (polite, low):
        assert answer(ROOMY, 1, method="buffer", replica=replica).refusal == ""
    assert answer(ROOMY, 1, method="placeholder", replica=Replica("web", 0, preempts=True)).refusal == ""


def test_units_that_wait_already_and_placeholders_of_others_are_told() -> None:
    said = answer(replace(ROOMY, set=2, ready=1, waiting=1, balloons=3), 2, method="placeholder")
    assert said.warnings == (
        "1 unit kept here already waits for room.",
        "3 placeholder pods that this console did not make already hold GPUs in this pool.",
    )


def test_setting_to_nothing_is_never_refused() -> None:
    said = answer(replace(ROOMY, through_claims=True, holds=False), 0, method="placeholder")
    assert (said.refusal, said.usd_per_day, said.warnings) == ("", 0.0, ())


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    said = answer(replace(ROOMY, usd_per_day=math.nan), 1, method="buffer")
    assert said.blast[0] == "The autoscaler keeps room for 1 × 1 GPU in pool spot: its price is not known."
    assert math.isnan(said.usd_per_day)
