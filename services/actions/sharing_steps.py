"""The steps of a change of sharing, there and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from services import sharing, snapshots
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind
from services.domain.change.refs import Live, Ref
from services.domain.sharing import CONFIG_LABEL, EXCLUSIVE, MIG_LABEL, Layout
from services.domain.sharing import config as sharing_config
from services.domain.sharing.change import Change, Ground
from services.domain.sharing.checks import named
from services.domain.sharing.install import Way
from services.errors import NotFound
from services.ports import ClusterSource, Sources

_LABELS = ("metadata", "labels")
_RESTARTED = ("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
_PLUGIN_S, _MIG_S, _ROLL_S = 300.0, 900.0, 900.0
_MOUNT_S = 90.0
"""Until a kubelet has brought a new key of a ConfigMap into the plugin's volume."""


def documents(draft: Draft, source: ClusterSource, ground: Ground, todo: Sequence[Change]) -> None:
    """Documents that are missing, under keys nobody has used, and the ClusterPolicy that is to name them."""
    if not any(CONFIG_LABEL in one.labels for one in todo):
        return
    install = ground.install
    added = dict(one.document for one in todo if one.document)
    ref = Ref.of(source.name, "ConfigMap", install.configmap or sharing.NEW_CONFIGMAP, install.namespace)
    if added and (ground.documents or install.way is Way.LABEL):
        draft.set(source.cluster.read(ref), {"data": added}, f"Add {' and '.join(added)} to {ref}")
        draft.pause(ref, _MOUNT_S, "Let the kubelets bring the new document to the device plugin")
    if install.way is not Way.POLICY:
        return
    plain = sharing_config.key_for(EXCLUSIVE, ground.documents) or sharing_config.new_key(EXCLUSIVE, ground.documents)
    if not ground.documents:
        draft.create(ref, {"data": {plain: sharing_config.written(EXCLUSIVE), **added}}, f"Create {ref}")
    policy = source.cluster.read(Ref.of(source.name, "ClusterPolicy", install.policy))
    fields = {"spec": {"devicePlugin": {"config": {"name": ref.name, "default": plain}}}}
    draft.set(policy, fields, f"Let {policy.ref} use {ref.name}; the operator restarts the device plugin everywhere")
    plugin = Ref.of(source.name, "DaemonSet", install.daemonset, install.namespace)
    draft.wait(plugin, [((), "rolled_out", None)], f"Wait until {plugin} runs its new template", deadline_s=_ROLL_S)


def node(draft: Draft, live: Live, one: Change, *, drain_s: float | None) -> None:
    """One node: cordon, drain (unless ``drain_s`` is None), label, wait, uncordon.

    A node that was cordoned before stays so.
    """
    group = live.ref.name
    closed = _cordon(draft, live, group)
    _drain(draft, closed, drain_s, group)
    labels = ", ".join(f"{key}={value}" for key, value in one.labels.items())
    fields = patch.nested({(*_LABELS, key): value for key, value in one.labels.items()})
    draft.set(closed, fields, f"Set {labels} on {group}", group=group)
    offered = ", ".join(f"{count:g} × {name}" for name, count in one.after.allocatable.items())
    draft.wait(
        live.ref,
        one.until,
        f"Wait until {group} offers {offered}",
        deadline_s=_MIG_S if MIG_LABEL in one.labels else _PLUGIN_S,
        fails=one.fails,
        back=one.back,
        group=group,
    )
    _uncordon(draft, live, closed)


def node_back(
    draft: Draft, live: Live, step: Step, wait: Step | None, *, drain_s: float | None, reopen: bool = False
) -> None:
    """One node's labels back, with the same care; a node somebody has changed since is left alone.

    ``reopen``: the change had cordoned it and came no further, so it is uncordoned although it is found cordoned.
    """
    group = live.ref.name
    changed = [path[-1] for path, value in patch.leaves(step.body) if patch.at(live.body, path) != value]
    if changed:
        draft.warnings.append(f"{group} is left alone: {named(changed)} was changed since.")
        return
    closed = _cordon(draft, live, group)
    _drain(draft, closed, drain_s, group)
    draft.set(closed, step.before, f"Put the labels of {group} back", group=group)
    if wait is not None:
        _wait_back(draft, wait)
    if reopen:
        opened(draft, closed)
    else:
        _uncordon(draft, live, closed)


def opened(draft: Draft, live: Live) -> None:
    """Uncordon a node."""
    draft.set(live, {"spec": {"unschedulable": None}}, f"Uncordon {live.ref.name}", group=live.ref.name)


def left_shut(landed: Sequence[Step]) -> set[Ref]:
    """Nodes the landed steps cordoned and did not open again."""
    shut: set[Ref] = set()
    for step in landed:
        if uncordons(step):
            shut.discard(step.ref)
        elif step.kind is StepKind.PATCH and patch.at(step.body, ("spec", "unschedulable")):
            shut.add(step.ref)
    return shut


