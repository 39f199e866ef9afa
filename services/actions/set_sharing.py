"""Set how the GPUs of some nodes are shared, node by node."""

from collections.abc import Sequence
from dataclasses import dataclass

from services import sharing, snapshots
from services.actions import sharing_steps
from services.actions.base import Action, Effect, Verdict
from services.domain.change import patch
from services.domain.change.conditions import met
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.sharing import MIG_LABEL, NO_ISOLATION, Layout, Mode
from services.domain.sharing.change import Change, refusal
from services.domain.sharing.checks import BLOCKS, Check, named
from services.domain.sharing.install import Way
from services.errors import Refused
from services.ports import ClusterSource, Sources


@dataclass(frozen=True)
class SharingParams:
    """Nodes by name, or a whole pool; ``layout`` is a :attr:`services.domain.sharing.Layout.key`.

    ``drain``: evict GPU pods first. ``pace_s``: pause between two nodes; ``deadline_s``: of draining one.
    """

    cluster: str
    layout: str
    nodes: tuple[str, ...] = ()
    pool: str = ""
    drain: bool = False
    pace_s: float = 30.0
    deadline_s: float = 900.0


class SetSharing(Action[SharingParams]):
    """Divide the GPUs of nodes in another way: exclusive, time-slicing, MPS or MIG."""

    name, title, risk, params = "set-sharing", "Set sharing", Risk.MEDIUM, SharingParams
    verify_within_s = 120.0

    def plan(self, params: SharingParams, sources: Sources) -> Draft:
        """Node by node: cordon, drain if asked, set labels, wait for the units, uncordon. Raises Refused."""
        source = sources.clusters.get(params.cluster)
        if source is None:
            raise Refused(f"There is no cluster {params.cluster[:60]}.")
        layout = Layout.of(params.layout)
        names = _names(params, sources, source)
        lives = {name: source.cluster.read(Ref.of(source.name, "Node", name)) for name in names}
        states = sharing.of_live(source.name, list(lives.values()))
        strangers = sorted(lives.keys() - {one.node for one in states})
        if strangers:
            raise Refused(f"{named(strangers)} {'has' if len(strangers) == 1 else 'have'} no GPUs.")
        ground = sharing.ground(source, states)
        for node in states:
            said = "" if node.layout == layout else refusal(node, layout, ground)
            if said:
                raise Refused(f"{layout} is not possible here. {said}")
        found = sharing.changes(states, layout, ground)
        todo = [one for one in found if one.labels]
        draft = Draft(_summary(todo or found, layout))
        draft.warnings += _askew(found)
        if not todo:
            return draft
        checks = sharing.judge(sources, source, found, ground, drain=params.drain)
        blocking = [one for one in checks if one.level == BLOCKS]
        if blocking:
            raise Refused(blocking[0].says, hint=" ".join([blocking[0].do, *(one.says for one in blocking[1:])]))
        _told(draft, todo, checks, layout)
        if ground.install.way is Way.STATIC:
            sharing_steps.static(draft, source, sources, ground, layout)
            return draft
        sharing_steps.documents(draft, source, ground, todo)
        for place, one in enumerate(todo):
            live = lives[one.node.node]
            if place:
                draft.pause(live.ref, params.pace_s, "Wait before the next node", group=one.node.node)
            sharing_steps.node(draft, live, one, drain_s=params.deadline_s if params.drain else None)
        rough = params.drain or any(one.needs_idle for one in todo) or ground.install.way is Way.POLICY
        draft.risk = Risk.HIGH if rough else Risk.MEDIUM
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """Whether every node offers what was planned and takes pods again."""
        waits = {step.ref: step for step in plan.steps if step.kind is StepKind.WAIT and step.ref.kind == "Node"}
        opened = {step.ref for step in plan.steps if sharing_steps.uncordons(step)}
        late: list[str] = []
        for ref, step in waits.items():
            body = sharing_steps.read(sources, ref)
            tests = [(tuple(path), word, value) for path, word, value in step.body["until"]]
            if body is None or not met(body, tests) or (ref in opened and patch.at(body, ("spec", "unschedulable"))):
                late.append(ref.name)
        if late:
            return Verdict(Effect.WAITING, f"Not yet as planned: {named(late)}.")
        if not waits:
            return Verdict(Effect.DONE, "The labels are set; no node had to change what it offers.")
        number = "1 node offers" if len(waits) == 1 else f"All {len(waits)} nodes offer"
        return Verdict(Effect.DONE, f"{number} what was planned.")

    def verify_undo(self, plan: Plan, sources: Sources) -> Verdict:
        """The same, by the plan that takes it back."""
        return self.verify(plan, sources)

    def undo(self, plan: Plan, landed: Sequence[Step], sources: Sources) -> Draft | None:
        """Labels back, last node first; with draining where the change had drained or needs idle GPUs.

        None where the inverse of each step is right: labels of the device plugin, set without draining.
        """
        if any(step.ref.kind == "DaemonSet" and step.kind is StepKind.PATCH for step in landed):
            return sharing_steps.static_back(plan, landed, sources)
        drains = [step for step in plan.steps if step.kind is StepKind.DRAIN]
        labelled = [step for step in landed if sharing_steps.sets_labels(step)]
        if plan.risk is not Risk.HIGH or not labelled:
            return None
        draft = Draft(f"Take back: {plan.summary}", confirm=plan.confirm, risk=Risk.HIGH)
        if drains:
            draft.warnings.append("GPU pods on the nodes are evicted again.")
        if any(step.ref.kind in ("ConfigMap", "ClusterPolicy") for step in landed):
            draft.warnings.append("The document that was added stays; without a label nobody uses it.")
        waits = {step.ref: step for step in plan.steps if step.kind is StepKind.WAIT}
        drain_s = float(drains[0].body["deadline_s"]) if drains else None
        shut = sharing_steps.left_shut(landed)
        for ref in shut - {step.ref for step in labelled}:
            body = sharing_steps.read(sources, ref)
            if body is not None:
                sharing_steps.opened(draft, Live(ref, body))
        for step in reversed(labelled):
            body = sharing_steps.read(sources, step.ref)
            if body is not None:
                live, wait = Live(step.ref, body), waits.get(step.ref)
                sharing_steps.node_back(draft, live, step, wait, drain_s=drain_s, reopen=step.ref in shut)
        return draft


