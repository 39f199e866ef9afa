"""The kinds of time as people are shown them: eighteen phases in thirteen groups, the same in every chart and table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from services.domain.startup import Phase


@dataclass(frozen=True)
class Group:
    """Phases shown as one; ``about`` says in a sentence what the time is spent on."""

    title: str
    phases: tuple[Phase, ...]
    about: str


GROUPS: Mapping[str, Group] = {
    "waiting": Group(
        "Waiting",
        (Phase.QUEUE, Phase.WAIT, Phase.BIND),
        "Held back by a queue, waiting for room on nodes that exist, or for the scheduler's decision.",
    ),
    "autoscaler": Group("Autoscaler", (Phase.DECISION,), "Until an autoscaler decides to bring a node."),
    "provision": Group("Node provisioning", (Phase.PROVISION,), "Until the new machine joins the cluster."),
    "boot": Group("Node boot", (Phase.BOOT,), "Until the new node is Ready."),
    "device": Group(
        "GPU device", (Phase.DEVICE,), "Until the new node offers its GPUs: driver, toolkit, device plugin."
    ),
    "setup": Group("Pod setup", (Phase.VOLUME, Phase.SETUP), "Volumes, admission on the node, sandbox and network."),
    "pull": Group("Image pull", (Phase.PULL_WAIT, Phase.PULL), "Pulling images, and waiting behind other pulls."),
    "init": Group("Init", (Phase.INIT,), "Init containers at work."),
    "download": Group("Model download", (Phase.DOWNLOAD,), "Init containers that fetch a model."),
    "start": Group("Container start", (Phase.START,), "Containers are created and started."),
    "retry": Group("Restarts", (Phase.RETRY,), "Runs of a container that ended before the pod was ready."),
    "load": Group(
        "Model load", (Phase.LOAD, Phase.READINESS), "Weights, compilation and warm-up, until the pod is Ready."
    ),
    "unattributed": Group("Unattributed", (Phase.UNATTRIBUTED,), "It cannot be told what the time was spent on."),
}
"""In the order of a start. Every phase is in one group, so the groups of a start sum to its total."""

GROUP_OF: Mapping[Phase, str] = {phase: name for name, group in GROUPS.items() for phase in group.phases}


def column(phase: Phase) -> str:
    """The column of a frame of starts that has the seconds of a phase."""
    return f"{phase}_s"


def seconds(starts: pd.DataFrame, phases: tuple[Phase, ...] = tuple(Phase)) -> np.ndarray:
    """Seconds of every start in these phases together."""
    found = np.zeros(len(starts))
    for phase in phases:
        found += starts[column(phase)].to_numpy(dtype="float64")
    return found


def folded(by_phase: Mapping[Phase, float]) -> dict[str, float]:
    """Sums by group, all groups, of what is said by phase."""
    found = dict.fromkeys(GROUPS, 0.0)
    for phase, amount in by_phase.items():
        found[GROUP_OF[phase]] += amount
    return found
