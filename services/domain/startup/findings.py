"""Findings about starts: too many are late, what would help most, what became slower, what never gets ready."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.findings import Finding, Fix, Severity
from services.domain.startup import Outcome
from services.domain.startup.changes import WORKLOAD
from services.domain.startup.groups import GROUPS
from services.domain.startup.imagenames import short
from services.domain.startup.levers import LEVERS_BY_NAME
from services.domain.startup.summary import by, is_completed, is_ready

PAGE = "startup"
FEW = 5
"""Of fewer decided starts a share says little."""
WANTED = 0.95
"""Share of starts in target below which it is worth knowing: the 95th percentile misses it."""
USUAL = 0.5
"""Share of starts in target below which it is a warning: the usual start misses it."""
IN_A_ROW = 3
"""So many starts in a row that never became ready are no accident."""
STUCK_S = 900.0
"""A start still under way after it will hardly become ready: nodes and large images have come by then."""
SILENT = timedelta(minutes=15)
"""Older records are no longer current; after about an hour the events are gone for good."""


def findings(
    starts: pd.DataFrame,
    levers: pd.DataFrame,
    regressions: pd.DataFrame,
    recorded: Mapping[str, datetime | None],
    *,
    target_s: float,
    window: str,
    now: datetime,
) -> Iterable[Finding]:
    """All of them. ``recorded`` is when the recorder last looked at each cluster, ``window`` the range ("24h")."""
    yield from late(starts, target_s, window)
    yield from helpful(levers)
    yield from slower(regressions)
    yield from stuck(starts, window)
    yield from silent(recorded, now)


def late(starts: pd.DataFrame, target_s: float, window: str) -> Iterable[Finding]:
    """Clusters of which too many starts miss the target; the workload that misses it most often is named."""
    workloads = by(starts, WORKLOAD, target_s)
    for row in by(starts, ["cluster"], target_s).sort_values("cluster").to_dict("records"):
        if not (row["decided"] >= FEW and row["in_target"] < WANTED):
            continue
        mine = workloads[workloads["cluster"].eq(row["cluster"])]
        often = (mine["decided"] * (1 - mine["in_target"])).fillna(0.0)
        worst = mine.iloc[int(often.to_numpy().argmax())]
        usual = (
            ""
            if pd.isna(row["p95_s"])
            else f" Half take {_time(row['p50_s'])} or more, one in twenty {_time(row['p95_s'])}."
        )
        yield Finding(
            key=f"startup-late/{row['cluster']}",
            kind="Late starts",
            severity=Severity.WARNING if row["in_target"] < USUAL else Severity.NOTICE,
            title=f"{1 - row['in_target']:.0%} of {row['decided']} starts in {row['cluster']} missed the target of "
            f"{_time(target_s)}",
            detail=f"In the last {window}.{usual} Most often late: {worst['workload']}, "
            f"{round(often.max())} of {int(worst['decided'])}.",
            cluster=str(row["cluster"]),
            page=PAGE,
            params={"cluster": str(row["cluster"])},
        )


def helpful(levers: pd.DataFrame) -> Iterable[Finding]:
    """Per cluster the lever that saves most seconds a day, with its fix. ``levers``: LEVERS, best first."""
    predicted = levers[levers["seconds_saved_per_day"] > 0]
    for row in predicted.drop_duplicates("cluster").sort_values("cluster").to_dict("records"):
        lever = LEVERS_BY_NAME[row["lever"]]
        name = short(row["subject"]) if row["subject_kind"] == "image" else row["subject"]
        which = {
            "image": f"with {name} in pool {row['pool']}",
            "registry": f"with images from {name}",
            "pool": f"in pool {name}",
            "workload": f"of {name}",
        }[row["subject_kind"]]
        money = [
            f"{word} GPU time worth about ${row[column]:,.0f} a day"
            for word, column in (("saves", "usd_saved_per_day"), ("holds", "usd_cost_per_day"))
            if row[column] >= 1
        ]
        yield Finding(
            key=f"startup-lever/{row['cluster']}/{row['lever']}/{row['pool']}/{row['subject']}",
            kind="Faster starts",
            severity=Severity.NOTICE,
            title=f"{lever.title}: {_time(row['seconds_saved_mean'])} less in {row['starts']} of {row['of']} starts "
            f"{which}",
            detail=f"{_time(row['total_p95_before'])} → {_time(row['total_p95_after'])} at the 95th percentile of all "
            f"of them. Basis: {row['basis']}." + (f" It {' and '.join(money)}." if money else ""),
            cluster=str(row["cluster"]),
            usd_per_day=None if pd.isna(row["usd_saved_per_day"]) else float(row["usd_saved_per_day"]),
            page=PAGE,
            params={"cluster": str(row["cluster"])},
            fix=Fix(row["action"], f"{lever.title}: {name}", dict(row["params"])) if row["action"] else None,
        )


def slower(regressions: pd.DataFrame) -> Iterable[Finding]:
    """Workloads that start slower since a change. ``regressions``: REGRESSIONS."""
    for row in regressions.to_dict("records"):
        grown = GROUPS[row["phase_group"]].title
        yield Finding(
            key=f"startup-slower/{row['cluster']}/{row['namespace']}/{row['workload_kind']}/{row['workload']}",
            kind="Slower starts",
            severity=Severity.WARNING,
            title=f"{row['workload']} starts {row['rise']:.0%} slower since a change",
            detail=f"Since {row['change']}: {row['compared']} took {_time(row['p95_before_s'])} at the 95th percentile "
            f"({int(row['n_before'])} starts) and take {_time(row['p95_after_s'])} ({int(row['n_after'])}). "
            f"{grown} grew most, by {_time(row['phase_group_s'])}.",
            cluster=str(row["cluster"]),
            team=str(row["team"]),
            since=row["at"].to_pydatetime(),
            page=PAGE,
            params=_workload(row),
        )


def stuck(starts: pd.DataFrame, window: str) -> Iterable[Finding]:
    """Workloads whose latest starts, :data:`IN_A_ROW` or more, never became ready and did not end well either."""
    under_way = starts["outcome"].eq(Outcome.STARTING) & (starts["total_s"] <= STUCK_S)
    decided = starts[~under_way].sort_values("created_at", kind="stable")
    if decided.empty:
        return
    codes, _ = frames.keyed(*(decided[key] for key in WORKLOAD))
    ready = np.flatnonzero(is_ready(decided) | is_completed(decided))
    last = np.full(int(codes.max()) + 1, -1)
    np.maximum.at(last, codes[ready], ready)
    alone = np.arange(len(decided)) > last[codes]
    failed = decided.assign(ever=last[codes] >= 0)[alone]
    for _, group in failed.groupby(WORKLOAD, sort=True):
        if len(group) < IN_A_ROW:
            continue
        row = group.iloc[-1]
        lost = group["usd"].sum(min_count=1)
        reason = f" The last: {row['reason']}." if row["reason"] else ""
        ever = "" if row["ever"] else f" None was in the last {window}."
        yield Finding(
            key=f"startup-stuck/{row['cluster']}/{row['namespace']}/{row['workload_kind']}/{row['workload']}",
            kind="Never ready",
            severity=Severity.WARNING,
            title=f"The last {len(group)} starts of {row['workload']} never became ready",
            detail=f"Namespace {row['namespace']}.{reason}{ever}"
            + ("" if pd.isna(lost) or lost < 1 else f" GPU time worth ${lost:,.0f} was spent on them."),
            cluster=str(row["cluster"]),
            team=str(row["team"]),
            since=group["created_at"].iloc[0].to_pydatetime(),
            page=PAGE,
            params=_workload(dict(row)),
        )


def silent(recorded: Mapping[str, datetime | None], now: datetime) -> Iterable[Finding]:
    """Clusters that have not been looked at for a while, or ever; ``recorded`` as in :func:`findings`."""
    for cluster, last in sorted(recorded.items()):
        if last is not None and now - last <= SILENT:
            continue
        when = "Starts have never been recorded" if last is None else f"Not recorded since {last:%d %b %H:%M} UTC"
        yield Finding(
            key=f"startup-silent/{cluster}",
            kind="Not recorded",
            severity=Severity.NOTICE if last is None else Severity.WARNING,
            title=f"Starts in {cluster} are not being recorded",
            detail=f"{when}. The cluster keeps its events for about an hour: what is older cannot be recorded later.",
            cluster=cluster,
            since=last,
            page=PAGE,
            params={"cluster": cluster},
        )


def _workload(row: Mapping[Hashable, object]) -> dict[str, str]:
    return {"cluster": str(row["cluster"]), "start_workload": f"{row['namespace']}/{row['workload']}"}


def _time(seconds: float) -> str:
    """Seconds for people: "45 s", "4 min", "4 min 12 s"."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{whole} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
