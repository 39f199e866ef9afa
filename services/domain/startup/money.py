"""What a start costs: the GPUs a pod holds × their price × the time they are paid for and nothing is ready.

GPUs are paid for from the moment the pod keeps others from using them: on a node that was there, from scheduling; a
node that came for the pod is paid for from its creation. Time spent in a queue, waiting for room or until the cloud has
made the machine costs no GPU money. A start that never became ready cost until its end.
"""

import math
from datetime import datetime

from services.domain.startup import Phase

UNPAID = (Phase.QUEUE, Phase.WAIT, Phase.DECISION, Phase.PROVISION)
"""Phases in which the pod holds no GPUs yet. An unattributed stretch may be either."""
_HOUR_S = 3600.0


def billed_from(
    *, cold: bool | None, created: datetime, node_created: datetime | None, scheduled: datetime | None
) -> datetime | None:
    """Since when the GPUs of a pod are paid for because of it; None when it never held any.

    ``created`` is the pod's creation: what a node cost before it is not on its account. Where the node's age is not
    known (``cold`` None) it is scheduling, so that the money is rather too little.
    """
    if scheduled is None:
        return None
    if cold and node_created is not None:
        return min(max(created, node_created), scheduled)
    return scheduled


def spent(gpus: float, usd_per_gpu_hour: float | None, billed_from: datetime | None, ended: datetime) -> float | None:
    """US dollars of GPU time until ``ended``: the first readiness, or the end of a start that never was ready.

    ``gpus`` are GPU equivalents held. None when the price or the equivalents are not known; 0 when nothing was held.
    """
    if billed_from is None:
        return 0.0
    if usd_per_gpu_hour is None or math.isnan(usd_per_gpu_hour) or math.isnan(gpus):
        return None
    return gpus * usd_per_gpu_hour * max((ended - billed_from).total_seconds(), 0.0) / _HOUR_S
