"""What was seen of one pod's start. Traces only grow: every time is the first one seen."""

from datetime import datetime

import msgspec

FIRST_EVENT_LIMIT = 64
"""Most events kept of one pod, by (component, reason, container); a pod has about a dozen."""


class EventSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """One kind of event of the pod: ``(component, reason, container)`` identifies it.

    ``first`` and ``last`` are the normalised times; ``message`` is that of the first, at most 512 characters.
    """

    component: str
    reason: str
    container: str
    first: datetime
    last: datetime
    count: int = 1
    message: str = ""
    type: str = "Normal"


class ContainerSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """One container. ``role``: "init", "sidecar" or "main". Times are of its first run unless said otherwise."""

    name: str
    role: str
    image: str = ""
    started: datetime | None = None
    finished: datetime | None = None  # the first successful end, of init containers
    started_last: datetime | None = None  # of the latest run before the pod was ready
    up: datetime | None = None  # when ``started`` (startup probe passed) was first seen true
    up_known: bool = False  # it was seen false before, so ``up`` is not just when we first looked
    ready: datetime | None = None  # when the latest run was first seen ready
    restarts: int = 0
    waiting: str = ""  # why it did not run when last looked at
    said: str = ""  # how its last failed run ended, or else the message that came with its waiting
    has_startup_probe: bool = False
    has_readiness_probe: bool = False


class NodeSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node the pod landed on."""

    name: str
    seen: datetime | None = None  # when it was first looked at
    created: datetime | None = None
    ready: datetime | None = None
    ready_exact: bool = True  # False: readiness may have come and gone before it was seen
    offers: dict[str, datetime] = {}  # when each GPU resource was first seen allocatable
    pool: str = ""
    zone: str = ""
    model: str = ""
    instance: str = ""
    capacity_type: str = ""
    streaming: bool = False
    holds: tuple[str, ...] = ()  # images of the pod that the node listed when the pod was first seen on it;
    # of a node by itself, all that it lists
    claim_created: datetime | None = None  # of the Karpenter NodeClaim
    claim_registered: datetime | None = None
    claim_initialized: datetime | None = None


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything seen of one pod's start. JSON by :func:`dump` and :func:`load`."""

    cluster: str
    namespace: str
    pod: str
    uid: str
    created: datetime
    seen: datetime  # when it was first looked at
    workload_kind: str = ""
    workload: str = ""
    attempt: str = ""  # owner's uid and ordinal: pods that replace each other share it
    team: str = ""
    resource: str = ""
    gpus: float = 0.0  # units asked for
    phase: str = ""
    reason: str = ""
    conditions: dict[str, datetime] = {}  # first time each was True
    ready_exact: bool = True  # False: Ready may have come and gone before it was seen
    ungated: datetime | None = None  # first time it was not held by scheduling gates
    gated: bool = False
    start_time: datetime | None = None  # status.startTime
    deleted: datetime | None = None
    ended: datetime | None = None  # it failed or succeeded
    containers: tuple[ContainerSeen, ...] = ()
    node: NodeSeen | None = None
    events: tuple[EventSeen, ...] = ()
    victims: int = 0  # pods that were preempted for it
    victim_pods: tuple[str, ...] = ()  # "namespace/name" of these


_TRACES = msgspec.json.Decoder(Trace)
_NODES = msgspec.json.Decoder(NodeSeen)


def dump(seen: Trace | NodeSeen) -> bytes:
    """As JSON."""
    return msgspec.json.encode(seen)


def load(text: bytes) -> Trace:
    """A trace from its JSON; fields it does not have yet are what they are by default."""
    return _TRACES.decode(text)


def load_node(text: bytes) -> NodeSeen:
    """A node from its JSON."""
    return _NODES.decode(text)
