"""How GPUs are shared, where that can be changed, and what another layout would give and cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec
import pandas as pd

from services import snapshots, utilisation
from services.domain import frames, inventory, prices
from services.domain.change import patch
from services.domain.change.refs import Live, Ref
from services.domain.findings import Finding
from services.domain.objects import Node
from services.domain.scope import EVERYTHING, Scope, Sight
from services.domain.sharing import Layout, NodeState, mig, state
from services.domain.sharing import findings as sharing_findings
from services.domain.sharing import tables as sharing_tables
from services.domain.sharing.asks import asks
from services.domain.sharing.change import Change, Ground, change, elsewhere, layouts, refusal
from services.domain.sharing.checks import BLOCKS, Around, Check, checks, veiled
from services.domain.sharing.checks import frame as check_frame
from services.domain.sharing.install import Installation, Way, installation
from services.errors import NotFound, OpsError
from services.merge import merged
from services.ports import ClusterSource, Sources
from services.reading import Absence, Reading

NEW_CONFIGMAP = "plugin-configs"
"""The ConfigMap that is made where the GPU Operator names none."""
_DEFAULT_MIG = "default-mig-parted-config"
_DOCUMENT = "config.yaml"
_CONTROLLERS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "Job": "jobs"}


@dataclass(frozen=True)
class Choice:
    """A layout that could be chosen; ``refusal`` says why not, "" when it can."""

    layout: Layout
    refusal: str


@dataclass(frozen=True)
class Desk:
    """What is on the table when somebody thinks of changing some nodes.

    ``install`` says in words how a layout reaches them. ``rows``: before and after by node
    (:data:`services.domain.sharing.tables.PREVIEW`), ``checks``: :data:`services.domain.sharing.checks.CHECKS`; both
    None while no possible layout is chosen. ``blocked`` is the first thing that stands against it, "" when nothing.
    """

    install: str
    choices: tuple[Choice, ...]
    rows: pd.DataFrame | None = None
    checks: pd.DataFrame | None = None
    blocked: str = ""
    needs_idle: bool = False
    static: bool = False


def nodes(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU nodes and how each is divided, frame :data:`services.domain.sharing.tables.SHARED_NODES`."""
    parts = []
    for source in sources.chosen(scope.cluster):
        stock = snapshots.read(sources, source)
        value = None
        if stock.value is not None:
            frame = scope.keep(stock.value.nodes)
            known = of_store(source, frame)
            value = sharing_tables.node_table(known, ground(source, ()), frame)
        parts.append(Reading(value, stock.as_of, stock.problem, stock.absence, stock.notes))
    return merged(parts, lambda found: frames.conform(pd.concat(found), sharing_tables.SHARED_NODES))


def of_store(source: ClusterSource, frame: pd.DataFrame) -> list[NodeState]:
    """States of the nodes in an inventory frame, from the watched objects."""
    objects = {obj.metadata.name: obj for obj in source.cluster.snapshot("nodes").objects if isinstance(obj, Node)}
    return [state(row, objects[row["node"]]) for row in _records(frame) if row["node"] in objects]


def of_live(cluster: str, lives: Sequence[Live]) -> list[NodeState]:
    """States of nodes as just read."""
    objects = [msgspec.convert(live.body, Node) for live in lives]
    book = prices.instance_gpus(snapshots.price_book())
    frame, _ = inventory.nodes(cluster, objects, instance_gpus=book)
    named = {obj.metadata.name: obj for obj in objects}
    return [state(row, named[row["node"]]) for row in _records(frame)]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def desk(
    sources: Sources, cluster: str, names: Sequence[str], layout: str, *, drain: bool, sees: Sight = EVERYTHING
) -> Reading[Desk]:
    """What could be done with these nodes, and with ``layout`` (a key, "" for none yet) what it would do.

    Workloads and namespaces the person may not see are counted and not named.
    """
    source = sources.clusters.get(cluster)
    if source is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    stock = snapshots.read(sources, source)
    if stock.value is None:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    everything = stock.value.nodes
    chosen = of_store(source, everything[everything["node"].isin(list(names))])
    if not chosen:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    base = ground(source, chosen)
    offered = list(dict.fromkeys(one for node in chosen for one in layouts(node, base)))
    choices = tuple(Choice(one, _first_refusal(chosen, one, base)) for one in offered)
    value = Desk(base.install.says, choices, static=base.install.way is Way.STATIC)
    wanted = next((one.layout for one in choices if one.layout.key == layout and not one.refusal), None)
    if wanted is not None:
        found = changes(chosen, wanted, base)
        seen = None if sees.whole else set(sees.seen(stock.value.pods)["namespace"]) | (sees.namespaces or set())
        judged = [veiled(one, seen) for one in judge(sources, source, found, base, drain=drain)]
        value = replace(
            value,
            rows=sharing_tables.preview(found),
            checks=check_frame(judged),
            blocked=next((f"{one.says} {one.do}" for one in judged if one.level == BLOCKS), ""),
            needs_idle=any(one.needs_idle for one in found),
        )
    return Reading(value, stock.as_of, stock.problem, stock.absence, stock.notes)


def _first_refusal(chosen: Sequence[NodeState], layout: Layout, base: Ground) -> str:
    return next((said for node in chosen if (said := refusal(node, layout, base))), "")


def changes(chosen: Sequence[NodeState], layout: Layout, base: Ground) -> list[Change]:
    """What becomes of each node; a document the first of them needs is there for the others."""
    found = []
    for node in chosen:
        one = change(node, layout, base)
        found.append(one)
        if one.document is not None:
            base = replace(base, documents={**base.documents, one.document[0]: one.document[1]})
    return found


