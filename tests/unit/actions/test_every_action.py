"""What every action has to keep to, on an API server and in the demo. A new action needs a case in tests/cases.py."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from services.actions.base import ACTIONS
from services.domain.change import patch
from services.domain.change.plan import QUIET, Change, Plan, StepKind
from services.domain.change.refs import Ref
from services.domain.litellm import yamltext
from services.errors import NotFound, Refused, Rejected
from services.ports import Operation
from tests import proving
from tests.cases import CASES
from tests.gateway import FILE, KEY
from tests.proving import OPERATOR, REASON, VIEWER, Bench, Written

NAMES = sorted(ACTIONS)
WRITE = [name for name in NAMES if name not in CASES or not CASES[name].sends]
SEND = [name for name in NAMES if name in CASES and CASES[name].sends]
_OF_SERVERS = {"resourceVersion", "generation", "managedFields", "uid", "creationTimestamp"}
_OF_THE_PLUGIN = {"nvidia.com/gpu.replicas", "nvidia.com/gpu.product", "nvidia.com/gpu.sharing-strategy",
                  "nvidia.com/mps.capable"}  # fmt: skip
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_VERBS = {StepKind.CREATE: "create", StepKind.PATCH: "patch", StepKind.EDIT: "patch", StepKind.DELETE: "delete"}

Path_ = tuple[str, ...]
Fields = dict[tuple[Ref, Path_], Any]


class Proof:
    """One action on one bench."""

    def __init__(self, name: str, bench: Bench, params: Any) -> None:
        self.name, self.bench, self.params = name, bench, params
        self.engine = bench.engine()

    def plan(self) -> Plan:
        return self.bench.plan(self.engine, self.name, self.params)

    def applied(self, plan: Plan | None = None) -> Operation:
        return self.bench.operation(self.bench.applied(self.engine, plan or self.plan()))

    def fields(self, plan: Plan) -> Fields:
        """Every field people decide about, of everything on the estate; in the demo of what the plan touches."""
        if self.bench.world is not None:
            bodies: Mapping[Ref, Any] = proving.everything(self.bench.world)
        else:
            bodies = {ref: body for ref in plan.refs if (body := self.read(ref)) is not None}
        return {(ref, path): value for ref, body in bodies.items() for path, value in patch.leaves(body)
                if self._peoples(ref, path)}  # fmt: skip

    def differing(self, before: Fields, plan: Plan) -> dict[tuple[Ref, Path_], tuple[Any, Any]]:
        """What differs by now, without what turned out to be the controllers'."""
        found = differences(before, self.fields(plan))
        return {key: values for key, values in found.items() if self._peoples(*key)}

    def _peoples(self, ref: Ref, path: Path_) -> bool:
        wrote = self.bench.standin.wrote if self.bench.standin is not None else ()
        name = ref.kind, ref.namespace, ref.name
        controllers = (*name, path) in wrote or (*name, ()) in wrote
        return not (controllers or path[0] == "status" or path[-1] in _OF_SERVERS | _OF_THE_PLUGIN
                    or path[:2] == ("metadata", "managedFields") or path[0] in ("apiVersion", "kind"))  # fmt: skip

    def read(self, ref: Ref) -> Mapping[str, Any] | None:
        try:
            return self.bench.sources.clusters[ref.cluster].cluster.read(ref).body
        except NotFound:
            return None

    def meddle(self, plan: Plan) -> Any:
        """Somebody else changes what the plan is about to set; how to see that it is still there."""
        seen = CASES[self.name].meddle(self.bench.spies[plan.clusters[0]]._cluster, plan)
        self.bench.caught_up()
        return seen

    def breaks_at(self, number: int) -> None:
        """The API server refuses the write of that number, once."""
        spy = next(spy for name, spy in self.bench.spies.items() if name == self.plan().clusters[0])
        left = [number]

        def refuse(_written: Written) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise Rejected("kubernetes", "The webhook says no.")

        spy.before = refuse

    @property
    def secrets(self) -> set[str]:
        """Literal keys in the gateway's file."""
        return set(re.findall(r"\bsk-[\w-]{8,}", self.bench.text())) if self.name == "edit-fallbacks" else {KEY}


