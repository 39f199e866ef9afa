"""What would make starts faster, and by how much, judged by this cluster's own recorded starts.

Every prediction is a what-if on recorded starts: the seconds of the phases a lever acts on become what other starts of
the same cluster needed that had the advantage already. Levers are tried one at a time; their savings do not add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from services.domain import frames
from services.domain.startup import lever_images, lever_nodes, lever_work
from services.domain.startup.whatif import COLUMNS, History, evaluated


@dataclass(frozen=True)
class Lever:
    """What is done; ``about`` says in a sentence what it is and what it does not do."""

    title: str
    about: str


LEVERS_BY_NAME: Mapping[str, Lever] = {
    "prepull": Lever(
        "Pull images ahead",
        "Images are pulled to the pool's nodes before a pod needs them. A node that comes for a pod has none yet.",
    ),
    "node-image": Lever(
        "Bring images with the node",
        "The image is on the disk new nodes boot from: a machine image or a secondary boot disk.",
    ),
    "stream": Lever(
        "Stream images",
        "The container starts at once and reads its image as it needs it; part of the time moves into loading.",
    ),
    "registry": Lever("Use a nearer registry", "A mirror or a pull-through cache that delivers faster to these nodes."),
    "headroom": Lever(
        "Keep units warm",
        "Room is kept for the next start: it waits neither for others to leave nor for a node. It costs what it holds.",
    ),
    "pool": Lever(
        "Use a faster pool",
        "Another pool has the same GPUs and its nodes come sooner. Prices may differ and are not compared.",
    ),
    "driver": Lever(
        "Bring the driver with the node",
        "A machine image with the driver in it offers its GPUs sooner than one that installs it at boot.",
    ),
    "cache": Lever(
        "Keep weights near", "Weights lie on a volume or on the node's disk and are not fetched at every start."
    ),
    "preload": Lever(
        "Load faster",
        "Compile caches, faster reading of weights, and a startup probe that asks often enough to notice.",
    ),
    "restarts": Lever(
        "Let the first run succeed", "A startup probe with enough patience, or a mend of what ends the container."
    ),
}

LEVERS = COLUMNS
"""One row per lever and subject:

lever                  a key of LEVERS_BY_NAME; phase_group: the key of GROUPS it acts on
subject_kind, subject  workload, pool, image or registry, and which; ``pool`` where it is about one ("" otherwise)
starts, of             ready starts it would have acted on, of the subject's ready starts
seconds_spent_mean     of those it acts on: seconds in the phases it acts on
seconds_saved_mean     of these: predicted seconds saved; NaN when nothing recorded allows a prediction
seconds_saved_per_day  of all starts of an average day
total_p50_…, total_p95_…, in_target_…   of all the subject's starts, as recorded and with the lever (0..1 for the last);
                                        definitions as in :mod:`services.domain.startup.summary`
usd_saved_per_day      GPU money before readiness; NaN without prediction or price; ``unpriced`` starts are not in it
usd_cost_per_day       what the lever itself costs; NaN when not known
n, basis               how many starts or pulls the prediction rests on, and which, in words
action, params         the action that does it and its parameters; "" and {} when none does
"""


def levers(
    starts: pd.DataFrame,
    pulls: pd.DataFrame,
    *,
    target_s: float,
    days: float,
    kept: lever_nodes.Kept | None = None,
) -> pd.DataFrame:
    """Frame :data:`LEVERS`, most seconds saved a day first, those without a prediction last.

    ``days`` is the length of the recorded time the frames are of. ``kept`` are the warm units asked for now; while it
    is not known how many there are (None), no action is proposed.
    """
    if starts.empty:
        return frames.empty(LEVERS)
    history = History(starts)
    cases = [*lever_images.cases(history, pulls), *lever_nodes.cases(history, kept), *lever_work.cases(history)]
    found = evaluated(history, cases, target_s=target_s, days=days)
    order = ["seconds_saved_per_day", "seconds_spent_mean", "lever", "cluster", "subject", "pool"]
    ordered = found.sort_values(order, ascending=[False, False, True, True, True, True], kind="stable")
    return frames.conform(ordered, LEVERS)
