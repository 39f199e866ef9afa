"""How long starts waited: the truth behind "served warm" and "cold", to check what is computed from objects."""

from typing import NamedTuple

import numpy as np

from services.demo.lanes import RUN
from services.demo.names import pod_names
from services.demo.reaction import seen
from services.demo.world import Site

WARM_S = 30
"""A start that waited no longer found room there already."""


class Start(NamedTuple):
    """One pod that was bound; ``created`` and ``scheduled`` in seconds since the epoch."""

    pool: str
    namespace: str
    pod: str
    created: int
    scheduled: int

    @property
    def wait_s(self) -> int:
        """From creation to binding: condition PodScheduled less creationTimestamp."""
        return self.scheduled - self.created

    @property
    def warm(self) -> bool:
        """Whether it found room at once."""
        return self.wait_s <= WARM_S


def starts(site: Site, begin: int, end: int) -> list[Start]:
    """Real pods bound in ``begin … end`` (placeholders are none), oldest first."""
    now = seen(site, end)
    pods = now.pods(begin, end)
    real = np.array([work.template is None for work in now.works], np.bool_)[pods.work]
    pods = pods.where(real & (pods.fate == RUN) & (pods.scheduled >= begin) & (pods.scheduled <= end))
    names = pod_names(now, pods)
    rows = zip(pods.work.tolist(), names, pods.created.tolist(), pods.scheduled.tolist(), strict=True)
    found = [
        Start(now.works[work].plan.place.pool, now.works[work].namespace, name, created, scheduled)
        for work, name, created, scheduled in rows
    ]
    return sorted(found, key=lambda start: start.scheduled)
