"""Doing one step, for real or as a dry run: the guards on what was there before, and the write itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.domain.change import conditions, patch
from services.domain.change.plan import Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.litellm import yamltext
from services.errors import Busy, Conflict, Forbidden, NotFound, Refused, SourceUnavailable, StalePlan
from services.ports import Writable

_VERBS = {
    StepKind.CREATE: "create",
    StepKind.PATCH: "patch",
    StepKind.EDIT: "patch",
    StepKind.DELETE: "delete",
}
_TRIES = 5
"""A status written by a controller between our read and our patch is a conflict that a second look settles."""
POLL_S = 3.0
EVICT_AGAIN_S = 5.0
"""kubectl's pace of asking again when a disruption budget says no."""

Tick = Callable[[float], None]
"""Lets seconds pass; raises when the operation was taken away or the process ends. Called with 0 it only checks."""
Tell = Callable[[str], None]
"""Says what a long step is waiting for."""


@dataclass(frozen=True)
class Done:
    """What a step did. ``landed``: whether it changed anything, which is what an undo has to take back.

    ``says`` in words; ``uid`` and ``version`` of the object after it.
    """

    landed: bool
    says: str
    uid: str = ""
    version: str = ""
    warnings: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)  # more for the record


class Failed(Refused):
    """A step that failed after it did something; ``detail`` is for the record."""

    def __init__(self, message: str, *, detail: Mapping[str, Any], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.detail = detail


@dataclass
class Imagined:
    """Objects as they would be after the steps so far, for planning and rehearsing several steps on one object."""

    bodies: dict[Ref, Mapping[str, Any]] = field(default_factory=dict)
    created: set[Ref] = field(default_factory=set)

    def after(self, step: Step, live: Live | None) -> None:
        """Note what the step would do to the object."""
        if step.kind is StepKind.CREATE:
            self.created.add(step.ref)
            self.bodies[step.ref] = step.body
        elif step.kind is StepKind.PATCH:
            base = self.bodies.get(step.ref, live.body if live else {})
            self.bodies[step.ref] = patch.applied(base, step.body)

    def now(self, live: Live) -> Mapping[str, Any]:
        """The object as the next step would find it."""
        return self.bodies.get(live.ref, live.body)


def authorised(step: Step, hand: Writable) -> None:
    """Ask the API server whether these credentials may do the step. Raises Forbidden."""
    verb = _VERBS.get(step.kind)
    if verb is not None and not hand.allowed(verb, step.ref):
        raise Forbidden("kubernetes", f"The console's service account may not {verb} {step.ref}.",
                        hint="docs/connect.md lists the rights actions need.")  # fmt: skip


def rehearsed(step: Step, hand: Writable, imagined: Imagined) -> Done:
    """The step as a dry run, on top of the ones imagined before it. Raises what the API server would refuse."""
    if step.kind is StepKind.CREATE:
        made = hand.create(step.ref, step.body, dry_run=True)
        imagined.after(step, None)
        return Done(landed=True, says="It would be created.", warnings=made.warnings)
    if step.kind is StepKind.DRAIN:
        return _drain_rehearsed(step, hand)
    if step.ref in imagined.created and step.kind is StepKind.PATCH:
        imagined.after(step, None)
        return Done(landed=True, says="It is created by this plan.")
    live = _current(step, hand)
    body = _checked(step, live, imagined.now(live))
    if step.kind is StepKind.DELETE:
        hand.delete(step.ref, expected=live.version, uid=live.uid, dry_run=True)
        return Done(landed=True, says="It would be deleted.")
    answered = hand.patch(step.ref, body, expected=live.version, dry_run=True)
    imagined.after(step, live)
    return Done(landed=True, says="The API server would accept it.", warnings=answered.warnings)


def performed(step: Step, hand: Writable, *, tick: Tick, tell: Tell, again: bool = False) -> Done:
    """Do the step. ``again``: it was started before, by a process that ended, and may have landed.

    Raises StalePlan when the object is no longer as planned, other OpsErrors as the server answers.
    """
    if step.kind is StepKind.WAIT:
        return _wait(step, hand, tick, tell)
    if step.kind is StepKind.PAUSE:
        tell(step.says)
        tick(float(step.body["seconds"]))
        return Done(landed=False, says=step.says)
    if step.kind is StepKind.DRAIN:
        return _drain(step, hand, tick, tell)
    if step.kind is StepKind.CREATE:
        return _create(step, hand, again=again)
    if step.kind is StepKind.DELETE:
        return _delete(step, hand, again=again)
    return _write(step, hand, again=again)


def landed(step: Step, hand: Writable) -> bool | None:
    """Whether a step whose answer was never recorded has landed: True, False, or None when live shows neither."""
    try:
        live = hand.read(step.ref)
    except NotFound:
        return {StepKind.CREATE: False, StepKind.DELETE: True}.get(step.kind)
    if step.kind is StepKind.CREATE:
        return True if patch.covers(live.body, step.body) else None
    if step.kind is StepKind.DELETE:
        return live.uid != step.uid or "deletionTimestamp" in live.meta
    if step.kind is StepKind.EDIT:
        found = yamltext.sha256(_text(step, live))
        return {step.before["sha256"]: True, step.body["sha256"]: False}.get(found)
    if step.kind is StepKind.PATCH:
        if patch.holds(live.body, step.body):
            return True
        return False if patch.before(live.body, step.body) == step.before else None
    return None


def _current(step: Step, hand: Writable) -> Live:
    try:
        live = hand.read(step.ref)
    except NotFound as error:
        raise StalePlan(f"{step.ref} does not exist any more.", hint="Plan the change anew.") from error
    if step.uid and live.uid != step.uid:
        raise StalePlan(f"{step.ref} was deleted and created again since the plan.", hint="Plan the change anew.")
    return live


def _checked(step: Step, live: Live, body: Mapping[str, Any]) -> dict[str, Any]:
    """The patch to send, after making sure that what it touches is as planned. Raises StalePlan."""
    if step.kind is StepKind.EDIT:
        text = _text(step, live)
        if yamltext.sha256(text) != step.body["sha256"]:
            raise StalePlan(f"The text {step.body['key']} of {step.ref} has changed since the plan.",
                            hint="Plan the change anew.")  # fmt: skip
        changed = yamltext.apply(text, step.body["edits"])
        if yamltext.sha256(changed) != step.before["sha256"]:
            raise Refused(f"Editing {step.ref} would not give the text that was planned.", hint="Plan the change anew.")
        return {"data": {step.body["key"]: changed}}
    if step.kind is StepKind.DELETE:
        wanted = {key: step.before[key] for key in ("spec", "data", "value", "template") if key in step.before}
        if not patch.covers(body, wanted):
            raise StalePlan(f"{step.ref} has changed since the plan.", hint="Plan the change anew.")
        return {}
    if patch.before(body, step.body) != step.before:
        different = [".".join(path) for path, was in patch.leaves(step.before) if patch.at(body, path) != was]
        raise StalePlan(
            f"{step.ref} has changed since the plan: {', '.join(different[:3])}.", hint="Plan the change anew."
        )
    return dict(step.body)


def _text(step: Step, live: Live) -> str:
    found = patch.at(live.body, ("data", str(step.body["key"])))
    if not isinstance(found, str):
        raise StalePlan(f"{step.ref} has no text {step.body['key']} any more.", hint="Plan the change anew.")
    return found


def _write(step: Step, hand: Writable, *, again: bool) -> Done:
    for left in reversed(range(_TRIES)):
        live = _current(step, hand)
        if again and landed(step, hand):
            return Done(landed=True, says="It had landed before.", uid=live.uid, version=live.version)
        if step.kind is StepKind.PATCH and patch.holds(live.body, step.body):
            return Done(landed=False, says="It was so already.", uid=live.uid, version=live.version)
        body = _checked(step, live, live.body)
        try:
            after = hand.patch(step.ref, body, expected=live.version)
        except Conflict as error:
            if not left:
                raise StalePlan(f"{step.ref} keeps changing; nothing was overwritten.", hint="Try again.") from error
            continue
        return Done(landed=True, says=step.says, uid=after.uid, version=after.version, warnings=after.warnings)
    raise AssertionError("unreachable")


def _create(step: Step, hand: Writable, *, again: bool) -> Done:
    try:
        made = hand.create(step.ref, step.body)
    except Conflict as error:
        if again and landed(step, hand):
            live = hand.read(step.ref)
            return Done(landed=True, says="It had been created before.", uid=live.uid, version=live.version)
        raise StalePlan(f"{step.ref} exists meanwhile.", hint="Plan the change anew.") from error
    return Done(landed=True, says=step.says, uid=made.uid, version=made.version, warnings=made.warnings)


def _delete(step: Step, hand: Writable, *, again: bool) -> Done:
    for left in reversed(range(_TRIES)):
        try:
            live = hand.read(step.ref)
        except NotFound:
            return Done(landed=again, says="It was gone already.")
        if step.uid and live.uid != step.uid:
            if again:
                return Done(landed=True, says="It had been deleted before.")
            raise StalePlan(f"{step.ref} was deleted and created again since the plan.", hint="Plan the change anew.")
        _checked(step, live, live.body)
        try:
            hand.delete(step.ref, expected=live.version, uid=live.uid)
        except Conflict as error:
            if not left:
                raise StalePlan(f"{step.ref} keeps changing; it was not deleted.", hint="Try again.") from error
            continue
        except NotFound:
            return Done(landed=True, says="It is gone.")
        return Done(landed=True, says=step.says, uid=live.uid)
    raise AssertionError("unreachable")


def _wait(step: Step, hand: Writable, tick: Tick, tell: Tell) -> Done:
    until, fails = _tests(step, "until"), _tests(step, "fails")
    left = float(step.body["deadline_s"])
    tell(step.says)
    trouble = ""
    while True:
        try:
            body: Mapping[str, Any] = hand.read(step.ref).body
        except NotFound:
            body, trouble = {}, ""
        except SourceUnavailable as error:  # a wait outlives an API server that restarts
            body, trouble = {}, f" ({error})"
        else:
            trouble = ""
        if not trouble and conditions.met(body, until):
            return Done(landed=False, says=step.says)
        if not trouble and body and fails and any(conditions.met(body, [test]) for test in fails):
            raise Refused(f"{step.says}: {step.ref} reports that it failed.")
        if left <= 0:
            late = f"{step.says}: not so after {float(step.body['deadline_s']):.0f} seconds{trouble}."
            if step.body.get("soft"):
                return Done(landed=False, says=late)
            raise Refused(late)
        pause = min(POLL_S, left)
        tick(pause)
        left -= pause


def _tests(step: Step, name: str) -> list[conditions.Test]:
    return [(tuple(path), word, value) for path, word, value in step.body.get(name, ())]


def evictable(pods: Sequence[Live], resources: Sequence[str]) -> tuple[list[Live], list[Live]]:
    """Pods of a node that hold any of the resources (prefixes): those to evict, and those nothing would make again.

    As kubectl drain: mirror pods, pods of DaemonSets, finished and terminating pods are left alone.
    """
    evicted: list[Live] = []
    orphans: list[Live] = []
    for pod in pods:
        owners = [owner.get("kind") for owner in pod.meta.get("ownerReferences") or () if owner.get("controller")]
        phase = patch.at(pod.body, ("status", "phase"))
        if (
            "kubernetes.io/config.mirror" in pod.annotations
            or "DaemonSet" in owners
            or phase in ("Succeeded", "Failed")
            or pod.meta.get("deletionTimestamp")
            or not _asks(pod, resources)
        ):
            continue
        (evicted if owners else orphans).append(pod)
    return evicted, orphans


def _asks(pod: Live, resources: Sequence[str]) -> bool:
    spec = pod.body.get("spec") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    names = {
        name
        for container in containers
        for part in ("limits", "requests")
        for name, amount in ((container.get("resources") or {}).get(part) or {}).items()
        if str(amount) != "0"
    }
    return any(name.startswith(tuple(resources)) for name in names)


def _victims(step: Step, hand: Writable) -> list[Live]:
    evicted, orphans = evictable(hand.pods_on(step.ref.name), step.body["resources"])
    if orphans and not step.body.get("force"):
        named = ", ".join(f"{pod.ref.namespace}/{pod.ref.name}" for pod in orphans[:3])
        raise Refused(
            f"On {step.ref.name} nothing would start {named} again: {'it has' if len(orphans) == 1 else 'they have'} "
            "no controller.",
            hint="Delete such pods yourself, or ask their owners.",
        )
    return [*evicted, *orphans]


def _drain_rehearsed(step: Step, hand: Writable) -> Done:
    pods = _victims(step, hand)
    blocked = []
    for pod in pods:
        try:
            hand.evict(pod.ref, uid=pod.uid, dry_run=True)
        except Busy as error:
            blocked.append(f"{pod.ref.namespace}/{pod.ref.name}: {error}")
    named = ", ".join(f"{pod.ref.namespace}/{pod.ref.name}" for pod in pods[:8])
    says = f"Now these would be evicted: {named}." if pods else "Now no GPU pod would be evicted."
    return Done(landed=True, says=says, warnings=tuple(blocked))


def _drain(step: Step, hand: Writable, tick: Tick, tell: Tell) -> Done:
    left = float(step.body["deadline_s"])
    evicted: dict[str, Live] = {}
    while True:
        present = {pod.uid: pod for pod in hand.pods_on(step.ref.name)}
        # The pods asked to go are waited for by uid: a StatefulSet's next pod has the same name.
        going = [pod for uid, pod in evicted.items() if uid in present]
        waiting, said = [pod for pod in _victims(step, hand) if pod.uid not in evicted], ""
        for pod in waiting:
            tick(0)
            try:
                hand.evict(pod.ref, uid=pod.uid)
                evicted[pod.uid] = pod
            except Busy as error:
                said = str(error)
        rest = [pod for pod in waiting if pod.uid not in evicted]
        if not waiting and not going:
            return Done(landed=bool(evicted), says=f"{len(evicted)} pods were evicted from {step.ref.name}.")
        if left <= 0:
            names = ", ".join(f"{pod.ref.namespace}/{pod.ref.name}" for pod in [*rest, *going][:3])
            raise Refused(f"{names} did not leave {step.ref.name} in time. {said}".strip())
        tell(f"{len(going) + len(waiting)} pods are still to leave {step.ref.name}. {said}".strip())
        pause = min(EVICT_AGAIN_S, left)
        tick(pause)
        left -= pause
