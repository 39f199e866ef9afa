"""The Audit page: who changed what, did it work, can it be taken back."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from db.work import Database
from pages.ui import diff
from pages.ui import tables as columns
from services import access, audit
from services.access import ROLES, User
from services.domain.scope import Sight
from services.ports import Event
from tests.conftest import NOW
from tests.pages.desk import NODE, Desk, held_to, laid
from tests.pages.opening import has_table, opened, table, words
from tests.pages.test_hostile import EVIL, SIGNS, interpreted

OLGA = User(id="olga", name="Olga", rights=ROLES["operator"], roles=("operator",), via="demo", address="10.0.0.9")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with laid(tmp_path, monkeypatch.setattr) as desk:
        yield desk


def keys(at: AppTest) -> set[str]:
    return {button.key for button in at.button if button.key}


def test_an_empty_record_says_that_nothing_was_changed(desk: Desk) -> None:
    assert "Nothing was changed" in words(desk.open())


def test_operations_stand_newest_first_with_who_why_and_how_it_ended(desk: Desk) -> None:
    desk.did(OLGA, text="blue")
    desk.seconds = 60
    desk.did(access.DEMO, text="red")
    rows = table(desk.open(), columns.OPERATIONS)
    assert rows["summary"].tolist() == ["n1 gets the note red", "n1 gets the note blue"]
    assert rows["actor_name"].tolist() == ["Demo user", "Olga"]
    assert rows["address"].tolist() == ["", "10.0.0.9"]
    assert set(rows["state"]) == {"Done"}
    assert set(rows["reason"]) == {"because of tests"}
    assert "The chain of events holds, checked 12:01 UTC." in words(desk.open())


@pytest.mark.parametrize(
    ("param", "value", "left"),
    [
        ("audit_actor", "Olga", ["n1 gets the note blue"]),
        ("audit_state", "Failed", []),
        ("audit_state", "Done", ["n1 gets the note red", "n1 gets the note blue"]),
        ("audit_text", "NOTE RED", ["n1 gets the note red"]),
        ("audit_action", "note-node", ["n1 gets the note red", "n1 gets the note blue"]),
    ],
)
def test_filters_come_from_the_link(desk: Desk, param: str, value: str, left: list[str]) -> None:
    desk.did(OLGA, text="blue")
    desk.seconds = 60
    desk.did(access.DEMO, text="red")
    at = desk.open("audit", **{param: value})
    if left:
        assert table(at, columns.OPERATIONS)["summary"].tolist() == left
    else:
        assert "No such operation" in words(at)


def test_a_text_that_is_a_broken_pattern_is_only_text(desk: Desk) -> None:
    desk.did(OLGA)
    assert "No such operation" in words(desk.open("audit", audit_text="*("))


def test_older_operations_are_outside_the_time_range(desk: Desk) -> None:
    desk.did(OLGA)
    desk.seconds = timedelta(hours=2).total_seconds()
    assert not has_table(desk.open("audit", range="1h"), columns.OPERATIONS)
    assert has_table(desk.open("audit", range="6h"), columns.OPERATIONS)


def test_one_operation_is_told_from_its_plan_to_its_proof(desk: Desk) -> None:
    id_ = desk.did(OLGA, text="blue")
    at = desk.open("audit", op=id_)
    text = words(at).replace("\\", "")
    for part in ("**Who** Olga (olga), operator, from 10.0.0.9", "**Why** because of tests", "**Done**",
                 "2026-06-03 12:00:30 UTC", "The node shows the note", "would be accepted"):  # fmt: skip
        assert part in text
    assert table(at, diff.CHANGES)["after"].tolist() == ["blue"]
    steps = table(at, columns.OPERATION_STEPS)
    assert steps[["step", "state", "says"]].values.tolist() == [[1, "done", "Write blue on n1"]]
    assert table(at, columns.EVENTS)["kind"].tolist() == [
        "proposed", "applied", "step-started", "step-done", "verified", "done",
    ]  # fmt: skip


def test_an_id_nobody_knows_is_said_so(desk: Desk) -> None:
    assert "There is no operation of this id" in words(desk.open("audit", op="nope"))


def test_a_failed_run_says_why_and_can_be_continued_or_taken_back(desk: Desk) -> None:
    id_ = desk.did(access.DEMO, wait=True)
    at = desk.open("audit", op=id_)
    assert "**Failed**" in words(at)
    assert "not so after 90 seconds" in words(at).replace("\\", "")
    assert {"audit_continue", "audit_undo"} <= keys(at)


def test_what_was_taken_back_names_the_operation_that_did_it(desk: Desk) -> None:
    id_ = desk.did(access.DEMO)
    undo = desk.engine.plan_undo(id_, access.DEMO).plan
    desk.engine.apply(undo, access.DEMO, reason="x", rehearsal=desk.engine.rehearse(undo, access.DEMO))
    at = desk.open("audit", op=id_)
    assert f"Taken back by {undo.id}" in words(at).replace("\\", "")
    assert "audit_undo" not in keys(at)
    assert f"Takes back {id_}" in words(desk.open("audit", op=undo.id)).replace("\\", "")


def test_a_viewer_sees_the_record_and_no_way_to_act(desk: Desk) -> None:
    id_ = desk.did(OLGA)
    desk.user = replace(access.DEMO, rights=ROLES["viewer"], roles=("viewer",))
    at = desk.open("audit", op=id_)
    assert has_table(at, columns.OPERATION_STEPS)
    assert not {"audit_undo", "audit_continue"} & keys(at)


def test_who_sees_a_part_of_the_fleet_sees_what_they_did_themselves(desk: Desk) -> None:
    others, own = desk.did(access.DEMO, text="blue"), desk.did(OLGA, text="red")
    desk.user = replace(OLGA, sees=Sight(namespaces=frozenset({"web"})))
    at = desk.open("audit", op=others)
    assert table(at, columns.OPERATIONS)["id"].tolist() == [own]
    assert "There is no operation of this id" in words(at)


def test_a_proposal_is_approved_by_another_person_and_runs(desk: Desk) -> None:
    held_to(desk, second_person=True)
    id_ = desk.did(OLGA, risk="high")
    at = desk.open("audit", op=id_)
    assert desk.label() == "green"
    at.text_input(key="audit_reason").set_value("looks right")
    desk.click(at, "audit_approve")
    assert desk.label() == "blue"
    assert desk.recorded(id_).state == "done"


def test_who_proposed_it_cannot_approve_it(desk: Desk) -> None:
    held_to(desk, second_person=True)
    id_ = desk.did(OLGA, risk="high")
    desk.user = OLGA
    at = desk.open("audit", op=id_)
    assert "somebody else has to approve" in words(at)
    assert "audit_approve" not in keys(at)
    at.text_input(key="audit_reason").set_value("a mistake")
    desk.click(at, "audit_decline")
    assert desk.recorded(id_).state == "declined"


def test_a_broken_chain_is_shown_with_the_event(desk: Desk) -> None:
    desk.did(OLGA)
    with desk.database.engine.begin() as connection:
        for (name,) in connection.exec_driver_sql("select name from sqlite_master where type = 'trigger'").all():
            connection.exec_driver_sql(f"drop trigger {name}")
        connection.exec_driver_sql("update operation_events set says = 'nothing happened' where id = 2")
    (error,) = desk.open().error
    assert "The chain of events is broken" in error.value
    assert "event 1" in error.value or "event 2" in error.value


def test_an_open_breaker_is_reset_by_an_admin_with_a_reason(desk: Desk) -> None:
    with desk.database() as unit:
        unit.operations.log(Event("", "breaker-tripped", NOW, "olga", "21 nodes within an hour."))
        unit.commit()
    desk.user = OLGA
    at = desk.open()
    assert "The breaker is open" in at.error[0].value
    assert "breaker_reset" not in keys(at)
    desk.user = access.DEMO
    at = desk.click(desk.open(), "breaker_reset")
    assert any("Say why" in error.value for error in at.error)
    at.text_input(key="breaker_reason").set_value("looked at it")
    at = desk.click(at, "breaker_reset")
    assert list(at.error) == []


def test_a_database_that_does_not_answer_is_one_problem_plainly_said(desk: Desk, tmp_path: Path) -> None:
    broken = replace(desk.sources, work=Database(f"sqlite:///{tmp_path / 'nowhere' / 'x.sqlite3'}"))
    at = opened(broken, "audit", op="x")
    assert [warning.value.replace("\\", "") for warning in at.warning] == [
        "The database has not been migrated. Run python -m db.migrate."
    ]


def test_the_export_holds_full_records_without_secrets(desk: Desk) -> None:
    id_ = desk.did(OLGA, text="sk-abcdefghijklmnop")
    (record,) = json.loads(audit.export(desk.sources, [id_, "unknown"]))
    assert record["operation"]["id"] == id_
    assert [event["kind"] for event in record["events"]][:2] == ["proposed", "applied"]
    assert "sk-abcdefghijklmnop" not in json.dumps(record)
    assert record["operation"]["plan"]["steps"][0]["ref"] == NODE.key


def test_names_of_an_enemy_are_shown_and_never_interpreted(desk: Desk) -> None:
    enemy = replace(OLGA, id=EVIL, name=EVIL, address=EVIL, roles=(EVIL,))
    id_ = desk.did(enemy, text=EVIL, owner=EVIL)
    at = desk.open("audit", op=id_)
    for page in (at, desk.click(at, "audit_undo")):
        texts = list(interpreted(page))
        assert any("evil" in text for text in texts)
        for sign in SIGNS:
            assert [text for text in texts if re.search(rf"(?<!\\){sign}", text)] == [], sign
