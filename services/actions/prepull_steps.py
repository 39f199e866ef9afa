"""What is known of a pool before images are put on its nodes, and the steps that keep them there or no longer do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services import snapshots
from services.domain import headroom
from services.domain.change.patch import at
from services.domain.change.plan import Draft
from services.domain.change.refs import Live, Ref
from services.domain.headroom import Place
from services.domain.inventory import POOL_LABELS
from services.domain.kinds import KINDS
from services.domain.objects import Generic, Node
from services.domain.prepull import DAEMONSET, JOB, NAMESPACE, POOL, PrepullParams, guards, held, job_name, name, ours
from services.domain.prepull import objects as made
from services.domain.prepull.guards import Answer, Survey
from services.domain.prepull.words import images as counted
from services.domain.prepull.words import nodes as so_many
from services.domain.startup.imagenames import canonical, short
from services.errors import NotFound, Refused
from services.headroom import stores
from services.ports import Cluster, ClusterSource, Sources, StoreState

GPU_LABELS = (
    ("nvidia.com/gpu.present", "true"),
    ("nvidia.com/gpu.product", ""),
    ("cloud.google.com/gke-accelerator", ""),
    ("karpenter.k8s.aws/instance-gpu-name", ""),
    ("nvidia.com/gpu.count", ""),
)
"""Labels of nodes with GPUs, each with the value it has then, "" for any."""
_SETTLE_S = 180.0
_GONE_S = 120.0


@dataclass(frozen=True)
class Pool:
    """A pool's GPU nodes: those that are ready, and the names of those that are not and of those short of disk."""

    ready: tuple[Node, ...]
    away: tuple[str, ...]
    full: tuple[str, ...]
    where: Place
    stale: str = ""  # why the stores may be old, "" when they are not


def pool(sources: Sources, source: ClusterSource, wanted: str) -> Pool:
    """The pool as the stores have it. Raises Refused when there is none, or when nobody can tell."""
    ready, away, stale = members(sources, source, wanted)
    every = stores.nodes(source)
    names = {node.metadata.name for node in ready} | set(away)
    return Pool(
        ready=ready,
        away=away,
        full=tuple(node.metadata.name for node in ready if _condition(node, "DiskPressure")),
        where=place(wanted, [node for node in every if node.metadata.name in names], every),
        stale=stale,
    )


def members(sources: Sources, source: ClusterSource, wanted: str) -> tuple[tuple[Node, ...], tuple[str, ...], str]:
    """GPU nodes of a pool that are ready, names of those that are not, and why this may be old ("" when it is not).

    Raises Refused when there is no such node.
    """
    read = snapshots.read(sources, source)
    if read.value is None:
        raise Refused(f"Nodes of {source.name} cannot be read now, so nothing can be planned there.")
    rows = read.value.nodes
    names = set(rows.loc[rows["pool"] == wanted, "node"]) if wanted else set()
    found = [node for node in stores.nodes(source) if node.metadata.name in names]
    if not found:
        raise Refused(f"Cluster {source.name} has no GPU node in pool {wanted or '(none named)'} now.")
    ready = tuple(node for node in found if _condition(node, "Ready"))
    away = names - {node.metadata.name for node in ready}
    return ready, tuple(sorted(away)), "" if read.problem is None else read.problem.message


def _condition(node: Node, kind: str) -> bool:
    return any(one.type == kind and one.status == "True" for one in node.status.conditions or ())


def place(wanted: str, members: Sequence[Node], every: Sequence[Node]) -> Place:
    """The pool's nodes as pods select them, those without GPUs left out. Raises Refused when no label tells them."""
    where = headroom.place(members, wanted, "", headroom.GPU)
    names = {node.metadata.name for node in members}
    others = [node for node in every if node.metadata.name not in names and _chosen(node, where)]
    if where.selector and not others:
        return where
    for key, value in GPU_LABELS:
        having = [node for node in (*members, *others) if _has(node, key, value)]
        if {node.metadata.name for node in having} == names:
            only = {"key": key, "operator": "In", "values": [value]} if value else {"key": key, "operator": "Exists"}
            return Place(where.pool, where.model, where.selector, [*where.expressions, only], where.tolerations)
    raise Refused(
        f"No label tells the GPU nodes of pool {wanted} from {so_many(len(others))} without GPUs.",
        hint="GPU feature discovery sets nvidia.com/gpu.present on nodes with GPUs.",
    )


