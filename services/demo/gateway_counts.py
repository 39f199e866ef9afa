"""What the proxies of the demo count of requests that fail over: hops, failures, cooldowns, times.

An upstream that is away answers 503. Each replica of the proxy tries it until its failures are too many, leaves it out
for the cooldown, and tries it again; requests meanwhile go straight to the next order. One that is only full lets
requests wait until they time out; half of its requests succeed, so it never cools down.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from services.demo import noise
from services.demo.gateway_flow import Flow, Path
from services.demo.gateway_plan import GatewayPlan
from services.demo.gateway_traffic import Traffic, deployment_id
from services.demo.noise import Floats, Ints
from services.demo.shapes import DAY
from services.domain.litellm import Config, Deployment
from services.domain.litellm.edits import ranks

AWAY, FULL = ("503", "ServiceUnavailableError"), ("408", "Timeout")
LONG = ("400", "ContextWindowExceededError")
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of the latency histogram in seconds, some of those LiteLLM has."""
TYPICAL_S = {"chat-large": 6.0, "chat": 1.7, "summarise": 2.6, "embed": 0.08, "rerank": 0.15}
"""Seconds half of a group's requests take on own GPUs."""
_LONGER = 2.5
"""How many times that a request takes whose prompt is too long for the group's own."""
_SPREAD = 0.55
"""Standard deviation of the logarithm of a request's time."""


class Count(NamedTuple):
    """Something counted in minutes at ``part``: its labels, and how often."""

    labels: tuple[str, ...]
    part: Ints
    values: Floats


