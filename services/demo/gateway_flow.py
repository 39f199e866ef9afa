"""Which deployment answers how many requests: the order of the chains, and the room each upstream has left.

Everything is counted in whole requests a minute, arrays over minutes, so that nothing is lost or made by rounding.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from services.demo.noise import Floats
from services.domain.litellm import Config, Deployment
from services.domain.litellm.edits import ranks

MAX_FALLBACKS = 5
"""How often a request is sent on, where the file does not say (LiteLLM's default)."""

Flow = dict[tuple[str, str], Floats]
"""Requests by the group that was asked and the key of the deployment that answered, "" for nobody."""


def flow(
    config: Config,
    asked: Mapping[str, Floats],
    room: Mapping[str, Floats],
    upstream: Callable[[Deployment], str],
) -> Flow:
    """Where requests go. ``room``: what each upstream can answer; one that is not in it has no limit.

    A group's own deployments come first, rank by rank; what is left of every group goes to its fallback groups.
    """
    stream = _Stream(config, dict(room), upstream)
    left = {}
    for group, requests in asked.items():
        rest, hops = requests, 0
        for rank in stream.ranks(group)[: stream.most + 1]:
            rest, hops = stream.poured(group, rank, rest), hops + 1
        left[group] = rest, hops
    for group, (requests, hops) in left.items():
        names = config.in_force("fallbacks").get(group, config.default_fallbacks)
        others = [config.aliases.get(name, name) for name in names[: max(stream.most + 1 - hops, 0)] if name != group]
        rest = requests
        for rank in (rank for name in others for rank in stream.ranks(name)):
            rest = stream.poured(group, rank, rest)
        stream.found[group, ""] = rest
    return stream.found


class _Stream:
    def __init__(self, config: Config, room: dict[str, Floats], upstream: Callable[[Deployment], str]) -> None:
        self._config, self._room, self._upstream = config, room, upstream
        self.most = int(config.numbers.get("max_fallbacks", MAX_FALLBACKS))
        self.found: Flow = {}

    def ranks(self, group: str) -> list[list[Deployment]]:
        """The deployments of a group, those that share a rank together."""
        known = {one.key: one for one in self._config.of(group)}
        tiers = [place for place in self._config.chain(group).tiers if not place.blocked]
        return [[known[place.key] for place in rank] for rank in ranks(tiers)]

    def poured(self, group: str, rank: Sequence[Deployment], requests: Floats) -> Floats:
        """What is left after a rank took what it can: by weight, then whoever of it has room."""
        weights = self._weights(rank, requests)
        total = np.sum(weights, axis=0)
        share = np.divide(np.cumsum(weights, axis=0), total, out=np.zeros_like(weights), where=total > 0)
        goals = np.diff(np.round(share * requests), axis=0, prepend=0.0)
        rest = requests
        for one, goal in zip(rank, goals, strict=True):
            rest = rest - self._taken(group, one, goal)
        for one in rank:
            rest = rest - self._taken(group, one, rest)
        return rest

    def _weights(self, rank: Sequence[Deployment], requests: Floats) -> Floats:
        """Shares of a rank's deployments; one that answers nothing at all is left out, as when it has cooled down."""
        weighted = any(one.weight for one in rank)
        rows = []
        for one in rank:
            room = self._room.get(self._upstream(one))
            up = np.ones(len(requests)) if room is None else np.where(room > 0, 1.0, 0.0)
            rows.append(up * ((one.weight or 0.0) if weighted else 1.0))
        return np.array(rows)

    def _taken(self, group: str, one: Deployment, wanted: Floats) -> Floats:
        name = self._upstream(one)
        room = self._room.get(name)
        taken = wanted if room is None else np.minimum(wanted, room)
        if room is not None:
            self._room[name] = room - taken
        before = self.found.get((group, one.key))
        self.found[group, one.key] = taken if before is None else before + taken
        return taken
