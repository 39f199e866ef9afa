"""Which deployment answers how many requests: the order of the chains, and the room each upstream has left.

Everything is counted in whole requests a minute, arrays over minutes, so that nothing is lost or made by rounding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.demo.noise import Floats
from services.domain.litellm import Config, Deployment
from services.domain.litellm.edits import ranks

MAX_FALLBACKS = 5
"""How often a request is sent on, where the file does not say (LiteLLM's default)."""
CONTEXT = "context_window_fallbacks"


class Path(NamedTuple):
    """Requests to a group that the deployment with that key answered, "" for nobody.

    ``long``: the group's own first tier refused them because their prompts are too long for it.
    """

    group: str
    key: str
    long: bool = False


Flow = dict[Path, Floats]


def flow(
    config: Config,
    asked: Mapping[str, Floats],
    room: Mapping[str, Floats],
    upstream: Callable[[Deployment], str],
    long: Mapping[str, float] | None = None,
) -> Flow:
    """Where requests go. ``room``: what each upstream can answer; one that is not in it has no limit.

    A group's own deployments come first, rank by rank; what is left of every group goes to its fallback groups.
    ``long``: by group, the share of its requests that is too long for its first tier. While that answers, they go to
    the groups the file names for them.
    """
    stream = _Stream(config, dict(room), upstream)
    left = {}
    for group, requests in asked.items():
        too_long = stream.too_long(group, requests, (long or {}).get(group, 0.0))
        stream.found[Path(group, "", long=True)] = stream.sent_on(group, CONTEXT, too_long, long=True)
        rest, hops = requests - too_long, 0
        for rank in stream.ranks(group)[: stream.most + 1]:
            rest, hops = stream.poured(group, rank, rest), hops + 1
        left[group] = rest, hops
    for group, (requests, hops) in left.items():
        stream.found[Path(group, "")] = stream.sent_on(group, "fallbacks", requests, hops)
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

    def too_long(self, group: str, requests: Floats, share: float) -> Floats:
        """How many the first tier refuses for their length: none while it is away, or where no rule sends them on."""
        ranks = self.ranks(group)
        if not share or not ranks or group not in self._config.in_force(CONTEXT):
            return np.zeros(len(requests))
        up = np.max(np.stack([self._up(one, len(requests)) for one in ranks[0]]), axis=0)
        return np.asarray(np.round(share * requests) * up)

    def sent_on(self, group: str, kind: str, requests: Floats, hops: int = 0, *, long: bool = False) -> Floats:
        """What is left after the groups that a kind of fallback names took what they can, if so many hops are over."""
        default = self._config.default_fallbacks if kind == "fallbacks" else ()
        names = self._config.in_force(kind).get(group, default)[: max(self.most + 1 - hops, 0)]
        others = [self._config.aliases.get(name, name) for name in names if name != group]
        rest = requests
        for rank in (rank for name in others for rank in self.ranks(name)):
            rest = self.poured(group, rank, rest, long=long)
        return rest

    def poured(self, group: str, rank: Sequence[Deployment], requests: Floats, *, long: bool = False) -> Floats:
        """What is left after a rank took what it can: by weight, then whoever of it has room."""
        weights = self._weights(rank, requests)
        total = np.sum(weights, axis=0)
        share = np.divide(np.cumsum(weights, axis=0), total, out=np.zeros_like(weights), where=total > 0)
        goals = np.diff(np.round(share * requests), axis=0, prepend=0.0)
        rest = requests
        for one, goal in zip(rank, goals, strict=True):
            rest = rest - self._taken(Path(group, one.key, long), one, goal)
        for one in rank:
            rest = rest - self._taken(Path(group, one.key, long), one, rest)
        return rest

    def _weights(self, rank: Sequence[Deployment], requests: Floats) -> Floats:
        """Shares of a rank's deployments; one that answers nothing at all is left out, as when it has cooled down."""
        weighted = any(one.weight for one in rank)
        weights = [(one.weight or 0.0) if weighted else 1.0 for one in rank]
        return np.array([self._up(one, len(requests)) * weight for one, weight in zip(rank, weights, strict=True)])

    def _up(self, one: Deployment, minutes: int) -> Floats:
        room = self._room.get(self._upstream(one))
        return np.ones(minutes) if room is None else np.where(room > 0, 1.0, 0.0)

    def _taken(self, path: Path, one: Deployment, wanted: Floats) -> Floats:
        name = self._upstream(one)
        room = self._room.get(name)
        taken = wanted if room is None else np.minimum(wanted, room)
        if room is not None:
            self._room[name] = room - taken
        before = self.found.get(path)
        self.found[path] = taken if before is None else before + taken
        return taken
