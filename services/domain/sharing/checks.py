"""What stands against a change of layout, judged before it is made: who is on the nodes, who would be hurt, how.

Sources: k8s-device-plugin README (requests above one, renaming), kubelet devicemanager (running pods keep their
devices), Kubernetes quota evaluator (one entry per resource, none is no limit), Cluster Autoscaler
``processors/customresources/gpu_processor.go``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from services.domain import allocation, sharing
from services.domain.objects import Generic, Pod
from services.domain.sharing import PRODUCT_LABEL, RENAMED, Mode
from services.domain.sharing import config as sharing_config
from services.domain.sharing.asks import Ask
from services.domain.sharing.change import Change, Ground

BLOCKS, WARNS = "blocks", "warns"
CHECKS = {"level": "str", "about": "str", "says": "str", "do": "str", "who": "str"}
"""One row per check that found something; ``level`` is :data:`BLOCKS` or :data:`WARNS`."""
_NAMED = 5


@dataclass(frozen=True)
class Check:
    """One thing found: whether it ``blocks`` or ``warns``, what it is about, what is so, what to do, who is meant."""

    level: str
    about: str
    says: str
    do: str
    who: tuple[str, ...] = ()


@dataclass(frozen=True)
class Around:
    """What lives around the nodes: GPU pods and what asks for GPUs in the cluster, quotas, other nodes' resources.

    ``measured``: rows of :data:`services.domain.gpus.GPUS` of the nodes; None when memory is not measured at all.
    """

    pods: Sequence[Pod]
    asks: Sequence[Ask]
    quotas: Sequence[Generic]
    elsewhere: frozenset[str] = frozenset()
    measured: pd.DataFrame | None = None


def checks(changes: Sequence[Change], ground: Ground, around: Around, *, drain: bool) -> list[Check]:
    """Everything found, what blocks first."""
    found = [
        *_documents(changes, ground),
        *_running(changes, around.pods, drain=drain),
        *_gone(changes, around),
        *_too_many(changes, around.asks),
        *_memory(changes, around.measured),
        *_quotas(changes, around.quotas),
        *_selectors(changes, around.asks),
        *_autoscaled(changes),
        *_mps(changes, ground),
    ]
    return sorted(found, key=lambda one: one.level != BLOCKS)


def frame(found: Iterable[Check]) -> pd.DataFrame:
    """The checks as a table :data:`CHECKS`."""
    rows = [(one.level, one.about, one.says, one.do, ", ".join(one.who)) for one in found]
    return pd.DataFrame(rows, columns=list(CHECKS)).astype(CHECKS)


def _documents(changes: Sequence[Change], ground: Ground) -> Iterator[Check]:
    for key in sorted({key for one in changes if (key := one.labels.get(sharing.CONFIG_LABEL))}):
        text = next((one.document[1] for one in changes if one.document), "") or ground.documents.get(key, "")
        node = changes[0].node
        faults = sharing_config.problems(text, strategy=ground.strategy, compute=node.compute)
        if faults:
            yield Check(BLOCKS, "Document", f"The document {key} is wrong: {'; '.join(faults)}.", "Mend it first.")


def _running(changes: Sequence[Change], pods: Sequence[Pod], *, drain: bool) -> Iterator[Check]:
    nodes = {one.node.node for one in changes}
    here = [pod for pod in pods if pod.spec.node_name in nodes and pod.status.phase not in ("Succeeded", "Failed")]
    held = [pod for pod in here if allocation.gpu_units(pod.spec.containers, pod.spec.init_containers or ())]
    if not held:
        return
    idle = any(one.needs_idle for one in changes)
    fixed = [pod for pod in held if _daemon(pod)]
    names = _names(held)
    if idle and fixed:
        yield Check(
            BLOCKS, "Running pods", f"{_pods(fixed)} of DaemonSets {_hold(fixed)} GPUs here and cannot be evicted.",
            "Keep these DaemonSets off the nodes first.", _names(fixed),
        )  # fmt: skip
    orphans = [pod for pod in held if not any(owner.controller for owner in pod.metadata.owner_references or ())]
    if drain and orphans:
        yield Check(
            BLOCKS, "Running pods", f"Nothing would start {_pods(orphans)} again: no controller owns them.",
            "Delete such pods yourself, or ask their owners.", _names(orphans),
        )  # fmt: skip
    if idle and not drain:
        yield Check(
            BLOCKS, "Running pods", f"{_pods(held)} {_hold(held)} GPUs here; this change needs GPUs without pods.",
            "Choose to drain the nodes, or wait until the pods end.", names,
        )  # fmt: skip
    elif drain:
        yield Check(
            WARNS, "Running pods", f"{_pods(held)} will be evicted, within their disruption budgets.",
            "Tell their owners.", names,
        )  # fmt: skip
    elif any(one.after.units < one.before.units for one in changes):
        yield Check(
            WARNS, "Running pods",
            f"{_pods(held)} on these nodes will keep their devices; more may be held than offered until the pods end.",
            "Drain the nodes if that must not be.", names,
        )  # fmt: skip
    else:
        yield Check(
            WARNS, "Running pods",
            f"New pods will be placed on the same GPUs, beside {_pods(held)} there now.",
            "Do nothing if they can live with neighbours.", names,
        )  # fmt: skip


def _gone(changes: Sequence[Change], around: Around) -> Iterator[Check]:
    gone = {name for one in changes for name in one.before.capacity if name not in one.after.capacity}
    for name in sorted(gone):
        who = tuple(ask.name for ask in around.asks if ask.units.get(name))
        if not who:
            continue
        elsewhere = name in around.elsewhere
        yield Check(
            WARNS if elsewhere else BLOCKS, "Resource name",
            f"{name} goes away here, and {_workloads(who)} for it"
            + ("; other nodes still offer it." if elsewhere else "; no other node offers it."),
            "See that they may run elsewhere." if elsewhere else "Change what they ask for first.", who,
        )  # fmt: skip


def _too_many(changes: Sequence[Change], asks: Sequence[Ask]) -> Iterator[Check]:
    shared = [one for one in changes if one.single]
    names = {name for one in shared for name in one.after.capacity}
    greedy = [ask for ask in asks if any(ask.units.get(name, 0.0) > 1 for name in names)]
    bound = tuple(ask.name for ask in greedy if any(ask.wants(one.node) for one in shared))
    loose = tuple(ask.name for ask in greedy if not ask.chooses)
    if bound:
        yield Check(
            BLOCKS, "Requests above one",
            f"{_workloads(bound)} for more than one unit and choose these nodes; the kubelet would refuse their pods.",
            "Move them to other nodes first.", bound,
        )  # fmt: skip
    rest = tuple(name for name in loose if name not in bound)
    if rest:
        yield Check(
            WARNS, "Requests above one",
            f"{_workloads(rest)} for more than one unit and may be placed here; the kubelet would then refuse them, "
            "one failed pod after the other.",
            "Give them a node selector on nvidia.com/gpu.sharing-strategy or on another pool.", rest,
        )  # fmt: skip


def _memory(changes: Sequence[Change], measured: pd.DataFrame | None) -> Iterator[Check]:
    divided = {one.node.node: one.after.memory_bytes for one in changes if one.layout.mode is not Mode.EXCLUSIVE}
    if not divided:
        return
    rows = (
        None if measured is None else measured[measured["node"].isin(list(divided)) & measured["memory_used"].notna()]
    )
    if rows is None or rows.empty:
        yield Check(
            WARNS, "Memory", "Nobody measures how much memory these GPUs use, so whether a share is enough is unknown.",
            "Ask the owners, or collect framebuffer metrics first.",
        )  # fmt: skip
        return
    share = rows["node"].map(divided)
    each = rows["memory_used"] / rows["holders"].clip(lower=1)
    over = rows[(each > share) & rows["holders"].gt(0)]
    if over.empty:
        return
    most = float(each[over.index].max()) / 2**30
    limit = float(share[over.index].min()) / 2**30
    sliced = changes[0].layout.mode is Mode.TIME_SLICING
    yield Check(
        WARNS, "Memory",
        f"On {len(over)} of {len(rows)} units a pod uses up to {most:.0f} GiB; a share is {limit:.0f} GiB"
        + (" and nothing enforces it." if sliced else ", and that is a limit."),
        "Choose fewer shares, or make these workloads use less.",
        tuple(sorted({name for text in over["pods"] for name in text.split(", ") if name})),
    )  # fmt: skip


def _quotas(changes: Sequence[Change], quotas: Sequence[Generic]) -> Iterator[Check]:
    new = {name for one in changes for name in one.after.capacity if name not in one.before.capacity}
    for name in sorted(new):
        spaces: dict[str, set[str]] = {}
        for quota in quotas:
            spec = quota.spec if isinstance(quota.spec, Mapping) else {}
            spaces.setdefault(quota.metadata.namespace, set()).update(spec.get("hard") or {})
        limited = {space: hard for space, hard in spaces.items() if any("nvidia.com/" in key for key in hard)}
        open_ = tuple(sorted(space for space, hard in limited.items() if f"requests.{name}" not in hard))
        if open_:
            said = "1 namespace limits" if len(open_) == 1 else f"{len(open_)} namespaces limit"
            yield Check(
                WARNS, "Quotas", f"{said} GPUs by quota but not {name}: of it they could take any number.",
                f"Add requests.{name} to their quotas.", open_,
            )  # fmt: skip


def _selectors(changes: Sequence[Change], asks: Sequence[Ask]) -> Iterator[Check]:
    old = {one.node.product for one in changes if one.node.product and one.product != one.node.product}
    who = tuple(ask.name for ask in asks if old & ask.of(PRODUCT_LABEL))
    if who:
        new = ", ".join(sorted({one.product for one in changes}))
        verb = "selects" if len(who) == 1 else "select"
        yield Check(
            WARNS, "Node selectors",
            f"{len(who)} {'workload' if len(who) == 1 else 'workloads'} {verb} nodes by {PRODUCT_LABEL}, which becomes "
            f"{new}; these nodes will not match any more.",
            "Let them select by nvidia.com/gpu.family or accept both values.", who,
        )  # fmt: skip


def _autoscaled(changes: Sequence[Change]) -> Iterator[Check]:
    grown = [one for one in changes if one.node.autoscaled]
    pools = sorted({one.node.pool for one in grown})
    if not pools:
        return
    yield Check(
        WARNS, "Autoscaled pool", f"New nodes of {', '.join(pools)} come without this label, with the default layout.",
        "Set the same label in the NodePool's template.",
    )  # fmt: skip
    if any(RENAMED in one.after.capacity or "nvidia.com/gpu" not in one.after.capacity for one in grown):
        yield Check(
            WARNS, "Autoscaled pool", "Nodes that offer no nvidia.com/gpu may count as never ready for an autoscaler.",
            "Keep the name nvidia.com/gpu in autoscaled pools.",
        )  # fmt: skip


def _mps(changes: Sequence[Change], ground: Ground) -> Iterator[Check]:
    if any(one.layout.mode is Mode.MPS for one in changes) and not ground.install.mps:
        yield Check(
            WARNS, "MPS", "No MPS control daemon was found; without it no pod starts on these GPUs.",
            "See that its DaemonSet is installed.",
        )  # fmt: skip


def veiled(check: Check, seen: Collection[str] | None) -> Check:
    """The check without names of namespaces that are not ``seen``; None is everything."""
    if seen is None:
        return check
    shown = tuple(name for name in check.who if name.split("/", 1)[0] in seen)
    hidden = len(check.who) - len(shown)
    return replace(check, who=(*shown, f"{hidden} you may not see")) if hidden else check


def _daemon(pod: Pod) -> bool:
    return any(owner.kind == "DaemonSet" for owner in pod.metadata.owner_references or ())


def _names(pods: Sequence[Pod]) -> tuple[str, ...]:
    return tuple(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in pods)


def _pods(pods: Sequence[Pod]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"


def _hold(pods: Sequence[Pod]) -> str:
    return "holds" if len(pods) == 1 else "hold"


def _workloads(who: Sequence[str]) -> str:
    return "1 workload asks" if len(who) == 1 else f"{len(who)} workloads ask"


def named(who: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(who) - _NAMED
    return ", ".join(who[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
