from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pandas as pd

from services import audit
from services.audit import Record
from services.domain.change.plan import Draft, Plan, Risk
from services.domain.change.refs import Live, Ref
from services.domain.litellm.yamltext import sha256
from services.domain.scope import Scope, Sight
from services.domain.window import Window
from services.errors import SourceUnavailable
from services.ports import OPERATIONS, Event, Operation, Sources, Work
from services.reading import Absence
from tests.conftest import NOW, Inline
from tests.memory import MemoryCluster, source

WARM = Ref.of("east", "Deployment", "warm", "gpu")
NODE = Ref.of("east", "Node", "n1")
CONFIG = Ref.of("east", "ConfigMap", "routes", "llm")
WINDOW = Window(NOW - timedelta(hours=1), NOW, timedelta(minutes=1))


def row(name: str, minutes: int, **changes: Any) -> dict[str, Any]:
    blank = {column: "" for column in OPERATIONS if not column.endswith("at")}
    return blank | {"id": name, "at": NOW - timedelta(minutes=minutes), "finished_at": None, "state": "done",
                    "summary": f"did {name}", "action": "x", "clusters": "east", "actor": "olga"} | changes  # fmt: skip


class Kept:
    """A record that holds what a test says."""

    def __init__(self, *rows: Mapping[str, Any], error: SourceUnavailable | None = None) -> None:
        self.rows, self.error = rows, error
        self.operations = self

    def reading(self) -> "Kept":
        return self

    def __enter__(self) -> "Kept":
        if self.error is not None:
            raise self.error
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def recent(self, *, since: datetime | None = None, limit: int = 1000) -> pd.DataFrame:
        kept = [one for one in self.rows if since is None or one["at"] >= since]
        return pd.DataFrame(kept, columns=list(OPERATIONS)).astype(OPERATIONS)

    def breaker(self) -> Event | None:
        return None


def sources(work: Kept | None = None, cluster: MemoryCluster | None = None) -> Sources:
    clusters = {"east": source("east", cluster or MemoryCluster())}
    return Sources("demo", clusters, lambda: NOW, Inline(), work=cast(Work, work))


def marked(*rows: Mapping[str, Any], scope: Scope | None = None) -> list[str]:
    found = audit.marks(sources(Kept(*rows)), scope or Scope(), WINDOW).value
    assert found is not None
    assert list(found.columns) == list(audit.MARKS)
    return [str(id_) for id_ in found["id"]]


def test_marks_are_the_operations_that_ran_in_the_window_oldest_first() -> None:
    rows = [row("late", 5), row("declined", 6, state="declined"), row("early", 50), row("before", 70)]
    assert marked(*rows) == ["early", "late"]


def test_marks_are_of_the_scopes_cluster() -> None:
    rows = [row("a", 1, clusters="east, west"), row("b", 2, clusters="west"), row("c", 3, clusters="eastern")]
    assert marked(*rows, scope=Scope(cluster="east")) == ["a"]


def test_a_cluster_nobody_changed_has_no_marks() -> None:
    found = audit.marks(sources(Kept()), Scope(cluster="east"), WINDOW).value
    assert found is not None
    assert found.empty
    assert list(found.columns) == list(audit.MARKS)


def test_of_many_operations_the_newest_twenty_are_marked() -> None:
    assert marked(*[row(str(minute), minute) for minute in range(1, 31)]) == [str(m) for m in range(20, 0, -1)]


def test_who_sees_a_part_sees_no_marks() -> None:
    assert marked(row("a", 1), scope=Scope(sees=Sight(teams=frozenset({"web"})))) == []


def test_operations_are_of_the_range_the_cluster_and_the_person() -> None:
    kept = sources(Kept(row("a", 1), row("b", 2, actor="omar"), row("c", 3, clusters="west"), row("old", 90)))
    assert audit.operations(kept, "1h").value["id"].tolist() == ["a", "b", "c"]  # type: ignore[index]
    assert audit.operations(kept, "1h", "east", "olga").value["id"].tolist() == ["a"]  # type: ignore[index]


def test_no_database_and_a_silent_one_are_told_apart() -> None:
    assert audit.operations(sources(), "1h").absence is Absence.NOT_CONFIGURED
    silent = audit.operations(sources(Kept(error=SourceUnavailable("database", "It is away."))), "1h")
    assert silent.value is None
    assert silent.problem is not None
    assert silent.problem.message == "It is away."
    assert audit.breaker(sources(Kept())).value is None


def planned(draft: Draft) -> Plan:
    return Plan("p", "x", "s", tuple(draft.steps), NOW, Risk.LOW)


def recorded(draft: Draft, events: Sequence[tuple[str, int, int, str, Mapping[str, Any]]], state: str) -> Record:
    """``events``: kind, step, second, words, detail."""
    told = tuple(Event("p", k, NOW + timedelta(seconds=s), "olga", says, step, d) for k, step, s, says, d in events)
    operation = Operation("p", "x", "s", state, planned(draft).stored(), "", "olga", "Olga", (), "", "demo", NOW)
    return Record(operation, told)


