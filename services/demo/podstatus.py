"""Statuses of workloads' pods: conditions and container states as scheduler and kubelet write them."""

from typing import NamedTuple

from services.demo.lanes import IMAGE_PULL
from services.demo.lives import NEVER
from services.demo.moment import PodFacts, instant
from services.demo.workloads import Work
from services.domain.objects import (
    Condition,
    ContainerState,
    ContainerStatus,
    PodStatus,
    Running,
    Terminated,
    Waiting,
)

MISSING_IMAGE = "registry.example.com/search/ocr-next:v3-rc1"

_PAUSES_S = (1, 10, 20, 40, 80, 160, 300)
"""The kubelet's pauses between runs that crash; the last one is the longest."""
_GATED = "Scheduling is blocked due to non-empty scheduling gates"


class Tries(NamedTuple):
    """Runs of a container that crashes again and again."""

    restarts: int
    since: int  # the last run's begin
    crashed: int  # its end; NEVER: it runs
    again: int  # the second run's begin


def container(work: Work) -> str:
    """Name of the main container."""
    return str(work.template["spec"]["containers"][0].get("name", "main")) if work.template is not None else "main"


def unbound(facts: PodFacts, now: int, why: str) -> PodStatus:
    """Of a pod without a node; ``why`` is the scheduler's message."""
    gated = facts.ungated > now
    failing = Condition(
        type="PodScheduled",
        status="False",
        reason="SchedulingGated" if gated else "Unschedulable",
        message=_GATED if gated else why,
        last_transition_time=instant(facts.created if gated else facts.ungated),
    )
    return PodStatus(phase=facts.phase(now), conditions=[failing])


def bound(facts: PodFacts, now: int, image: str) -> PodStatus:
    """Of a pod that has a node."""
    init = facts.work.plan.start.init
    return PodStatus(
        phase=facts.phase(now),
        conditions=_conditions(facts, now),
        container_statuses=[_main(facts, now, image)],
        init_container_statuses=[_init(facts, now, init.name)] if init is not None else None,
        start_time=instant(facts.scheduled),
    )


def tries(facts: PodFacts, now: int) -> Tries:
    """The runs of a pod that never gets ready, up to now."""
    lasts = 20 + facts.key % 25
    begin, restarts = facts.started, 0
    second = begin + lasts + _PAUSES_S[0]
    while True:
        crashed = begin + lasts
        if crashed > now:
            return Tries(restarts, begin, NEVER, second)
        again = crashed + _PAUSES_S[min(restarts, len(_PAUSES_S) - 1)]
        if again > now:
            return Tries(restarts, begin, crashed, second)
        begin, restarts = again, restarts + 1


def _main(facts: PodFacts, now: int, image: str) -> ContainerStatus:
    name, run = container(facts.work), facts.run
    restarts, last = 0, None
    begun = run.started if run.started <= now else run.first
    if run.crashed <= now:
        restarts, last = int(run.started <= now), _crashed(run.first, run.crashed)
    if facts.doomed:
        runs = tries(facts, min(now, facts.ended - 1))
        restarts, begun = runs.restarts, runs.since
        if runs.crashed <= now and facts.ended > now:
            said = f"back-off restarting failed container={name} pod={facts.name}_{facts.work.namespace}({facts.uid})"
            state = ContainerState(waiting=Waiting(reason="CrashLoopBackOff", message=said))
            return ContainerStatus(
                name=name, started=False, restart_count=restarts, state=state,
                last_state=_crashed(runs.since, runs.crashed),
            )  # fmt: skip
    up = begun <= now < facts.ended and (run.crashed > now or run.started <= now)
    return ContainerStatus(
        name=name,
        ready=facts.ready <= now < facts.ended,
        started=up and (run.loaded <= now or "startup" not in facts.work.plan.start.probes),
        restart_count=restarts,
        state=_state(facts, now, image, begun),
        last_state=last if run.started <= now else None,
    )


def _state(facts: PodFacts, now: int, image: str, begun: int) -> ContainerState:
    run = facts.run
    if facts.ended <= now:
        return _ended(facts, begun) if begun <= facts.ended else ContainerState()
    if facts.fate == IMAGE_PULL:
        text = f'Back-off pulling image "{MISSING_IMAGE}": ErrImagePull: {MISSING_IMAGE}: not found'
        return ContainerState(waiting=Waiting(reason="ImagePullBackOff", message=text))
    if run.crashed <= now < run.started:
        return _crashed(run.first, run.crashed)
    if begun <= now:
        return ContainerState(running=Running(started_at=instant(begun)))
    if run.failing <= now < run.tried:
        text = f'Back-off pulling image "{image}"'
        return ContainerState(waiting=Waiting(reason="ImagePullBackOff", message=text))
    initial = facts.work.plan.start.init is not None
    return ContainerState(waiting=Waiting(reason="PodInitializing" if initial else "ContainerCreating"))


def _crashed(begun: int, ended: int) -> ContainerState:
    return ContainerState(
        terminated=Terminated(started_at=instant(begun), finished_at=instant(ended), exit_code=1, reason="Error")
    )


def _ended(facts: PodFacts, begun: int) -> ContainerState:
    code, reason = (1, "Error") if facts.failed else (0, "Completed")
    return ContainerState(
        terminated=Terminated(
            started_at=instant(begun), finished_at=instant(facts.ended), exit_code=code, reason=reason
        )
    )


def _init(facts: PodFacts, now: int, name: str) -> ContainerStatus:
    run = facts.run
    if run.init_done <= now:
        done = Terminated(
            started_at=instant(run.init_started), finished_at=instant(run.init_done), exit_code=0, reason="Completed"
        )
        return ContainerStatus(name=name, ready=True, started=False, state=ContainerState(terminated=done))
    if run.init_started <= now:
        running = ContainerState(running=Running(started_at=instant(run.init_started)))
        return ContainerStatus(name=name, started=True, state=running)
    return ContainerStatus(name=name, started=False, state=ContainerState(waiting=Waiting(reason="PodInitializing")))


def _conditions(facts: PodFacts, now: int) -> list[Condition]:
    run, over = facts.run, facts.ended <= now
    ready = facts.ready <= now and not over
    # a condition that never was true does not change when the pod ends
    since = facts.scheduled if facts.ready > min(now, facts.ended) else facts.ended if over else facts.ready
    ended = "PodFailed" if facts.failed else "PodCompleted"
    reason = None if ready else ended if over else "ContainersNotReady"
    message = None if ready or over else f"containers with unready status: [{container(facts.work)}]"
    state = "True" if ready else "False"
    sandbox = run.sandbox <= now and not over
    init = facts.work.plan.start.init
    waits = init is not None and run.init_done > now and not over
    return [
        Condition(
            type="PodReadyToStartContainers",
            status=str(sandbox),
            last_transition_time=instant(facts.ended if over else run.sandbox if sandbox else facts.scheduled),
        ),
        Condition(
            type="Initialized",
            status=str(not waits),
            reason="ContainersNotInitialized" if waits else "PodCompleted" if over and not facts.failed else None,
            message=f"containers with incomplete status: [{init.name}]" if waits and init is not None else None,
            last_transition_time=instant(facts.scheduled if waits or init is None else min(run.init_done, facts.ended)),
        ),
        Condition(type="Ready", status=state, reason=reason, message=message, last_transition_time=instant(since)),
        Condition(
            type="ContainersReady", status=state, reason=reason, message=message, last_transition_time=instant(since)
        ),
        Condition(type="PodScheduled", status="True", last_transition_time=instant(facts.scheduled)),
    ]
