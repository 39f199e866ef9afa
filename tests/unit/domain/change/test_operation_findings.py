import pandas as pd

from services.domain.change.findings import stopped, tripped
from services.domain.findings import Severity
from services.ports import OPERATIONS

NOW = pd.Timestamp("2026-06-03T12:00:00Z")


def operations(*rows: dict[str, object]) -> pd.DataFrame:
    usual: dict[str, object] = dict.fromkeys(OPERATIONS, "") | {"at": NOW - pd.Timedelta("1h"), "finished_at": pd.NaT}
    frame = pd.DataFrame([usual | row for row in rows], columns=list(OPERATIONS))
    for name in ("at", "finished_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame.astype(OPERATIONS)


def test_what_stopped_half_way_is_most_urgent_and_leads_to_its_record() -> None:
    frame = operations(
        {"id": "a", "state": "interrupted", "summary": "Share l4", "outcome": "Its process ended.", "clusters": "west"},
        {"id": "b", "state": "failed", "summary": "Warm t4", "outcome": "Step 2 failed."},
        {"id": "c", "state": "done", "summary": "Fine"},
    )
    found = list(stopped(frame, NOW))
    assert [(f.severity, f.title, f.detail) for f in found] == [
        (Severity.CRITICAL, "Share l4", "Its process ended."),
        (Severity.WARNING, "Warm t4", "Step 2 failed."),
    ]
    assert (found[0].page, found[0].params, found[0].cluster) == ("audit", {"op": "a"}, "west")


def test_a_proposal_says_who_waits_and_why() -> None:
    frame = operations({"id": "a", "state": "proposed", "actor_name": "Olga", "reason": "cheaper"})
    assert [f.detail for f in stopped(frame, NOW)] == ["Proposed by Olga: cheaper"]


def test_what_was_taken_back_or_is_old_needs_nobody() -> None:
    frame = operations(
        {"id": "a", "state": "failed", "undone_by": "z"},
        {"id": "b", "state": "failed", "at": NOW - pd.Timedelta("25h")},
    )
    assert list(stopped(frame, NOW)) == []


def test_an_open_breaker_is_a_finding_of_its_own() -> None:
    found = tripped("3 nodes would be touched.", NOW)
    assert (found.severity, found.detail, found.page) == (Severity.CRITICAL, "3 nodes would be touched.", "audit")
