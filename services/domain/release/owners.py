"""From a pod up to what would make it again: only there can its GPUs be released.

Facts: a ReplicaSet's pods are made again until its Deployment wants fewer; a Job's until it is suspended; what nobody
controls is gone when it is deleted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.domain.objects import Generic, Meta, Pod
from services.errors import Refused


@dataclass(frozen=True, order=True)
class Owner:
    """What is changed to release a pod; ``above`` is the CronJob that made a Job, "" otherwise."""

    kind: str
    namespace: str
    name: str
    above: str = ""


Known = Mapping[tuple[str, str], Generic]
"""Objects of a kind by namespace and name."""


def by_name(objects: Iterable[Generic]) -> Known:
    """Objects as :data:`Known`."""
    return {(one.metadata.namespace, one.metadata.name): one for one in objects}


def owner(pod: Pod, replicasets: Known, jobs: Known) -> Owner:
    """The owner of a pod. Raises Refused, saying what to do instead."""
    meta = pod.metadata
    named = f"{meta.namespace}/{meta.name}"
    above = _controller(meta)
    if above is None:
        raise Refused(
            f"Nothing controls pod {named}: it cannot be scaled or suspended, only deleted, and nothing would bring it "
            "back.",
            hint="Ask its owner to delete it, or to run it as a Job, which can be suspended and resumed.",
        )
    kind, name = above
    if kind == "ReplicaSet":
        found = replicasets.get((meta.namespace, name))
        top = None if found is None else _controller(found.metadata)
        if top is None or top[0] != "Deployment":
            raise Refused(
                f"Pod {named} belongs to ReplicaSet {name}, and no Deployment is known above it.",
                hint="Scale what made the ReplicaSet.",
            )
        return Owner("Deployment", meta.namespace, top[1])
    if kind == "StatefulSet":
        return Owner(kind, meta.namespace, name)
    if kind == "Job":
        found = jobs.get((meta.namespace, name))
        top = None if found is None else _controller(found.metadata)
        if top is not None and top[0] != "CronJob":
            raise Refused(
                f"Job {name} belongs to {top[0]} {top[1]}, which decides when it runs.",
                hint=f"Suspend the {top[0]} with its own tool.",
            )
        return Owner(kind, meta.namespace, name, "" if top is None else top[1])
    raise Refused(
        f"Pod {named} belongs to {kind} {name}, which this console does not know how to scale.",
        hint=f"Scale or suspend the {kind} with its own tool.",
    )


def _controller(meta: Meta) -> tuple[str, str] | None:
    return next(((one.kind, one.name) for one in meta.owner_references or () if one.controller), None)
