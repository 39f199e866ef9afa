from datetime import datetime, timedelta

import pandas as pd
import pytest

from services.domain import frames
from services.domain.findings import Finding, Severity
from services.domain.startup.findings import findings, helpful, late, silent, slower, stuck
from services.domain.startup.levers import LEVERS, levers
from services.domain.startup.regressions import REGRESSIONS, regressions
from tests.unit.domain.startup.recorded import NAN, at, pulls, start, starts

Rows = list[dict[str, object]]


def several(number: int, first: float = 0.0, **values: object) -> Rows:
    return [start(first + place, **values) for place in range(number)]


def lates(rows: Rows) -> list[Finding]:
    return list(late(starts(rows), 120.0, "24h"))


def test_a_cluster_whose_usual_start_is_late_is_a_warning_with_the_worst_workload() -> None:
    rows = several(3, load_s=300) + several(1, 10, load_s=180, workload="rank") + several(1, 20, load_s=60)
    (found,) = lates(rows)
    assert found.title == "80% of 5 starts in east missed the target of 2 min"
    assert found.detail == (
        "In the last 24h. Half take 5 min or more, one in twenty 5 min. Most often late: chat, 3 of 4."
    )
    assert (found.severity, found.key, found.page) == (Severity.WARNING, "startup-late/east", "startup")


def test_a_tenth_of_late_starts_is_worth_knowing_and_a_twentieth_is_what_the_target_allows() -> None:
    (found,) = lates(several(18, load_s=60) + several(2, 50, load_s=300))
    assert found.severity is Severity.NOTICE
    assert lates(several(19, load_s=60) + several(1, 50, load_s=300)) == []
    assert lates(several(4, load_s=300)) == []
    assert lates([]) == []


def test_where_nothing_became_ready_no_time_is_told() -> None:
    (found,) = lates(several(5, total_s=10, outcome="failed"))
    assert found.detail == "In the last 24h. Most often late: chat, 5 of 5."


def helped() -> pd.DataFrame:
    rows = several(2, pull="pulled", pull_s=190) + several(5, 100, pull="cached", pull_s=10)
    return levers(starts(rows), pulls([]), target_s=120, days=1)


def test_the_best_lever_of_a_cluster_comes_with_its_action() -> None:
    (found,) = helpful(helped())
    assert found.title == "Pull images ahead: 3 min less in 2 of 7 starts with vllm:1 in pool a"
    assert found.detail == (
        "3 min 10 s → 10 s at the 95th percentile of all of them. "
        "Basis: median of 5 starts with this image on the node."
    )
    assert found.usd_per_day == pytest.approx(2 * 4 * 180 / 3600)
    assert found.fix is not None
    assert found.fix.action == "prepull-images"
    assert found.fix.params == {"cluster": "east", "pool": "a", "images": ["reg.example/vllm:1"]}
    assert found.key == "startup-lever/east/prepull/a/reg.example/vllm:1"


def test_a_lever_that_nothing_recorded_speaks_for_is_no_finding() -> None:
    assert list(helpful(levers(starts(several(2, pull="pulled", pull_s=190)), pulls([]), target_s=120, days=1))) == []
    assert list(helpful(frames.empty(LEVERS))) == []


def test_headroom_is_told_with_what_it_costs() -> None:
    rows = several(2, cold=True, provision_s=290, usd_per_hour=5.0) + several(5, 100, wait_s=10, usd_per_hour=5.0)
    (found,) = helpful(levers(starts(rows), pulls([]), target_s=120, days=1))
    assert found.title == "Keep units warm: 4 min 40 s less in 2 of 7 starts in pool a · H100 80GB HBM3"
    assert found.detail.endswith(
        "2 units would have been there for 2 of 2 that waited. It holds GPU time worth about $240 a day."
    )
    assert found.fix is None


def test_a_workload_that_became_slower_is_told_with_the_change() -> None:
    rows = several(5, image="r.example/v:1", load_s=100) + several(5, 100, image="r.example/v:2", load_s=150)
    (found,) = slower(regressions(starts(rows), now=at(1000)))
    assert found.title == "chat starts 50% slower since a change"
    assert found.detail == (
        "Since image v:1 → v:2: warm starts that found the image on the node took 1 min 40 s at the 95th percentile "
        "(5 starts) and take 2 min 30 s (5). Model load grew most, by 50 s."
    )
    assert (found.key, found.team, found.since) == ("startup-slower/east/serving/Deployment/chat", "llm", at(100))
    assert list(slower(frames.empty(REGRESSIONS))) == []


def test_three_starts_in_a_row_that_never_became_ready_are_found() -> None:
    rows = [*several(2, load_s=60), *several(3, 10, total_s=600, outcome="failed", usd=2.0, reason="ErrImagePull")]
    (found,) = stuck(starts(rows), "24h")
    assert found.title == "The last 3 starts of chat never became ready"
    assert found.detail == ("Namespace serving. The last: ErrImagePull. GPU time worth $6 was spent on them.")
    assert (found.since, found.key) == (at(10), "startup-stuck/east/serving/Deployment/chat")


def test_a_start_that_became_ready_ends_the_row_and_one_under_way_does_not() -> None:
    failed = several(3, total_s=600, outcome="gone", usd=NAN)
    assert list(stuck(starts([*failed, start(50, load_s=60)]), "24h")) == []
    (found,) = stuck(starts([*failed, start(50, total_s=100, outcome="starting")]), "24h")
    assert found.title == "The last 3 starts of chat never became ready"
    assert found.detail == "Namespace serving. None was in the last 24h."
    (found,) = stuck(starts([*failed, start(50, total_s=1000, outcome="starting")]), "24h")
    assert found.title == "The last 4 starts of chat never became ready"


def test_jobs_that_were_done_at_once_are_no_row_and_end_one() -> None:
    assert list(stuck(starts(several(5, total_s=9, outcome="completed")), "24h")) == []
    failed = several(3, total_s=600, outcome="failed")
    assert list(stuck(starts([*failed, start(50, total_s=9, outcome="completed")]), "24h")) == []


def test_two_failures_or_no_starts_are_no_row() -> None:
    assert list(stuck(starts(several(2, total_s=600, outcome="failed")), "24h")) == []
    assert list(stuck(starts([]), "24h")) == []
    assert list(stuck(starts([start(0, total_s=10, outcome="starting")]), "24h")) == []


def test_a_recorder_that_stopped_looking_is_found_and_one_that_never_began() -> None:
    recorded: dict[str, datetime | None] = {"west": None, "east": at(0), "north": at(19)}
    east, west = silent(recorded, at(20))
    assert (east.severity, east.since) == (Severity.WARNING, at(0))
    assert east.detail.startswith("Not recorded since 10 Mar 12:00 UTC.")
    assert (west.severity, west.since) == (Severity.NOTICE, None)
    assert list(silent({"east": at(0)}, at(0) + timedelta(minutes=15))) == []


def test_all_kinds_are_found_together_with_keys_of_their_own() -> None:
    rows = several(5, image="r.example/v:1", load_s=100) + several(5, 100, image="r.example/v:2", load_s=150)
    rows += several(3, 200, workload="bad", total_s=600, outcome="failed")
    frame = starts(rows)
    found = list(
        findings(
            frame, helped(), regressions(frame, now=at(1000)), {"east": None}, target_s=120, window="24h", now=at(1000)
        )
    )
    assert [one.kind for one in found] == [
        "Late starts",
        "Faster starts",
        "Slower starts",
        "Never ready",
        "Not recorded",
    ]
    assert len({one.key for one in found}) == 5
    assert {one.page for one in found} == {"startup"}