def _each(names: list[str]) -> list[tuple[str, str]]:
    return [(name, place) for name in names for place in ("api", "demo")]


@pytest.fixture(params=_each(NAMES), ids="-".join)
def proof(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proof]:
    """Any action."""
    with proven(*request.param, tmp_path) as found:
        yield found


@pytest.fixture(params=_each(WRITE), ids="-".join)
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proof]:
    """An action that changes objects."""
    with proven(*request.param, tmp_path) as found:
        yield found


@pytest.fixture(params=_each(SEND), ids="-".join)
def sender(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proof]:
    """An action that sends requests and changes nothing."""
    with proven(*request.param, tmp_path) as found:
        yield found


@contextmanager
def proven(name: str, place: str, tmp_path: Path) -> Iterator[Proof]:
    """An action on a bench; whatever is done with it, the audit's chain holds."""
    assert name in CASES, f"{name} has no case in tests/cases.py"
    with proving.bench(place, tmp_path) as bench:
        params = CASES[name].lab if place == "api" else CASES[name].demo(bench.sources)
        if params is None:
            pytest.skip("there is nothing to act on here")
        yield Proof(name, bench, params)
        assert bench.broken() == (), "the audit's chain holds, whatever was done"


def differences(before: Fields, after: Fields) -> dict[tuple[Ref, Path_], tuple[Any, Any]]:
    keys = before.keys() | after.keys()
    found = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: values for key, values in found.items() if values[0] != values[1] and values != (None, {})}


def promised(plan: Plan) -> dict[tuple[Ref, Path_], tuple[Any, Any]]:
    """What the plan says will differ in the end: what is set and put back on the way cancels out."""
    net: dict[tuple[Ref, Path_], tuple[Any, Any]] = {}
    edits = {step.ref for step in plan.steps if step.kind is StepKind.EDIT}

    def note(change: Change) -> None:
        key = change.ref, change.path
        net[key] = net.get(key, (change.before, None))[0], change.after

    for change in plan.changes:
        if change.ref not in edits and change.path[-1] not in _OF_SERVERS:
            note(change)
    return {key: values for key, values in net.items() if values[0] != values[1] and values[1] != {}}


def writing(plan: Plan) -> list[str]:
    return [f"{_VERBS[step.kind]} {step.ref.kind} {step.ref.name}" for step in plan.steps if step.kind not in QUIET]


def told(writes: list[Written]) -> list[str]:
    return [f"{written.verb} {written.ref.kind} {written.ref.name}" for written in writes]


def test_every_case_is_of_an_action() -> None:
    assert sorted(CASES) == NAMES


def test_what_differs_afterwards_is_what_the_plan_said_and_nothing_else(proof: Proof) -> None:
    plan = proof.plan()
    before = proof.fields(plan)
    operation = proof.applied(plan)
    assert operation.state == "done", operation.outcome
    differs = proof.differing(before, plan)
    expected = promised(plan)
    for step in plan.steps:
        if step.kind is StepKind.EDIT:
            text_before, text_after = differs.pop((step.ref, ("data", step.body["key"])))
            assert yamltext.sha256(text_before) == step.body["sha256"]
            assert yamltext.sha256(text_after) == step.before["sha256"]
    assert {key: value for key, value in differs.items() if key in expected} == expected
    own = {ref for ref in plan.refs if not any(key[0] == ref for key in before)}
    beyond = {key for key in differs.keys() - expected.keys() if key[0] not in own}
    assert beyond == set(), "nothing else"
    assert {key[1][0] for key in differs.keys() - expected.keys()} <= {"metadata", "spec"}, "servers' own defaults"


def test_every_write_is_a_step_of_the_plan_in_its_order(proof: Proof) -> None:
    plan = proof.plan()
    proof.applied(plan)
    assert told(proof.bench.writes) == writing(plan)
    steps = [step for step in plan.steps if step.kind not in QUIET]
    for step, written in zip(steps, proof.bench.writes, strict=True):
        if step.kind is not StepKind.EDIT:
            assert written.body == step.body
    if proof.bench.server is not None:
        assert tuple(writing(plan)) == CASES[proof.name].writes
        assert len(proof.bench.server.writes) == len(steps)


