"""Advice about waste, worked out from what was measured."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from services.domain.cost.waste import (
    MEDIUM,
    MONTH_H,
    POD,
    WORKLOAD,
    Advice,
    Limits,
    confidence,
    over_requested,
    ranked,
    removable,
    small,
)
from services.domain.cost.waste_options import Need, Option, best


def advise(held: pd.DataFrame, models: pd.DataFrame, limits: Limits) -> list[Advice]:
    """Everything there is to say, dearest first. ``held``: ``HELD``; ``models``: ``MODELS``."""
    if held.empty:
        return []
    idle = removable(held, limits)
    rest = held[~idle]
    several = over_requested(rest, limits)
    found = [*_remove(held[idle]), *_optimise(rest, several, limits)]
    counted = {(one.cluster, one.namespace, pod) for one in found for pod in one.pods}
    taken = pd.Series(
        [key in counted for key in rest[list(POD)].itertuples(index=False, name=None)], index=rest.index, dtype=bool
    )
    found += _share(rest[~taken], models, limits)
    return ranked(found)


def _remove(idle: pd.DataFrame) -> Iterator[Advice]:
    for key, rows in idle.groupby(list(WORKLOAD), sort=True):
        since = float(rows["idle_s"].min())
        pods, gpus = rows["pod"].nunique(), float(rows["held"].sum())
        yield _advice(
            "remove",
            key,
            rows,
            title=f"{key[2]} holds {_gpus(gpus)} and uses none",
            evidence=(
                f"No work on {_count(pods, 'pod')} for {_span(since)} or longer (utilisation below 1 %).",
                _seen(rows),
            ),
            freed=gpus,
            usd=_sum(rows["held"] * rows["usd"]),
            span_s=since,
            idle_s=since,
        )


def _optimise(rest: pd.DataFrame, several: pd.Series, limits: Limits) -> Iterator[Advice]:
    """Pods of a workload have one template: what the one that uses most of its GPUs uses is what all keep."""
    for key, every in rest.groupby([*WORKLOAD, "model"], sort=True):
        rows = every[several[every.index]]
        if len(rows) != len(every):
            continue
        sizes = rows.groupby("pod")["gpu"].size()
        used = rows["peak"].gt(limits.unused).groupby(rows["pod"]).sum()
        needs = int(used.max())
        if sizes.min() != sizes.max() or needs >= int(sizes.iloc[0]):
            continue
        asks, pods = int(sizes.iloc[0]), len(sizes)
        spare = 1 - needs / asks
        yield _advice(
            "optimise",
            key[:3],
            rows,
            suffix=f"/{key[3]}",
            title=f"{key[2]} asks for {asks} GPUs and uses {needs}",
            evidence=(_used(rows, limits, needs, asks, pods), _seen(rows)),
            freed=float(rows["held"].sum()) * spare,
            usd=_scaled(_sum(rows["held"] * rows["usd"]), spare),
            span_s=float(rows["span_s"].min()),
            becomes=f"{needs} of {asks} GPUs",
            amount=needs,
        )


def _used(rows: pd.DataFrame, limits: Limits, needs: int, asks: int, pods: int) -> str:
    others = float(rows.loc[rows["peak"].le(limits.unused), "peak"].max())
    return (
        f"In {_count(pods, 'pod')} at most {needs} of {asks} GPUs ever passed {limits.unused * 100:.0f} % utilisation "
        f"in {_span(float(rows['span_s'].min()))}; the others peaked at {others * 100:.1f} %."
    )


def _share(rest: pd.DataFrame, models: pd.DataFrame, limits: Limits) -> Iterator[Advice]:
    fits = small(rest, limits)
    for key, every in rest.groupby([*WORKLOAD, "model"], sort=True):
        rows = every[fits[every.index]]
        if len(rows) != len(every):
            continue
        need = _need(str(key[0]), str(key[3]), rows)
        option = best(need, models)
        if option is not None:
            yield _smaller(key, rows, need, option)


def _smaller(key: Any, rows: pd.DataFrame, need: Need, option: Option) -> Advice:
    gpus = float(rows["held"].sum())
    now = _sum(rows["held"] * rows["usd"])
    then = None if option.usd is None else gpus * option.kept * option.usd
    found = _advice(
        "share",
        key[:3],
        rows,
        suffix=f"/{key[3]}",
        title=f"{key[2]} would do with {option.becomes}",
        evidence=(_little(rows, need), option.says, _seen(rows)),
        freed=gpus * (1 - option.kept),
        usd=None if now is None or then is None else now - then,
        span_s=float(rows["span_s"].min()),
        becomes=option.becomes,
        resource=option.resource,
        layout=option.layout,
    )
    if option.sure or found.confidence != "high":
        return found
    return replace(found, confidence=MEDIUM)


def _little(rows: pd.DataFrame, need: Need) -> str:
    sm = "" if need.sm is None else f", SMs active {need.sm * 100:.0f} %"
    return (
        f"{_count(rows['pod'].nunique(), 'pod')} on {need.model}: {need.mean * 100:.0f} % busy on average{sm}, at most "
        f"{need.memory_peak / 2**30:.1f} of {need.memory_total / 2**30:.0f} GiB in "
        f"{_span(float(rows['span_s'].min()))}."
    )


def _need(cluster: str, model: str, rows: pd.DataFrame) -> Need:
    """The most any of its pods needs."""
    sm, usd = rows["sm"].max(skipna=False), _sum(rows["held"] * rows["usd"])
    return Need(
        cluster=cluster,
        model=model,
        memory_peak=float(rows["memory_peak"].max()),
        memory_total=float(rows["memory_total"].min()),
        mean=float(rows["mean"].max()),
        sm=None if math.isnan(sm) else float(sm),
        usd=None if usd is None else usd / float(rows["held"].sum()),
    )


def _advice(
    verb: str,
    key: Any,
    rows: pd.DataFrame,
    *,
    title: str,
    evidence: tuple[str, ...],
    freed: float,
    usd: float | None,
    span_s: float,
    suffix: str = "",
    idle_s: float | None = None,
    **more: Any,
) -> Advice:
    first, seen = rows.iloc[0], float(rows["seen"].min())
    cluster, namespace, workload = (str(part) for part in key)
    return Advice(
        key=f"waste/{verb}/{cluster}/{namespace}/{workload}{suffix}",
        verb=verb,
        cluster=cluster,
        namespace=namespace,
        workload=workload,
        kind=str(first["workload_kind"]),
        team=str(first["team"]),
        model=", ".join(sorted(set(rows["model"]))),
        title=title,
        evidence=evidence,
        pods=tuple(sorted(set(rows["pod"]))),
        nodes=tuple(sorted(set(rows["node"]))),
        gpus=float(rows["held"].sum()),
        freed=freed,
        usd_per_month=_scaled(usd, MONTH_H),
        confidence=confidence(seen, span_s),
        seen=seen,
        span_s=float(rows["span_s"].min()),
        idle_s=idle_s,
        **more,
    )


def _sum(usd: pd.Series) -> float | None:
    """Dollars per hour; None where any of it is unpriced, for a part of a sum would look like the whole."""
    total = usd.sum(skipna=False)
    return None if pd.isna(total) else float(total)


def _scaled(value: float | None, by: float) -> float | None:
    return None if value is None else value * by


def _seen(rows: pd.DataFrame) -> str:
    return f"{float(rows['seen'].min()) * 100:.0f} % of the expected samples are there."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _gpus(amount: float) -> str:
    rounded = round(amount, 2) if amount < 1 else round(amount, 1)
    return "1 GPU" if rounded == 1 else f"{rounded:g} GPUs"


def _span(seconds: float) -> str:
    hours = seconds / 3600
    if hours >= 48:
        return f"{hours / 24:.1f}".removesuffix(".0") + " days"
    return f"{hours:.0f} hours" if hours >= 2 else f"{seconds / 60:.0f} minutes"
