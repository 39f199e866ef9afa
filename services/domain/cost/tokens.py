"""Spend on language models, and what a million tokens costs on own GPUs beside the API price.

    own price    = money held by the engine's workload ÷ tokens its counters gained × 1,000,000
    API price    = spend the gateway counted on others' deployments of the same model groups ÷ their tokens × 1,000,000
    break-even   = money held by the workload per day ÷ API price × 1,000,000, in tokens per day

Tokens are prompt and completion tokens together, at the mix that was really asked for. Above its break-even a model is
cheaper on own GPUs, below it through the API. An engine belongs to a model group when the gateway has a deployment in
that group whose model is the engine's, so the API price is that of what requests of the group fell back to or shared.
Money counts from the first day tokens of the workload were recorded; several models on one workload bear its money by
their tokens. What is not known (no tokens, no price, no deployment of others) is NaN, never 0.
"""

import math
from datetime import date

import numpy as np
import pandas as pd

from services.domain import frames

MILLION = 1_000_000

SPEND = {
    "name": "str",
    "requests": "float64",
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
    "micro": "int64",
    "usd_per_million": "float64",  # NaN without tokens or without spend
}
"""Spend the gateway counted, by one of :data:`SPLITS`, most money first. "" names what is not known."""

SPLITS = {"model group": "model_group", "deployment": "deployment", "team": "team", "key": "key_alias"}
"""What spend can be shown by; a key is a person's or a program's, and seen only by who may see spenders."""

OWN = {
    "model": "str",
    "workload": "str",
    "namespace": "str",
    "cluster": "str",
    "groups": "str",  # model groups of the gateway, parted by ", "
    "tokens": "float64",
    "tokens_per_day": "float64",
    "micro": "float64",  # held by the workload, this model's part; NaN when its GPUs are not in the record or unpriced
    "usd_per_million": "float64",
    "api_usd_per_million": "float64",
    "break_even_per_day": "float64",  # tokens
    "cheaper": "str",  # "own", "API", "" while one of the two is not known
}
"""Models on own GPUs, most money first."""

_AMOUNTS = ("requests", "prompt_tokens", "completion_tokens", "micro")
_PLACE = ["cluster", "namespace", "workload"]


def spend(llm: pd.DataFrame, split: str) -> pd.DataFrame:
    """Frame :data:`SPEND` of the gateway's rows of :data:`services.domain.cost.LLM`."""
    rows = llm[llm["source"].eq("gateway")]
    if rows.empty:
        return frames.empty(SPEND)
    provider = rows["provider"].where(rows["provider"].ne(""), "own")
    rows = rows.assign(deployment=provider + " · " + rows["model"])
    sums = rows.groupby(SPLITS[split], sort=False)[list(_AMOUNTS)].sum().reset_index(names="name")
    used = sums["prompt_tokens"] + sums["completion_tokens"]
    known = used.gt(0) & sums["micro"].gt(0)
    sums = sums.assign(usd_per_million=(sums["micro"] / used).where(known))
    return frames.conform(sums.sort_values(["micro", "requests"], ascending=False, kind="stable"), SPEND)


def own(llm: pd.DataFrame, costs: pd.DataFrame, zone: str, last: date) -> pd.DataFrame:
    """Frame :data:`OWN` of the engines' rows, with the money of ``costs`` (services.domain.cost.report.COSTS).

    ``last`` is the last day of the window, which its days per day are counted to.
    """
    engines = llm[llm["source"].eq("engine") & llm["workload"].ne("")]
    if engines.empty:
        return frames.empty(OWN)
    engines = engines.assign(
        tokens=engines["prompt_tokens"] + engines["completion_tokens"],
        day=engines["hour"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d"),
    )
    begun = engines.groupby(_PLACE)["day"].min()
    sums = engines.groupby([*_PLACE, "model"], as_index=False)["tokens"].sum()
    whole = sums.groupby(_PLACE)["tokens"].transform("sum")
    held = _held(costs, begun)
    places = sums.set_index(_PLACE).index
    days = np.array([(last - date.fromisoformat(str(day))).days + 1 for day in begun.reindex(places)], dtype="float64")
    micro = held.reindex(places).to_numpy(dtype="float64") * (sums["tokens"] / whole.where(whole > 0)).to_numpy()
    told = [_api(llm, str(model)) for model in sums["model"]]
    tokens = sums["tokens"].to_numpy(dtype="float64")
    api = np.array([price for price, _ in told], dtype="float64")
    price = np.divide(micro, tokens, out=np.full(len(sums), math.nan), where=tokens > 0)
    found = sums.assign(
        groups=[groups for _, groups in told],
        tokens_per_day=tokens / days,
        micro=micro,
        usd_per_million=price,
        api_usd_per_million=api,
        break_even_per_day=micro / days / api,
        cheaper=np.where(price <= api, "own", np.where(price > api, "API", "")),
    )
    return frames.conform(found.sort_values("micro", ascending=False, kind="stable"), OWN)


def _held(costs: pd.DataFrame, begun: pd.Series) -> pd.Series:
    """Money held by each workload from the day on it began to be counted; without those part of which is unpriced."""
    names = set(begun.index.get_level_values("workload"))
    held = costs[costs["kind"].eq("held") & costs["workload"].isin(names)]
    rows = held[[*_PLACE, "day", "basis", "micro"]].astype(dict.fromkeys([*_PLACE, "day", "basis"], "str"))
    rows = rows.merge(begun.rename("begun").reset_index(), on=_PLACE)
    rows = rows[rows["day"] >= rows["begun"]]
    sums = rows.assign(lacks=rows["basis"].eq("")).groupby(_PLACE).agg(micro=("micro", "sum"), lacks=("lacks", "any"))
    return sums["micro"].astype("float64").mask(sums["lacks"])


def _api(llm: pd.DataFrame, model: str) -> tuple[float, str]:
    """US dollars per million tokens of others' deployments in the groups a model serves, and those groups."""
    gateway = llm[llm["source"].eq("gateway")]
    serves = [_same(model, str(name)) for name in gateway["model"]]
    groups = sorted({str(name) for name in gateway.loc[serves, "model_group"]} - {""})
    paid = gateway[gateway["model_group"].isin(groups) & gateway["micro"].gt(0)]
    tokens = float((paid["prompt_tokens"] + paid["completion_tokens"]).sum())
    return (float(paid["micro"].sum()) / tokens if tokens else math.nan), ", ".join(groups)


def _same(model: str, deployed: str) -> bool:
    """Whether a deployment's model, which may have its provider in front, is the engine's."""
    one, other = model.casefold(), deployed.casefold()
    return bool(one) and (one == other or other.endswith(f"/{one}") or one.endswith(f"/{other}"))
