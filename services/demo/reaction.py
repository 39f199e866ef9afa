"""How a cluster answers to what people did: the replays of the pools they touched, as a site grown by their outcome."""

import copy
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from services.demo import daemonplay, suspending
from services.demo.deployer import Deployer, asked
from services.demo.estate import Cut
from services.demo.imagestore import Brought, ImageStore, lane_nodes, node_zones
from services.demo.journal import Write
from services.demo.lanes import Pods
from services.demo.ledger import Key, Ledger
from services.demo.lives import NEVER
from services.demo.moment import NodeFacts
from services.demo.nodeobjects import labels
from services.demo.replay import Replay
from services.demo.scenario import PoolPlan
from services.demo.seating import Face, Host, Stay, Wanted
from services.demo.settling import Given, Newcomers, settle
from services.demo.sharing import CONFIG, MIG, Sharing, restarts
from services.demo.workloads import Work
from services.demo.world import Site

_CHUNK_S = 1800  # replays are played on by so much at a time
_STARTS = ("init_there", "there", "started", "ready")


def seen(site: Site, until: int) -> Site:
    """The site as it is up to a time (seconds since the epoch): itself while nothing was done that moves pods."""
    writes, horizon = site.writes(), (until // _CHUNK_S + 1) * _CHUNK_S
    if all(write.at > horizon for write in writes):
        return site
    with site.lock:
        known = site.grown.get(len(writes))
        if known is not None and known.until >= until:
            return known
        site.grown.clear()
        found = _grown(site, Ledger(writes), horizon)
        site.grown[len(writes)] = found
        return found


def _grown(site: Site, ledger: Ledger, until: int) -> Site:
    other = copy.copy(site)
    other.ledger = ledger
    touched, sets = _touched(site, ledger), daemonplay.made(ledger, until)
    if touched:
        other.reaction = Reaction(other, ledger, touched, until)
        other.reaction.grow(other)
    if sets:
        other.daemons = daemonplay.play(other, sets, until)
    if other.reaction is not None:
        other.reaction.close(other)
    if touched or sets:
        other.until = until
    return other


Touched = dict[str, tuple[int, set[Key]]]
"""By pool ("" for none): since when, and the Deployments people made there."""


def _touched(site: Site, ledger: Ledger) -> Touched:
    found: Touched = {}
    for write in ledger.writes:
        made = {(write.ref.kind, write.ref.namespace, write.ref.name)} if write.ref.kind == "Deployment" else set()
        for pool in _pools(site, ledger, write):
            found.setdefault(pool, (write.at, set()))[1].update(made)
    return found


def _pools(site: Site, ledger: Ledger, write: Write) -> list[str]:
    kind, body = write.ref.kind, write.body
    if kind == "Node" and write.verb == "patch":
        spec, own = body.get("spec") or {}, (body.get("metadata") or {}).get("labels") or {}
        if {"unschedulable", "taints"} & set(spec) or {CONFIG, MIG} & set(own):
            return _pool_of_node(site, write.ref.name, write.at)
    elif kind == "Pod" and write.verb in ("evict", "delete"):
        return [body["pool"]] if body.get("pool") else []
    elif kind == "Deployment" and write.verb in ("create", "patch"):
        folded = ledger.folded((kind, write.ref.namespace, write.ref.name), None, write.at)
        template = ((folded.body.get("spec") or {}).get("template") or {}) if folded else {}
        if asked(template)[1]:
            return [pool_for(site, template)]
    elif kind == "Job":
        return suspending.pools(site, write)
    elif restarts(write):
        return [pool.name for pool in site.plan.pools if pool.instance.gpus]
    return []


def _pool_of_node(site: Site, name: str, at: int) -> list[str]:
    parts = name.split(".", maxsplit=1)[0].split("-")
    if len(parts) == 5 and int(parts[2]) > 200:
        return [site.plan.pools[int(parts[2]) - 201].name]
    roster = site.roster(at, at)
    if name not in roster.node_names:
        return []
    return [site.estate.nodes[int(roster.node_slot[roster.node_names.index(name)])].pool.name]


def pool_for(site: Site, template: Mapping[str, Any]) -> str:
    """The pool whose nodes a pod of the template may be on; "" when there is none."""
    wanted, resource = Wanted.of(template.get("spec") or {}), asked(template)[0]
    for pool in site.plan.pools:
        slot = next(slot for slot in site.estate.nodes if slot.pool is pool)
        if pool.instance.gpus and wanted.matches(labels(site, NodeFacts(slot, -1, "", "", 0, 0, 0, 0, 0))):
            profiles = {f"nvidia.com/mig-{name}" for node in pool.mig for layout in node for name in layout}
            if resource in profiles or not resource.startswith("nvidia.com/mig-"):
                return pool.name
    return ""


def _belongs(site: Site, pool: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda template: pool_for(site, template) == pool


class Reaction:
    """The outcome of the replays up to ``until``: the pods' places by themselves, their starts by what nodes hold.

    :meth:`grow`, :meth:`settle` until it agrees with what DaemonSets pull, :meth:`close`, in this order.
    """

    def __init__(self, site: Site, ledger: Ledger, touched: Touched, until: int) -> None:
        self.since = {pool: since for pool, (since, _) in touched.items()}
        self.replays: dict[str, Replay] = {}
        self.deployers: list[Deployer] = []
        for pool, (since, keys) in touched.items():
            plan: PoolPlan | None = next((one for one in site.plan.pools if one.name == pool), None)
            play = self.replays[pool] = Replay(site, plan, ledger, since, until)
            Sharing(play)
            suspending.Suspender(play)
            for key in sorted(keys):
                self.deployers.append(Deployer(play, key, _belongs(site, pool)))
            play.run()
        self.brought: Brought = {}
        self.moments: list[int] = []
        self._works: dict[int, Work] = {}  # those of people's Deployments, by their identity

    def last(self, at: int) -> int:
        """When something visible happened last that no timetable knows; 0 for never."""
        place = bisect_right(self.moments, at)
        return self.moments[place - 1] if place else 0

    def face(self, node: str, at: int) -> Face | None:
        """What controllers made of a node; None while it is as the scenario has it."""
        for play in self.replays.values():
            for host in play.hosts:
                if host.name == node and host.born <= at < host.gone:
                    return host.face(at)
        return None

    def pods(self, pods: Pods, begin: int, end: int) -> Pods:
        """Pods of the timetable with those of touched pools as they became."""
        kept = pods.where(pods.gone <= self._since[pods.work])
        inside = (self._pods.created <= end) & (self._pods.gone > begin) & (self._pods.ended > self._pods.created)
        found = Pods.joined([kept, self._pods.where(inside)])
        return found.where(np.lexsort((found.created, found.lane)))

    def grow(self, site: Site) -> None:
        """Give the site the nodes and the workloads that the replays added, and its pods their starts."""
        estate, placement = site.estate, site.placement
        hosts = [host for play in self.replays.values() for host in play.hosts]
        added = [host for host in hosts if host.added]
        slots = [replace(host.slot, index=len(estate.nodes) + i, gone=host.gone) for i, host in enumerate(added)]
        unit_of: dict[int, int] = {}
        for host in added:
            for place, unit in enumerate(dict.fromkeys(cell.unit for cell in host.cells), len(unit_of)):
                unit_of[id(unit)] = len(estate.unit_gpu) + place
        cuts = _cuts(site, hosts, unit_of)
        no_bursts = {pool: since for pool, since in self.since.items() if pool}
        site.estate = estate.grown(slots, cuts, no_bursts)

        stays = [stay for play in self.replays.values() for stay in play.stays]
        works = self._works
        for stay in stays:
            if stay.work.template is not None and id(stay.work) not in works:
                works[id(stay.work)] = replace(stay.work, index=len(placement.works) + len(works))
        places = [cell for host in hosts for cell in host.cells] + [cell for stay in stays for cell in stay.cells]
        cells = list(dict.fromkeys(cell for cell in places if cell.slot < 0))
        self._slot_of = {id(cell): len(placement.slot_unit) + place for place, cell in enumerate(cells)}
        new_units = [cell.unit.base if cell.unit.base >= 0 else unit_of[id(cell.unit)] for cell in cells]
        replicas = [cell.replica for cell in cells]
        site.placement = placement.grown(site.estate, list(works.values()), new_units, replicas)
        site.works = tuple(site.placement.works)
        site.recipes = site.recipes.grown(len(works))
        self._newcomers = self._found(site)
        self.settle(site, site.store, {})

    def close(self, site: Site) -> None:
        """Give the site the pods with their starts."""
        self._lanes(site)
        placement, table = site.placement, site.table
        never = np.iinfo(np.int64).max
        self._since = np.array([self.since.get(work.plan.place.pool, never) for work in placement.works], np.int64)
        site.table = table.grown(self._slots)
        site.lane_nodes, site.node_zones = lane_nodes(site.estate, site.placement, site.table), node_zones(site.estate)

    def settle(self, site: Site, store: ImageStore, others: Given) -> None:
        """Let the pods start that were bound since their pool was touched.

        ``others`` are pulls by people's DaemonSets; ``store`` has them too.
        """
        self.brought = settle(store, site.recipes, self._newcomers, others)

    def begin(self, store: ImageStore) -> None:
        """Let the pods start that were bound before, where DaemonSets pulled for them."""
        stays = [
            stay
            for pool, play in self.replays.items()
            for stay in play.stays
            if stay.lane >= 0 and stay.scheduled <= self.since[pool]
        ]
        if not stays:
            return
        pods = store.filled(self._arrays(stays, [stay.lane for stay in stays]))
        rows = zip(stays, *(getattr(pods, name).tolist() for name in _STARTS), strict=True)
        for stay, *starts in rows:
            stay.init_there, stay.there, stay.started, stay.ready = starts

    def _found(self, site: Site) -> Newcomers:
        """The pods that were bound since their pool was touched."""
        works = self._works
        stays = [
            (stay, self.since[pool])
            for pool, play in self.replays.items()
            for stay in play.stays
            if stay.cells and stay.scheduled > self.since[pool] and stay.scheduled < NEVER
        ]
        zones = [stay.cells[0].host.slot.zone if stay.cells[0].host else "" for stay, _ in stays]
        return Newcomers(
            [stay for stay, _ in stays],
            np.array([works.get(id(stay.work), stay.work).index for stay, _ in stays], np.int64),
            np.array([site.plan.zones.index(zone) for zone in zones], np.int64),
            np.array([since for _, since in stays], np.int64),
        )

    def _lanes(self, site: Site) -> None:
        """Pods as arrays: one that is as its timetable has it stays in its lane, any other has one of its own."""
        table, stays = site.table, [stay for play in self.replays.values() for stay in play.stays]
        found = {moment for play in self.replays.values() for moment in play.moments}
        new = self._newcomers.stays
        found |= {at for stay in new if stay.moved for at in (stay.started, stay.ready) if at < NEVER}
        self.moments = sorted(found)
        self._slots: list[tuple[int, ...]] = []
        lanes = []
        for stay in stays:
            own = tuple(cell.slot if cell.slot >= 0 else self._slot_of[id(cell)] for cell in stay.cells)
            if not stay.moved and stay.lane >= 0:
                lanes.append(stay.lane)
                continue
            lanes.append(len(table.slot_count) + len(self._slots))
            self._slots.append(own)
        self._pods = self._arrays(stays, lanes)

    def _arrays(self, stays: Sequence[Stay], lanes: Sequence[int]) -> Pods:
        works = self._works

        def ints(name: str) -> Any:
            return np.array([getattr(stay, name) for stay in stays], np.int64)

        return Pods(
            lane=np.array(lanes, np.int64),
            cycle=ints("cycle"),
            work=np.array([works[id(s.work)].index if id(s.work) in works else s.work.index for s in stays], np.int64),
            replica=ints("replica"),
            key=np.array([stay.key for stay in stays], np.uint64),
            created=ints("created"),
            scheduled=ints("scheduled"),
            init_there=ints("init_there"),
            there=ints("there"),
            started=ints("started"),
            ready=ints("ready"),
            ended=ints("ended"),
            gone=ints("gone"),
            fate=ints("fate"),
            failed=np.array([stay.failed for stay in stays], np.bool_),
        )


def _cuts(site: Site, hosts: list[Host], unit_of: dict[int, int]) -> list[Cut]:
    """Units that controllers made or ended, numbered behind those of added nodes."""
    estate = site.estate
    count = len(estate.unit_gpu) + len(unit_of)
    cuts = []
    for host in hosts:
        if host.added:
            continue
        gpus = {int(estate.gpu_place[gpu]): int(gpu) for gpu in np.nonzero(estate.gpu_node == host.slot.index)[0]}
        for unit in host.units:
            if unit.base >= 0 and unit.gone < host.gone:
                cuts.append(Cut(gpus[unit.gpu], gone=unit.gone, unit=unit.base))
            elif unit.base < 0:
                unit_of[id(unit)] = count
                count += 1
                cuts.append(Cut(gpus[unit.gpu], unit.profile, unit.instance, unit.born, unit.gone))
    return cuts
