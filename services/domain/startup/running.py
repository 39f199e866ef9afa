"""From the scheduler's decision to readiness: setup on the node, init containers, and the slowest main container."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.domain.startup import Confidence, Outcome, Phase, Span
from services.domain.startup.nodes import earliest
from services.domain.startup.spans import SKEW, Chain, Said, quote
from services.domain.startup.trace import ContainerSeen, Trace
from services.domain.startup.work import Work, initial, restarted, retry, start, work

PULL_TROUBLE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
START_TROUBLE = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"}
)
_SETUP_TROUBLE = (
    "FailedMount",
    "FailedAttachVolume",
    "FailedCreatePodSandBox",
    "NetworkNotReady",
    "FailedPrepareDynamicResources",
)
_PATIENT = ("", "PodInitializing", "ContainerCreating")
"""Reasons to wait that say nothing."""


@dataclass(frozen=True)
class Doing:
    """What a pod does that is not ready, and why it takes so long."""

    phase: Phase
    container: str = ""
    note: str = ""


@dataclass(frozen=True)
class Run:
    """The containers of a pod: init containers and sidecars in their order, and the main ones."""

    before: tuple[Work, ...]
    main: tuple[Work, ...]
    slowest: Work | None

    @property
    def all(self) -> tuple[Work, ...]:
        """Every container."""
        return (*self.before, *self.main)


def run(trace: Trace, said: Said) -> Run:
    """The containers, with the slowest main one: the last to be ready, or the one that is waited for."""
    found = [work(trace, said, one) for one in trace.containers]
    main = tuple(one for one in found if one.seen.role == "main")
    ready = trace.conditions.get("Ready")
    slowest = max(main, key=lambda one: _lasts(one, trace, ready), default=None)
    if ready is None:  # they start one after another: the first that did not is waited for
        slowest = next((one for one in main if one.started is None), slowest)
    return Run(tuple(one for one in found if one.seen.role != "main"), main, slowest)


def setup(chain: Chain, trace: Trace, said: Said, containers: Run) -> None:
    """Volumes, then everything until the first container can be worked on."""
    first = earliest(*(one.began for one in containers.all))
    started = earliest(*(one.started for one in containers.all))
    attached = said.first("SuccessfulAttachVolume")
    if attached is not None:
        end = attached.last if first is None or attached.last <= first + SKEW else attached.first
        chain.to(Phase.VOLUME, end, "event SuccessfulAttachVolume", note=quote(attached))
    condition = trace.conditions.get("PodReadyToStartContainers")
    source = "condition PodReadyToStartContainers"
    # On since 1.29. Until kubernetes#134660 a kubelet writes it at its next sync of the pod, and the sync that made the
    # sandbox goes on with pulling and starting the first containers: then it is dated after what it comes before.
    long = condition is not None and condition - chain.at > SKEW
    late = long and first is None and started is not None and condition is not None and condition >= started - SKEW
    if condition is not None and not late and (first is None or condition <= first + SKEW):
        chain.to(Phase.SETUP, condition, source, note="Sandbox and network are ready")
    elif first is not None:
        note = "First event about a container"
        chain.to(Phase.SETUP, first, "event of the kubelet", Confidence.DERIVED, note=note)
    elif started is not None and started - chain.at <= SKEW:
        chain.to(Phase.SETUP, started, "container state", Confidence.ESTIMATED, bound=True)
    elif late and all(one.held for one in containers.all[:1]):
        chain.to(Phase.SETUP, condition, source, Confidence.DERIVED, note="Sandbox and network are ready")
    elif started is not None:
        note = "No event says what was done until the first container started: setup and pulling cannot be told apart"
        chain.to(Phase.UNATTRIBUTED, started, "container state", Confidence.MISSING, note=note)


def init(chain: Chain, trace: Trace, containers: Run) -> None:
    """The init containers, one after another, and the starts of sidecars among them."""
    for place, one in enumerate(containers.before):
        start(chain, one)
        retry(chain, one)
        following = containers.all[place + 1 :]
        if one.seen.role == "sidecar":
            _sidecar(chain, one, following)
            continue
        phase, name = initial(one.seen), one.name
        if one.seen.finished is not None:
            chain.to(phase, one.seen.finished, "container state", container=name, note=one.seen.image)
        elif one.started is not None and all(other.seen.role == "main" for other in following):
            done = trace.conditions.get("Initialized")
            chain.to(phase, done, "condition Initialized", Confidence.DERIVED, container=name, note=one.seen.image)


def main(chain: Chain, trace: Trace, containers: Run, outcome: Outcome, *, exact: bool) -> tuple[Span, ...]:
    """The slowest main container, and what the others did meanwhile."""
    slowest = containers.slowest
    if slowest is None:
        return ()
    beside: list[Span] = []
    begins = slowest.began or slowest.started
    ahead = True
    for other in containers.main:
        if other is slowest:
            ahead = False
            continue
        # They start one after another: what came before the slowest one belongs to its own time.
        serial = ahead and other.started is not None and (begins is None or other.started <= begins + SKEW)
        if serial:
            start(chain, other)
        beside += _beside(chain, trace, other, serial=serial, exact=exact)
    start(chain, slowest)
    retry(chain, slowest, exact=exact)
    if slowest.started is not None and outcome is Outcome.READY:
        _load(chain, trace, slowest.seen, exact=exact)
    elif slowest.started is not None and slowest.seen.has_startup_probe:
        known = Confidence.EXACT if slowest.seen.up_known else Confidence.ESTIMATED
        chain.to(Phase.LOAD, slowest.seen.up, "startup probe", known, container=slowest.name)
    return tuple(sorted(beside, key=lambda span: span.begin))


def doing(said: Said, containers: Run, outcome: Outcome) -> Doing | None:
    """What a pod on a node does now, or did when it ended; None when nothing says."""
    for one in containers.before:
        if not _done(one.seen):
            return _doing(said, one, outcome)
    return _doing(said, containers.slowest, outcome) if containers.slowest else None


def seen_before_it_ran(one: ContainerSeen) -> bool:
    """Whether it was seen up or ready before its node says it ran: our clock and the node's differ."""
    first = earliest(one.up, one.ready)
    return first is not None and one.started_last is not None and first < one.started_last - SKEW


