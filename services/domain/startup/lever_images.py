"""Levers on pulling images: ahead of the pod, with the node, lazily, or from a nearer registry."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.startup import Phase, images
from services.domain.startup.changes import WORKLOAD
from services.domain.startup.imagenames import registries
from services.domain.startup.whatif import Case, History, Keyed, Told, less, medians, workload_of

_PULLING = (Phase.PULL_WAIT, Phase.PULL)


def cases(history: History, pulls: pd.DataFrame) -> Iterator[Case]:
    """The image levers. Pulling ahead helps on nodes that are there; new nodes need the image on their disk."""
    yield _on_the_node(history, "prepull", history.warm, "prepull-images")
    yield _on_the_node(history, "node-image", history.cold, "")
    yield _streamed(history)
    yield _nearer(history, pulls)


def _on_the_node(history: History, lever: str, where: np.ndarray, action: str) -> Case:
    """Pulls become what starts take that find the image on the node; of images that workloads still start with."""
    keyed = history.keyed("cluster", "pool", "image")
    spent = history.seconds(*_PULLING)
    concerned = history.pulled & where & (spent > 0) & _in_use(history) & history.starts["pool"].ne("").to_numpy()
    there = history.cached & history.ready
    by_image, by_cluster = history.keyed("cluster", "image"), history.keyed("cluster")
    own, own_n = (found[by_image.codes[keyed.first]] for found in medians(spent, by_image, there))
    any_, any_n = (found[by_cluster.codes[keyed.first]] for found in medians(spent, by_cluster, there))
    reference = np.where(np.isnan(own), any_, own)

    def told(subject: int) -> Told:
        cluster, pool, image = (str(part[subject]) for part in keyed.parts)
        if not np.isnan(own[subject]):
            n, basis = int(own_n[subject]), f"median of {own_n[subject]} starts with this image on the node"
        elif not np.isnan(any_[subject]):
            n, basis = (
                int(any_n[subject]),
                f"median of {any_n[subject]} starts of this cluster with their image on the node",
            )
        else:
            n, basis = int(any_n[subject]), "no prediction: too few recorded starts found their image on the node"
        params: dict[str, object] = {"cluster": cluster, "pool": pool, "images": [image]} if action else {}
        return Told(image, n, basis, pool=pool, action=action, params=params)

    saved = less(spent, reference[keyed.codes], concerned)
    return Case(lever, "pull", "image", keyed, concerned, spent, saved, saved, told)


def _in_use(history: History) -> np.ndarray:
    """Starts whose image some workload of the cluster started with last."""
    last = history.starts.sort_values("created_at", kind="stable").drop_duplicates(WORKLOAD, keep="last").index
    keyed = history.keyed("cluster", "image")
    return np.isin(keyed.codes, keyed.codes[last])


def _streamed(history: History) -> Case:
    """Pulling and loading together become what they are in streamed starts of the same workload."""
    keyed = history.keyed(*WORKLOAD)
    spent = history.seconds(*_PULLING, Phase.LOAD, Phase.READINESS)
    reference, n = medians(spent, keyed, history.streamed & history.ready)
    concerned = history.pulled & ~np.isnan(reference)[keyed.codes]

    def told(subject: int) -> Told:
        basis = f"median of pulling and loading together in {n[subject]} starts of this workload with a streamed image"
        return Told(workload_of(keyed, subject), int(n[subject]), basis)

    saved = less(spent, reference[keyed.codes], concerned)
    return Case("stream", "pull", "workload", keyed, concerned, spent, saved, saved, told)


def _nearer(history: History, pulls: pd.DataFrame) -> Case:
    """Pulls at the rate of the registry that delivers fastest to this cluster; waiting behind others stays."""
    known = images.lines(pulls)
    keyed = Keyed(*frames.keyed(history.starts["cluster"], registries(history.starts["image"])))
    pairs = [(str(cluster), str(registry)) for cluster, registry in zip(*keyed.parts, strict=True)]
    mine = [next((one for one in known.get(cluster, ()) if one.registry == name), None) for cluster, name in pairs]
    left = np.array(
        [one.rate / known[cluster][0].rate if one else 1.0 for one, (cluster, _) in zip(mine, pairs, strict=True)]
    )
    spent = history.seconds(Phase.PULL)
    concerned = history.pulled & (left < 1)[keyed.codes]
    saved = np.where(concerned, spent * (1 - left[keyed.codes]), 0.0)

    def told(subject: int) -> Told:
        cluster, registry = pairs[subject]
        best = known[cluster][0]
        own = mine[subject] or best
        basis = (
            f"median rate of {own.pulls} pulls from here, {own.rate / 1e6:.0f} MB/s, and of {best.pulls} from "
            f"{best.registry}, {best.rate / 1e6:.0f} MB/s"
        )
        return Told(registry, min(own.pulls, best.pulls), basis)

    return Case("registry", "pull", "registry", keyed, concerned, spent, saved, saved, told)
