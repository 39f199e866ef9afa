"""Karpenter or the Cluster Autoscaler in the replay: nodes for pods that wait, and their end once they are empty."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.demo import noise
from services.demo.estate import NodeSlot
from services.demo.karpenter import most_gpus, planned_nodes
from services.demo.lives import NEVER
from services.demo.moment import NodeFacts
from services.demo.names import uid
from services.demo.nodeobjects import labels
from services.demo.scenario import PoolPlan
from services.demo.seating import Cell, Event, Host, Stay, Unit, Wanted, tolerated
from services.demo.world import Site

if TYPE_CHECKING:
    from services.demo.replay import Replay

EMPTY_S = 300
"""An added node that is empty goes after this (``consolidateAfter``)."""

_CLAIM_S = 12  # a pod has waited this long when a node is claimed
_PROVISION_S, _BOOT_S, _DEVICE_S = (92, 46), (40, 12), (60, 20)  # shortest, and by how much longer some are


class Autoscaler:
    """Of one pool. ``coming`` are nodes that cannot be used yet."""

    def __init__(self, replay: "Replay") -> None:
        self._replay = replay
        self._added = 0
        self.coming: list[Host] = []

    def look(self, now: int, waiting: Sequence[Stay]) -> None:
        """Claim a node for each pod that waits, up to the pool's limit."""
        pool = self._replay.pool
        if pool is None or not grows(self._replay.site, pool):
            return
        size = pool.instance.gpus
        self.coming = [host for host in self.coming if host.usable > now]
        room = len(self.coming) * size
        standing = planned_nodes(self._replay.site, pool.name) + sum(
            host.added and host.gone > now for host in self._replay.hosts
        )  # those on their way among them
        for stay in waiting:
            work = stay.work
            if work.resource != "nvidia.com/gpu" or work.amount > size or not self._would_fit(stay):
                continue
            if room >= work.amount:
                room -= work.amount
                continue
            if (standing + 1) * size > most_gpus(self._replay.site, pool.name):
                return
            standing += 1
            room += size - work.amount
            self._add_node(pool, now)

    def _would_fit(self, stay: Stay) -> bool:
        if stay.work.template is None:
            return True
        spec = stay.work.template.get("spec") or {}
        wanted = Wanted.of(spec)
        pool = self._replay.pool
        own = taints(pool) if pool is not None else []
        return any(wanted.matches(host.labels) for host in self._replay.hosts) and all(
            tolerated(taint, spec.get("tolerations") or ()) for taint in own
        )

    def _add_node(self, pool: PoolPlan, now: int) -> None:
        site, number = self._replay.site, self._added
        self._added += 1
        place = [one.name for one in site.plan.pools].index(pool.name)
        name = f"ip-10-{201 + place}-{number // 250 % 256}-{number % 250 + 3}.{site.plan.domain}"
        draw = noise.key(site.seed, site.name, "added", name)
        claimed = now + _CLAIM_S
        born = claimed + _PROVISION_S[0] + draw % _PROVISION_S[1]
        ready = born + _BOOT_S[0] + draw // 100 % _BOOT_S[1]
        usable = ready + _DEVICE_S[0] + draw // 10_000 % _DEVICE_S[1]
        zone = site.plan.zones[number % len(site.plan.zones)]
        life = (claimed, born, ready, usable, NEVER)
        slot = NodeSlot(
            -1, pool, 0, -1 - number, zone, 0, 0, name=name, claimed=claimed, born=born, ready=ready, usable=usable
        )
        units = [Unit(gpu, "", "") for gpu in range(pool.instance.gpus)]
        cells = [Cell(unit, replica) for unit in units for replica in range(pool.replicas)]
        host = Host(
            slot=slot, name=name, born=born, gone=NEVER, usable=usable, cells=cells,
            labels=labels(site, NodeFacts(slot, -1, name, uid(site, "node", name, 0), *life)),
            taints=taints(pool), units=units,
        )  # fmt: skip
        self._replay.hosts.append(host)
        self.coming.append(host)
        for cell in cells:
            cell.host = host
        for moment in life[:-1]:
            self._replay.later(moment, self._replay.shown)
        self._replay.later(usable, self._replay.freeing(host))
        self._replay.later(usable + EMPTY_S, self.emptied(host, usable))

    def emptied(self, host: Host, since: int) -> Event:
        """The end of an added node, unless a pod has come since it was empty."""

        def event(now: int) -> None:
            used = any(
                stay.ended > since and (stay.scheduled <= now < NEVER)
                for stay in self._replay.stays
                if stay.cells and stay.cells[0].host is host
            )
            if not host.held() and not used and host.gone > now:
                host.gone = now
                self._replay.shown(now)

        return event


def grows(site: Site, pool: PoolPlan) -> bool:
    """Whether an autoscaler may add nodes: Karpenter to every pool of whole GPUs, the Cluster Autoscaler to some."""
    return (site.plan.labels == "karpenter" or bool(pool.bursts)) and not pool.mig and bool(pool.instance.gpus)


def taints(pool: PoolPlan) -> list[Mapping[str, Any]]:
    """The taints of a pool's nodes."""
    found: list[Mapping[str, Any]] = []
    if pool.instance.gpus:
        found.append({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"})
    if pool.taint:
        found.append({"key": pool.taint, "value": "true", "effect": "NoSchedule"})
    return found
