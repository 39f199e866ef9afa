"""Image by image: how large, from where, how long pulls take, how often it was on the node, and what would help.

``pulls`` are frames of recorded pulls, one row per container. Sizes are as the kubelet reports them (compressed or
unpacked, it depends on the runtime). A rate is size over the pull's own seconds, without waiting; layers that were
there make it look faster than the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.startup import Pulled, percentiles
from services.domain.startup.imagenames import canonicals, registries

LARGE_BYTES = 10e9
"""From here on an image's size is worth a word."""
RATED_BYTES = 200e6
"""A smaller image's pull is mostly asking, and says little of the line."""
ENOUGH = 5
"""Below so many pulls a rate is chance."""
FAR = 0.5
"""A registry that delivers less than this share of what another one does in the same cluster is far away."""
LONG_WAIT_S = 10.0
"""Waiting behind other pulls, at the median, from which it is worth a word."""

IMAGES = {
    "cluster": "str",
    "image": "str",  # canonical name
    "registry": "str",
    "size_bytes": "float64",  # the largest anybody reported; NaN when nobody did
    "containers": "int64",  # started with it
    "pulled": "int64",  # of these, by a pull
    "cached": "int64",  # with the image on the node, revalidated ones too
    "streamed": "int64",  # reading it lazily
    "unknown": "int64",  # no event says how
    "cached_ratio": "float64",  # cached over those of which it is known how; NaN without any
    "repulled": "int64",  # pulls on a node that had pulled it before
    "pull_p50_s": "float64",  # of pulls, without waiting; NaN when no event gives the time
    "pull_p95_s": "float64",
    "waiting_p50_s": "float64",  # of pulls, behind other pulls
    "waiting_p95_s": "float64",
    "rate_bytes_s": "float64",  # median of its pulls
    "holding": "float64",  # nodes that list it; NaN when node lists were not read
    "lacking": "float64",  # nodes without it
    "unclear": "float64",  # nodes whose list does not tell
    "advice": "str",  # sentences; "" when there is nothing to say
}
"""One row per cluster and image, the one that cost most seconds of pulling first."""

RATES = {
    "cluster": "str",
    "registry": "str",
    "zone": "str",  # of the node that pulled; "" when the rate is over all zones
    "pulls": "int64",  # with a time and a size worth measuring by
    "rate_p50_bytes_s": "float64",
    "rate_p10_bytes_s": "float64",  # one pull in ten is slower
    "seconds_p50": "float64",
}
"""One row per cluster, registry and zone, fastest first within a cluster."""


def rates(pulls: pd.DataFrame, *, by_zone: bool = True) -> pd.DataFrame:
    """Frame :data:`RATES`: what registries deliver, from pulls of images above :data:`RATED_BYTES`."""
    known = pulls[_rated(pulls)]
    if known.empty:
        return frames.empty(RATES)
    zone = known["zone"] if by_zone else pd.Series("", index=known.index, dtype="str")
    codes, (cluster, registry, zones) = frames.keyed(known["cluster"], _registry(known), zone)
    rate = (known["size_bytes"] / known["seconds"]).to_numpy()
    p10, p50 = percentiles.grouped(rate, codes, len(cluster), (0.1, 0.5))
    found = pd.DataFrame(
        {
            "cluster": cluster,
            "registry": registry,
            "zone": zones,
            "pulls": np.bincount(codes, minlength=len(cluster)),
            "rate_p50_bytes_s": p50,
            "rate_p10_bytes_s": p10,
            "seconds_p50": percentiles.grouped(known["seconds"].to_numpy(), codes, len(cluster), (0.5,))[0],
        }
    )
    order = ["cluster", "rate_p50_bytes_s", "registry", "zone"]
    return frames.conform(found.sort_values(order, ascending=[True, False, True, True], kind="stable"), RATES)


@dataclass(frozen=True)
class Line:
    """What a registry delivers to a cluster: bytes a second, the median of so many pulls."""

    registry: str
    rate: float
    pulls: int


def lines(pulls: pd.DataFrame) -> dict[str, list[Line]]:
    """By cluster the registries of which enough pulls are known, fastest first."""
    known = rates(pulls, by_zone=False)
    columns = (known[name].to_numpy() for name in ("cluster", "registry", "rate_p50_bytes_s", "pulls"))
    found: dict[str, list[Line]] = {}
    for cluster, registry, rate, number in zip(*columns, strict=True):
        if number >= ENOUGH:
            found.setdefault(str(cluster), []).append(Line(str(registry), float(rate), int(number)))
    return found


