"""Model groups that need attention: too many requests fell back or were lost."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import pandas as pd

from services.domain.fallback.figures import figures
from services.domain.fallback.reasons import Explained
from services.domain.findings import Finding, Fix, Severity

DEAR_RATE = 0.30
"""Fallback rate from which it is critical; the target is the installation's."""
LOST_FROM, LOST_LEAST = 0.001, 10.0
"""Share and number of lost requests from which they are worth a finding."""
NOW = timedelta(minutes=15)
"""A burst that ended no longer ago than this is going on."""


def fallen(
    routes: pd.DataFrame,
    explained: Sequence[Explained],
    fixes: Mapping[tuple[str, str], Fix],
    *,
    cluster: str,
    target: float,
    days: float,
    window: str,
    now: datetime,
) -> Iterable[Finding]:
    """One finding per group over the target, or that lost requests; with the worst burst as its reason.

    ``fixes``: what keeps a unit warm, by cluster and pool. ``days``: length of the window, for money a day.
    """
    for row in figures(routes, ["group"]).to_dict("records"):
        over = row["fallback_rate"] > target
        lost = row["lost"] >= LOST_LEAST and row["lost_rate"] >= LOST_FROM
        if not over and not lost:
            continue
        group = str(row["group"])
        mine = [one for one in explained if one.burst.group == group]
        worst = mine[0] if mine else None
        going_on = any(one.burst.end >= now - NOW for one in mine)
        critical = going_on or row["fallback_rate"] >= DEAR_RATE
        parts = [f"{_share(row['fallback_rate'])} of {group} fell back"] if over else []
        if lost:
            parts.append(f"{_share(row['lost_rate'])} of {group if not parts else 'it'} got no answer")
        usd = float(row["fallen_usd"])
        yield Finding(
            key=f"fallback/{cluster}/{group}",
            kind="Fallback",
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            title=f"{' and '.join(parts)} in {window}",
            detail=_detail(worst),
            cluster=cluster,
            usd_per_day=usd / days if usd > 0 else None,
            since=worst.burst.begin if worst is not None and going_on else None,
            page="fallback",
            params={"cluster": cluster, "fell_group": group},
            fix=_fix(worst, fixes),
        )


def _detail(worst: Explained | None) -> str:
    if worst is None:
        return "Spread over the whole time, in no burst."
    return f"Most of it because {worst.because}."


def _fix(worst: Explained | None, fixes: Mapping[tuple[str, str], Fix]) -> Fix | None:
    """A unit kept warm, where pods waited for room in a pool that can grow."""
    if worst is None or worst.serving is None or not any(sign.kind == "room" for sign in worst.signs):
        return None
    return fixes.get((worst.serving.cluster, worst.serving.pool))


def _share(ratio: float) -> str:
    digits = 0 if ratio >= 0.1 else 1
    return f"{ratio:.{digits}%}".replace("%", " %")
