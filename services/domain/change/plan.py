"""A change as a value: steps with what they set and what was there before, and the plan they make.

Everything here can be written to JSON and read back (:meth:`Plan.stored`, :meth:`Plan.of`); a plan is the same in the
preview, in the rehearsal, at the moment it is applied and in the record.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.domain.change import patch, promise
from services.domain.change.conditions import Test
from services.domain.change.promise import Promise
from services.domain.change.refs import Live, Ref

SCHEMA = 1


class Risk(StrEnum):
    """How much ceremony a change needs: LOW a confirm, MEDIUM the diff and a reason, HIGH also typing a name."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class StepKind(StrEnum):
    """What a step does."""

    CREATE = "create"  # body: the object
    PATCH = "patch"  # body: a merge patch, only the fields we set; None removes a field
    DELETE = "delete"  # before: the object as it was
    DRAIN = "drain"  # evict the GPU pods found on the node at that moment; body: {"deadline_s": …, "resources": […]}
    EDIT = "edit"  # change a text inside a ConfigMap; body: {"key": …, "edits": […], "sha256": of the text before}
    WAIT = "wait"  # body: {"until": [Test…], "fails": [Test…], "deadline_s": …}
    PAUSE = "pause"  # body: {"seconds": …}
    SEND = "send"  # one test request through a gateway; body: {"group": …, "mode": …, "usd": most it may cost, …}


QUIET = frozenset({StepKind.WAIT, StepKind.PAUSE, StepKind.SEND})
"""Steps that change no object."""


@dataclass(frozen=True)
class Step:
    """One thing done to one object.

    ``before`` holds the same fields as ``body``, as read (of a DELETE the whole object; of a WAIT the tests that hold
    once the change is taken back; of an EDIT the inverse edits and the sha256 of the text after). ``uid`` is the object
    the plan was made for, "" for a CREATE: a PATCH, EDIT or DELETE of another object, or of one whose fields are no
    longer as in ``before``, is a stale plan. ``says`` is the step in words. ``group`` names what the step belongs to in
    a long plan (a node), so that progress can be shown for each. ``compensation``: what puts it back when a later step
    fails and the plan's ``on_failure`` is "compensate".
    """

    kind: StepKind
    ref: Ref
    body: Mapping[str, Any]
    before: Mapping[str, Any]
    uid: str
    says: str
    group: str = ""
    compensation: "Step | None" = None

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind.value,
            "ref": self.ref.key,
            "body": dict(self.body),
            "before": dict(self.before),
            "uid": self.uid,
            "says": self.says,
            "group": self.group,
            "compensation": None if self.compensation is None else self.compensation.stored(),
        }

    @staticmethod
    def of(stored: Mapping[str, Any]) -> "Step":
        """From JSON."""
        compensation = stored.get("compensation")
        return Step(
            kind=StepKind(stored["kind"]),
            ref=Ref.from_key(stored["ref"]),
            body=stored["body"],
            before=stored["before"],
            uid=stored["uid"],
            says=stored["says"],
            group=stored.get("group", ""),
            compensation=None if compensation is None else Step.of(compensation),
        )


@dataclass(frozen=True)
class Change:
    """One field that will differ: None is "not there"."""

    ref: Ref
    path: tuple[str, ...]
    before: Any
    after: Any