def table(pulls: pd.DataFrame, held: pd.DataFrame | None = None) -> pd.DataFrame:
    """Frame :data:`IMAGES`. ``held``: :data:`services.domain.startup.holdings.HOLDINGS`, None when not read."""
    named = pulls[pulls["image"].ne("")]
    if named.empty:
        return frames.empty(IMAGES)
    codes, (cluster, image) = frames.keyed(named["cluster"], canonicals(named["image"]))
    number = len(cluster)
    how = named["how"]
    pulled = how.eq(Pulled.PULLED).to_numpy(dtype=bool)
    cached = how.isin([Pulled.CACHED, Pulled.REVALIDATED]).to_numpy(dtype=bool)
    streamed = how.eq(Pulled.STREAMED).to_numpy(dtype=bool)
    size = named["size_bytes"].to_numpy(dtype="float64")
    seconds = np.where(pulled, named["seconds"].to_numpy(dtype="float64"), np.nan)
    waiting = np.where(pulled, named["waiting_s"].to_numpy(dtype="float64"), np.nan)
    rate = np.where(_rated(named), size / np.where(seconds > 0, seconds, np.nan), np.nan)
    p50, p95 = percentiles.grouped(seconds, codes, number, (0.5, 0.95))
    wait50, wait95 = percentiles.grouped(waiting, codes, number, (0.5, 0.95))
    of = {
        "containers": np.bincount(codes, minlength=number),
        "pulled": percentiles.counts(pulled, codes, number),
        "cached": percentiles.counts(cached, codes, number),
        "streamed": percentiles.counts(streamed, codes, number),
    }
    known = of["pulled"] + of["cached"] + of["streamed"]
    nodes = pd.DataFrame({"code": codes[pulled], "node": named["node"].to_numpy()[pulled]}).drop_duplicates()
    found = pd.DataFrame(
        {
            "cluster": pd.Series(cluster, dtype="str"),
            "image": pd.Series(image, dtype="str"),
            "registry": registries(pd.Series(image, dtype="str")),
            "size_bytes": percentiles.grouped(size, codes, number, (1.0,))[0],
            **of,
            "unknown": of["containers"] - known,
            "cached_ratio": percentiles.shares(of["cached"], known),
            "repulled": of["pulled"] - np.bincount(nodes["code"], minlength=number),
            "pull_p50_s": p50,
            "pull_p95_s": p95,
            "waiting_p50_s": wait50,
            "waiting_p95_s": wait95,
            "rate_bytes_s": percentiles.grouped(rate, codes, number, (0.5,))[0],
            "cost_s": np.nan_to_num(percentiles.sums(seconds, codes, number)),
        }
    )
    found = _with_nodes(found, held)
    found["advice"] = _advice(found, lines(pulls))
    ordered = found.sort_values(["cost_s", "cluster", "image"], ascending=[False, True, True], kind="stable")
    return frames.conform(ordered, IMAGES)


def _registry(pulls: pd.DataFrame) -> pd.Series:
    return registries(pulls["image"])


def _rated(pulls: pd.DataFrame) -> np.ndarray:
    """Pulls whose time and size measure the line."""
    measured = pulls["how"].eq(Pulled.PULLED) & (pulls["seconds"] > 0) & (pulls["size_bytes"] > RATED_BYTES)
    return measured.to_numpy(dtype=bool)


def _with_nodes(found: pd.DataFrame, held: pd.DataFrame | None) -> pd.DataFrame:
    columns = {"holding": "holding", "lacking": "lacking", "unknown": "unclear", "size_bytes": "listed_bytes"}
    if held is None:
        return found.assign(holding=np.nan, lacking=np.nan, unclear=np.nan)
    mine = held.rename(columns=columns)
    merged = found.merge(mine[["cluster", "image", *columns.values()]], on=["cluster", "image"], how="left")
    return merged.assign(size_bytes=merged["size_bytes"].fillna(merged["listed_bytes"]))


def _advice(found: pd.DataFrame, known: Mapping[str, Sequence[Line]]) -> list[str]:
    said = []
    columns = ["cluster", "registry", "size_bytes", "pulled", "repulled", "waiting_p50_s"]
    for cluster, registry, size, pulled, repulled, waiting in found[columns].itertuples(index=False, name=None):
        words = []
        if pulled and size >= LARGE_BYTES:
            words.append(f"{size / 1e9:.1f} GB to pull: a smaller image comes sooner.")
        here = known.get(cluster, ())
        own = next((line.rate for line in here if line.registry == registry), None)
        if pulled and own is not None and own < FAR * here[0].rate:
            words.append(
                f"{registry} delivers {own / 1e6:.0f} MB/s here, {here[0].registry} {here[0].rate / 1e6:.0f} MB/s: "
                "copy it to a nearer registry."
            )
        if repulled:
            words.append(
                f"Pulled again {'once' if repulled == 1 else f'{repulled} times'} on nodes that had pulled it before: "
                "it was removed there, its tag moved, or the node was replaced under its name."
            )
        if waiting >= LONG_WAIT_S:
            words.append(f"Half of its pulls wait {waiting:.0f} s or longer behind others: allow parallel pulls.")
        said.append(" ".join(words))
    return said
