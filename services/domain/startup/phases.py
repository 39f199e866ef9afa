"""From a trace to a start: contiguous phases from the pod's creation to its first readiness.

Every phase ends where somebody says so; where nobody does, the stretch up to the next thing that is known is
unattributed instead of making a neighbour longer. A phase's confidence is that of its end. The slowest main container
gives the pod's phases; what the others did at the same time is beside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.domain.startup import Confidence, Outcome, Phase, Pull, Pulled, Span, Start, events, placing, running
from services.domain.startup.nodes import TRUSTED
from services.domain.startup.spans import Chain, Said, clip
from services.domain.startup.trace import ContainerSeen, Trace
from services.domain.startup.work import image_of

LATE = timedelta(seconds=30)
"""A pod first looked at so long after its creation may have had a past that nobody recorded."""


HEALTHY = timedelta(minutes=2)
"""A container whose readiness probe fails for the first time so long after its start was ready until then."""


@dataclass(frozen=True)
class _End:
    """When and how a start ended. ``exact``: a first readiness that is really the first."""

    outcome: Outcome
    at: datetime
    exact: bool = True
    source: str = ""


def start(trace: Trace, now: datetime) -> Start:
    """What a trace says at the moment ``now``."""
    said = Said(trace)
    containers = running.run(trace, said)
    end = _end(trace, said, now, containers)
    chain = Chain(trace.created, max(end.at, trace.created), closed="Ready" in trace.conditions)
    to = placing.bound(trace, said)
    placing.place(chain, trace, said, to)
    beside: tuple[Span, ...] = ()
    if to is not None:
        running.setup(chain, trace, said, containers)
        running.init(chain, trace, containers)
        beside = running.main(chain, trace, containers, end.outcome, exact=end.exact)
    _rest(chain, trace, said, containers, end, placed=to is not None)
    pulls = tuple(pull for one in containers.all if (pull := image_of(one)) is not None)
    slowest = containers.slowest
    return Start(
        created=trace.created,
        ended=chain.limit,
        outcome=end.outcome,
        spans=tuple(chain.spans),
        beside=beside,
        pulls=pulls,
        cold=placing.cold(trace),
        scheduled=to.at if to else None,
        running=slowest.started if slowest else None,
        restarts=sum(one.restarts for one in trace.containers),
        flags=frozenset(_flags(trace, chain, containers, pulls, end)),
        reason="" if end.outcome is Outcome.READY else clip(_reason(trace, said)),
    )


def _end(trace: Trace, said: Said, now: datetime, containers: running.Run) -> _End:
    ready = trace.conditions.get("Ready")
    if ready is not None:
        return _End(Outcome.READY, ready, exact=trace.ready_exact and (trace.seen <= ready or _likely(trace, ready)))
    if trace.ended is not None:
        ran = _ran(trace)
        if ran is not None:
            return ran
        # A pod that was turned away ran nothing; the event is nearer to it than our look at the pod.
        event = said.first(trace.reason.partition(":")[0]) if trace.reason else None
        if event is not None and event.first < trace.ended and not any(one.started for one in containers.all):
            return _End(Outcome.FAILED, event.first, source=f"event {event.reason}")
        outcome = Outcome.COMPLETED if trace.phase == "Succeeded" else Outcome.FAILED
        return _End(outcome, trace.ended, source=f"pod phase {trace.phase}")
    if trace.deleted is not None and trace.deleted <= now:
        return _End(Outcome.GONE, trace.deleted, source="deletion")
    return _End(Outcome.STARTING, now, source="now")


def _likely(trace: Trace, ready: datetime) -> bool:
    """Whether a readiness that was there before we looked is the first: nothing says that there was one before."""
    failed = [one for one in trace.events if one.reason == "Unhealthy" and one.message.startswith("Readiness")]
    starts = {one.name: one.started_last for one in trace.containers}
    was_ready = (
        (started := starts.get(one.container)) is not None and started + HEALTHY < one.first < ready for one in failed
    )
    return ready - trace.created <= TRUSTED and not any(_restarts(trace)) and not any(was_ready)


def _ran(trace: Trace) -> _End | None:
    """The readiness of a pod that ended and was ready before, unseen; None if it was not."""
    main = [one for one in trace.containers if one.role == "main"]
    starts = [one.started_last for one in main if one.started_last is not None]
    if not main or len(starts) < len(main):
        return None
    if trace.ready_exact:
        return None
    # It was at some time after this; without probes, as soon as it ran.
    return _End(Outcome.READY, max([*starts, *(one.up for one in main if one.up)]), exact=not any(map(_probed, main)))


def _rest(chain: Chain, trace: Trace, said: Said, containers: running.Run, end: _End, *, placed: bool) -> None:
    """Adds what lies between the last thing that is known and the end."""
    if end.outcome is Outcome.READY:
        note = "Nothing says what was done until it was ready"
        chain.rest(Phase.UNATTRIBUTED, Confidence.MISSING, "", note=note)
        return
    if not placed:
        phase, why = placing.waits_for(trace, said)
        doing: running.Doing | None = running.Doing(phase, note=why)
    else:
        doing = running.doing(said, containers, end.outcome)
        if doing is None and not any(one.started for one in containers.all):
            doing = running.setting_up(trace, said)
    if doing is None:
        note = "Nothing says what was done"
        chain.rest(Phase.UNATTRIBUTED, Confidence.MISSING, "", note=note)
    else:
        note = doing.note or (trace.reason if end.outcome is Outcome.FAILED else "")
        chain.rest(doing.phase, Confidence.ESTIMATED, end.source, container=doing.container, note=note)


def _flags(trace: Trace, chain: Chain, containers: running.Run, pulls: Iterable[Pull], end: _End) -> Iterable[str]:
    main = [one.seen for one in containers.main]
    found = {
        "clock_skew": chain.skewed or any(running.seen_before_it_ran(one) for one in trace.containers),
        "restarted": any(_restarts(trace)),
        "late": trace.seen - trace.created > LATE,
        "no_events": any(one.started for one in containers.all)
        and not any(one.component == "kubelet" for one in trace.events),
        "combined_events": any(events.combined(one.message) for one in trace.events),
        "no_readiness": bool(main) and not any(map(_probed, main)),
        "streamed": any(one.how is Pulled.STREAMED for one in pulls),
        "revalidated": any(one.how is Pulled.REVALIDATED for one in pulls),
        "flapped": not end.exact or (end.outcome is not Outcome.READY and not trace.ready_exact),
        "preempted": trace.victims > 0,
    }
    return (name for name, holds in found.items() if holds)


def _restarts(trace: Trace) -> Iterable[int]:
    return (one.restarts for one in trace.containers)


def _probed(one: ContainerSeen) -> bool:
    return one.has_startup_probe or one.has_readiness_probe


def _reason(trace: Trace, said: Said) -> str:
    """Why it is not ready, in the cluster's own words: the pod's, a container's, or those of an event."""
    of_containers = next((why for one in trace.containers if (why := running.trouble(one))), "")
    if trace.reason or of_containers or trace.ended is not None or placing.bound(trace, said) is None:
        return trace.reason or of_containers or ("Completed" if trace.phase == "Succeeded" else "")
    doing = running.setting_up(trace, said) if not any(one.started for one in trace.containers) else None
    return doing.note if doing else ""