@dataclass
class Draft:
    """What an action's planning answers with; the engine stamps it into a :class:`Plan`.

    Built by adding: each method returns nothing and appends. ``blast`` is the blast radius in words, most important
    first; ``warnings`` are what could go wrong. ``nodes`` and ``pools`` are what the breaker counts: node names by
    (cluster, pool). ``confirm`` is what is typed for a HIGH risk ("" otherwise). ``risk`` where it differs from the
    action's usual one. ``on_failure`` is "stop" or "compensate". ``seen`` are the objects the steps were made from.
    ``promise`` is what it should do to what is paid, None when it is not about money.
    """

    summary: str
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    blast: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    nodes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    confirm: str = ""
    on_failure: str = "stop"
    risk: Risk | None = None
    seen: dict[Ref, Live] = field(default_factory=dict)
    promise: Promise | None = None

    def create(self, ref: Ref, body: Mapping[str, Any], says: str, *, group: str = "") -> None:
        """Create an object that does not exist."""
        meta = {"name": ref.name} | ({"namespace": ref.namespace} if ref.namespace else {})
        whole = {"apiVersion": ref.api, "kind": ref.kind, **body, "metadata": {**body.get("metadata", {}), **meta}}
        undo = Step(StepKind.DELETE, ref, {}, whole, "", f"Delete {ref} again", group)
        self.steps.append(Step(StepKind.CREATE, ref, whole, {}, "", says, group, undo))

    def set(self, live: Live, fields: Mapping[str, Any], says: str, *, group: str = "") -> bool:
        """Set fields of an object (a merge patch). Adds no step, and answers False, when they are so already."""
        body = patch.needed(live.body, fields)
        if not body:
            return False
        was = patch.before(live.body, body)
        self.seen.setdefault(live.ref, live)
        undo = Step(StepKind.PATCH, live.ref, was, body, live.uid, f"Put {live.ref} back", group)
        self.steps.append(Step(StepKind.PATCH, live.ref, body, was, live.uid, says, group, undo))
        return True

    def delete(self, live: Live, says: str, *, group: str = "") -> None:
        """Delete an object."""
        whole = recreatable(live.body)
        self.seen.setdefault(live.ref, live)
        undo = Step(StepKind.CREATE, live.ref, whole, {}, "", f"Create {live.ref} again", group)
        self.steps.append(Step(StepKind.DELETE, live.ref, {}, whole, live.uid, says, group, undo))

    def edit(
        self,
        live: Live,
        key: str,
        *,
        edits: Sequence[Mapping[str, Any]],
        inverse: Sequence[Mapping[str, Any]],
        sha256: str,
        sha256_after: str,
        says: str,
        group: str = "",
    ) -> None:
        """Edit the text under ``data.<key>`` of a ConfigMap by :mod:`services.domain.litellm.yamltext` edits."""
        body = {"key": key, "edits": list(edits), "sha256": sha256}
        was = {"key": key, "edits": list(inverse), "sha256": sha256_after}
        self.seen.setdefault(live.ref, live)
        undo = Step(StepKind.EDIT, live.ref, was, body, live.uid, f"Put {live.ref} back", group)
        self.steps.append(Step(StepKind.EDIT, live.ref, body, was, live.uid, says, group, undo))

    def drain(self, node: Live, says: str, *, resources: Sequence[str], deadline_s: float, group: str = "") -> None:
        """Evict the pods on the node that hold any of ``resources`` (prefixes, such as "nvidia.com/")."""
        body = {"resources": list(resources), "deadline_s": deadline_s}
        self.seen.setdefault(node.ref, node)
        self.steps.append(Step(StepKind.DRAIN, node.ref, body, {}, node.uid, says, group))

    def wait(
        self,
        ref: Ref,
        until: Sequence[Test],
        says: str,
        *,
        deadline_s: float,
        fails: Sequence[Test] = (),
        back: Sequence[Test] = (),
        group: str = "",
        soft: bool = False,
    ) -> None:
        """Wait until every test holds; ``fails`` ends the wait at once, ``back`` is what to wait for when undone.

        A ``soft`` wait that runs out of time is no failure: the verification says what is still to come.
        """
        body = {"until": _tests(until), "fails": _tests(fails), "deadline_s": deadline_s}
        if soft:
            body["soft"] = True
        self.steps.append(Step(StepKind.WAIT, ref, body, {"until": _tests(back)}, "", says, group))

    def pause(self, ref: Ref, seconds: float, says: str, *, group: str = "") -> None:
        """Let time pass before the next step; ``ref`` is the object the pause follows."""
        self.steps.append(Step(StepKind.PAUSE, ref, {"seconds": seconds}, {}, "", says, group))

    def send(self, ref: Ref, body: Mapping[str, Any], says: str, *, group: str = "") -> None:
        """Send one marked test request through the gateway whose Deployment is ``ref``; it cannot be taken back.

        ``body`` is what :mod:`services.actions.sending` reads.
        """
        self.steps.append(Step(StepKind.SEND, ref, body, {}, "", says, group))

    def touches(self, cluster: str, pool: str, node: str) -> None:
        """Say that a node is concerned: what the fleet-wide breaker counts."""
        self.nodes.setdefault((cluster, pool), []).append(node)


def _tests(tests: Sequence[Test]) -> list[list[Any]]:
    return [[list(path), word, value] for path, word, value in tests]


_SERVER_FIELDS = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink",
                  "deletionTimestamp", "deletionGracePeriodSeconds")  # fmt: skip