def _chosen(node: Node, where: Place) -> bool:
    labels = node.metadata.labels or {}
    if where.selector:
        return where.selector.items() <= labels.items()
    return not any(key in labels for key in POOL_LABELS)


def _has(node: Node, key: str, value: str) -> bool:
    found = (node.metadata.labels or {}).get(key)
    return found == value if value else bool(found)


def survey(found: Pool, asked: Sequence[str], kept: Sequence[str], want: PrepullParams) -> Survey:
    """What bringing the images that are not kept yet would mean."""
    there = {canonical(image) for image in kept}
    new = [image for image in asked if canonical(image) not in there]
    return Survey(
        pool=want.pool,
        ready=tuple(node.metadata.name for node in found.ready),
        away=found.away,
        full=found.full,
        holdings=held.look(found.ready, new, want.sizes),
        disks=tuple(held.disk(node) for node in found.ready),
        kept=len(kept),
        parallel=want.parallel or guards.at_a_time(len(found.ready)),
    )


@dataclass(frozen=True)
class Look:
    """A pool before images are put on it: what keeps images there now and how, and what those asked for would take.

    ``kept`` are images, ``why`` says why this ``way`` (:func:`method`).
    """

    pool: Pool
    kept: tuple[str, ...]
    way: str
    why: str
    survey: Survey
    answer: Answer


def look(
    sources: Sources, source: ClusterSource, want: PrepullParams, asked: Sequence[str], body: Mapping[str, Any] | None
) -> Look:
    """Look at the pool; ``body`` is its DaemonSet, if it has one. Raises Refused when nothing can be planned there."""
    found = pool(sources, source, want.pool)
    way, why = method(source, want, found, there=body is not None)
    kept = tuple(jobs(source, want.pool).values() if way == JOB else made.images_in(body))
    known = survey(found, asked, kept, want)
    return Look(found, kept, way, why, known, guards.answer(known, way, secret=want.secret_name))


# What keeps images now


def read(cluster: Cluster, ref: Ref) -> Live | None:
    """An object as it is now; None when it is not there."""
    try:
        return cluster.read(ref)
    except NotFound:
        return None


def daemonset(cluster: str, pool: str) -> Ref:
    """The DaemonSet that keeps images on a pool."""
    return Ref.of(cluster, "DaemonSet", name(pool), NAMESPACE)


def jobs(source: ClusterSource, pool: str) -> dict[str, str]:
    """ImagePullJobs made here for a pool: image by name of the job."""
    found = [one for one in stores.all_of(source, "imagepulljobs") if ours(one.metadata.labels)]
    return {one.metadata.name: _image(one) for one in found if (one.metadata.annotations or {}).get(POOL) == pool}


def _image(one: Generic) -> str:
    return str((one.spec or {}).get("image", "")) if isinstance(one.spec, Mapping) else ""


def method(source: ClusterSource, want: PrepullParams, found: Pool, *, there: bool) -> tuple[str, str]:
    """How images are kept on the pool, and the reason in a sentence, "" when it was asked for.

    ``there``: its DaemonSet exists. What is kept one way stays that way. OpenKruise is taken where its daemon, which
    pulls, runs on all of the nodes.
    """
    now = DAEMONSET if there else JOB if jobs(source, want.pool) else ""
    if now and want.method not in ("auto", now):
        raise Refused(f"Pool {want.pool} keeps images another way. Let it keep none first.")
    store = source.cluster.snapshot("imagepulljobs")
    if want.method == JOB and store.state is not StoreState.READY:
        raise Refused(f"Cluster {want.cluster} has no ImagePullJobs of OpenKruise: {store.message or 'not read yet'}")
    if now or want.method != "auto":
        return now or want.method, ""
    if store.state is not StoreState.READY:
        return DAEMONSET, "OpenKruise is not to be seen here, so a DaemonSet pulls."
    names = {node.metadata.name for node in found.ready}
    running = names & {pod.spec.node_name for pod in stores.pods(source) if pod.status.phase == "Running" and any(
        owner.kind == "DaemonSet" and owner.name == "kruise-daemon" for owner in pod.metadata.owner_references or ()
    )}  # fmt: skip
    if running == names:
        return JOB, "OpenKruise runs on all of these nodes and pulls; no pods are made for it."
    return DAEMONSET, f"OpenKruise's daemon runs on {len(running)} of these {len(names)} nodes, so a DaemonSet pulls."


