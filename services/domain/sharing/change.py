"""From one layout to another on one node: whether it can be, which labels it takes, what shows that it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.domain import sharing
from services.domain.change.conditions import Test
from services.domain.sharing import (
    CONFIG_LABEL,
    EXCLUSIVE,
    MIG_LABEL,
    MIG_STATE_LABEL,
    NO_MIG,
    Layout,
    Mode,
    NodeState,
    mig,
)
from services.domain.sharing import config as sharing_config
from services.domain.sharing.install import GKE, Installation, Way

REPLICAS = (2, 4, 8)
"""Units of one GPU that are offered where no document asks for others."""


@dataclass(frozen=True)
class Ground:
    """What a change stands on in one cluster.

    ``documents`` are the plugin's by key, ``default`` the key for nodes without a label, ``strategy`` the MIG strategy
    in force ("" when only labels and documents tell). ``cuts`` are the MIG configurations of a node by name.
    ``trouble`` says why documents could not be read, "" when they were; ``mig_trouble`` the same by node of its MIG
    configurations.
    """

    install: Installation
    documents: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    strategy: str = ""
    cuts: Mapping[str, Mapping[str, tuple[mig.Group, ...]]] = field(default_factory=dict)
    trouble: str = ""
    mig_trouble: Mapping[str, str] = field(default_factory=dict)

    def key(self, node: NodeState) -> str:
        """The key of the document the node uses; "" when it runs without one."""
        if self.install.way is Way.STATIC:
            return self.install.document
        fallback = self.install.fallback
        return sharing_config.effective_key(node.config, self.default, self.documents, fallback=fallback)

    def strategy_of(self, node: NodeState) -> str:
        """How the node's MIG instances are advertised: none, single or mixed."""
        document = sharing_config.read(self.documents.get(self.key(node), ""))
        return self.strategy or self.install.strategy or node.strategy or document.strategy or "none"

    def cut(self, node: NodeState, name: str) -> tuple[mig.Cut, ...]:
        """What a MIG configuration makes of each of the node's GPUs."""
        return mig.cut(self.cuts.get(node.node, {}).get(name, ()), round(node.gpus), node.model)


@dataclass(frozen=True)
class Change:
    """What becomes of one node.

    ``labels`` are those to set. ``document``: key and text of a document to add first, None when one is there.
    ``until``, ``back``, ``fails``: tests that hold when the layout is there, when the old one is back, and when it will
    not come. ``single``: a pod that asks for two units is refused. ``product``: the product label afterwards.
    """

    node: NodeState
    layout: Layout
    before: sharing.Offer
    after: sharing.Offer
    labels: Mapping[str, str]
    document: tuple[str, str] | None
    until: tuple[Test, ...]
    back: tuple[Test, ...]
    fails: tuple[Test, ...]
    single: bool
    product: str

    @property
    def needs_idle(self) -> bool:
        """Whether it needs GPUs without pods."""
        return sharing.needs_idle(self.node, self.layout)


def layouts(node: NodeState, ground: Ground) -> list[Layout]:
    """Layouts worth offering on a node, possible or not: the usual ones, those of documents, its MIG configurations."""
    written = {sharing_config.read(text).layout for text in ground.documents.values()}
    usual = {Layout(mode, count) for mode in (Mode.TIME_SLICING, Mode.MPS) for count in REPLICAS}
    order = list(Mode)
    plain = sorted({EXCLUSIVE, *usual, *written}, key=lambda one: (order.index(one.mode), one.replicas))
    names = sorted(name for name in ground.cuts.get(node.node, {}) if name not in (NO_MIG, "all-enabled"))
    return [*plain, *(Layout(Mode.MIG, mig=name) for name in names)]


def refusal(node: NodeState, layout: Layout, ground: Ground) -> str:
    """Why the node cannot have the layout, in one sentence; "" when it can."""
    plugin = node.layout.shared or layout.shared
    fixed = _fixed(node, ground, plugin=plugin)
    if fixed:
        return fixed
    if ground.install.way is Way.STATIC and plugin and sharing.needs_idle(node, layout):
        return "One document serves all nodes here, so MPS cannot be set node by node."
    if layout.mode is Mode.MPS:
        return _no_mps(node, layout.replicas, ground)
    return _no_mig(node, layout, ground) if Mode.MIG in (layout.mode, node.layout.mode) else ""


def _fixed(node: NodeState, ground: Ground, *, plugin: bool) -> str:
    if node.gke:
        return GKE
    if node.dra:
        return "These GPUs are offered through dynamic resource allocation, which has no layouts."
    if not sum(node.capacity.values()):
        return f"{node.node} advertises no GPUs. Mend its driver or device plugin first."
    if not node.ready:
        return f"{node.node} is not ready. Mend it first."
    if plugin and ground.install.way is Way.NONE:
        return ground.install.reason
    return ground.trouble if plugin else ""


