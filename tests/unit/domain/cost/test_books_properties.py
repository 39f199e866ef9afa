"""What holds for all books, whatever happened."""

from datetime import timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.cost import days
from tests.unit.domain.cost.books import TWO, Row, at, balanced, closed, hold, line, node, use

HOURS = 3
_SPAN = st.tuples(st.integers(-600, 3 * 3600), st.integers(1, 2 * 3600))
CARD = [line("h100", 55.04, end=at(5000)), line("h100", 98.32, at(5000)), line("a100", 27.4471)]


@st.composite
def estates(draw: st.DrawFn) -> tuple[list[Row], list[Row], list[Row]]:
    """Nodes that come, change and go; pods on them, on more GPUs than there are too; readings of some."""
    nodes, holds = [], []
    for number in range(draw(st.integers(1, 4))):
        uid, gpus = f"n{number}", draw(st.integers(1, 8))
        kind = draw(st.sampled_from(["h100", "a100", "spot", "metal"]))
        begin, length = draw(_SPAN)
        turn, end = begin + length // 2, begin + length
        out = draw(st.sampled_from([0, 0, 1 / 7, 1]))
        nodes.append(node(uid, at(begin), at(turn), kind=kind, gpus=gpus))
        nodes.append(node(uid, at(turn), at(end), kind=kind, gpus=gpus, out=out, closed=draw(st.booleans())))
        for place in range(draw(st.integers(0, 3))):
            first, lasting = draw(_SPAN)
            much = draw(st.sampled_from([1 / 7, 0.25, 1 / 3, 1, 2, 8]))
            owner = draw(st.integers(1, 2))
            holds.append(hold(f"p{number}-{place}", uid, at(first), at(first + lasting), gpus=much, owner=owner))
    read = [
        use(at(3600 * hour), owner, measured, draw(st.floats(0, 1)) * measured, kind=kind)
        for hour in range(HOURS)
        for owner in (1, 2)
        for kind in ("h100", "a100")
        for measured in [draw(st.integers(0, 9000))]
    ]
    return nodes, holds, read


@settings(max_examples=40, deadline=None)
@given(estates())
def test_parts_sum_to_what_the_nodes_were_and_cost_for_every_hour(estate):
    nodes, holds, read = estate
    found = closed(nodes, holds, CARD, read, number=HOURS)
    assert balanced(found)
    parts = found.facts.groupby("hour")[["micro", "ticks"]].sum()
    whole = found.controls.set_index("hour")[["micro", "gpu_ticks"]]
    whole = whole[whole["gpu_ticks"] > 0]
    assert parts.to_numpy().tolist() == whole.to_numpy().tolist()


@settings(max_examples=30, deadline=None)
@given(estates())
def test_hours_closed_one_by_one_are_the_hours_closed_at_once(estate):
    nodes, holds, read = estate
    whole = closed(nodes, holds, CARD, read, number=HOURS).facts
    each = [closed(nodes, holds, CARD, read, begin=TWO + timedelta(hours=hour)).facts for hour in range(HOURS)]
    pd.testing.assert_frame_equal(pd.concat(each, ignore_index=True), whole)


@settings(max_examples=30, deadline=None)
@given(estates(), st.randoms(use_true_random=False))
def test_the_order_of_what_was_seen_does_not_matter(estate, random):
    nodes, holds, read = estate
    before = closed(nodes, holds, CARD, read, number=HOURS).facts
    for rows in (nodes, holds, read):
        random.shuffle(rows)
    pd.testing.assert_frame_equal(closed(nodes, holds, CARD, read, number=HOURS).facts, before)


@settings(max_examples=30, deadline=None)
@given(estates())
def test_worked_out_again_with_what_was_measured_it_is_the_same(estate):
    nodes, holds, read = estate
    before = closed(nodes, holds, CARD, read, number=HOURS).facts
    again = days.use_of(before)
    rows = [tuple(row) for row in again.itertuples(index=False)]
    pd.testing.assert_frame_equal(closed(nodes, holds, CARD, rows, number=HOURS).facts, before)


@settings(max_examples=30, deadline=None)
@given(estates())
def test_used_is_part_of_measured_and_measured_of_held(estate):
    nodes, holds, read = estate
    facts = closed(nodes, holds, CARD, read, number=HOURS).facts
    for unit in ("ticks", "micro"):
        used, measured = facts[f"used_{unit}"], facts[f"measured_{unit}"]
        assert ((used >= 0) & (used <= measured) & (measured <= facts[unit])).all()
    assert facts.loc[facts["kind"] != "held", ["measured_ticks", "used_ticks"]].to_numpy().sum() == 0