def test_what_is_so_already_is_planned_as_nothing(writer: Proof) -> None:
    writer.applied()
    again = writer.plan()
    assert again.empty
    assert again.changes == []
    with pytest.raises(Refused, match="There is nothing to change"):
        writer.engine.apply(again, OPERATOR, reason=REASON, rehearsal=writer.engine.rehearse(again, OPERATOR))


def test_planning_and_rehearsing_keep_nothing(proof: Proof) -> None:
    plan = proof.plan()
    before = proof.fields(plan)
    rehearsal = proof.engine.rehearse(plan, OPERATOR)
    assert rehearsal.ok
    assert proof.fields(plan) == before
    assert proof.bench.writes == []
    if proof.bench.server is not None:
        assert proof.bench.server.writes == []
    if proof.bench.gateway is not None:
        assert proof.bench.gateway.sent == []
    if proof.bench.journal is not None:
        assert proof.bench.journal.entries() == ()
    with proof.bench.database() as unit:
        assert unit.operations.get(plan.id) is None
        assert unit.operations.recent().empty


def test_a_plan_the_world_has_moved_on_from_does_not_pass_its_rehearsal(proof: Proof) -> None:
    plan = proof.plan()
    kept = proof.meddle(plan)
    rehearsal = proof.engine.rehearse(plan, OPERATOR)
    assert not rehearsal.ok
    with pytest.raises(Refused):
        proof.engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert kept()
    assert proof.bench.writes == []


def test_what_somebody_changed_after_the_rehearsal_is_never_overwritten(proof: Proof) -> None:
    plan = proof.plan()
    rehearsal = proof.engine.rehearse(plan, OPERATOR)
    kept = proof.meddle(plan)
    id = proof.engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    operation = proof.bench.operation(id)
    assert operation.state == "failed"
    assert "has changed since the plan" in operation.outcome or "exists meanwhile" in operation.outcome
    assert kept()


def test_one_plan_is_applied_once(proof: Proof) -> None:
    plan = proof.plan()
    rehearsal = proof.engine.rehearse(plan, OPERATOR)
    proof.applied(plan)
    writes = len(proof.bench.writes)
    for engine in (proof.engine, proof.bench.engine()):
        with pytest.raises(Refused):
            engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert len(proof.bench.writes) == writes


def test_a_failure_half_way_is_recorded_with_what_landed(writer: Proof) -> None:
    plan = writer.plan()
    before = writer.fields(plan)
    last = len(writing(plan)) - 1
    writer.breaks_at(last)
    operation = writer.applied(plan)
    assert operation.state == "failed"
    assert "The webhook says no." in operation.outcome
    events = writer.bench.events(operation.id)
    landed = [event for event in events if event.kind == "step-done" and event.detail["landed"]]
    assert len(landed) == last
    (failed,) = [event for event in events if event.kind == "step-failed"]
    assert failed.detail == {"error": "rejected"}
    if plan.on_failure == "compensate":
        assert operation.outcome.endswith("Everything was put back.")
    else:
        changes = "1 change" if last == 1 else f"{last} changes"
        assert operation.outcome.endswith(f"{changes} before it landed and can be taken back.")
        assert writer.bench.taken_back(writer.engine, operation.id).state == "done"
    writer.bench.wait(300)
    assert without_restarts(writer.differing(before, plan)) == {}


def without_restarts(fields: dict[tuple[Ref, Path_], Any]) -> dict[tuple[Ref, Path_], Any]:
    """A restart stays written down where it was done: another one took it back."""
    return {key: value for key, value in fields.items() if key[1][-1] != _RESTARTED and "annotations" not in key[1][-1]}