def _no_mps(node: NodeState, replicas: int, ground: Ground) -> str:
    most = sharing.mps_limit(node.compute)
    if replicas > most:
        return f"MPS makes at most {most} units of this GPU."
    if ground.strategy_of(node) == "mixed":
        return "MPS is not possible with the MIG strategy mixed, which is in force here."
    return ""


def _no_mig(node: NodeState, layout: Layout, ground: Ground) -> str:
    if not (ground.install.mig or node.mig_state):
        return "No MIG manager runs here, so nobody would cut the GPUs."
    if layout.mode is not Mode.MIG:
        return ""
    if not node.mig_capable:
        return f"{node.model or 'This GPU'} cannot be cut with MIG."
    return ground.mig_trouble.get(node.node) or _no_cut(node, layout, ground)


def _no_cut(node: NodeState, layout: Layout, ground: Ground) -> str:
    if layout.mig not in ground.cuts.get(node.node, {}):
        return f"{node.node} has no MIG configuration {layout.mig[:60]}."
    cuts, strategy = ground.cut(node, layout.mig), ground.strategy_of(node)
    faults = mig.problems(cuts, node.model)
    if faults:
        return f"This configuration does not fit: {'; '.join(faults)}."
    if strategy == "none":
        return "The MIG strategy here is none: instances would not be advertised. Set it to single or mixed first."
    if strategy == "single" and not mig.single(cuts):
        return "The MIG strategy single needs the same profile on every GPU."
    return ""


def change(node: NodeState, layout: Layout, ground: Ground) -> Change:
    """What becomes of a node. With nothing to do its ``labels`` are empty and ``document`` is None."""
    of_plugin = EXCLUSIVE if layout.mode is Mode.MIG else layout
    used = ground.key(node)
    renamed = node.renamed and of_plugin.shared
    key = sharing_config.key_for(of_plugin, ground.documents, renamed=renamed, prefer=used)
    labels: dict[str, str] = {}
    document = None
    if not _asks_for(ground, used, of_plugin):
        if not key:
            renamed = False
            key = sharing_config.new_key(of_plugin, ground.documents)
            document = (key, sharing_config.written(of_plugin, ground.documents.get(used, "")))
        labels[CONFIG_LABEL] = key
    labels |= _mig_label(node, layout)
    strategy, cuts = ground.strategy_of(node), ground.cut(node, layout.mig)
    text = document[1] if document else ground.documents.get(key, "")
    before, offer = sharing.now(node), sharing.after(node, layout, cut=cuts, strategy=strategy, renamed=renamed)
    managed = ((("metadata", "labels", MIG_STATE_LABEL), "is", "success"),) if MIG_LABEL in labels else ()
    failed = ((("metadata", "labels", MIG_STATE_LABEL), "is", "failed"),)
    return Change(
        node=node,
        layout=layout,
        before=before,
        after=offer,
        labels=labels,
        document=document,
        until=(*managed, *sharing.shows(offer, node.capacity)),
        back=(*managed, *sharing.shows(before, offer.capacity)),
        # Of an attempt that failed before, the label still says so when this one begins.
        fails=failed if managed and node.mig_state != "failed" else (),
        single=layout.shared and sharing_config.read(text).single,
        product=sharing.product_after(node, layout, offer, strategy=strategy, profile=mig.single(cuts)),
    )


def _asks_for(ground: Ground, used: str, layout: Layout) -> bool:
    if used and used not in ground.documents:
        return False
    return sharing_config.read(ground.documents.get(used, "")).layout == layout


def _mig_label(node: NodeState, layout: Layout) -> dict[str, str]:
    if layout.mode is Mode.MIG:
        return {} if node.mig_config == layout.mig else {MIG_LABEL: layout.mig}
    cut = node.layout.mode is Mode.MIG or node.mig_config not in ("", NO_MIG)
    return {MIG_LABEL: NO_MIG} if cut and node.mig_config != NO_MIG else {}


def mismatch(node: NodeState, ground: Ground) -> str:
    """Where what the node's labels ask for is not what it shows, in words; "" when they agree."""
    if node.mig_config and node.mig_state not in ("", "success"):
        return f"MIG {node.mig_config} is {node.mig_state}"
    used = ground.key(node)
    if node.config and ground.documents and node.config not in ground.documents:
        return f"label asks for {node.config}, which no document answers to; the layout before stays"
    if not ground.documents or not used or node.layout.mode is Mode.MIG:
        return ""
    asked = sharing_config.read(ground.documents.get(used, "")).layout
    return "" if asked == node.layout else f"asks for {asked}, shows {node.layout}"


def division(offer: sharing.Offer) -> str:
    """An offer in words: "32 × gpu", "14 × mig-1g.10gb, 1 × gpu"."""
    said = [f"{count:g} × {name.removeprefix('nvidia.com/')}" for name, count in sorted(offer.capacity.items())]
    return ", ".join(said) or "nothing"


def elsewhere(nodes: Sequence[NodeState], changed: Sequence[NodeState]) -> frozenset[str]:
    """GPU resources the other nodes offer."""
    names = {one.node for one in changed}
    return frozenset(name for one in nodes if one.node not in names for name in one.allocatable)
