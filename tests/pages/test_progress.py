"""A running operation as the dialog shows it, from its record alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import proposal
from services import audit
from services.domain.change.plan import Draft, Plan, Risk
from services.ports import Event, Operation
from services.reading import Problem, Reading
from tests.conftest import NOW
from tests.pages.desk import NODE, Desk, laid
from tests.pages.opening import words


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with laid(tmp_path, monkeypatch.setattr) as desk:
        yield desk


def under_way(desk: Desk, state: str = "running") -> str:
    """Two nodes of seven steps each; the first node is done, the second waits at its first step."""
    draft = Draft("2 nodes change")
    for group in ("a", "b"):
        for number in range(7):
            draft.wait(NODE, [((), "gone", None)], f"step {number}", deadline_s=60, group=group)
    plan = Plan("op1", "note-node", draft.summary, tuple(draft.steps), NOW, Risk.LOW)
    operation = Operation("op1", plan.action, plan.summary, "running", plan.stored(), "", "demo", "Demo", (), "",
                          "demo", NOW, started_at=NOW, worker="w", lease_until=NOW)  # fmt: skip
    with desk.database() as unit:
        unit.operations.propose(operation, [Event("op1", "proposed", NOW, "demo", "x")], targets=[])
        for step in range(7):
            unit.operations.log(Event("op1", "step-started", NOW, "demo", f"step {step}", step))
            unit.operations.log(Event("op1", "step-done", NOW, "demo", f"step {step}", step), cursor=step + 1)
        unit.operations.log(Event("op1", "step-started", NOW, "demo", "step 0", 7))
        unit.operations.log(Event("op1", "waited", NOW, "demo", "3 pods are still to leave n1.", 7))
        if state != "running":
            over = Event("op1", state, NOW, "demo", "Its process ended.")
            unit.operations.finish("op1", state, [over], at=NOW, outcome=over.says, worker="w")
        unit.commit()
    return "op1"


def watched(desk: Desk, of: str) -> AppTest:
    at = desk.open("audit")
    at.session_state[proposal.HELD] = proposal.Running("Note", of)
    at.session_state[proposal.WHERE] = "Audit"
    return desk.run(at)


def test_a_long_run_is_shown_by_group_with_what_it_waits_for(desk: Desk) -> None:
    text = words(watched(desk, under_way(desk))).replace("\\", "")
    assert "**Running**" in text
    assert "7 of 14 steps" in text
    assert ":green[done] a: 7 of 7" in text
    assert ":blue[running] b: 0 of 7  \n  3 pods are still to leave n1." in text
    assert "It goes on when you close this or leave." in text


def test_an_interrupted_run_offers_to_continue_and_to_undo(desk: Desk) -> None:
    at = watched(desk, under_way(desk, "interrupted"))
    assert ":orange[stopped] b: 0 of 7" in words(at)
    assert "Its process ended" in words(at)
    assert at.button(key="progress_continue").label == "Continue"
    assert at.button(key="progress_undo").label == "Undo"


def test_what_the_engine_says_no_to_is_shown_where_it_was_asked(desk: Desk) -> None:
    at = watched(desk, under_way(desk, "interrupted"))
    with desk.database() as unit:
        taken = Event("op1", "undone", NOW, "demo", "x")
        unit.operations.undone("op1", "op2", taken)
        unit.commit()
    at.text_input(key="progress_reason").set_value("go on")
    at = desk.click(at, "progress_continue")
    assert [error.value for error in at.error] == ["This operation was taken back\\."]
    assert "progress_continue" not in {button.key for button in at.button}
    assert desk.recorded("op1").state == "interrupted"


def test_a_record_that_is_away_says_so_and_is_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("database", "The database does not answer.")
    monkeypatch.setattr(audit, "operation", lambda sources, of, own="": Reading(None, problem=problem))
    text = words(watched(desk, "op1")).replace("\\", "")
    assert "The database does not answer." in text
    assert "It goes on when you close this" in text