def node(**labels: str) -> Live:
    return Live(NODE, {"kind": "Node", "metadata": {"name": "n1", "uid": "u", "labels": labels}})


def two_steps() -> Draft:
    draft = Draft("s")
    draft.set(node(a="1"), {"metadata": {"labels": {"a": "2"}}}, "Label", group="n1")
    draft.wait(NODE, [(("status", "a"), "is", "2")], "Wait", deadline_s=60, group="n1")
    return draft


LABELLED = [("step-started", 0, 0, "Label", {}), ("step-done", 0, 2, "Label", {"landed": True})]


def test_steps_tell_how_far_a_run_is_and_what_it_waits_for() -> None:
    waits = [("step-started", 1, 2, "Wait", {}), ("waited", 1, 5, "still 1", {})]
    steps = audit.steps(recorded(two_steps(), [*LABELLED, *waits], "running"))
    assert steps["state"].tolist() == ["done", "running"]
    assert steps["note"].tolist() == ["", "still 1"]
    assert (steps["ended_at"] - steps["started_at"])[0] == timedelta(seconds=2)
    assert pd.isna(steps["ended_at"][1])


def test_steps_of_a_run_whose_process_ended_are_stopped_and_those_after_a_failure_not_done() -> None:
    assert audit.steps(recorded(two_steps(), LABELLED[:1], "interrupted"))["state"].tolist() == ["stopped", "not done"]
    failed = [("step-started", 0, 0, "Label", {}), ("step-failed", 0, 1, "409", {})]
    assert audit.steps(recorded(two_steps(), failed, "failed"))["state"].tolist() == ["failed", "not done"]


def test_a_step_that_failed_and_was_continued_is_as_its_last_event_says() -> None:
    failed = [("step-started", 0, 0, "Label", {}), ("step-failed", 0, 1, "409", {})]
    again = [("step-started", 0, 9, "Label", {}), ("step-done", 0, 10, "It was so already.", {"landed": False})]
    steps = audit.steps(recorded(two_steps(), [*failed, *again], "running"))
    assert steps["state"].tolist() == ["so already", "to come"]
    assert steps["started_at"][0] == NOW + timedelta(seconds=9)


def test_today_compares_before_set_and_now() -> None:
    cluster = MemoryCluster()
    draft = Draft("s")
    draft.set(node(a="1", b="1", c="1"), {"metadata": {"labels": {"a": "2", "b": "2", "c": "2"}}}, "Label")
    draft.create(WARM, {"spec": {}}, "Create")
    cluster.put(NODE, {"metadata": {"labels": {"a": "2", "b": "1", "c": "9"}}})
    found = audit.today(sources(cluster=cluster), planned(draft)).value
    assert found is not None
    assert found[["field", "now", "state"]].to_numpy().tolist() == [
        ["metadata.labels.a", "2", "as set"],
        ["metadata.labels.b", "1", "as before"],
        ["metadata.labels.c", "9", "different"],
        ["the object", "not there", "as before"],
    ]


def test_today_knows_an_edited_text_by_its_fingerprint_and_never_shows_it() -> None:
    cluster = MemoryCluster()
    cluster.put(CONFIG, {"data": {"config.yaml": "new: 1"}})
    draft = Draft("s")
    live = Live(CONFIG, {"metadata": {"uid": "u"}})
    draft.edit(live, "config.yaml", edits=[], inverse=[], sha256=sha256("old: 1"), sha256_after=sha256("new: 1"),
               says="Edit")  # fmt: skip
    looked = audit.today(sources(cluster=cluster), planned(draft)).value
    assert looked is not None
    assert looked[["before", "now", "state"]].to_numpy().tolist() == [["the old text", "the new text", "as set"]]
    cluster.put(CONFIG, {"data": {"config.yaml": "else: 1"}})
    looked = audit.today(sources(cluster=cluster), planned(draft)).value
    assert looked is not None
    assert looked["now"].tolist() == ["another text"]


def test_today_says_not_known_where_nothing_answers() -> None:
    cluster = MemoryCluster()

    def away(verb: str, ref: Ref) -> None:
        raise SourceUnavailable("kubernetes", "It does not answer.")

    cluster.before = away
    draft = Draft("s")
    draft.set(node(a="1"), {"metadata": {"labels": {"a": "2"}}}, "Label")
    reading = audit.today(sources(cluster=cluster), planned(draft))
    assert reading.value is not None
    assert reading.value["state"].tolist() == ["not known"]
    assert reading.problem is not None


def test_an_undo_of_a_cluster_that_left_is_not_known() -> None:
    draft = Draft("s")
    gone = Live(Ref.of("west", "Node", "n1"), {"metadata": {"uid": "u"}})
    draft.set(gone, {"metadata": {"labels": {"a": "2"}}}, "Label")
    reading = audit.today(sources(), planned(draft))
    assert reading.value is not None
    assert reading.value["state"].tolist() == ["not known"]
