"""Where the time of a pod's start goes.

A **trace** (:mod:`.trace`) is what was seen of one pod: its first times, its containers, its node, its events. Seeing
the same thing twice changes nothing, and the order in which things are seen does not matter. A **start**
(:mod:`.phases`) is what a trace says: contiguous phases from the pod's creation to its first readiness.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """One kind of time; the order is that of a start."""

    QUEUE = "queue"  # held back by scheduling gates or a queue
    WAIT = "wait"  # waits for room on nodes that exist, or for the scheduler
    DECISION = "decision"  # until an autoscaler decides to bring a node
    PROVISION = "provision"  # until the new node's object is there: the VM
    BOOT = "boot"  # until the new node is Ready
    DEVICE = "device"  # until the new node offers its GPUs: driver, toolkit, plugin
    BIND = "bind"  # from the GPUs to the scheduler's decision
    VOLUME = "volume"  # volumes are attached
    SETUP = "setup"  # admission, mounts, sandbox, network
    PULL_WAIT = "pull_wait"  # a pull waits for other pulls
    PULL = "pull"
    INIT = "init"  # init containers work
    DOWNLOAD = "download"  # init containers that fetch a model, by name
    START = "start"  # containers are created and started
    RETRY = "retry"  # from the first start of a container to the one that became ready
    LOAD = "load"  # weights, compilation, warm-up
    READINESS = "readiness"  # from the end of loading to Ready
    UNATTRIBUTED = "unattributed"  # it cannot be told what the time was spent on


class Confidence(StrEnum):
    """How well a phase is known."""

    EXACT = "exact"  # both ends are stated by who did it
    DERIVED = "derived"  # an end follows from another statement
    ESTIMATED = "estimated"  # an end is an upper or lower bound
    MISSING = "missing"  # there is no evidence


class Outcome(StrEnum):
    """What became of a start."""

    READY = "ready"
    STARTING = "starting"  # under way
    COMPLETED = "completed"  # ended well before it was seen ready: a Job that was done at once
    FAILED = "failed"  # ended badly, or was rejected, before it was ready
    GONE = "gone"  # deleted before it was ready


class Pulled(StrEnum):
    """How a container came to its image."""

    PULLED = "pulled"
    CACHED = "cached"  # it was on the node
    REVALIDATED = "revalidated"  # a "pull" too fast for its size: only the manifest was asked for
    STREAMED = "streamed"  # read lazily while the container runs
    UNKNOWN = "unknown"  # no event says


@dataclass(frozen=True)
class Span:
    """A stretch of time of one phase.

    ``source`` names the evidence ("condition PodScheduled", "event Pulled"), ``note`` quotes it in words.
    ``container`` is "" where the pod as a whole is meant. ``begin`` ≤ ``end``.
    """

    phase: Phase
    begin: datetime
    end: datetime
    source: str
    confidence: Confidence
    container: str = ""
    note: str = ""

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.end - self.begin).total_seconds()


@dataclass(frozen=True)
class Pull:
    """How one container came to its image. Sizes as the kubelet reports them; None where nobody said."""

    container: str
    image: str
    how: Pulled
    at: datetime | None  # when it was there
    seconds: float | None = None  # of the pull itself
    waiting_s: float | None = None  # behind other pulls
    size_bytes: int | None = None


@dataclass(frozen=True)
class Start:
    """The start of one pod.

    ``spans`` are contiguous from ``created`` to ``ended`` and never overlap: the slowest container's where several
    run side by side. ``beside`` is the work that overlapped with them. ``ended`` is the first Ready, or for a start
    without it the pod's end, or the moment asked for. ``flags``: a subset of :data:`FLAGS`.
    """

    created: datetime
    ended: datetime
    outcome: Outcome
    spans: tuple[Span, ...]
    beside: tuple[Span, ...] = ()
    pulls: tuple[Pull, ...] = ()
    cold: bool | None = None  # the node came for the pod; None before it has a node or when its age is not known
    scheduled: datetime | None = None
    running: datetime | None = None  # the slowest main container's first start
    restarts: int = 0
    flags: frozenset[str] = frozenset()
    reason: str = ""  # why it is not ready, in the cluster's own words

    @property
    def total_s(self) -> float:
        """From creation to the end."""
        return (self.ended - self.created).total_seconds()

    def seconds(self) -> dict[Phase, float]:
        """Seconds by phase, all phases; they sum to ``total_s``."""
        found = dict.fromkeys(Phase, 0.0)
        for span in self.spans:
            found[span.phase] += span.seconds
        return found


FLAGS = {
    "clock_skew": "clocks of the cluster differ by more than two seconds; times were set right to follow each other",
    "restarted": "a container was started again before the pod was ready",
    "late": "recording began after the pod was created; events before may be missing",
    "no_events": "the kubelet's events of this pod are missing",
    "combined_events": "events were combined by the cluster, details are lost",
    "no_readiness": "no probe says when it is ready: it counts as ready when it runs",
    "streamed": "the image is read lazily: loading includes what a pull would have done",
    "revalidated": "the image was there, only its manifest was asked for",
    "flapped": "readiness came and went before it was first seen; the first time is not known exactly",
    "preempted": "it made others leave",
}
"""What may be said about a start beside its phases."""

AT_ONCE_S = 30.0
"""A pod placed within it has not waited: a scheduler's pass, a preemption and clocks that differ."""
NODE_MARGIN_S = 30
"""A node that joined so shortly before the pod was already on its way for it."""
SKEW_S = 2
"""Differences between clocks up to this are noise: times have a resolution of one second."""
STARTUP_RECORD_VERSION = 1