def judge(
    sources: Sources, source: ClusterSource, found: Sequence[Change], base: Ground, *, drain: bool
) -> list[Check]:
    """What stands against the changes, by what lives around the nodes now."""
    todo = [one for one in found if one.labels]
    if not todo:
        return []
    stock = snapshots.read(sources, source).value
    others = [] if stock is None else of_store(source, stock.nodes)
    pods: Sequence[Any] = source.cluster.snapshot("pods").objects
    templates: Mapping[str, Sequence[Any]] = {
        kind: source.cluster.snapshot(store).objects for kind, store in _CONTROLLERS.items()
    }
    quotas: Sequence[Any] = source.cluster.snapshot("quotas").objects
    around = Around(
        pods=pods,
        asks=asks(templates, pods),
        quotas=quotas,
        elsewhere=elsewhere(others, [one.node for one in todo]),
        measured=_measured(sources, source.name),
    )
    return checks(todo, base, around, drain=drain)


def _measured(sources: Sources, cluster: str) -> pd.DataFrame | None:
    units = utilisation.table(sources, Scope(cluster=cluster, range="1h"))
    return None if units.value is None or units.absence is not None else units.value


def findings(sources: Sources, scope: Scope) -> list[Finding]:
    """Where sharing would free GPUs, each with its fix; nothing where the layout cannot be changed."""
    found: list[Finding] = []
    scope = scope.hardware
    for source in sources.chosen(scope.cluster):
        stock = snapshots.read(sources, source).value
        units = utilisation.table(sources, replace(scope, cluster=source.name)).value
        if stock is None or units is None:
            continue
        install = _installed(source)
        if install.way in (Way.LABEL, Way.POLICY):
            rows = scope.keep(stock.nodes)
            open_ = [one.node for one in of_store(source, rows) if not (one.gke or one.dra)]
            limits = sources.policy.actions
            found += sharing_findings.shareable(
                units,
                rows[rows["node"].isin(open_)],
                most=limits.breaker_nodes,
                ratio=limits.breaker_pool_ratio,
            )
    return found


def ground(source: ClusterSource, chosen: Iterable[NodeState]) -> Ground:
    """What a change stands on: the installation, its documents, and the MIG configurations of the chosen nodes."""
    install = _installed(source)
    base = Ground(install, default=install.default)
    policy: Mapping[str, Any] = {}
    if install.policy:
        try:
            policy = source.cluster.read(Ref.of(source.name, "ClusterPolicy", install.policy)).body
        except OpsError as error:
            base = replace(base, trouble=f"ClusterPolicy {install.policy} could not be read: {error}")
        base = _of_policy(base, policy)
    if base.install.configmap or base.install.way is Way.POLICY:
        base = _with_documents(source, base)
    return _with_cuts(source, base, [one for one in chosen if one.mig_capable], policy)


def _installed(source: ClusterSource) -> Installation:
    daemonsets: Sequence[Any] = source.cluster.snapshot("daemonsets").objects
    return installation(daemonsets)


def _of_policy(base: Ground, policy: Mapping[str, Any]) -> Ground:
    named = str(patch.at(policy, ("spec", "devicePlugin", "config", "name")) or "")
    default = str(patch.at(policy, ("spec", "devicePlugin", "config", "default")) or "")
    strategy = str(patch.at(policy, ("spec", "mig", "strategy")) or "")
    install = replace(base.install, way=Way.LABEL, configmap=named) if named else base.install
    return replace(base, install=install, default=default or base.default, strategy=strategy)


def _with_documents(source: ClusterSource, base: Ground) -> Ground:
    install = base.install
    name = install.configmap or NEW_CONFIGMAP
    try:
        return replace(base, documents=_texts(source, install.namespace, name))
    except NotFound:
        said = "" if install.way is Way.POLICY else f"ConfigMap {install.namespace}/{name} does not exist."
    except OpsError as error:
        said = f"ConfigMap {install.namespace}/{name} could not be read: {error}"
    return replace(base, trouble=base.trouble or said)


def _with_cuts(source: ClusterSource, base: Ground, capable: Sequence[NodeState], policy: Mapping[str, Any]) -> Ground:
    namespace = base.install.namespace or "gpu-operator"
    shared = str(patch.at(policy, ("spec", "migManager", "config", "name")) or "") or _DEFAULT_MIG
    cuts: dict[str, Mapping[str, tuple[mig.Group, ...]]] = {}
    trouble: dict[str, str] = {}
    for node in capable:
        try:
            cuts[node.node] = mig.configs(_mig_text(source, namespace, f"{node.node}-mig-config", shared))
        except NotFound:
            trouble[node.node] = f"The MIG configurations of {node.node} were not found in namespace {namespace}."
        except (OpsError, ValueError) as error:
            trouble[node.node] = f"The MIG configurations of {node.node} cannot be read: {error}."
    return replace(base, cuts=cuts, mig_trouble=trouble)


def _mig_text(source: ClusterSource, namespace: str, own: str, shared: str) -> str:
    """The text of the node's own ConfigMap, else of the one for all nodes. Raises NotFound."""
    try:
        return _texts(source, namespace, own).get(_DOCUMENT, "")
    except NotFound:
        return _texts(source, namespace, shared).get(_DOCUMENT, "")


def _texts(source: ClusterSource, namespace: str, name: str) -> dict[str, str]:
    body = source.cluster.read(Ref.of(source.name, "ConfigMap", name, namespace)).body
    return {str(key): str(text) for key, text in (body.get("data") or {}).items()}
