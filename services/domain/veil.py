"""Who holds the GPUs, as somebody sees it who does not see everything: other people's names are left out."""

import pandas as pd

from services.domain import attribution, frames
from services.domain.scope import Sight

HIDDEN = "hidden"
"""Stands for pods that are there and are not seen."""
_NAMES = ("namespace", "workload", "team")


def veiled(units: pd.DataFrame, sees: Sight, pods: pd.DataFrame) -> pd.DataFrame:
    """Units (:data:`services.domain.gpus.GPUS`) of one cluster without the names of what is not seen.

    Figures stay: hardware is seen by all. A unit of which only some pods are seen names those and says that there are
    more. ``pods`` is the cluster's inventory of pods.
    """
    if sees.whole or units.empty:
        return units
    codes, texts = pd.factorize(units["pods"])
    labels = [(number, *label.partition("/")[::2]) for number, text in enumerate(texts) for label in _split(text)]
    held = pd.DataFrame(labels, columns=["unit", "namespace", "pod"]).astype({"namespace": "str", "pod": "str"})
    held["workload"], held["team"] = attribution.owners(held, pods)
    seen = sees.seen(held)
    number, number_seen = held.groupby("unit").size(), seen.groupby("unit").size()
    partly = number.index[number_seen.reindex(number.index, fill_value=0) < number]
    if partly.empty:
        return units
    shown = _names_of(seen).reindex(partly, fill_value="")
    shown["pods"] = [f"{text}, {HIDDEN}" if text else HIDDEN for text in shown["pods"]]
    rows = pd.Series(codes, index=units.index)
    touched = rows.isin(partly)
    covered = units.copy(deep=False)
    for column in ("pods", *_NAMES):
        covered[column] = units[column].where(~touched, rows.map(shown[column]))
    return covered


def named(units: pd.DataFrame, sees: Sight) -> pd.DataFrame:
    """Of veiled units those with a name of their holder: for what is said of holders."""
    return units if sees.whole else units[units["workload"] != ""]


def _split(text: str) -> list[str]:
    return text.split(", ") if text else []


def _names_of(seen: pd.DataFrame) -> pd.DataFrame:
    """Names per unit: pods joined, and the one or the first of several namespaces, workloads and teams."""
    labels = (seen["namespace"] + "/" + seen["pod"]).groupby(seen["unit"]).agg(", ".join)
    names = pd.DataFrame({"pods": labels.astype("str")})
    for column in _NAMES:
        names[column] = frames.one_or_many(seen, ["unit"], column).astype("str")
    return names
