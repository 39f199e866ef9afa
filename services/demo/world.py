"""The simulated world: one seeded estate whose every answer is a function of (seed, journal, time).

Nothing is simulated from a beginning and nothing is remembered, so two processes agree and a refresh never reshuffles
history. The journal is what people wrote to its clusters (:mod:`services.demo.journal`); how the world answers to that
is in :mod:`services.demo.reaction`.
"""

from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from services.demo import noise, shapes
from services.demo.estate import Estate, Roster
from services.demo.imagestore import ImageStore
from services.demo.journal import Journal, Memory, Write, writes
from services.demo.lanes import RUN, Pods, Timetable, scaled
from services.demo.ledger import Key, Ledger
from services.demo.lives import NEVER
from services.demo.noise import Floats, Ints
from services.demo.recipes import Recipes
from services.demo.scenario import ClusterPlan, Scenario, Trouble, load
from services.demo.workloads import Placement, Work, waits
from services.errors import WrongSetting

if TYPE_CHECKING:
    from services.demo.daemonsets import Daemons
    from services.demo.reaction import Reaction


def seconds(at: datetime) -> int:
    """Whole seconds since the epoch."""
    return int(at.timestamp())


class Site:
    """One cluster of the world: its hardware, its workloads, and what was true in a span of seconds since the epoch."""

    def __init__(
        self, scenario: Scenario, plan: ClusterPlan, seed: int, size: tuple[int, dict[str, int]], journal: Journal
    ) -> None:
        self.name = plan.name
        self.scenario = scenario
        self.plan = plan
        self.seed = seed
        self.estate = Estate(plan, seed, *size, waits(scenario, plan.name, seed))
        self.placement = Placement(scenario, self.estate)
        self.works: tuple[Work, ...] = tuple(self.placement.works)
        self.table = Timetable(self.placement.lanes)
        first_lanes = [self.placement.lanes[self.placement.lanes_of[work.index][0]] for work in self.works]
        self.recipes = Recipes.of(scenario, plan, self.works, first_lanes)
        self.store = ImageStore(self.estate, self.placement, self.table, self.recipes)
        self.lane_nodes, self.node_zones = self.store.lane_nodes, self.store.node_zones
        self.journal = journal
        self.lock = Lock()
        self.grown: dict[int, Site] = {}  # the site after so many writes, kept by services.demo.reaction
        self.ledger = Ledger()
        self.extras: dict[Key, dict[str, Any]] = {}  # what services.demo.manifests adds
        self.reaction: Reaction | None = None
        self.daemons: Daemons | None = None
        self.until = NEVER  # what follows from writes is known up to then
        self.built: dict[str, tuple[Any, Any]] = {}  # objects that stay as they are, by uid: what of, and which
        self._writes: tuple[int, tuple[Write, ...]] = (0, ())
        self._pods: dict[tuple[int, int, int], Pods] = {}

    def writes(self) -> tuple[Write, ...]:
        """What people wrote to this cluster, oldest first."""
        entries = self.journal.entries()
        if len(entries) != self._writes[0]:
            self._writes = len(entries), writes(entries, self.name)
        return self._writes[1]

    def scalings(self) -> dict[int, list[tuple[int, int]]]:
        """Recorded replica counts by workload index: (time, replicas), oldest first."""
        found: dict[int, list[tuple[int, int]]] = {}
        names = {
            (work.plan.kind, work.namespace, work.name): work.index
            for work in self.works
            if work.plan.rhythm == "serve" and work.template is None
        }
        for write in self.ledger.writes:
            work = names.get((write.ref.kind, write.ref.namespace, write.ref.name))
            replicas = 0 if write.verb == "delete" else (write.body.get("spec") or {}).get("replicas")
            if work is not None and replicas is not None:
                found.setdefault(work, []).append((write.at, int(replicas)))
        return found

    def pods(self, begin: int, end: int) -> Pods:
        """Pods whose object exists somewhere in ``begin … end``, both included, ordered by lane."""
        pods = self.timetable(begin, end)
        return pods if self.reaction is None else self.reaction.pods(pods, begin, end)

    def timetable(self, begin: int, end: int) -> Pods:
        """The same as the timetable, the images on nodes and recorded replica counts have them."""
        scalings = self.scalings()
        key = (begin, end, sum(len(steps) for steps in scalings.values()))
        pods = self._pods.get(key)
        if pods is None:
            pods = self.table.pods(begin, end)
            for work, steps in scalings.items():
                pods = scaled(self.table, pods, begin, end, self.placement.lanes_of[work], steps)
            pods = self.store.filled(pods)
            if len(self._pods) >= 4:
                self._pods.clear()
            self._pods[key] = pods
        return pods

    def stock(self, store: ImageStore) -> None:
        """Have images on nodes as another store of it says."""
        self.store, self._pods = store, {}

    def roster(self, begin: int, end: int) -> Roster:
        """Nodes, GPUs and units that exist somewhere in ``begin … end``."""
        return self.estate.roster(begin, end)

    def requests(self, work: Work, times: Ints) -> Floats:
        """Requests a second sent to a workload that serves, at each time (whole minutes)."""
        if work.plan.demand is None:
            return np.zeros(len(times))
        key = noise.key(self.seed, self.name, work.namespace, work.name, "requests")
        return shapes.requests(work.plan.demand, times, key)

    def serving(self, work: Work, pods: Pods, times: Ints) -> Ints:
        """How many pods of the workload are ready at each time."""
        own = (pods.work == work.index) & (pods.fate == RUN)
        ready = np.sort(pods.ready[own])
        ended = np.sort(np.maximum(pods.ended, pods.ready)[own])
        return np.asarray(np.searchsorted(ready, times, side="right") - np.searchsorted(ended, times, side="right"))


class World:
    """The whole estate: ``sites`` by cluster name, ``troubles`` by what is wrong where.

    ``gpus`` is how many physical GPUs it has (None: one tile); a multiple of the tile's repeats nodes and workloads, a
    remainder is filled with nodes nobody uses. Raises WrongSetting when it cannot be that small.
    """

    def __init__(
        self, scenario: str = "everyday", seed: int = 7, gpus: int | None = None, journal: Journal | None = None
    ) -> None:
        self.scenario = load(scenario)
        self.seed = seed
        tile = self.scenario.tile_gpus
        wanted = tile if gpus is None else gpus
        if wanted < tile:
            raise WrongSetting(f"The demo has at least {tile} GPUs; {wanted} were asked for.")
        tiles, rest = divmod(wanted, tile)
        self.gpus = wanted
        self.troubles: tuple[Trouble, ...] = self.scenario.troubles
        self.sites: dict[str, Site] = {}
        self.journal = journal or Memory()
        for plan in self.scenario.clusters:
            spare = {}
            for pool in sorted(plan.pools, key=lambda pool: -pool.instance.gpus):
                if rest and pool.instance.gpus and not pool.mig:
                    spare[pool.name], rest = divmod(rest, pool.instance.gpus)
            self.sites[plan.name] = Site(self.scenario, plan, seed, (tiles, spare), self.journal)

    def services(self) -> list[tuple[Site, Work]]:
        """The served language models with the cluster each runs in."""
        return [(site, work) for site in self.sites.values() for work in site.works if work.plan.llm]
