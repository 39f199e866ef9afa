"""The dry run of a plan: the very writes that would be done, answered by the API servers and kept by none."""

from dataclasses import dataclass, replace

from services.access import User
from services.actions import sending, steps
from services.actions.hands import hand, impersonates
from services.domain.change.plan import QUIET, Plan, Step, StepKind
from services.errors import OpsError
from services.ports import Sources


@dataclass(frozen=True)
class Answer:
    """What the dry run said of one step. ``ok`` None: the step cannot be rehearsed, ``says`` tells why."""

    step: int
    ok: bool | None
    says: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rehearsal:
    """The dry run of a plan: an answer for each step, and what stands in the way of applying it ("" when nothing)."""

    plan: str
    answers: tuple[Answer, ...]
    refusal: str = ""

    @property
    def ok(self) -> bool:
        """Whether the plan may be applied."""
        return not self.refusal and all(answer.ok is not False for answer in self.answers)


def answers(plan: Plan, user: User, sources: Sources) -> tuple[Answer, ...]:
    """What each step's dry run says, with the person's rights. Never raises: what is wrong is in the answer.

    Waits are described; what builds on an object the plan itself creates cannot be rehearsed before it exists.
    """
    imagined, namespaces, found = steps.Imagined(), set[tuple[str, str]](), list[Answer]()
    for index, step in enumerate(plan.steps):
        if step.kind is StepKind.SEND:
            # All requests of a plan go one way: what is asked of the first is asked for all.
            first = next((one for one in found if plan.steps[one.step].kind is StepKind.SEND), None)
            found.append(replace(first, step=index) if first else _sendable(index, step, user, sources))
            continue
        if step.kind in QUIET:
            found.append(Answer(index, None, step.says))
            continue
        if (step.ref.cluster, step.ref.namespace) in namespaces:
            imagined.after(step, None)
            found.append(Answer(index, None, "Its namespace is created by this plan."))
            continue
        if step.kind is StepKind.CREATE and step.ref.kind == "Namespace":
            namespaces.add((step.ref.cluster, step.ref.name))
        try:
            writer = hand(sources, step.ref.cluster, user)
            if not impersonates(sources, user):
                steps.authorised(step, writer)
            done = steps.rehearsed(step, writer, imagined)
        except OpsError as error:
            found.append(Answer(index, ok=False, says=f"{error} {error.hint}".strip()))
        else:
            found.append(Answer(index, ok=True, says=done.says, warnings=done.warnings))
    return tuple(found)


def _sendable(index: int, step: Step, user: User, sources: Sources) -> Answer:
    """Whether a test request may be sent; nothing is."""
    try:
        sending.ready(step, hand(sources, step.ref.cluster, user), sources)
    except OpsError as error:
        return Answer(index, ok=False, says=f"{error} {error.hint}".strip())
    return Answer(index, ok=True, says="It may be sent; nothing is sent before it is confirmed.")
