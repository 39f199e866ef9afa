"""Who changed what, when and why, and did it work: the record of operations, as pages read it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import pandas as pd

from services.domain.change import diff, patch, redact
from services.domain.change.plan import QUIET, Plan, Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.litellm import yamltext
from services.domain.scope import Scope
from services.domain.window import RANGES, Window
from services.errors import NotFound, OpsError, SourceUnavailable
from services.ports import Broken, Event, Operation, Operations, Sources
from services.reading import Absence, Problem, Reading

T = TypeVar("T")

LIVE = ("running", "proposed")
"""States that change without anybody looking."""
MOST_MARKS = 20
MOST_OBJECTS = 40

MARKS = {"at": "datetime64[us, UTC]", "summary": "str", "action": "str", "state": "str", "id": "str"}
"""Operations to draw on a trend, oldest first."""

STEPS = {
    "step": "int64",
    "group": "str",
    "kind": "str",
    "object": "str",
    "says": "str",
    "state": "str",
    "started_at": "datetime64[us, UTC]",
    "ended_at": "datetime64[us, UTC]",
    "note": "str",
}
"""One row per step of an operation, counted from 1.

``state``: to come, running, done, so already, failed, stopped (its process ended), not done. ``note``: what was last
said of it.
"""

EVENTS = {
    "at": "datetime64[us, UTC]",
    "kind": "str",
    "says": "str",
    "actor": "str",
    "step": "Int64",
    "id": "int64",
    "hash": "str",
}
"""One row per event; steps count from 1."""

TODAY = {"object": "str", "field": "str", "before": "str", "set": "str", "now": "str", "state": "str", "cluster": "str"}
"""What an operation set, and what is live; ``state``: as set, as before, different, not known."""


@dataclass(frozen=True)
class Record:
    """An operation with its events in order."""

    operation: Operation
    events: tuple[Event, ...]

    @property
    def plan(self) -> Plan:
        """The plan it carried out."""
        return Plan.of(self.operation.plan)

    @property
    def landed(self) -> bool:
        """Whether anything of it was changed."""
        return any(event.kind == "step-done" and event.detail.get("landed") for event in self.events)


@dataclass(frozen=True)
class Chain:
    """Whether every event is as it was written; empty ``broken`` when the chain holds."""

    broken: tuple[Broken, ...]
    checked_at: datetime


def operations(sources: Sources, range: str, cluster: str = "", own: str = "") -> Reading[pd.DataFrame]:  # noqa: A002
    """Operations proposed within a range by :data:`services.ports.OPERATIONS`, newest first; of one cluster if given.

    ``own`` keeps to what one person did: for those who may not see the whole fleet.
    """

    def read(record: Operations) -> pd.DataFrame:
        found = record.recent(since=sources.now() - RANGES[range])
        return _of(found, cluster, own).reset_index(drop=True)

    return _read(sources, read)


def operation(sources: Sources, id: str, own: str = "") -> Reading[Record]:
    """One operation with its events; no value, and nothing wrong, when there is none of this id."""

    def read(record: Operations) -> Record | None:
        found = record.get(id)
        if found is None or own not in ("", found.actor):
            return None
        return Record(found, tuple(record.events(id)))

    return _read(sources, read)


def chain(sources: Sources) -> Reading[Chain]:
    """The check of the whole chain of events."""
    return _read(sources, lambda record: Chain(tuple(record.verify()), sources.now()))


def breaker(sources: Sources) -> Reading[Event]:
    """What tripped the fleet-wide breaker; no value while it is closed."""
    return _read(sources, lambda record: record.breaker())


def marks(sources: Sources, scope: Scope, window: Window) -> Reading[pd.DataFrame]:
    """The newest operations that ran in the window and the scope's cluster, frame :data:`MARKS`, at most 20.

    Nothing for those who may not see the whole fleet: a summary names what it changed.
    """
    if not scope.sees.whole:
        return Reading(pd.DataFrame(columns=list(MARKS)).astype(MARKS), as_of=sources.now())

    def read(record: Operations) -> pd.DataFrame:
        found = _of(record.recent(since=window.start), scope.cluster)
        ran = found[(found["at"] <= window.end) & ~found["state"].isin(["proposed", "declined"])]
        return ran.head(MOST_MARKS).sort_values("at", ignore_index=True)[list(MARKS)].astype(MARKS)

    return _read(sources, read)


def export(sources: Sources, ids: Sequence[str]) -> bytes:
    """Full records as JSON, secrets hidden: operations with their plans, rehearsals and events. Raises SourceError."""
    if sources.work is None:
        return b"[]"
    found = []
    with sources.work.reading() as unit:
        for id in ids:
            one = unit.operations.get(id)
            if one is not None:
                found.append({"operation": one, "events": list(unit.operations.events(id))})
    plain = redact.redacted(msgspec.to_builtins(found))
    return msgspec.json.format(msgspec.json.encode(plain), indent=2)


def steps(record: Record) -> pd.DataFrame:
    """How far each step of an operation came, frame :data:`STEPS`."""
    rows = []
    for index, step in enumerate(record.plan.steps):
        said = [event for event in record.events if event.step == index and event.kind in _SAY]
        started = next((event.at for event in reversed(said) if event.kind == "step-started"), None)
        last = said[-1] if said else None
        ended = last.at if last is not None and last.kind in ("step-done", "step-failed") else None
        state = _state(step, last, record.operation.state)
        note = "" if last is None or last.says == step.says else last.says
        rows.append((index + 1, step.group, step.kind.value, str(step.ref), step.says, state, started, ended, note))
    return pd.DataFrame(rows, columns=list(STEPS)).astype(STEPS)


def events(record: Record) -> pd.DataFrame:
    """The operation's part of the chain, frame :data:`EVENTS`, oldest first."""
    rows = [
        (e.at, e.kind, e.says, e.actor, None if e.step is None else e.step + 1, e.id, e.hash) for e in record.events
    ]
    return pd.DataFrame(rows, columns=list(EVENTS)).astype(EVENTS)


