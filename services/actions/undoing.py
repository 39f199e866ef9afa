"""Taking an operation back: its landed steps inverted, against what is live today."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.actions.steps import Imagined
from services.domain.change import patch
from services.domain.change.plan import QUIET, Plan, Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.litellm import yamltext
from services.errors import NotFound
from services.ports import Sources

Choice = tuple[int, tuple[str, ...]]
"""A field of an undo: the step's index in :attr:`Undo.fields` and its path."""


@dataclass(frozen=True)
class UndoField:
    """One field an undo would put back: before the operation, as the operation set it, and now.

    ``ticked`` is whether it is put back unless a person says otherwise: now is still what we set.
    """

    step: int
    ref: Ref
    path: tuple[str, ...]
    before: Any
    set: Any
    now: Any
    ticked: bool


@dataclass(frozen=True)
class Undo:
    """A plan that takes an operation back, and what it looks at."""

    plan: Plan
    fields: tuple[UndoField, ...]


def against_live(
    inverted: Sequence[Step], sources: Sources, keep: Collection[Choice] | None
) -> tuple[list[Step], list[UndoField]]:
    """The inverted steps as they can be done today, and the fields they look at.

    ``keep`` chooses the fields to put back; None those that are still as the operation left them. A field a person
    chooses although it differs is guarded by what it is now: it is put back only while it stays so.
    """
    imagined, chosen, fields = Imagined(), [], []
    for index, step in enumerate(inverted):
        if step.kind in QUIET or step.kind is StepKind.DRAIN:
            chosen.append(step)
            continue
        live = _live(step, sources)
        found = list(_fields(index, step, live, imagined))
        fields.extend(found)
        wanted = [f for f in found if (f.ticked if keep is None else (index, f.path) in keep)]
        if not wanted:
            continue
        if step.kind is StepKind.PATCH and live is not None:
            body = patch.nested({f.path: f.before for f in wanted})
            was = patch.nested({f.path: f.now for f in wanted})
            step = replace(step, body=body, before=was, uid=live.uid)  # noqa: PLW2901
        elif live is not None and step.kind is not StepKind.CREATE:
            step = replace(step, uid=live.uid)  # noqa: PLW2901
        imagined.after(step, live)
        chosen.append(step)
    return _with_a_reason(chosen), fields


def _live(step: Step, sources: Sources) -> Live | None:
    try:
        return sources.clusters[step.ref.cluster].cluster.read(step.ref)
    except NotFound:
        return None


def _fields(index: int, step: Step, live: Live | None, imagined: Imagined) -> list[UndoField]:
    """What the inverted step would put back; nothing where it is back already."""
    if step.kind is StepKind.CREATE:  # the operation deleted it
        gone = live is None
        return [UndoField(index, step.ref, (), "existed", "deleted", "absent" if gone else "exists again", gone)]
    if live is None:
        return []
    if step.kind is StepKind.DELETE:  # the operation created it
        wanted = {key: step.before[key] for key in ("spec", "data", "value", "template") if key in step.before}
        same = patch.covers(live.body, wanted) and step.uid in ("", live.uid)
        return [UndoField(index, step.ref, (), "absent", "created", "as created" if same else "changed since", same)]
    if step.kind is StepKind.EDIT:
        text = patch.at(live.body, ("data", str(step.body["key"])))
        digest = yamltext.sha256(text) if isinstance(text, str) else ""
        if digest == step.before["sha256"]:
            return []
        same = digest == step.body["sha256"]
        return [
            UndoField(
                index,
                step.ref,
                ("data", str(step.body["key"]), *(str(part) for part in edit["path"])),
                edit.get("after"),
                edit.get("before"),
                "as set" if same else "the text has changed since",
                same,
            )
            for edit in step.body["edits"]
        ]
    body = imagined.now(live)
    found = []
    for path, was in patch.leaves(step.body):
        now, left = patch.at(body, path), patch.at(step.before, path)
        if now != was:
            found.append(UndoField(index, step.ref, path, was, left, now, now == left))
    return found


def _with_a_reason(chosen: Sequence[Step]) -> list[Step]:
    """The steps without waits for effects of steps that were left out, and without drains nothing follows."""
    writes = [place for place, step in enumerate(chosen) if not _idle(step)]
    groups = {chosen[place].group for place in writes}
    first = min(writes, default=len(chosen))
    return [
        step
        for place, step in enumerate(chosen)
        if not _idle(step) or (step.group in groups and (place > first or step.kind is StepKind.DRAIN))
    ]


def _idle(step: Step) -> bool:
    return step.kind in QUIET or step.kind is StepKind.DRAIN
