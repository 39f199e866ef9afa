"""The images each node lists: what pods brought, and the system's own. Largest first, at most fifty, as kubelets do."""

from collections.abc import Mapping

import numpy as np

from services.demo.imagestore import identity
from services.demo.lives import NEVER
from services.demo.moment import Moment, NodeFacts
from services.demo.noise import Ints
from services.demo.world import Site
from services.domain.objects import NodeImage
from services.domain.startup.imagenames import canonical

LISTED = 50

_SYSTEM = (
    ("registry.k8s.io/pause:3.10", 0.0003),
    ("602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.20.3", 0.13),
    ("602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.34.1-minimal-eksbuild.1", 0.04),
)
_STACK = (
    ("nvcr.io/nvidia/cloud-native/gpu-operator-validator:v25.3.4", 0.39),
    ("nvcr.io/nvidia/k8s/container-toolkit:v1.17.8-ubuntu20.04", 0.42),
    ("nvcr.io/nvidia/k8s-device-plugin:v0.17.4", 0.46),
    ("nvcr.io/nvidia/k8s/dcgm-exporter:4.4.1-4.6.0-ubuntu22.04", 0.57),
)


EVERYWHERE = frozenset(canonical(name) for name, _ in (*_SYSTEM, *_STACK))
"""Images that are on nodes from the start."""


def listed(moment: Moment) -> Mapping[str, list[NodeImage]]:
    """By node, its images."""
    held = _brought(moment)
    return {node.name: _list(moment, node, held.get(node.name, frozenset())) for node in moment.nodes}


def _brought(moment: Moment) -> dict[str, frozenset[tuple[int, int]]]:
    """By node, images (number, release) that pods have brought by now."""
    site, now = moment.site, moment.now
    names = {node.slot.index: node.name for node in moment.nodes}
    found: dict[str, set[tuple[int, int]]] = {}
    slots, images, releases = site.store.on_nodes(now, _until(site))
    for slot, image, release in zip(slots.tolist(), images.tolist(), releases.tolist(), strict=True):
        if slot in names:
            found.setdefault(names[slot], set()).add((image, release))
    for one in (site.reaction, site.daemons):
        for node in moment.nodes if one is not None else ():
            pulls = one.brought.get(identity(node.name, node.born), {}) if one is not None else {}
            found.setdefault(node.name, set()).update(image for image, pull in pulls.items() if pull.there <= now)
    return {name: frozenset(own) for name, own in found.items()}


def _until(site: Site) -> Ints:
    """By node slot, from when on the timetable no longer says what is on it."""
    since = site.reaction.since if site.reaction is not None else {}
    return np.array([since.get(node.pool.name, NEVER) for node in site.estate.nodes], np.int64)


def _list(moment: Moment, node: NodeFacts, held: frozenset[tuple[int, int]]) -> list[NodeImage]:
    """A node's list, the same one as long as nothing is added."""
    site = moment.site
    stack = bool(node.slot.pool.instance.gpus) and node.usable <= moment.now
    known = site.built.get(f"{node.uid}/images")
    if known is not None and known[0] == (held, stack):
        same: list[NodeImage] = known[1]
        return same
    found = [NodeImage(names=[name], size_bytes=int(gb * 1e9)) for name, gb in _SYSTEM]
    found += [NodeImage(names=[name], size_bytes=int(gb * 1e9)) for name, gb in _STACK if stack]
    for image, release in held:
        names = list(site.recipes.full(image, release))
        found.append(NodeImage(names=names, size_bytes=site.recipes.size(image, release)))
    found.sort(key=lambda one: (-(one.size_bytes or 0), one.names or []))
    site.built[f"{node.uid}/images"] = ((held, stack), found[:LISTED])
    return found[:LISTED]