def _cordon(draft: Draft, live: Live, group: str) -> Live:
    if patch.at(live.body, ("spec", "unschedulable")):
        return live
    shut: Mapping[str, Any] = {"spec": {"unschedulable": True}}
    draft.set(live, shut, f"Cordon {group}", group=group)
    return Live(live.ref, patch.applied(live.body, shut))


def _drain(draft: Draft, closed: Live, deadline_s: float | None, group: str) -> None:
    if deadline_s is not None:
        says = f"Evict the GPU pods of {group}"
        draft.drain(closed, says, resources=["nvidia.com/"], deadline_s=deadline_s, group=group)


def _uncordon(draft: Draft, live: Live, closed: Live) -> None:
    if closed is not live:
        opened(draft, closed)


def static(draft: Draft, source: ClusterSource, sources: Sources, ground: Ground, layout: Layout) -> None:
    """One document for all nodes: change it and restart the plugin everywhere."""
    install = ground.install
    configmap = source.cluster.read(Ref.of(source.name, "ConfigMap", install.configmap, install.namespace))
    text = sharing_config.written(layout, ground.documents.get(install.document, ""))
    draft.set(configmap, {"data": {install.document: text}}, f"Change {install.document} in {configmap.ref}")
    plugin = Ref.of(source.name, "DaemonSet", install.daemonset, install.namespace)
    _restart(draft, source.cluster.read(plugin), sources)
    stock = snapshots.read(sources, source).value
    states = [] if stock is None else sharing.of_store(source, stock.nodes)
    touched = {name for names in draft.nodes.values() for name in names}
    for one in sharing.changes(states, layout, ground):
        name = one.node.node
        if one.needs_idle:  # what MIG has cut stays cut
            continue
        says = f"Wait until {name} offers it"
        draft.wait(Ref.of(source.name, "Node", name), one.until, says, deadline_s=_PLUGIN_S, back=one.back, group=name)
        if name not in touched:
            draft.touches(one.node.cluster, one.node.pool, name)
    draft.blast.insert(0, "All GPU nodes of the cluster at once: here one document serves them all.")
    draft.confirm, draft.risk = source.name, Risk.HIGH


def _restart(draft: Draft, plugin: Live, sources: Sources) -> None:
    stamp = sources.now().isoformat(timespec="seconds")
    draft.set(plugin, patch.nested({_RESTARTED: stamp}), f"Restart {plugin.ref}")
    draft.wait(plugin.ref, [((), "rolled_out", None)], f"Wait until {plugin.ref} is restarted", deadline_s=_ROLL_S)


def static_back(plan: Plan, landed: Sequence[Step], sources: Sources) -> Draft:
    """The text back first, then the restart that makes the plugin read it."""
    draft = Draft(f"Take back: {plan.summary}", confirm=plan.confirm, risk=Risk.HIGH)
    written = [step for step in landed if step.kind is StepKind.PATCH]
    for step in sorted(written, key=lambda one: one.ref.kind != "ConfigMap"):
        body = read(sources, step.ref)
        if body is not None and step.ref.kind == "ConfigMap":
            draft.set(Live(step.ref, body), step.before, f"Put {step.ref} back")
        elif body is not None:
            _restart(draft, Live(step.ref, body), sources)
    for step in plan.steps:
        if step.kind is StepKind.WAIT and step.ref.kind == "Node":
            _wait_back(draft, step)
    return draft


def _wait_back(draft: Draft, wait: Step) -> None:
    tests = [(tuple(path), word, value) for path, word, value in wait.before.get("until") or ()]
    says = f"Wait until {wait.ref.name} offers what it did"
    draft.wait(wait.ref, tests, says, deadline_s=wait.body["deadline_s"], group=wait.group)


def sets_labels(step: Step) -> bool:
    """Whether a step sets the labels that choose a layout."""
    labels = patch.at(step.body, _LABELS) if step.kind is StepKind.PATCH and step.ref.kind == "Node" else None
    return isinstance(labels, Mapping) and bool({CONFIG_LABEL, MIG_LABEL} & labels.keys())


def uncordons(step: Step) -> bool:
    """Whether a step opens a node again."""
    spec = step.body.get("spec") if step.kind is StepKind.PATCH and step.ref.kind == "Node" else None
    return isinstance(spec, Mapping) and "unschedulable" in spec and spec["unschedulable"] is None


def read(sources: Sources, ref: Ref) -> Mapping[str, Any] | None:
    """An object as it is now; None when it is gone."""
    try:
        return sources.clusters[ref.cluster].cluster.read(ref).body
    except NotFound:
        return None
