"""Who answered the requests a gateway was asked, who should have, and what that cost.

A *route* is what became of requests: asked of a group, answered by a deployment of it or sent on to another group, or
by nobody. Every request is in exactly one route, so routes add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ROUTES = {
    "at": "datetime64[us, UTC]",  # end of the step
    "team": "str",
    "group": "str",  # what was asked for
    "via": "str",  # the group it was sent on to, "" when it stayed
    "id": "str",  # the deployment that answered, "" nobody or unknown
    "rank": "int64",  # of the deployment within the group that was asked, 1 first; 0 outside it
    "outcome": "str",  # one of OUTCOMES
    "cause": "str",  # one of CAUSES, "" for what the first tier answered
    "status": "str",  # HTTP status of the error, "" when it has none
    "error": "str",  # its class, "" when it has none
    "own": "bool",  # answered on GPUs of one's own
    "requests": "float64",
    "usd": "float64",  # what the gateway counted for them; NaN without a price
}
"""One row per step, team, group, way and cause."""

TRAFFIC = {"group": "str", "id": "str", "requests": "float64", "usd": "float64"}
"""One row per deployment: requests it answered, and what they cost, NaN unknown.

``group`` is the deployment's own: a request that fell back to another group counts there. A row with an empty ``id``
holds the requests to its group that nobody answered.
"""

OUTCOMES = {
    "first": "Answered by the first tier",
    "order": "Answered by a later tier of the same group",
    "group": "Answered by another group",
    "lost": "Answered by nobody",
    "refused": "Refused: the request or its key was at fault",
}
FALLEN = ("order", "group")
"""Answered, but not by the first tier."""

BY_DESIGN = ("length", "policy")
"""Causes that are no failure: the prompt was too long for the tier, or its provider declined it."""


@dataclass(frozen=True)
class Deployed:
    """A deployment as routes need it.

    ``rank`` 1 is tried first; ``own`` is whether it runs on one's own GPUs; ``priced`` whether the gateway knows a
    price, without which it counts 0 US dollars.
    """

    id: str
    group: str
    rank: int = 1
    own: bool = False
    priced: bool = True


@dataclass(frozen=True)
class Chains:
    """What is known of a gateway's groups: its deployments by their ids, and other names of groups."""

    deployments: Mapping[str, Deployed] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def name(self, group: str) -> str:
        """The group itself, of a name clients ask for."""
        return self.aliases.get(group, group)

    def first(self, group: str, id_: str) -> bool:
        """Whether a deployment is of the first rank of a group; one that is not known is taken for it."""
        known = self.deployments.get(id_)
        return known is None or known.group != group or known.rank == 1
