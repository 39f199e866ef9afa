"""What the gateway's deployments answered, minute by minute, and what its counters say it cost.

Requests are those of the workloads behind the groups (:meth:`Site.requests`), so every page speaks of the same ones.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.demo import noise
from services.demo.gateway_flow import Flow, Path, flow
from services.demo.gateway_plan import Asked, GatewayPlan, Outage
from services.demo.gateway_rollout import rollouts
from services.demo.noise import Floats, Ints
from services.demo.reaction import seen
from services.demo.readings import PEAK_LOAD
from services.demo.shapes import DAY
from services.demo.workloads import Work
from services.demo.world import Site, World
from services.domain import litellm
from services.domain.litellm import Config, Deployment

FULL = 0.85
"""Busy share up to which a replica takes requests; beyond it they wait too long, and the next tier is tried."""

Row = tuple[str, str, float, float]


class Answered(NamedTuple):
    """Requests meant for a group that a deployment answered, in the minutes at ``part`` of those asked about.

    ``prompt`` and ``completion`` are tokens of each.
    """

    asked: Asked
    by: Deployment
    part: Ints
    requests: Floats
    prompt: Floats
    completion: Floats

    @property
    def usd(self) -> Floats:
        """US dollars of each, 0 where no price is known."""
        return self.prompt * (self.by.input_usd or 0.0) + self.completion * (self.by.output_usd or 0.0)


class Traffic:
    """The traffic of one gateway as it is known at ``until`` (seconds since the epoch)."""

    def __init__(self, world: World, gateway: GatewayPlan, until: int) -> None:
        self._seed, self._gateway, self._until = world.seed, gateway, until
        self._sites = [seen(site, until) for site in world.sites.values()]
        self._groups = {asked.group: asked for asked in gateway.asked}
        self._names = {work.plan.name for site in self._sites for work in site.works if work.plan.demand}

    def rows(self, minutes: Ints) -> list[Row]:
        """One row per deployment that was routed to within the minutes, and per group that lost requests."""
        counted: dict[tuple[str, str], list[float]] = {}
        for config, part, found in self.flows(minutes):
            for one in config.deployments:
                row = counted.setdefault((one.group, deployment_id(one)), [0.0, 0.0])
                for path, requests in found.items():
                    if path.key == one.key:
                        row[0] += float(requests.sum())
                        row[1] += self._spend(path, one, requests, minutes[part])
            for path, requests in found.items():
                if not path.key:
                    counted.setdefault((path.group, ""), [0.0, 0.0])[0] += float(requests.sum())
        rows = [(group, name, requests, usd) for (group, name), (requests, usd) in counted.items()]
        return [row for row in rows if row[1] or row[2]]

    def answered(self, minutes: Ints) -> Iterator[Answered]:
        """Requests that were answered, by whom, minute by minute."""
        for config, part, found in self.flows(minutes):
            deployments = {one.key: one for one in config.deployments}
            for path, requests in found.items():
                if path.key and requests.any():
                    tokens = self._tokens(path, minutes[part])
                    yield Answered(self._groups[path.group], deployments[path.key], part, requests, *tokens)

    def asked(self, minutes: Ints) -> dict[str, Floats]:
        """Requests a minute to each group."""
        found = {}
        for asked in self._gateway.asked:
            rates = [site.requests(work, minutes) for site, work in self._served(asked.workload)]
            found[asked.group] = np.round(60.0 * np.sum(rates, axis=0))
        return found

    def room(self, minutes: Ints) -> dict[str, Floats]:
        """Requests a minute each upstream can answer; those without a limit are infinite outside their outages."""
        found = {}
        begin, end = (int(minutes[0]), int(minutes[-1])) if len(minutes) else (0, 0)
        for name in sorted(self._names):
            limits = [_room(site, name, minutes, (begin, end)) for site in self._sites]
            found[name] = np.floor(np.sum(limits, axis=0))
        for outage in self._gateway.outages:
            limit = found.get(outage.upstream, np.full(len(minutes), np.inf))
            found[outage.upstream] = np.where(self._away(outage, minutes), 0.0, limit)
        return found

    def away(self, minutes: Ints) -> dict[str, npt.NDArray[np.bool_]]:
        """Whether each upstream with outages is away, minute by minute."""
        return {outage.upstream: self._away(outage, minutes) for outage in self._gateway.outages}

    def upstream(self, one: Deployment) -> str:
        """What a deployment calls: a workload of the world by the first part of its host, else its provider."""
        name = one.base.partition(".")[0]
        return name if name in self._names else one.provider

    def _served(self, name: str) -> list[tuple[Site, Work]]:
        return [(site, work) for site in self._sites for work in site.works if work.plan.name == name]

    def flows(self, minutes: Ints) -> Iterator[tuple[Config, Ints, Flow]]:
        """Configurations in force during the minutes, positions of their minutes, and where requests went."""
        asked, room = self.asked(minutes), self.room(minutes)
        for config, part in self._parts(minutes):
            found = flow(
                config,
                {group: requests[part] for group, requests in asked.items()},
                {name: limit[part] for name, limit in room.items()},
                self.upstream,
                {group: asked.long_share for group, asked in self._groups.items()},
            )
            yield config, part, found

    def _parts(self, minutes: Ints) -> list[tuple[Config, Ints]]:
        """The configurations in force during the minutes, each with the positions of its minutes."""
        site = next(site for site in self._sites if site.name == self._gateway.cluster)
        played = rollouts(site, self._until)
        runs = played.in_force if played is not None else []
        which = np.zeros(len(minutes), np.int64)
        for place, run in enumerate(runs):
            which[minutes >= run.since] = place
        places = np.unique(which).tolist()
        return [(loaded(runs[place].text or "{}"), np.nonzero(which == place)[0]) for place in places]

    def _away(self, outage: Outage, minutes: Ints) -> npt.NDArray[np.bool_]:
        """Whether each minute lies in the outage; it is over before midnight."""
        key = np.full(1, noise.key(self._seed, self._gateway.cluster, "outage", outage.upstream), np.uint64)
        day = minutes // DAY
        span = outage.within_hours * 60 - outage.minutes
        start = outage.from_hour * 60 + np.floor(span * noise.uniform(key, day, draw=2)).astype(np.int64)
        minute = minutes % DAY // 60
        hit = noise.uniform(key, day, draw=1) < outage.chance
        return np.asarray(hit & (minute >= start) & (minute < start + outage.minutes))

    def _spend(self, path: Path, one: Deployment, requests: Floats, minutes: Ints) -> float:
        """USD of requests: their tokens at the deployment's prices, NaN without a price."""
        if one.input_usd is None and one.output_usd is None:
            return 0.0 if one.self_hosted or not requests.any() else float("nan")
        prompt, completion = self._tokens(path, minutes)
        return float((requests * (prompt * (one.input_usd or 0.0) + completion * (one.output_usd or 0.0))).sum())

    def _tokens(self, path: Path, minutes: Ints) -> tuple[Floats, Floats]:
        """Tokens of the prompt and of the completion of a request in each minute, about their means."""
        key = np.full(1, noise.key(self._seed, self._gateway.cluster, path.group, "tokens"), np.uint64)
        about, asked = 0.9 + 0.2 * noise.uniform(key, minutes // 60), self._groups[path.group]
        return about * (asked.long_tokens if path.long else asked.input_tokens), about * asked.output_tokens


def _room(site: Site, name: str, minutes: Ints, span: tuple[int, int]) -> Floats:
    """Requests a minute that the ready replicas of a name's workloads in a cluster can take."""
    room: Floats = np.zeros(len(minutes))
    works = [(work, work.plan.demand) for work in site.works if work.plan.name == name]
    pods = site.pods(*span) if works else None
    for work, demand in works:
        if pods is not None and demand is not None:
            room = room + site.serving(work, pods, minutes) * (full_rps(work) * FULL * 60.0)
    return room


def full_rps(work: Work) -> float:
    """Requests a second at which a replica is wholly busy."""
    demand = work.plan.demand
    return 0.0 if demand is None else demand.peak_rps / (work.plan.most * PEAK_LOAD)


@lru_cache(maxsize=16)
def loaded(text: str) -> Config:
    """The configuration of a text a pod started with."""
    return litellm.read(text)


def deployment_id(one: Deployment) -> str:
    """What the proxy calls a deployment: its ``model_info.id``, else a hash of it."""
    return one.id or blake2b(f"{one.group}\x1f{one.key}".encode(), digest_size=16).hexdigest()
