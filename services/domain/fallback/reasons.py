"""Why a group's own tier did not answer: a burst joined with what happened in the cluster at that time.

A *sign* is something that was seen to happen to the workload behind the first tier, its nodes or its pool. Signs are
told in the order in which they explain: a machine that is gone explains pods that start, and these explain a queue.
Without any sign the errors themselves are all that is known.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd

from services.domain.fallback.bursts import Burst
from services.domain.fallback.causes import CAUSES
from services.domain.xid import explain

BEFORE = timedelta(minutes=10)
"""How long before a burst something may have happened that led to it."""
WAITED = timedelta(seconds=60)
"""A pod that waited for room this long was kept from serving by it."""

ORDER = ("node", "xid", "memory", "restart", "rollout", "room", "start", "away", "queue", "cache", "limit", "upstream")
"""Kinds of signs, those that explain most first."""
_DOWN = ("unavailable", "connection", "server-error", "key", "not-found")
"""Causes that requests which only wait too long do not have."""


@dataclass(frozen=True)
class Sign:
    """One thing that was seen. ``says`` is a clause for people; ``page`` and ``params`` lead to where it is shown."""

    kind: str
    says: str
    at: datetime
    page: str
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Serving:
    """The workload behind a tier, and its pool, "" where it is not known."""

    cluster: str
    namespace: str
    workload: str
    pool: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known of the workload in the time from :data:`BEFORE` a burst to its end.

    ``starts``: its recorded starts (:data:`services.domain.startup.frame.STARTS`). ``ready``: replicas ready at ``at``.
    ``gone``: nodes it ran on that went (``node``, ``at``). ``xids``: errors new on its GPUs (``node``, ``code``,
    ``at``). ``ended``: its containers that ended badly (``pod``, ``reason``, ``at``). ``rollout``: when one began.
    ``free``: GPU equivalents of its pool that were free (``at``, ``free``). ``engine``: ``at``, ``waiting`` requests,
    ``cache`` share in use 0..1.
    None is not known, which is no sign of anything.
    """

    starts: pd.DataFrame | None = None
    ready: pd.DataFrame | None = None
    gone: pd.DataFrame | None = None
    xids: pd.DataFrame | None = None
    ended: pd.DataFrame | None = None
    rollout: datetime | None = None
    free: pd.DataFrame | None = None
    engine: pd.DataFrame | None = None

    @property
    def complete(self) -> bool:
        """Whether the console's own records and the cluster told all they keep of that time."""
        return all(one is not None for one in (self.starts, self.ready, self.gone, self.ended))