def trouble(one: ContainerSeen) -> str:
    """Why a container does not run, in the cluster's words; "" when nothing is wrong."""
    if one.waiting in _PATIENT:
        return one.said if one.restarts and not one.finished else ""
    return one.said if one.said.startswith(one.waiting) else ": ".join(filter(None, (one.waiting, one.said)))


def _doing(said: Said, one: Work, outcome: Outcome) -> Doing | None:
    seen, why = one.seen, trouble(one.seen)
    if seen.waiting in PULL_TROUBLE:
        return Doing(Phase.PULL, one.name, why)
    if one.started is None:
        if seen.waiting in START_TROUBLE or one.pull is not None:
            return Doing(Phase.START, one.name, why)
        pulling = said.first("Pulling", one.name)
        return Doing(Phase.PULL, one.name, quote(one.failed or pulling)) if pulling is not None else None
    again = outcome is Outcome.STARTING and seen.waiting not in _PATIENT
    if again or seen.waiting == "CrashLoopBackOff":
        return Doing(Phase.RETRY, one.name, restarted(seen) if seen.restarts else why)
    if seen.role != "main":
        return Doing(initial(seen) if seen.role == "init" else Phase.START, one.name, why or seen.image)
    if outcome in (Outcome.FAILED, Outcome.COMPLETED) and not (seen.has_startup_probe or seen.has_readiness_probe):
        return None  # it may have done its work
    loads = (seen.has_startup_probe and seen.up is None) or (seen.has_readiness_probe and not seen.has_startup_probe)
    return Doing(Phase.LOAD if loads else Phase.READINESS, one.name, why or quote(said.first("Unhealthy", one.name)))


