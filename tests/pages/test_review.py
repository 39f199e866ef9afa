"""From a finding's button to the record: the review of a change, its ceremony, and what is shown afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import diff, proposal
from services import access, attention
from services.access import ROLES, User
from services.domain.change.plan import Plan
from services.domain.findings import Finding, Fix, Severity
from services.reading import Reading
from tests.conftest import NOW
from tests.pages.desk import NODE, Desk, held_to, laid
from tests.pages.opening import table, words

OTHER = User(id="other", name="Omar", rights=ROLES["operator"], roles=("operator",), via="demo")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with laid(tmp_path, monkeypatch.setattr) as desk:
        yield desk


def finding(**params: Any) -> Finding:
    fix = Fix("note-node", "Write it", dict(params))
    return Finding("f1", "Test", Severity.WARNING, "n1 has no note", "It should have one.", "east", fix=fix)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    here: list[Finding] = []
    monkeypatch.setattr(attention, "read", lambda sources, scope: Reading(list(here), NOW))
    return here


def reviewed(desk: Desk, found: list[Finding], **params: Any) -> AppTest:
    found[:] = [finding(**params)]
    return desk.click(desk.open("overview"), "fix_f1")


def keys(at: AppTest) -> set[str]:
    return {button.key for button in at.button if button.key}


def test_a_finding_is_mended_with_three_clicks_and_the_record_says_so(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, text="blue")
    assert desk.label() == "green", "planning and rehearsing change nothing"
    shown = table(at, diff.CHANGES)
    assert shown.to_dict("records") == [
        {"object": "Node n1", "field": "metadata.labels.note", "change": "changed", "before": "green",
         "after": "blue", "cluster": "east"}
    ]  # fmt: skip
    assert "1 node shows another note" in words(at)
    assert "would be accepted" in words(at)
    assert any("kubectl --context=east patch nodes n1" in element.value for element in at.code)
    assert at.button(key="review_apply").label == "Note · n1"
    at = desk.click(at, "review_apply")
    assert desk.label() == "blue"
    text = words(at)
    assert "**Done**" in text
    assert "The node shows the note" in text.replace("\\", "")
    at = desk.click(at, "progress_close")
    assert "progress_close" not in keys(at)
    with desk.database() as unit:
        (row,) = unit.operations.recent().to_dict("records")
    assert (row["state"], row["actor"], row["action"]) == ("done", "demo", "note-node")


def test_a_change_of_low_risk_asks_for_nothing_more_than_the_click(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found)
    assert [element.key for element in at.text_input if element.key.startswith("review")] == []


def test_a_change_of_medium_risk_needs_a_reason(desk: Desk, found: list[Finding]) -> None:
    at = desk.click(reviewed(desk, found, risk="medium"), "review_apply")
    assert "Say why" in at.error[0].value
    assert desk.label() == "green"
    at.text_input(key="review_reason").set_value("launch day")
    at = desk.click(at, "review_apply")
    assert desk.label() == "blue"
    with desk.database() as unit:
        assert unit.operations.recent()["reason"].tolist() == ["launch day"]


def test_a_change_of_high_risk_needs_the_name_typed_as_well(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, risk="high")
    assert "To confirm, type `n1`." in words(at)
    at.text_input(key="review_reason").set_value("launch day")
    at.text_input(key="review_typed").set_value("n2")
    at = desk.click(at, "review_apply")
    assert "Type n1 to confirm" in at.error[0].value.replace("\\", "")
    assert desk.label() == "green"
    at.text_input(key="review_typed").set_value("n1")
    desk.click(at, "review_apply")
    assert desk.label() == "blue"


def test_what_is_so_already_says_so_and_offers_nothing(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, text="green")
    assert "It is so already" in words(at)
    assert "review_apply" not in keys(at)


def test_what_planning_refuses_is_said_with_what_to_do(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, guard="An autoscaler owns this node.")
    text = words(at).replace("\\", "")
    assert "An autoscaler owns this node." in text
    assert "Choose another node." in text
    assert "review_apply" not in keys(at)


def test_what_the_rehearsal_refuses_cannot_be_confirmed(desk: Desk, found: list[Finding]) -> None:
    desk.memory.forbidden.add("patch")
    at = reviewed(desk, found)
    assert "It cannot be applied now" in at.error[0].value
    assert "may not patch Node n1" in at.error[0].value.replace("\\", "")
    assert "review_apply" not in keys(at)
    desk.memory.forbidden.clear()
    at = desk.click(at, "review_again")
    assert "review_apply" in keys(at)


def test_planning_and_rehearsing_happen_once_and_not_with_every_run(desk: Desk, found: list[Finding]) -> None:
    asked: list[str] = []
    desk.memory.before = lambda verb, ref: asked.append(verb)
    at = reviewed(desk, found, risk="medium")
    first = list(asked)
    assert "patch" in first
    at.text_input(key="review_reason").set_value("x")
    desk.run(at)
    assert asked == first


def test_an_object_that_changed_since_the_plan_stops_the_run_and_says_so(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found)
    desk.memory.set(NODE, {"metadata": {"labels": {"note": "red"}}})
    at = desk.click(at, "review_apply")
    assert desk.label() == "red"
    text = words(at).replace("\\", "")
    assert "**Failed**" in text
    assert "Node n1 has changed since the plan" in text
    assert {"progress_continue", "progress_undo"} <= keys(at)


def test_who_keeps_the_object_is_said_with_the_change_to_commit(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, owner="Node n1: It is kept by Flux.")
    assert any("kept by Flux" in element.value for element in at.warning)
    assert any("labels:\n    note: blue" in element.value for element in at.code)


def test_waits_are_described_with_their_bound(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, wait=True)
    assert "n1 shows it (waits, at most 1 min)" in words(at)


def test_a_dismissed_review_is_forgotten(desk: Desk, found: list[Finding]) -> None:
    at = desk.click(reviewed(desk, found), "review_cancel")
    assert proposal.HELD not in at.session_state
    assert "review_apply" not in keys(at)
    assert desk.label() == "green"


def test_a_review_left_open_does_not_follow_to_another_page(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found)
    at.switch_page("pages/admin/audit.py")
    at = desk.run(at)
    assert "review_apply" not in keys(at)
    assert proposal.HELD not in at.session_state


def test_who_may_not_act_sees_no_way_to(desk: Desk, found: list[Finding]) -> None:
    desk.user = replace(access.DEMO, rights=ROLES["viewer"], roles=("viewer",))
    found[:] = [finding()]
    assert "fix_f1" not in keys(desk.open("overview"))


def test_who_could_act_but_may_not_now_sees_why(desk: Desk, found: list[Finding]) -> None:
    held_to(desk, mode="off")
    found[:] = [finding()]
    button = desk.open("overview").button(key="fix_f1")
    assert button.disabled
    assert button.help.replace("\\", "") == "Actions are switched off in this installation."


def test_an_installation_that_only_rehearses_shows_the_review_without_a_button(
    desk: Desk, found: list[Finding]
) -> None:
    held_to(desk, mode="dry-run")
    at = reviewed(desk, found)
    assert "only rehearses" in at.error[0].value
    assert "review_apply" not in keys(at)


def test_where_a_second_person_is_needed_the_change_is_proposed_and_waits(desk: Desk, found: list[Finding]) -> None:
    held_to(desk, second_person=True)
    at = reviewed(desk, found, risk="high")
    assert at.button(key="review_apply").label == "Propose: Note · n1".replace(":", "\\:")
    at.text_input(key="review_reason").set_value("launch day")
    at.text_input(key="review_typed").set_value("n1")
    at = desk.click(at, "review_apply")
    assert desk.label() == "green"
    assert "Waits for a second person" in words(at)


def test_the_session_holds_the_plan_as_json_and_no_frame(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found)
    held = at.session_state[proposal.HELD]
    assert isinstance(held, proposal.Proposed)
    assert Plan.of(held.plan).summary == "n1 gets the note blue"


def test_an_undo_shows_before_set_and_now_and_puts_back(desk: Desk) -> None:
    done = desk.did(access.DEMO)
    at = desk.click(desk.open("audit", op=done), "audit_undo")
    fields = table(at, diff.UNDO)
    assert fields.to_dict("records") == [
        {"back": True, "object": "Node n1", "field": "metadata.labels.note", "before": "green", "set": "blue",
         "now": "blue"}
    ]  # fmt: skip
    at = desk.click(at, "review_apply")
    assert desk.label() == "green"
    assert desk.recorded(done).undone_by != ""


def test_a_field_somebody_else_changed_is_not_put_back_unless_ticked(desk: Desk) -> None:
    done = desk.did(access.DEMO)
    desk.memory.set(NODE, {"metadata": {"labels": {"note": "red"}}})
    at = desk.click(desk.open("audit", op=done), "audit_undo")
    assert table(at, diff.UNDO)["back"].tolist() == [False]
    assert table(at, diff.UNDO)["now"].tolist() == ["red"]
    assert "Nothing would be put back" in words(at)
    held = at.session_state[proposal.HELD]
    at.session_state[proposal.HELD] = replace(held.asked, keep=((0, ("metadata", "labels", "note")),))
    at = desk.run(at)
    assert table(at, diff.UNDO)["back"].tolist() == [True]
    desk.click(at, "review_apply")
    assert desk.label() == "green"


def test_a_failed_run_can_be_continued_with_a_reason(desk: Desk, found: list[Finding]) -> None:
    at = reviewed(desk, found, wait=True)
    at = desk.click(at, "review_apply")
    assert "**Failed**" in words(at)
    at = desk.click(at, "progress_continue")
    assert "Say why" in at.error[0].value
    desk.memory.set(NODE, {"status": {"note": "blue"}})
    at.text_input(key="progress_reason").set_value("the node is back")
    at = desk.click(at, "progress_continue")
    assert "**Done**" in words(at)