def recreatable(body: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what only a server may set, so that it could be created again."""
    whole = {key: value for key, value in copy.deepcopy(dict(body)).items() if key != "status"}
    whole["metadata"] = {k: v for k, v in (whole.get("metadata") or {}).items() if k not in _SERVER_FIELDS}
    return whole


@dataclass(frozen=True)
class Plan:
    """What will be done, to what, from which state.

    ``id`` is also the idempotency key and the primary key of the record. ``params`` are the action's parameters as
    JSON. ``undoes`` is the id of the operation this plan takes back, "" otherwise. ``owners`` are sentences of the
    GitOps guard. ``nodes``: (cluster, pool, names) of the nodes the breaker counts.
    """

    id: str
    action: str
    summary: str
    steps: tuple[Step, ...]
    made_at: datetime
    risk: Risk
    params: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    blast: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    nodes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    confirm: str = ""
    on_failure: str = "stop"
    undoes: str = ""
    promise: Promise | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing would be done: no object changed and no request sent."""
        return all(step.kind in QUIET and step.kind is not StepKind.SEND for step in self.steps)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters it touches, each once, in order."""
        return tuple(dict.fromkeys(step.ref.cluster for step in self.steps))

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The objects it changes, each once, in order."""
        return tuple(dict.fromkeys(step.ref for step in self.steps if step.kind not in QUIET))

    @property
    def changes(self) -> list[Change]:
        """The field-level difference, in the order of the steps."""
        return [change for step in self.steps for change in _changes(step)]

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "action": self.action,
            "summary": self.summary,
            "steps": [step.stored() for step in self.steps],
            "made_at": self.made_at.isoformat(),
            "risk": self.risk.value,
            "params": dict(self.params),
            "warnings": list(self.warnings),
            "blast": list(self.blast),
            "owners": list(self.owners),
            "nodes": [[cluster, pool, list(names)] for cluster, pool, names in self.nodes],
            "confirm": self.confirm,
            "on_failure": self.on_failure,
            "undoes": self.undoes,
            "promise": None if self.promise is None else self.promise.stored(),
        }

    @staticmethod
    def of(stored: Mapping[str, Any]) -> "Plan":
        """From JSON. Raises ValueError for a schema this version does not know."""
        if stored.get("schema") != SCHEMA:
            raise ValueError(f"a plan of schema {stored.get('schema')!r} cannot be read")
        return Plan(
            id=stored["id"],
            action=stored["action"],
            summary=stored["summary"],
            steps=tuple(Step.of(step) for step in stored["steps"]),
            made_at=datetime.fromisoformat(stored["made_at"]),
            risk=Risk(stored["risk"]),
            params=stored["params"],
            warnings=tuple(stored["warnings"]),
            blast=tuple(stored["blast"]),
            owners=tuple(stored["owners"]),
            nodes=tuple((cluster, pool, tuple(names)) for cluster, pool, names in stored["nodes"]),
            confirm=stored["confirm"],
            on_failure=stored["on_failure"],
            undoes=stored["undoes"],
            promise=promise.of(stored.get("promise")),
        )


def _changes(step: Step) -> Iterator[Change]:
    if step.kind is StepKind.PATCH:
        for path, after in patch.leaves(step.body):
            yield Change(step.ref, path, patch.at(step.before, path), after)
    elif step.kind is StepKind.CREATE:
        for path, after in patch.leaves(step.body):
            if path[0] not in ("apiVersion", "kind"):
                yield Change(step.ref, path, None, after)
    elif step.kind is StepKind.DELETE:
        for path, was in patch.leaves(step.before):
            if path[0] not in ("apiVersion", "kind"):
                yield Change(step.ref, path, was, None)
    elif step.kind is StepKind.EDIT:
        for edit in step.body["edits"]:
            yield Change(step.ref, tuple(str(part) for part in edit["path"]), edit.get("before"), edit.get("after"))
    elif step.kind is StepKind.DRAIN:
        yield Change(step.ref, ("pods",), "GPU pods on the node", "evicted")


def inverse(steps: Sequence[Step]) -> list[Step]:
    """The steps that take landed ones back, last first; a wait stays behind the step whose effect it waited for.

    Texts come before everything else: what is restarted after them reads them. Evictions cannot be taken back: the
    pods' owners have made others.
    """
    undone: list[Step] = []
    waits: list[Step] = []
    for step in reversed(steps):
        if step.kind is StepKind.WAIT:
            if step.before.get("until"):
                body = {**step.body, "until": step.before["until"], "fails": step.body.get("fails", [])}
                says = f"Wait until {step.ref} is as it was before"
                waits.append(replace(step, body=body, before={"until": step.body["until"]}, says=says))
        elif step.compensation is not None:
            back = step.compensation
            undone.append(replace(back, compensation=replace(step, compensation=None)))
            undone.extend(reversed(waits))
            waits.clear()
    return sorted(undone, key=lambda step: step.kind is not StepKind.EDIT)