def _names(params: SharingParams, sources: Sources, source: ClusterSource) -> list[str]:
    if params.nodes:
        return list(dict.fromkeys(params.nodes))
    stock = snapshots.read(sources, source).value
    found = [] if stock is None else stock.nodes.loc[stock.nodes["pool"] == params.pool, "node"].tolist()
    if not (found and params.pool):
        raise Refused("Choose the nodes, or a pool that has GPU nodes.")
    return sorted(found)


def _summary(changes: Sequence[Change], layout: Layout) -> str:
    before = sorted({str(one.node.layout) for one in changes})
    pools = sorted({one.node.pool for one in changes})
    number = changes[0].node.node if len(changes) == 1 else f"{len(changes)} nodes"
    return f"{', '.join(pools)}: {number} from {', '.join(before)} to {layout}"


def _askew(changes: Sequence[Change]) -> list[str]:
    askew = [one.node.node for one in changes if not one.labels and one.node.layout != one.layout]
    return [f"The labels of {named(askew)} ask for this already, but the GPUs do not show it yet."] if askew else []


def _told(draft: Draft, todo: Sequence[Change], checks: Sequence[Check], layout: Layout) -> None:
    gpus = sum(one.node.gpus for one in todo)
    before, after = (sum(getattr(one, side).units for one in todo) for side in ("before", "after"))
    was, becomes = (sum(getattr(one, side).equivalents for one in todo) for side in ("before", "after"))
    nodes = "1 node" if len(todo) == 1 else f"{len(todo)} nodes"
    draft.blast.append(
        f"{nodes} with {gpus:g} GPUs: {before:g} units become {after:g}, worth {was:.4g} GPU equivalents before and "
        f"{becomes:.4g} after."
    )
    span = "minutes" if any(MIG_LABEL in one.labels for one in todo) else "seconds"
    draft.blast.append(f"While a node changes it offers no GPUs for some {span}.")
    for check in checks:
        draft.warnings.append(f"{check.says} {check.do}" + (f" Concerned: {named(check.who)}." if check.who else ""))
    if layout.mode is Mode.TIME_SLICING:
        draft.warnings.insert(0, NO_ISOLATION)
    for one in todo:
        draft.touches(one.node.cluster, one.node.pool, one.node.node)
    pools = {one.node.pool for one in todo}
    draft.confirm = todo[0].node.node if len(todo) == 1 else pools.pop() if len(pools) == 1 else todo[0].node.cluster