def test_undo_restores_every_field_and_the_file_byte_for_byte(writer: Proof) -> None:
    plan = writer.plan()
    before = writer.fields(plan)
    operation = writer.applied(plan)
    undoing = writer.bench.taken_back(writer.engine, operation.id)
    assert undoing.state == "done", undoing.outcome
    assert undoing.undoes == operation.id
    assert writer.bench.operation(operation.id).undone_by == undoing.id
    writer.bench.wait(300)
    assert without_restarts(writer.differing(before, plan)) == {}
    if writer.name == "edit-fallbacks" and writer.bench.server is not None:
        assert writer.bench.text() == FILE
    with pytest.raises(Refused, match="taken back already"):
        writer.engine.plan_undo(operation.id, OPERATOR)


def test_what_was_taken_back_can_be_done_again(writer: Proof) -> None:
    operation = writer.applied()
    writer.bench.taken_back(writer.engine, operation.id)
    writer.bench.wait(CASES[writer.name].again_after_s)
    assert writer.applied().state == "done"


def test_a_viewer_may_do_nothing_of_it(proof: Proof) -> None:
    with pytest.raises(Refused, match="needs the role operator"):
        proof.bench.plan(proof.engine, proof.name, proof.params, VIEWER)
    plan = proof.plan()
    assert "needs the role operator" in proof.engine.rehearse(plan, VIEWER).refusal
    rehearsal = proof.engine.rehearse(plan, OPERATOR)
    with pytest.raises(Refused, match="needs the role operator"):
        proof.engine.apply(plan, VIEWER, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert proof.bench.writes == []
    operation = proof.applied(plan)
    with pytest.raises(Refused, match="needs the role operator"):
        proof.engine.plan_undo(operation.id, VIEWER)


def test_the_record_says_who_why_and_what_was_before_and_after(proof: Proof) -> None:
    plan = proof.plan()
    operation = proof.applied(plan)
    assert (operation.actor, operation.actor_name, operation.roles) == ("op-1", "Olga", ("operator",))
    assert (operation.address, operation.reason) == ("10.0.0.9", REASON)
    assert json.loads(json.dumps(operation.plan)) == json.loads(json.dumps(plan.stored()))
    assert Plan.of(operation.plan).changes == plan.changes
    assert operation.verification
    kinds = [event.kind for event in proof.bench.events(operation.id)]
    assert kinds[:2] == ["proposed", "applied"]
    assert kinds[-2:] == ["verified", "done"]
    assert kinds.count("step-started") == kinds.count("step-done") == len(plan.steps)


def test_no_secret_is_in_plans_records_or_logs(proof: Proof, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = proof.secrets
    if proof.name == "edit-fallbacks":
        assert secrets, "there is something to leak"
    operation = proof.applied()
    ids = [operation.id]
    if not CASES[proof.name].sends:
        ids.append(proof.bench.taken_back(proof.engine, operation.id).id)
    written = json.dumps([asdict(proof.bench.operation(one)) for one in ids], default=str)
    written += json.dumps([asdict(event) for one in ids for event in proof.bench.events(one)], default=str)
    proof.bench.database.close()
    kept = b"".join(file.read_bytes() for file in proof.bench.file.parent.glob(f"{proof.bench.file.name}*"))
    assert operation.id.encode() in kept, "the search would find it"
    for secret in secrets:
        assert secret not in written
        assert secret.encode() not in kept
        assert secret not in caplog.text


def test_what_is_sent_changes_no_object_and_there_is_nothing_to_take_back(sender: Proof) -> None:
    plan = sender.plan()
    before = sender.fields(plan)
    operation = sender.applied(plan)
    assert operation.state == "done", operation.outcome
    assert (plan.refs, plan.changes, sender.bench.writes) == ((), [], [])
    assert sender.fields(plan) == before
    undo = sender.engine.plan_undo(operation.id, OPERATOR).plan
    assert undo.empty
    with pytest.raises(Refused, match="There is nothing to change"):
        sender.engine.apply(undo, OPERATOR, reason=REASON, rehearsal=sender.engine.rehearse(undo, OPERATOR))
    assert not sender.plan().empty, "it can be sent again"
