"""What people's DaemonSets pull and what that changes: one course of things in which all pods on a node agree.

A pod's pull may make another pod's first container end sooner, so that it pulls its own image sooner and a third need
not. Everything acts on what comes later only, so playing it again with what the last time found ends in the one course
in which it all fits; twice is enough almost always.
"""

from collections.abc import Sequence

import numpy as np

from services.demo.autoscaler import taints
from services.demo.daemonpods import Standing, Turn
from services.demo.daemonsets import Daemons
from services.demo.imagestore import Brought, Fetched, ImageStore
from services.demo.journal import Write
from services.demo.ledger import Key, Ledger
from services.demo.lives import NEVER
from services.demo.moment import NodeFacts
from services.demo.names import uid
from services.demo.nodeobjects import labels
from services.demo.noise import Ints
from services.demo.seating import UNSCHEDULABLE, Host
from services.demo.world import Site

_INIT, _OWN = 0, 1


def made(ledger: Ledger, until: int) -> list[Key]:
    """The DaemonSets that people created up to a time."""
    refs = [write.ref for write in ledger.writes if _creates(write) and write.at <= until]
    return list(dict.fromkeys((ref.kind, ref.namespace, ref.name) for ref in refs))


def _creates(write: Write) -> bool:
    return write.ref.kind == "DaemonSet" and write.verb == "create"


def play(site: Site, keys: Sequence[Key], until: int) -> Daemons:
    """The DaemonSets up to a time. The site's pods start by what they pulled, its store of images has it."""
    base, reaction = site.store, site.reaction
    since = min(write.at for write in site.ledger.writes if _creates(write))
    nodes, images = standing(site, since, until), _images(site, keys, until)
    known: Brought = {}
    while True:
        store = base.having(_placed(nodes, known))
        if reaction is not None:
            reaction.begin(store)
            reaction.settle(site, store, known)
        played = Daemons(site, keys, nodes, until, _others(site, store, nodes, images))
        if played.brought == known:
            site.stock(store)
            return played
        known = played.brought


def _images(site: Site, keys: Sequence[Key], until: int) -> list[tuple[int, int]]:
    """Number and release of every image the DaemonSets ever named."""
    named: dict[str, None] = {}
    for write in site.ledger.writes:
        if (write.ref.kind, write.ref.namespace, write.ref.name) in keys:
            spec = ((write.body.get("spec") or {}).get("template") or {}).get("spec") or {}
            containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
            named |= {str(one.get("image", "")): None for one in containers}
    found = (site.recipes.find(name, until) for name in named)
    return list(dict.fromkeys(one for one in found if one is not None))


def _placed(nodes: Sequence[Standing], known: Brought) -> dict[tuple[int, int, int, int], Fetched]:
    return {
        (node.slot, node.gen, *image): pull
        for node in nodes
        if node.slot >= 0
        for image, pull in known.get(node.id, {}).items()
    }


def _others(site: Site, store: ImageStore, nodes: Sequence[Standing], images: Sequence[tuple[int, int]]) -> Brought:
    """What pods of workloads pulled to the nodes, or would have, if nobody had been sooner."""
    found: Brought = {}
    timed = [node for node in nodes if node.slot >= 0]
    since = site.reaction.since if site.reaction is not None else {}
    until = _ints([since.get(node.facts.slot.pool.name, NEVER) for node in timed])
    slot, gen = _ints([node.slot for node in timed]), _ints([node.gen for node in timed])
    for role, numbers in ((_INIT, site.recipes.init_image), (_OWN, site.recipes.image)):
        for image, release in images if timed else ():
            if image not in numbers:
                continue
            first = store.first(role, slot, gen, slot * 0 + image, slot * 0 + release)
            for row in np.nonzero((first.bound <= until) & (first.wanted < NEVER))[0].tolist():
                pull = Fetched(int(first.wanted[row]), int(first.there[row]))
                _sooner(found, timed[row].id, (image, release), pull)
    for name, pulls in site.reaction.brought.items() if site.reaction is not None else ():
        for key, pull in pulls.items():
            _sooner(found, name, key, pull)
    return found


def _sooner(found: Brought, node: str, image: tuple[int, int], pull: Fetched) -> None:
    own = found.setdefault(node, {})
    own[image] = min(own.get(image, pull), pull)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, np.int64)


def standing(site: Site, begin: int, end: int) -> list[Standing]:
    """Every node that stands somewhere in ``begin … end``."""
    slots = np.arange(len(site.estate.nodes))
    first = site.estate.generation(slots, np.full(len(slots), begin))
    count = site.estate.generation(slots, np.full(len(slots), end)) - first + 1
    slot = np.repeat(slots, count)
    gen = first[slot] + np.arange(len(slot)) - np.repeat(np.cumsum(count) - count, count)
    life = site.estate.lives.of(slot, gen)
    rows = np.nonzero((life.born < life.gone) & (life.gone > begin) & (life.born <= end))[0]
    replays = site.reaction.replays.values() if site.reaction is not None else ()
    hosts = {(host.name, host.born): host for one in replays for host in one.hosts}
    found = []
    for row in rows.tolist():
        place, number = int(slot[row]), int(gen[row])
        plan, name = site.estate.nodes[place], site.estate.node_name(place, number)
        steps = (int(values[row]) for values in life)
        facts = NodeFacts(plan, -1, name, uid(site, "node", name, number), *steps)
        turns = _turns(site, facts, hosts.get((name, facts.born)))
        zone = site.plan.zones.index(plan.zone)
        found.append(Standing(facts, -1 if plan.name else place, number, zone, turns))
    return found


def _turns(site: Site, node: NodeFacts, host: Host | None) -> tuple[Turn, ...]:
    """How labels and taints of a node change: when its driver runs, by controllers, by people."""
    faces = host.faces if host is not None else []
    writes = [
        write
        for write in site.ledger.to(("Node", "", node.name), node.gone)
        if write.verb == "patch" and write.at >= node.born
    ]
    times = sorted({node.born, node.usable, *(face.at for face in faces), *(write.at for write in writes)})
    found = []
    for at in (at for at in times if node.born <= at < node.gone):
        own = labels(site, node, discovered=node.usable <= at)
        face = next((face for face in reversed(faces) if face.at <= at), None)
        changed: dict[str, str | None] = {**own, **(face.labels if face is not None else {})}
        minded = taints(node.slot.pool)
        for write in (write for write in writes if write.at <= at):
            changed |= (write.body.get("metadata") or {}).get("labels") or {}
            spec = write.body.get("spec") or {}
            if "taints" in spec:
                minded = [taint for taint in spec["taints"] or () if taint.get("key") != UNSCHEDULABLE]
        kept = {key: value for key, value in changed.items() if value is not None}
        found.append(Turn(at, kept, tuple(minded)))
    return tuple(found)
