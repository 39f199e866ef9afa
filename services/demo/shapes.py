"""The rhythms of the estate: how demand moves over day and week, and what that makes of replicas."""

import numpy as np

from services.demo import noise
from services.demo.noise import Floats, Ints
from services.demo.scenario import Demand

DAY = 86400


def weekday(seconds: Ints) -> Ints:
    """Day of the week in UTC, Monday 0 (the epoch was a Thursday)."""
    return np.asarray((seconds // DAY + 3) % 7)


def curve(demand: Demand, seconds: Ints) -> Floats:
    """Expected share of the peak demand: a raised cosine whose least hour is ``trough_hour``, lower at weekends.

    A day runs from trough to trough, so that the step between weekday and weekend falls where demand is least.
    """
    shifted = seconds - round(demand.trough_hour * 3600)
    phase = (shifted % DAY) / DAY
    share = demand.floor + (1.0 - demand.floor) * (0.5 - 0.5 * np.cos(2.0 * np.pi * phase)) ** 1.3
    return np.asarray(np.where(weekday(shifted) >= 5, share * demand.weekend, share))


def requests(demand: Demand, seconds: Ints, key: int) -> Floats:
    """Requests a second: the curve, wandering by 12 % over tens of minutes and 5 % from minute to minute."""
    keys = np.uint64(key) + np.zeros(1, np.uint64)
    minute = seconds // 60
    drift = 1.0 + 0.24 * (noise.smooth(keys, seconds, 2400, draw=1) - 0.5)
    jitter = 1.0 + 0.10 * (noise.uniform(keys, minute, draw=2) - 0.5)
    return np.asarray(demand.peak_rps * curve(demand, seconds) * drift * jitter)


def replica_span(demand: Demand, replica: int, most: int, *, weekend: bool) -> tuple[int, int]:
    """When the autoscaler keeps the replica with this index: (seconds after the trough, seconds it lasts).

    It is kept while demand exceeds ``replica / most`` of the peak; a length of 0 means not at all that day.
    """
    minutes = np.arange(1440)
    share = demand.floor + (1.0 - demand.floor) * (0.5 - 0.5 * np.cos(2.0 * np.pi * minutes / 1440)) ** 1.3
    wanted = np.nonzero(share * (demand.weekend if weekend else 1.0) > replica / most)[0]
    if not len(wanted):
        return 0, 0
    return int(wanted[0]) * 60, int(wanted[-1] - wanted[0]) * 60


def working(seconds: Ints, utc_offset_h: int) -> Floats:
    """How likely people are at work, 0..1: office hours of a time zone, little in the evening, less at weekends."""
    local = seconds + utc_offset_h * 3600
    hour = (local % DAY) / 3600
    share = np.clip(np.minimum((hour - 8.0) / 2.0, (19.5 - hour) / 2.5), 0.04, 1.0)
    return np.asarray(np.where(weekday(local) >= 5, share * 0.2, share))