def job_api(source: ClusterSource, cluster: str) -> str:
    """The newest version in which ImagePullJobs can be read here."""
    for version in KINDS["imagepulljobs"].groups:
        try:
            source.cluster.read(Ref.of(cluster, "ImagePullJob", "any", NAMESPACE, api=version))
        except NotFound as error:
            # Of an unknown name in a version that is served the server says that the object does not exist.
            if "has no API" in str(error):
                continue
        return version
    raise Refused(f"Cluster {cluster} serves ImagePullJobs in no version that is known here.")


def check_ours(live: Live) -> None:
    """Raise Refused for what others made, and for what is on its way out."""
    if not ours(live.labels):
        raise Refused(f"{live.ref} exists and was not made by this console. Rename or remove it first.")
    if live.meta.get("deletionTimestamp"):
        raise Refused(f"{live.ref} is being deleted. Try again in a minute.")


# Steps


def into_namespace(draft: Draft, cluster: Cluster, cluster_name: str) -> None:
    """Have the namespace."""
    ref = Ref.of(cluster_name, "Namespace", NAMESPACE)
    live = read(cluster, ref)
    if live is None:
        draft.create(ref, made.namespace(), "Create a namespace for what pulls images")
    elif live.meta.get("deletionTimestamp"):
        raise Refused(f"Namespace {NAMESPACE} is being deleted. Try again in a minute.")


def keep_by_daemonset(draft: Draft, live: Live | None, found: Pool, asked: Survey, want: PrepullParams) -> None:
    """Have the images in the pool's DaemonSet. A new one gets them by a change, which goes some nodes at a time."""
    new = [one.image for one in asked.holdings]
    # Pods that cannot be ready on nodes that are away count as being replaced; they take nobody's place.
    budget = asked.parallel + len(found.away)
    number = len(found.ready)
    ref = daemonset(want.cluster, want.pool)
    tool = want.tool or made.TOOL
    says = f"Pull {counted(new)} on {min(asked.parallel, number)} nodes at a time" if new else f"Mend {ref}"
    generation = 1
    if live is None:
        body = made.daemonset(ref.name, found.where, budget, secret=want.secret_name)
        if number + len(found.away) <= asked.parallel:
            body["spec"]["template"]["spec"]["initContainers"] = made.pulling(new, tool=tool)
            draft.create(ref, body, f"Pull {counted(new)} by a pod on each node")
        else:
            draft.create(ref, body, "Put a pod on each node that holds nothing yet")
            told = "Wait until these run: with the images they are replaced a few at a time"
            draft.wait(ref, _running(1, number), told, deadline_s=_SETTLE_S, soft=True)
            draft.set(Live(ref, draft.steps[-2].body), {"spec": _images(made.pulling(new, tool=tool))}, says)
            generation = 2
    else:
        check_ours(live)
        fields = _wanted(live, found, new, tool, budget, want.secret_name)
        if not fields:
            return
        draft.set(live, {"spec": fields}, says)
        generation = int(live.meta.get("generation") or 0) + 1
    if new and all(one.size_bytes > 0 for one in asked.holdings):
        # An image of unknown size may not exist: then it is better to look at the pods from the first second on.
        told = f"Wait until the pods on {so_many(number)} have pulled"
        draft.wait(ref, _running(generation, number), told, deadline_s=guards.seconds(asked), soft=True)


def _running(generation: int, number: int) -> list[tuple[tuple[str, ...], str, Any]]:
    """Tests for newest pods on so many nodes; unlike a whole roll-out they do not wait for nodes that are away."""
    counts = ("updatedNumberScheduled", "numberAvailable")
    seen = [(("status", "observedGeneration"), "at least", generation)]
    return [*seen, *((("status", one), "at least", number) for one in counts)]


def _images(containers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"template": {"spec": {"initContainers": list(containers) or None}}}


