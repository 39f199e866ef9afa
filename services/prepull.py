"""Images kept on nodes before pods need them: what is kept where, and what keeping more would take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pandas as pd

from services import fleet
from services.actions import prepull_steps as steps
from services.domain import frames
from services.domain.objects import Generic, Node
from services.domain.prepull import DAEMONSET, JOB, NAMESPACE, POOL, PrepullParams, guards, held, name, ours
from services.domain.prepull import objects as made
from services.domain.scope import Scope
from services.errors import OpsError
from services.headroom import stores
from services.merge import merged
from services.ports import ClusterSource, Sources, StoreState
from services.reading import Problem, Reading

KEPT = {
    "cluster": "str",
    "pool": "str",
    "image": "str",  # as it was asked for
    "size_bytes": "float64",  # as nodes list it; NaN when none does
    "holding": "int64",  # nodes that list it
    "lacking": "int64",  # nodes that do not have it (yet)
    "unclear": "int64",  # nodes whose list does not tell
    "way": "str",  # "daemonset" or "job" (an ImagePullJob of OpenKruise)
}
"""One row per pool and image that something made here keeps on its nodes."""


@dataclass(frozen=True)
class Weighed:
    """What keeping images on a pool would take: ``answer`` as planning has it, and ``why`` it is done this way.

    ``new`` are the images that are not kept there yet.
    """

    answer: guards.Answer
    why: str
    new: tuple[str, ...]


def kept(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """What is kept on the pools of the scope, frame :data:`KEPT`."""
    parts = [_kept(sources, source, scope) for source in sources.chosen(scope.cluster)]
    return merged(parts, lambda found: frames.conform(pd.concat(found, ignore_index=True), KEPT))


def weigh(sources: Sources, want: PrepullParams) -> Reading[Weighed]:
    """What the page says before anything is proposed; what planning would refuse is the answer's refusal."""
    source = sources.clusters.get(want.cluster)
    if source is None:
        return Reading(None, problem=Problem("kubernetes", f"There is no cluster called {want.cluster}."))
    asked = guards.once(want.images)
    wrong = guards.unfit(asked)
    if wrong:
        return Reading(Weighed(guards.Answer(wrong), "", ()))
    try:
        msgspec.convert(msgspec.to_builtins(want), PrepullParams)
        found = steps.look(sources, source, want, asked, _made(source, want.pool))
    except msgspec.ValidationError:
        return Reading(Weighed(guards.Answer("A name is too long, or no name of a secret."), "", ()))
    except OpsError as error:
        return Reading(None, problem=Problem.of(error, source="kubernetes"))
    new = tuple(one.image for one in found.survey.holdings)
    return Reading(Weighed(found.answer, found.why, new), source.cluster.snapshot("nodes").as_of)


def _kept(sources: Sources, source: ClusterSource, scope: Scope) -> Reading[pd.DataFrame]:
    read = fleet.nodes(sources, Scope(cluster=source.name, pool=scope.pool, model=scope.model))
    if read.value is None:
        return Reading(None, read.as_of, read.problem, read.absence, read.notes)
    pool_of = dict(zip(read.value["node"], read.value["pool"], strict=True))
    nodes: dict[str, list[Node]] = {}
    for node in stores.nodes(source):
        if node.metadata.name in pool_of:
            nodes.setdefault(str(pool_of[node.metadata.name]), []).append(node)
    rows = []
    for way, kind in ((DAEMONSET, "daemonsets"), (JOB, "imagepulljobs")):
        for one in stores.all_of(source, kind):
            pool = (one.metadata.annotations or {}).get(POOL, "")
            if ours(one.metadata.labels) and pool in nodes:
                rows += [
                    (source.name, pool, found.image, found.size_bytes, len(found.holding), len(found.lacking),
                     len(found.unknown), way)
                    for found in held.look(nodes[pool], _images(one, way), {})
                ]  # fmt: skip
    return Reading(
        frames.table(KEPT, sorted(rows)), read.as_of, read.problem, read.absence, (*read.notes, *_unread(source))
    )


def _made(source: ClusterSource, pool: str) -> Mapping[str, Any] | None:
    """The DaemonSet that keeps images on a pool, as the store has it."""
    for one in stores.all_of(source, "daemonsets"):
        if (one.metadata.namespace, one.metadata.name) == (NAMESPACE, name(pool)):
            return {"spec": one.spec}
    return None


def _images(one: Generic, way: str) -> tuple[str, ...]:
    spec: Mapping[str, Any] = one.spec if isinstance(one.spec, Mapping) else {}
    return made.images_in({"spec": spec}) if way == DAEMONSET else (str(spec.get("image", "")),)


def _unread(source: ClusterSource) -> list[str]:
    """What cannot be told because a kind may not be read or could not be."""
    lost = (StoreState.FORBIDDEN, StoreState.FAILED)
    return [
        f"{source.name}: {kind} cannot be read, so it is not known what they keep on nodes."
        for kind in ("daemonsets", "imagepulljobs")
        if source.cluster.snapshot(kind).state in lost
    ]
