"""The file of a gateway beside its running process: deployment by deployment, rule by rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from services.domain import frames
from services.domain.litellm import KINDS, SELF_HOSTED, Config, Deployment
from services.domain.litellm.edits import ranks
from services.ports import Routing, Tier

TIERS = {
    "group": "str",
    "key": "str",
    "id": "str",  # the deployment as the process and its counters call it
    "rank": "int64",  # 1 is tried first
    "order": "float64",  # as written, NaN unset
    "weight": "float64",
    "blocked": "bool",  # out of rotation
    "model": "str",
    "provider": "str",
    "runs": "str",  # self-hosted, managed
    "base": "str",  # host it calls
    "stored": "str",  # file, database, file only, process only
    "requests": "float64",  # over the last 24 hours, NaN unknown
    "share": "float64",  # of the group's requests, 0..1
    "usd": "float64",  # what those requests cost by the gateway's prices, NaN unknown
    "input_usd": "float64",  # per million tokens
    "output_usd": "float64",
    "cluster": "str",
}
"""One row per deployment, in the order they are tried."""

MILLION = 1_000_000
_STORED = (
    "Deployments of this group live in the proxy's database and not in the file. "
    "Change them in LiteLLM's own admin page."
)


@dataclass(frozen=True)
class Difference:
    """One thing the process does otherwise than the file says, in a sentence."""

    group: str
    says: str


def paired(config: Config, tiers: Sequence[Tier]) -> dict[str, Tier]:
    """The process's tier of each deployment of the file, by the deployment's key, where there is one."""
    left: dict[str, list[Tier]] = {}
    for tier in tiers:
        if tier.stored == "file":
            left.setdefault(tier.group, []).append(tier)
    found: dict[str, Tier] = {}
    for one in sorted(config.deployments, key=lambda one: not one.id):
        group = left.get(one.group, [])
        mine = [tier for tier in group if tier.id == one.id or (not one.id and _like(one, tier))]
        if mine:
            best = min(mine, key=lambda tier: (tier.order != one.order, tier.weight != one.weight))
            found[one.key] = best
            group.remove(best)
    return found


def differences(config: Config, routing: Routing) -> Iterator[Difference]:
    """What the process does otherwise than the file says."""
    pairs = paired(config, routing.tiers)
    for one in config.deployments:
        tier = pairs.get(one.key)
        if tier is None:
            yield Difference(one.group, f"{one.key} is in the file and not in the running proxy.")
        elif (tier.order, tier.weight) != (one.order, one.weight):
            was, now = _placed(tier.order, tier.weight), _placed(one.order, one.weight)
            yield Difference(one.group, f"{one.key} runs with {was}, the file says {now}.")
        elif tier.blocked != one.blocked:
            yield Difference(one.group, f"{one.key} runs {_rotating(tier)}, the file says {_rotating(one)}.")
    known = set(pairs.values())
    for tier in routing.tiers:
        if tier.stored == "file" and tier not in known:
            yield Difference(tier.group, f"{tier.model} runs and is not in the file.")
    for kind in KINDS if routing.knows_fallbacks else ():
        for group in config.groups:
            runs, says = effective(routing, kind, group), intended(config, kind, group)
            if runs != says:
                words = f"The {kind.replace('_', ' ')} in force are {_listed(runs)}"
                yield Difference(group, f"{words}, the file says {_listed(says)}.")


def effective(routing: Routing, kind: str, group: str) -> tuple[str, ...]:
    """What the process falls back to, its defaults included."""
    own: tuple[str, ...] = getattr(routing, kind).get(group, ())
    return own or (routing.default_fallbacks if kind == "fallbacks" else ())


def intended(config: Config, kind: str, group: str) -> tuple[str, ...]:
    """What the file falls back to, its defaults included."""
    return config.in_force(kind).get(group, ()) or (config.default_fallbacks if kind == "fallbacks" else ())


def locked(routing: Routing | None) -> dict[str, str]:
    """Groups with deployments in the proxy's database: the file is not where they are changed."""
    groups = {tier.group for tier in routing.tiers if tier.stored == "database"} if routing else set()
    return dict.fromkeys(sorted(groups), _STORED)