def today(sources: Sources, plan: Plan) -> Reading[pd.DataFrame]:
    """What the plan set beside what is live now, frame :data:`TODAY`; of the first 40 objects.

    Reads with the console's own rights. What cannot be read is "not known".
    """
    lives = {ref: _live(sources, ref) for ref in plan.refs[:MOST_OBJECTS]}
    rows = [row for step in plan.steps if step.ref in lives for row in _today(step, lives[step.ref])]
    problems = [live for live in lives.values() if isinstance(live, OpsError) and not isinstance(live, NotFound)]
    return Reading(
        pd.DataFrame(rows, columns=list(TODAY)).astype(TODAY),
        as_of=sources.now(),
        problem=Problem.of(problems[0], source="kubernetes") if problems else None,
    )


_SAY = ("step-started", "waited", "step-done", "step-failed")


def _state(step: Step, last: Event | None, operation_state: str) -> str:
    if last is None:
        return "to come" if operation_state in LIVE else "not done"
    if last.kind == "step-done":
        return "done" if step.kind in QUIET or last.detail.get("landed", True) else "so already"
    if last.kind == "step-failed":
        return "failed"
    return "running" if operation_state == "running" else "stopped"


def _live(sources: Sources, ref: Ref) -> Live | OpsError:
    try:
        return sources.clusters[ref.cluster].cluster.read(ref)
    except OpsError as error:
        return error
    except KeyError:
        return SourceUnavailable("kubernetes", f"The cluster {ref.cluster} is not configured any more.")


def _today(step: Step, live: Live | OpsError) -> list[tuple[str, ...]]:
    there = {True: "exists", False: diff.NOT_THERE}[isinstance(live, Live)]
    if isinstance(live, OpsError) and not isinstance(live, NotFound):
        there = "not known"
    body = live.body if isinstance(live, Live) else None
    if step.kind is StepKind.CREATE:
        return [_row(step, (), diff.NOT_THERE, "exists", there)]
    if step.kind is StepKind.DELETE:
        return [_row(step, (), "exists", diff.NOT_THERE, there)]
    if step.kind is StepKind.EDIT:
        return [_row(step, ("data", step.body["key"]), "the old text", "the new text", _text(step, body, there))]
    if step.kind is not StepKind.PATCH:
        return []
    rows = []
    for path, after in patch.leaves(step.body):
        values = (patch.at(step.before, path), after, patch.at(body, path))
        was, then, now = (diff.said(step.ref, path, value) for value in values)
        if body is None:
            rows.append(_row(step, path, was, then, there))
            continue
        state = "as set" if values[2] == after else "as before" if values[2] == values[0] else "different"
        rows.append(_row(step, path, was, then, now, state))
    return rows


def _text(step: Step, body: Mapping[str, Any] | None, there: str) -> str:
    text = patch.at(body, ("data", step.body["key"]))
    if not isinstance(text, str):
        return there if body is None else diff.NOT_THERE
    digests = {step.before["sha256"]: "the new text", step.body["sha256"]: "the old text"}
    return digests.get(yamltext.sha256(text), "another text")


def _row(step: Step, path: tuple[str, ...], was: str, then: str, now: str, state: str = "") -> tuple[str, ...]:
    state = state or {then: "as set", was: "as before", "not known": "not known"}.get(now, "different")
    return str(step.ref), diff.named(path), was, then, now, state, step.ref.cluster


def _of(found: pd.DataFrame, cluster: str = "", own: str = "") -> pd.DataFrame:
    if cluster:
        mine = [cluster in clusters.split(", ") for clusters in found["clusters"]]
        found = found[pd.Series(mine, index=found.index, dtype=bool)]  # a bare empty list would select columns
    return found[found["actor"] == own] if own else found


def _read(sources: Sources, ask: Callable[[Operations], T | None]) -> Reading[T]:
    if sources.work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    try:
        with sources.work.reading() as unit:
            return Reading(ask(unit.operations), as_of=sources.now())
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))