@dataclass(frozen=True)
class Explained:
    """A burst, whose first tier is ``serving`` (None: a provider's), and the signs of it, the best first."""

    burst: Burst
    serving: Serving | None
    first: str  # the first tier in words
    instead: str  # who answered instead, in words, "" nobody
    signs: tuple[Sign, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Clauses, the best first. The errors come first where no sign explains them: a full engine refuses nobody."""
        told = [sign.says for sign in self.signs]
        busy = all(sign.kind in ("queue", "cache") for sign in self.signs)
        return [errors(self.burst, self.first), *told] if not told or (busy and self.burst.main in _DOWN) else told

    @property
    def because(self) -> str:
        """The clause after "because"; there always is one."""
        return self.reasons[0]

    def sentence(self, when: str) -> str:
        """One sentence; ``when`` says the time in the reader's zone, as "between 14:02 and 14:08"."""
        burst = self.burst
        parts = []
        if burst.fallen:
            to = f"fell to {self.instead}" if self.instead else "fell to another tier"
            parts.append(f"{_share(burst.fallen, burst.asked)} of {burst.group} {to}")
        if burst.lost:
            who = "of it" if parts else f"of {burst.group}"
            parts.append(f"{_share(burst.lost, burst.asked)} {who} got no answer")
        more = "".join(f"; {reason}" for reason in self.reasons[1:3])
        return f"{' and '.join(parts)} {when} because {self.because}{more}."


def explain_burst(burst: Burst, serving: Serving | None, first: str, instead: str, evidence: Evidence) -> Explained:
    """The burst with its signs."""
    signs = [] if serving is None else list(_signs(burst, serving, evidence))
    ordered = sorted(signs, key=lambda sign: (ORDER.index(sign.kind), sign.at))
    return Explained(burst, serving, first, instead, tuple(ordered))


def errors(burst: Burst, first: str) -> str:
    """What the errors alone say of the first tier."""
    main = burst.main
    told = {
        "unavailable": f"{first} answered that it is unavailable (503)",
        "server-error": f"{first} answered with server errors (5xx)",
        "timeout": f"{first} did not answer in time",
        "connection": f"{first} could not be reached",
        "rate-limit": f"{first} refused more requests (429)",
        "key": f"{first} did not accept the gateway's key",
        "not-found": f"{first} did not know the model",
        "budget": "a budget was used up",
        "cooling": f"{first} was cooling down after earlier failures",
    }
    return told.get(main, f"{first} failed: {CAUSES.get(main, 'for a reason that was not told').lower()}")


def _signs(burst: Burst, serving: Serving, found: Evidence) -> Iterable[Sign]:
    yield from _nodes(serving, found.gone)
    yield from _xids(serving, found.xids)
    yield from _ended(serving, found.ended)
    if found.rollout is not None:
        says = f"a rollout of {serving.workload} replaced its pods"
        yield Sign("rollout", says, found.rollout, "startup", _started(serving))
    yield from _starts(burst, serving, found.starts, found.free)
    yield from _ready(burst, serving, found.ready)
    yield from _engine(burst, serving, found.engine)


def _nodes(serving: Serving, gone: pd.DataFrame | None) -> Iterable[Sign]:
    if gone is not None and len(gone):
        names = sorted(set(gone["node"]))
        at = gone["at"].min().to_pydatetime()
        params = {"cluster": serving.cluster, "pool": serving.pool} if serving.pool else {"cluster": serving.cluster}
        says = f"{_named('node', names)} that {serving.workload} ran on went away"
        yield Sign("node", says, at, "utilisation", params)


def _xids(serving: Serving, xids: pd.DataFrame | None) -> Iterable[Sign]:
    if xids is None or xids.empty:
        return
    first = xids.sort_values("at").iloc[0]
    code, params = int(first["code"]), {"cluster": serving.cluster, "util_node": str(first["node"])}
    says = f"a GPU of {first['node']} reported XID {code} ({explain(code).meaning})"
    yield Sign("xid", says, first["at"].to_pydatetime(), "utilisation", params)


def _ended(serving: Serving, ended: pd.DataFrame | None) -> Iterable[Sign]:
    if ended is None or ended.empty:
        return
    memory = ended[ended["reason"] == "OOMKilled"]
    for kind, rows, what in (
        ("memory", memory, ("ran out of memory and was killed", "ran out of memory and were killed")),
        ("restart", ended.drop(memory.index), ("ended and was started again", "ended and were started again")),
    ):
        if len(rows):
            number = rows["pod"].nunique()
            pods = f"a pod of {serving.workload}" if number == 1 else f"{number} pods of {serving.workload}"
            yield Sign(
                kind, f"{pods} {what[number > 1]}", rows["at"].min().to_pydatetime(), "workloads", _workload(serving)
            )


def _starts(burst: Burst, serving: Serving, starts: pd.DataFrame | None, free: pd.DataFrame | None) -> Iterable[Sign]:
    if starts is None or starts.empty:
        return
    end = starts["ended_at"].fillna(pd.Timestamp(burst.end))
    under_way = starts[(starts["created_at"] < pd.Timestamp(burst.end)) & (end > pd.Timestamp(burst.begin - BEFORE))]
    if under_way.empty:
        return
    waits = under_way[["queue_s", "wait_s", "decision_s", "provision_s"]].fillna(0.0).sum(axis=1)
    waited = under_way[waits >= WAITED.total_seconds()]
    if len(waited):
        longest = float(waits[waited.index].max())
        pods = f"{_count(len(waited), 'pod')} waited {_span(longest)} for a node"
        at = waited["created_at"].min().to_pydatetime()
        pool = serving.pool or next((name for name in waited["pool"] if name), "")
        full = free is not None and len(free) and float(free["free"].min()) < 1.0
        says = f"pool {pool} had no free GPU; {pods}" if full and pool else pods
        yield Sign("room", says, at, "headroom", {"cluster": serving.cluster, **({"pool": pool} if pool else {})})
    rest = under_way.drop(waited.index)
    if len(rest):
        slowest = float(rest["total_s"].max())
        at = rest["created_at"].min().to_pydatetime()
        one = len(rest) == 1
        says = f"{_count(len(rest), 'pod')} of {serving.workload} {'was' if one else 'were'} still starting"
        length = "" if math.isnan(slowest) else f" ({_span(slowest)})"
        yield Sign("start", f"{says}{length}", at, "startup", _started(serving))


def _ready(burst: Burst, serving: Serving, ready: pd.DataFrame | None) -> Iterable[Sign]:
    if ready is None or ready.empty:
        return
    inside = ready[(ready["at"] > pd.Timestamp(burst.begin)) & (ready["at"] <= pd.Timestamp(burst.end))]
    if len(inside) and float(inside["ready"].min()) == 0:
        at = inside.sort_values("ready", kind="stable")["at"].iloc[0].to_pydatetime()
        yield Sign("away", f"no pod of {serving.workload} was ready", at, "workloads", _workload(serving))


def _engine(burst: Burst, serving: Serving, engine: pd.DataFrame | None) -> Iterable[Sign]:
    if engine is None or engine.empty:
        return
    inside = engine[(engine["at"] > pd.Timestamp(burst.begin)) & (engine["at"] <= pd.Timestamp(burst.end))]
    if inside.empty:
        return
    waiting, cache = inside["waiting"].max(), inside["cache"].max()
    if cache >= FULL_CACHE:
        at = inside.sort_values("cache")["at"].iloc[-1].to_pydatetime()
        yield Sign("cache", f"its KV cache was {cache:.0%} full".replace("%", " %"), at, "serving", _served(serving))
    if waiting >= LONG_QUEUE:
        at = inside.sort_values("waiting")["at"].iloc[-1].to_pydatetime()
        yield Sign("queue", f"{waiting:,.0f} requests waited in {serving.workload}", at, "serving", _served(serving))


FULL_CACHE = 0.9
"""Of the KV cache in use: beyond it requests are preempted."""
LONG_QUEUE = 10.0
"""Requests that wait in an engine: autoscaling on it aims at 1 to 10."""


def _workload(serving: Serving) -> dict[str, str]:
    return {"cluster": serving.cluster, "ns": serving.namespace}


def _started(serving: Serving) -> dict[str, str]:
    return {**_workload(serving), "start_workload": f"{serving.namespace}/{serving.workload}"}


def _served(serving: Serving) -> dict[str, str]:
    return {**_workload(serving), "serving_workload": f"{serving.namespace}/{serving.workload}"}


def _named(noun: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{noun} {names[0]}"
    rest = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{noun}s {', '.join(names[:2])}{rest}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _share(part: float, whole: float) -> str:
    ratio = part / whole if whole else 0.0
    return "less than 1 %" if ratio < 0.005 else f"{ratio:.0%}".replace("%", " %")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