def _wanted(live: Live, found: Pool, new: Sequence[str], tool: str, budget: int, secret: str) -> dict[str, Any]:
    """The fields of a live DaemonSet's spec that keep the new images too, on nodes with taints that have come since."""
    pod = at(live.body, ("spec", "template", "spec")) or {}
    fields: dict[str, Any] = {}
    if new:
        fields["initContainers"] = made.pulling(new, tool=tool, had=pod.get("initContainers") or ())
    had = list(pod.get("tolerations") or ())
    missing = [dict(one) for one in found.where.tolerations if dict(one) not in had]
    if missing:
        fields["tolerations"] = had + missing
    secrets = list(pod.get("imagePullSecrets") or ())
    if secret and {"name": secret} not in secrets:
        fields["imagePullSecrets"] = [*secrets, {"name": secret}]
    if not fields:
        return {}
    return {"updateStrategy": {"rollingUpdate": {"maxUnavailable": budget}}, "template": {"spec": fields}}


def keep_by_jobs(draft: Draft, source: ClusterSource, found: Pool, asked: Survey, want: PrepullParams) -> None:
    """Have an ImagePullJob for each of the images."""
    api = job_api(source, want.cluster)
    for one in asked.holdings:
        ref = Ref.of(want.cluster, "ImagePullJob", job_name(want.pool, one.image), NAMESPACE, api=api)
        limit = guards.timeout_s(one)
        body = made.job(found.where, one.image, asked.parallel, limit, secret=want.secret_name)
        draft.create(ref, body, f"Let OpenKruise pull {short(one.image)}, {asked.parallel} nodes at a time")


def let_go(draft: Draft, source: ClusterSource, want: PrepullParams, gone: Collection[str]) -> list[str]:
    """Keep these images (canonical) no longer; without any, none of the pool. Names of objects that go with them."""
    removed = []
    live = read(source.cluster, daemonset(want.cluster, want.pool))
    if live is not None:
        check_ours(live)
        kept = made.images_in(live.body)
        mine = [image for image in kept if not gone or canonical(image) in gone]
        left = made.without(mine, at(live.body, made.INIT) or ())
        if mine and left:
            draft.set(live, {"spec": _images(left)}, f"Keep {counted(mine)} no longer")
        elif mine or not kept:
            draft.delete(live, f"Delete {live.ref}")
            removed.append(live.ref.name)
    mine_too = {job: image for job, image in jobs(source, want.pool).items() if not gone or canonical(image) in gone}
    api = job_api(source, want.cluster) if mine_too else ""
    for job, image in sorted(mine_too.items()):
        found = read(source.cluster, Ref.of(want.cluster, "ImagePullJob", job, NAMESPACE, api=api))
        if found is not None:
            check_ours(found)
            draft.delete(found, f"Let OpenKruise keep {short(image)} no longer")
            removed.append(job)
    return removed


def clear_namespace(draft: Draft, source: ClusterSource, cluster: str, removed: Collection[str]) -> None:
    """Delete the namespace when nothing is left in it that can be seen, and no pull secret may be."""
    live = read(source.cluster, Ref.of(cluster, "Namespace", NAMESPACE))
    secrets = any(_names_secret(step.before.get("spec") or {}) for step in draft.steps)
    if live is None or not ours(live.labels) or others(source, removed) or secrets:
        return
    draft.delete(live, f"Delete {live.ref}: no pool keeps images any more")
    draft.wait(live.ref, [((), "gone", None)], "Wait until the namespace is gone", deadline_s=_GONE_S)


def _names_secret(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("pullSecrets") or at(spec, ("template", "spec", "imagePullSecrets")))


def others(source: ClusterSource, besides: Collection[str]) -> list[str]:
    """What else is in the namespace, in words; ``besides`` are names of objects that do not count."""
    found = []
    for kind in ("daemonsets", "imagepulljobs", "deployments", "statefulsets", "jobs", "quotas"):
        inside = [one.metadata for one in stores.all_of(source, kind) if one.metadata.namespace == NAMESPACE]
        found += [f"{kind} {meta.name}" for meta in inside if meta.name not in besides]
    inside = [pod.metadata for pod in stores.pods(source) if pod.metadata.namespace == NAMESPACE]
    return [*found, *(f"pod {meta.name}" for meta in inside if not ours(meta.labels))]