def table(cluster: str, config: Config | None, routing: Routing | None, traffic: pd.DataFrame | None) -> pd.DataFrame:
    """The deployments of every group as :data:`TIERS`, from the file and the process together."""
    pairs = paired(config, routing.tiers) if config and routing else {}
    rows = []
    for one in _tried(config):
        tier = pairs.get(one.key)
        rows.append(_row(one, tier, "file only" if routing and tier is None else "file"))
    known = set(pairs.values())
    for tier in routing.tiers if routing else ():
        if tier not in known:
            stored = "database" if tier.stored == "database" else "process only" if config else "file"
            rows.append(_row(None, tier, stored))
    frame = pd.DataFrame(rows, columns=list(TIERS))
    frame["cluster"] = cluster
    frame["rank"] = _ranks(config, frame)
    frame["requests"], frame["share"], frame["usd"] = _counts(frame, traffic)
    return frames.conform(frame, TIERS)


def _tried(config: Config | None) -> list[Deployment]:
    """The file's deployments group by group, in the order they are tried."""
    return [one for group in config.groups for one in config.of(group)] if config else []


def _ranks(config: Config | None, frame: pd.DataFrame) -> pd.Series:
    """1 for what is tried first within a group; 0 for what is not in the file."""
    found = {
        place.key: number
        for group in (config.groups if config else ())
        for number, places in enumerate(ranks(config.chain(group).tiers if config else ()), 1)
        for place in places
    }
    return frame["key"].map(found).fillna(0)


def _row(one: Deployment | None, tier: Tier | None, stored: str) -> dict[str, object]:
    shown = one or tier
    assert shown is not None  # noqa: S101 - one of the two is what the row is of
    provider = shown.provider
    input_usd = tier.input_usd if tier and tier.input_usd is not None else shown.input_usd
    output_usd = tier.output_usd if tier and tier.output_usd is not None else shown.output_usd
    return {
        "group": shown.group,
        "key": one.key if one else (tier.id if tier else ""),
        "id": tier.id if tier else shown.id,
        "order": shown.order,
        "weight": shown.weight,
        "blocked": shown.blocked,
        "model": shown.model,
        "provider": provider,
        "runs": "self-hosted" if provider in SELF_HOSTED else "managed",
        "base": (tier.base if tier and tier.base else "") or shown.base,
        "stored": stored,
        "input_usd": None if input_usd is None else input_usd * MILLION,
        "output_usd": None if output_usd is None else output_usd * MILLION,
    }


def _counts(frame: pd.DataFrame, traffic: pd.DataFrame | None) -> tuple[pd.Series, pd.Series, pd.Series]:
    if traffic is None:
        nothing = pd.Series(float("nan"), index=frame.index)
        return nothing, nothing, nothing
    by_id = traffic[traffic["id"] != ""].groupby("id")[["requests", "usd"]].sum(min_count=1)
    counted = by_id.reindex(frame["id"]).set_axis(frame.index)
    requests = counted["requests"].fillna(0.0)
    nobody = frame["group"].map(unanswered(traffic)).fillna(0.0)
    whole = requests.groupby(frame["group"]).transform("sum") + nobody
    # LiteLLM counts 0 where it knows no price
    unpriced = frame["runs"].eq("managed") & frame["input_usd"].isna() & frame["output_usd"].isna()
    usd = counted["usd"].mask(unpriced & counted["usd"].eq(0.0)).where(requests > 0, 0.0)
    return requests, requests / whole.where(whole > 0), usd


def unanswered(traffic: pd.DataFrame) -> dict[str, float]:
    """Requests that nobody answered, by group; groups without one are left out."""
    nobody = traffic[(traffic["id"] == "") & (traffic["requests"] > 0)]
    return dict(nobody.groupby("group")["requests"].sum())


def _like(one: Deployment, tier: Tier) -> bool:
    return one.model == tier.model or one.model.startswith("os.environ/")


def _placed(order: float | None, weight: float | None) -> str:
    said = "no order" if order is None else f"order {order:g}"
    return said if weight is None else f"{said} and weight {weight:g}"


def _rotating(one: Deployment | Tier) -> str:
    return "out of rotation" if one.blocked else "in rotation"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
