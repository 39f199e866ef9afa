"""What needs attention at a gateway: paid tiers before one's own, tiers that answer nothing, faults of the file."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import pandas as pd

from services.domain.findings import Finding, Fix, Severity
from services.domain.litellm import Config
from services.domain.litellm import edits as litellm_edits
from services.domain.litellm.lint import Lint

ACTION = "edit-fallbacks"
WORTH = 1.0
"""Requests a day below which a tier's traffic says nothing."""


def misplaced(tiers: pd.DataFrame, config: Config, sha256: str) -> Iterable[Finding]:
    """Groups whose first tier should not be first, each with the order that mends it.

    Either it is paid for by the token while a self-hosted tier waits behind it, or it answered nothing in the last 24
    hours while a tier behind it did. ``tiers``: :data:`services.gateway.compare.TIERS`; groups without counted requests
    or with tiers the file does not hold are left alone.
    """
    for (cluster, group), rows in tiers[tiers["rank"] > 0].groupby(["cluster", "group"], sort=True):
        total = rows["requests"].sum(min_count=1)
        first, behind = rows[rows["rank"] == rows["rank"].min()], rows[rows["rank"] > rows["rank"].min()]
        if len(first) != 1 or behind.empty or math.isnan(total) or total < WORTH or rows["key"].eq("").any():
            continue
        one = first.iloc[0]
        own = behind[behind["runs"] == "self-hosted"]
        if one["requests"] == 0:
            title = f"The first tier of {group} answered nothing in 24 hours"
            detail = f"{one['model']}: every request tried it first and was answered further down"
            chain, label = litellm_edits.behind(config.chain(str(group)), str(one["key"])), f"Try it last for {group}"
        elif one["runs"] == "managed" and len(own):
            title = f"{group} goes to a paid tier before your own GPUs"
            detail = f"{one['model']} answered {100 * one['share']:.0f} % of {total:,.0f} requests in 24 hours"
            chain, label = (
                litellm_edits.ahead(config.chain(str(group)), str(own.iloc[0]["key"])),
                f"Own tier first for {group}",
            )
        else:
            continue
        usd = float(one["usd"])
        yield Finding(
            key=f"tier/{cluster}/{group}",
            kind="Tier order",
            severity=Severity.WARNING,
            title=title,
            detail=f"{detail}.",
            cluster=str(cluster),
            usd_per_day=None if math.isnan(usd) else usd,
            page="fallback-edit",
            params={"cluster": str(cluster), "fallback_group": str(group)},
            fix=Fix(ACTION, label, {"cluster": str(cluster), "chains": [asdict(chain)], "seen": sha256}),
        )


def faults(lints: Sequence[Lint], cluster: str) -> Iterable[Finding]:
    """What the linter found that costs requests or money."""
    for lint in lints:
        if lint.severity is not Severity.NOTICE:
            yield Finding(
                key=f"lint/{cluster}/{lint.code}/{lint.place}",
                kind="Gateway configuration",
                severity=lint.severity,
                title=lint.says.split(". ", 1)[0].removesuffix("."),
                detail=lint.do,
                cluster=cluster,
                page="fallback-edit",
                params={"cluster": cluster} | ({"fallback_group": lint.group} if lint.group else {}),
            )