class Counts:
    """What one gateway's counters gain, minute by minute; in whole requests."""

    def __init__(self, gateway: GatewayPlan, traffic: Traffic, minutes: Ints) -> None:
        self._gateway, self._traffic, self._minutes = gateway, traffic, minutes
        self._asked = {asked.group: asked for asked in gateway.asked}

    def answers(self) -> Iterator[Count]:
        """By deployment, its group and team."""
        for _, part, path, one, requests in self._answered():
            for team, mine in self._teams(path.group, requests):
                yield Count((deployment_id(one), one.group, team), part, mine)

    def hops(self) -> Iterator[Count]:
        """By the group asked, the group sent on to, error and team."""
        for config, part, path, one, requests in self._answered():
            group = path.group
            if path.long:
                for team, mine in self._teams(group, requests):
                    yield Count((group, one.group, *_error(config, group, LONG), team), part, mine)
            elif one.group != group:
                away = self._away(config, group, part)
                for team, mine in self._teams(group, requests):
                    for error, when in ((AWAY, away), (FULL, ~away)):
                        yield Count((group, one.group, *_error(config, group, error), team), part, mine * when)
            elif not _first(config, group, one):
                away = self._away(config, group, part)
                left = np.where(away, self._tries(config), np.inf)
                for team, mine in self._teams(group, requests):
                    hopped = np.minimum(mine, left)
                    left = left - hopped
                    for error, when in ((AWAY, away), (FULL, ~away)):
                        yield Count((group, group, *_error(config, group, error), team), part, hopped * when)

    def failures(self) -> Iterator[Count]:
        """Attempts of the first tier by deployment, its group and error: as many a request as the file says.

        A prompt that is too long is not tried again.
        """
        for config, part, path, one, requests in self._answered():
            group, first = path.group, _firsts(config, path.group)
            if path.long:
                yield Count((deployment_id(first[0]), group, *_error(config, group, LONG)), part, requests)
            elif one.group != group or not _first(config, group, one):
                away = self._away(config, group, part)
                tries = 1.0 + config.numbers.get("num_retries", 2.0)
                for error, most in (
                    (AWAY, np.where(away, self._tries(config), 0.0)),
                    (FULL, np.where(away, 0.0, np.inf)),
                ):
                    attempts = np.minimum(requests, most) * tries
                    yield Count((deployment_id(first[0]), group, *_error(config, group, error)), part, attempts)

    def lost(self) -> Iterator[Count]:
        """By the group asked, error and team."""
        for config, part, found in self._flows:
            for (group, key, long), requests in found.items():
                if not key and requests.any():
                    away = self._away(config, group, part)
                    whys = ((LONG, np.ones(len(part))),) if long else ((AWAY, away), (FULL, ~away))
                    for team, mine in self._teams(group, requests):
                        for error, when in whys:
                            yield Count((group, *_error(config, group, error), team), part, mine * when)

    def spend(self) -> Iterator[Count]:
        """US dollars by deployment and team."""
        for one in self._traffic.answered(self._minutes):
            for team, mine in self._teams(one.asked.group, one.requests):
                yield Count((deployment_id(one.by), team), one.part, mine * one.usd)

    def cooldowns(self) -> Iterator[Count]:
        """By deployment, error and replica: as often as the cooldown fits into a minute, while somebody asks."""
        for config, part, found in self._flows:
            if config.numbers.get("allowed_fails") is None:
                continue
            often = max(60.0 / config.numbers.get("cooldown_time", 5.0), 1.0)
            for group in config.groups:
                first = _firsts(config, group)
                mine = [requests for path, requests in found.items() if path.group == group]
                asked = np.sum(mine or [np.zeros(len(part))], axis=0)
                if len(config.of(group)) > 1:
                    away = self._away(config, group, part) & (asked >= 4 * self._gateway.replicas)
                    for one in first:
                        for replica in self.replicas():
                            yield Count((deployment_id(one), AWAY[0], replica), part, away * np.floor(often))

    def by_replica(self) -> Iterator[Count]:
        """Answers by deployment and replica, which share them equally."""
        names = self.replicas()
        for _, part, _, one, requests in self._answered():
            bounds = np.round(np.outer(np.arange(1, len(names) + 1) / len(names), requests))
            for name, mine in zip(names, np.diff(bounds, axis=0, prepend=0.0), strict=True):
                yield Count((deployment_id(one), name), part, mine)

    def latency(self) -> Iterator[Count]:
        """Answers by deployment and upper bound, cumulative. Who is sent on has waited before."""
        for config, part, (group, _, long), one, requests in self._answered():
            typical = np.full(len(part), TYPICAL_S.get(group, 2.0) * (1.0 if one.self_hosted else 0.7))
            if long:
                typical = typical * _LONGER
            elif one.group != group or not _first(config, group, one):
                typical = typical * np.where(self._away(config, group, part), 1.05, 1.8)
            key = np.full(1, noise.key(0, self._gateway.cluster, group, one.key, "latency"), np.uint64)
            typical = typical * (0.95 + 0.1 * noise.uniform(key, self._minutes[part]))
            for bound in BOUNDS:
                share = _below(np.log(bound / typical) / _SPREAD)
                yield Count(
                    (deployment_id(one), f"{bound:g}" if bound % 1 else f"{bound:.1f}"),
                    part,
                    np.round(requests * share),
                )
            yield Count((deployment_id(one), "+Inf"), part, requests)

    def budgets(self) -> dict[str, float]:
        """US dollars left of each provider's budget of the day (UTC) at the end of the minutes."""
        for config, _, _ in self._flows[-1:]:
            end = int(self._minutes[-1]) + 60
            today = np.arange(end // DAY * DAY, end, 60, dtype=np.int64)
            spent = dict.fromkeys(config.provider_budgets, 0.0)
            for one in Counts(self._gateway, self._traffic, today).paid() if len(today) else ():
                spent[one.labels[0]] = spent.get(one.labels[0], 0.0) + float(one.values.sum())
            return {name: budget.usd - spent[name] for name, budget in config.provider_budgets.items()}
        return {}

    def paid(self) -> Iterator[Count]:
        """US dollars by provider."""
        for one in self._traffic.answered(self._minutes):
            yield Count((one.by.provider,), one.part, one.requests * one.usd)

    def replicas(self) -> list[str]:
        """Names of the proxy's replicas, as targets of Prometheus have them."""
        return [f"{self._gateway.deployment}-{number}" for number in range(self._gateway.replicas)]

    @cached_property
    def _flows(self) -> list[tuple[Config, Ints, Flow]]:
        return list(self._traffic.flows(self._minutes))

    @cached_property
    def _room(self) -> Mapping[str, Floats]:
        return self._traffic.room(self._minutes)

    def _answered(self) -> Iterator[tuple[Config, Ints, Path, Deployment, Floats]]:
        for config, part, found in self._flows:
            deployments = {one.key: one for one in config.deployments}
            for path, requests in found.items():
                if path.key and requests.any():
                    yield config, part, path, deployments[path.key], requests

    def _teams(self, group: str, requests: Floats) -> Iterator[tuple[str, Floats]]:
        """Whole requests by team; together they are all."""
        parts: dict[str, Floats] = {}
        shares = np.cumsum([caller.share for caller in self._asked[group].callers])
        bounds = np.round(np.outer(shares / shares[-1], requests))
        for caller, mine in zip(self._asked[group].callers, np.diff(bounds, axis=0, prepend=0.0), strict=True):
            parts[caller.team] = parts[caller.team] + mine if caller.team in parts else mine
        yield from parts.items()

    def _away(self, config: Config, group: str, part: Ints) -> np.ndarray:
        """Whether everything of the first rank answers nothing at all."""
        room = self._room
        away = [room.get(self._traffic.upstream(one)) for one in _firsts(config, group)]
        gone = [np.zeros(len(part), bool) if limit is None else limit[part] <= 0 for limit in away]
        return np.asarray(np.all(gone, axis=0))

    def _tries(self, config: Config) -> float:
        """Requests a minute that find out that a tier is away, before the replicas leave it out."""
        fails, pause = config.numbers.get("allowed_fails"), config.numbers.get("cooldown_time", 5.0)
        return np.inf if fails is None else np.ceil((fails + 1) * max(60.0 / pause, 1.0)) * self._gateway.replicas


def _firsts(config: Config, group: str) -> list[Deployment]:
    known = {one.key: one for one in config.of(group)}
    found = ranks(config.chain(group).tiers)
    return [known[place.key] for place in found[0]] if found else []


def _first(config: Config, group: str, one: Deployment) -> bool:
    return any(first.key == one.key for first in _firsts(config, group))


def _error(config: Config, group: str, error: tuple[str, str]) -> tuple[str, str]:
    """Status and class, with the provider before it as the proxy writes it."""
    first = _firsts(config, group)
    provider = first[0].provider if first else ""
    return error[0], f"{provider[:1].upper()}{provider[1:]}.{error[1]}" if provider else error[1]


def _below(z: Floats) -> Floats:
    """Nearly the normal distribution: the logistic one that is closest to it."""
    return np.asarray(1.0 / (1.0 + np.exp(-1.702 * z)))