def setting_up(trace: Trace, said: Said) -> Doing | None:
    """What a pod does whose containers nobody has heard of yet; None when its sandbox is ready and it should start."""
    blocked = said.earliest(*_SETUP_TROUBLE)
    if blocked is not None and blocked.reason == "FailedAttachVolume" and not said.first("SuccessfulAttachVolume"):
        return Doing(Phase.VOLUME, note=quote(blocked))
    if "PodReadyToStartContainers" in trace.conditions:
        return None
    return Doing(Phase.SETUP, note=quote(blocked))


def _done(one: ContainerSeen) -> bool:
    if one.role == "init":
        return one.finished is not None
    return one.started is not None and (one.up is not None or not one.has_startup_probe)


def _lasts(one: Work, trace: Trace, ready: datetime | None) -> tuple[bool, datetime, bool, bool, datetime]:
    """How late a container was ready; by its probes and starts where that was not seen."""
    seen = one.seen
    probed = seen.has_startup_probe or seen.has_readiness_probe
    run_at = seen.started_last or one.started
    last = seen.ready if seen.ready is not None and trace.seen < seen.ready else None
    if last is None and ready is None:
        return not seen.ready, run_at or trace.created, seen.has_startup_probe, probed, run_at or trace.created
    by_probe = ready if probed else run_at
    return False, last or by_probe or trace.created, seen.has_startup_probe, probed, run_at or trace.created


def _sidecar(chain: Chain, one: Work, following: Sequence[Work]) -> None:
    """Others wait until it is started: until its startup probe passed, if it has one."""
    if not one.seen.has_startup_probe or one.started is None:
        return
    if one.seen.up is not None and one.seen.up_known:
        chain.to(Phase.START, one.seen.up, "startup probe", container=one.name)
        return
    then = next((other.began or other.started for other in following if other.began or other.started), None)
    note = "When its startup probe passed was not seen; at the latest when the next container was worked on"
    chain.to(Phase.START, then, "container state", Confidence.ESTIMATED, container=one.name, note=note)


def _load(chain: Chain, trace: Trace, seen: ContainerSeen, *, exact: bool) -> None:
    """Of a pod that is ready: until its application was up, and until it was Ready."""
    ready = trace.conditions.get("Ready", chain.limit)
    all_ready = min(trace.conditions.get("ContainersReady", ready), ready)
    derived = Confidence.DERIVED if exact else Confidence.ESTIMATED
    in_time = seen.up is not None and seen.up <= all_ready + SKEW and not seen_before_it_ran(seen)
    if seen.has_startup_probe and seen.up_known and in_time:
        stated = Confidence.EXACT if exact else Confidence.ESTIMATED
        chain.to(Phase.LOAD, seen.up, "startup probe", stated, container=seen.name)
    elif seen.has_startup_probe or seen.has_readiness_probe:
        chain.to(Phase.LOAD, all_ready, "condition ContainersReady", derived, container=seen.name)
    stated = Confidence.EXACT if exact else Confidence.ESTIMATED
    chain.rest(Phase.READINESS, stated, "condition Ready", container=seen.name)


def _beside(chain: Chain, trace: Trace, one: Work, *, serial: bool, exact: bool) -> list[Span]:
    """What another main container did, on a chain of its own; without what is in the pod's chain already."""
    begin = one.started if serial else one.waited_from or one.began or one.started
    if begin is None:
        return []
    own = Chain(max(begin, chain.at) if not serial else begin, chain.limit)
    if not serial:
        start(own, one)
    retry(own, one, exact=exact)
    seen = one.seen
    if one.started is not None and (seen.has_startup_probe or seen.has_readiness_probe):
        if seen.has_startup_probe and seen.up_known:
            own.to(Phase.LOAD, seen.up, "startup probe", container=seen.name)
        elif seen.ready is not None and trace.seen < seen.ready:
            own.to(Phase.LOAD, seen.ready, "container ready", Confidence.DERIVED, container=seen.name)
        else:
            limit = trace.conditions.get("ContainersReady", own.limit)
            own.to(Phase.LOAD, limit, "condition ContainersReady", Confidence.ESTIMATED, container=seen.name)
    return own.spans
