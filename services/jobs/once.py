"""What clusters can still tell of the starts of their GPU pods, without a database."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.domain.startup import Outcome, Phase
from services.domain.startup.spans import took
from services.jobs.feed import Feed
from services.jobs.record import Recorder, Told
from services.ports import ClusterSource, Sources, StoreState

PATIENCE_S, TROUBLED_S = 60.0, 10.0
"""Longest wait for the first lists, and for a cluster that has said already that something is wrong."""
_POLL_S = 0.1
_HEADS = ("workload", "pod", "created", "outcome", "total", "where the time went")


@dataclass(frozen=True)
class Answer:
    """Starts of all clusters, oldest first, and what is to be said of clusters that did not answer."""

    starts: Sequence[Told]
    silent: Sequence[str]


def ask(sources: Sources, *, patience_s: float = PATIENCE_S, troubled_s: float = TROUBLED_S) -> Answer:
    """Look at every cluster once, as soon as its lists are there."""
    starts: list[Told] = []
    silent: list[str] = []
    for source in sources.clusters.values():
        trouble = _wait(source, patience_s, troubled_s)
        if trouble:
            silent.append(trouble)
            continue
        recorder, now = Recorder(source, team_label=sources.policy.team_label), sources.now()
        recorder.look(now)
        starts += recorder.told(now)
    return Answer(starts, silent)


def table(starts: Sequence[Told]) -> str:
    """The starts as a table for people."""
    certain = [one for one in starts if not one.doubtful]
    rows = [_HEADS, *(_row(one) for one in certain)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADS) - 1)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    rest = len(starts) - len(certain)
    if not certain:
        lines = ["No GPU pod there is tells of its start."]
    if rest:
        pods = "1 GPU pod was" if rest == 1 else f"{rest} GPU pods were"
        lines.append(f"{pods} ready before; nobody can tell any more when first.")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_json(starts: Sequence[Told]) -> str:
    """The starts as JSON, one object a line of a list; instants in ISO 8601, durations in seconds."""
    rows = [json.dumps(_object(one)) for one in starts if not one.doubtful]
    return "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"


def _wait(source: ClusterSource, patience_s: float, troubled_s: float) -> str:
    """Wait for the cluster's first lists; why they do not come, "" when they are there."""
    feed, never, waited = Feed(source.cluster), threading.Event(), 0.0
    while not feed.ready():
        pods = source.cluster.snapshot("pods")
        if waited >= (patience_s if pods.state is StoreState.LOADING else troubled_s):
            said = pods.message or "The API server has not answered yet."
            return " ".join(filter(None, (f"Cluster {source.name} cannot be read: {said}", pods.hint)))
        never.wait(_POLL_S)
        waited += _POLL_S
    return ""


def _row(one: Told) -> tuple[str, ...]:
    trace, start = one.trace, one.start
    spent = [f"{phase} {took(seconds)}" for phase, seconds in start.seconds().items() if seconds >= 1]
    notes = [start.reason] if start.outcome is not Outcome.READY and start.reason else []
    notes += [f"({', '.join(sorted(start.flags))})"] if start.flags else []
    return (
        f"{trace.cluster}/{trace.namespace}/{trace.workload}",
        trace.pod,
        f"{start.created:%Y-%m-%d %H:%M:%S}Z",
        str(start.outcome),
        took(start.total_s),
        " ".join([", ".join(spent) or "less than a second", *notes]),
    )


def _object(one: Told) -> dict[str, Any]:
    trace, start = one.trace, one.start
    return {
        "cluster": trace.cluster,
        "namespace": trace.namespace,
        "workload_kind": trace.workload_kind,
        "workload": trace.workload,
        "team": trace.team,
        "pod": trace.pod,
        "uid": trace.uid,
        "node": trace.node.name if trace.node else "",
        "created": start.created.isoformat(),
        "ended": start.ended.isoformat(),
        "outcome": str(start.outcome),
        "total_s": start.total_s,
        "phases_s": {str(phase): start.seconds()[phase] for phase in Phase},
        "cold": start.cold,
        "restarts": start.restarts,
        "flags": sorted(start.flags),
        "reason": start.reason,
    }
