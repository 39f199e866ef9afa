"""From what a gateway's counters gained to routes: requests are counted, not hops.

LiteLLM counts an answer under the group that gave it, and every hop from a group to the next (seen in a running 1.106).
Nothing counts a request as such where it was asked, so it is put together, for each group ``g`` and each step:

- answered(g) = answers of its deployments + hops to other groups − hops into it. A hop inside the group, from one order
  to the next, is no request of its own: whoever answered is counted already.
- What came from other groups is shared out over who answered in ``g`` (its deployments, or groups further on) as
  everything in ``g`` was in that step; that is exact for groups nobody falls back to, or with one deployment.
- lost(g): requests the proxy failed, which it counts where they were asked.

Of requests that a later order of the group answered, those that hopped carry the error of the hop. The others went
there at once, because the first tier was cooling down.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.domain import frames
from services.domain.fallback import ROUTES, Chains
from services.domain.fallback.causes import cause, refused

K = TypeVar("K")
Floats = npt.NDArray[np.float64]
Key = tuple[str, str, str, str, int, str, str, str, str, bool]
Row = tuple[Key, Floats, Floats]
Steps = Mapping[tuple[str, ...], Floats]
DEPTH = 8
"""Groups a request is followed through; LiteLLM sends it on five times unless told otherwise."""


def routes(
    points: Sequence[datetime],
    chains: Chains,
    *,
    answers: pd.DataFrame,
    hops: pd.DataFrame,
    lost: pd.DataFrame,
    spend: pd.DataFrame,
) -> pd.DataFrame:
    """Frame :data:`ROUTES` from growth by step: of counters "fallback_answers", "_hops", "_lost" and "_spend".

    ``points`` are the ends of all steps. Without a spend counter no amount is known.
    """
    by = {
        "answers": _steps(points, answers, ("team", "group", "id")),
        "hops": _steps(points, hops, ("team", "asked", "to", "status", "error")),
        "lost": _steps(points, lost, ("team", "group", "status", "error")),
        "spend": _steps(points, spend, ("team", "id")),
    }
    teams = sorted({key[0] for steps in by.values() for key in steps})
    rows: list[Row] = []
    for team in teams:
        rows += _Team(team, chains, len(points), by).rows()
    return _table(points, rows)


def _steps(points: Sequence[datetime], frame: pd.DataFrame, keys: Sequence[str]) -> Steps:
    """Growth by key, one value per step."""
    place = {pd.Timestamp(at): number for number, at in enumerate(points)}
    found: dict[tuple[str, ...], Floats] = {}
    if frame.empty:
        return found
    at = frame["at"].map(place)
    known = frame[at.notna()].assign(place=at.dropna().astype("int64"))
    for key, part in known.groupby(list(keys), sort=True):
        names = tuple(str(one) for one in key)
        values = np.bincount(part["place"], part["value"], len(points)).astype(np.float64)
        found[names] = found[names] + values if names in found else values
    return found


class _Team:
    """The routes of one team's requests; all arrays are over steps."""

    def __init__(self, team: str, chains: Chains, length: int, by: Mapping[str, Steps]) -> None:
        self._team, self._chains, self._nothing = team, chains, np.zeros(length)
        self._own: dict[str, dict[str, Floats]] = {}
        for (_, group, name), values in _of(by["answers"], team):
            self._add(self._own.setdefault(self._home(group, name), {}), name, values)
        self._inside: dict[str, dict[tuple[str, str], Floats]] = {}
        self._across: dict[tuple[str, str], dict[tuple[str, str], Floats]] = {}
        for (_, asked, to, status, error), values in _of(by["hops"], team):
            one, other = chains.name(asked), chains.name(to)
            kept = self._inside.setdefault(one, {}) if one == other else self._across.setdefault((one, other), {})
            self._add(kept, (status, error), values)
        self._lost = [(key[1:], values) for key, values in _of(by["lost"], team)]
        self._spend = {key[1]: values for key, values in _of(by["spend"], team)}
        self._groups = sorted({*self._own, *self._inside, *(name for pair in self._across for name in pair)})
        self._handled = {group: self._answered(group) + self._sent(group) for group in self._groups}
        self._direct = {group: self._share(group) for group in self._groups}

    def rows(self) -> Iterable[Row]:
        """Everything but ``at``: the key, requests, US dollars."""
        rates = self._rates()
        for group in self._groups:
            for key, requests in self._answers(group):
                yield key, requests, requests * rates.get(key[3], self._nothing + np.nan)
        for (asked, status, error), requests in self._lost:
            outcome = "refused" if refused(status, error) else "lost"
            yield self._key(asked, "", "", outcome, status, error), requests, self._nothing

    def _answers(self, group: str) -> Iterable[tuple[Key, Floats]]:
        direct, fallen = self._direct[group], self._nothing
        for name, values in self._own.get(group, {}).items():
            if self._chains.first(group, name):
                yield self._key(group, "", name, "first"), values * direct
            else:
                fallen = fallen + values * direct
        if fallen.any():
            causes = self._inside_causes(group, fallen)
            for name, values in self._own[group].items():
                if not self._chains.first(group, name):
                    for (status, error), share in causes.items():
                        yield self._key(group, "", name, "order", status, error), values * direct * share
        for (asked, to), errors in self._across.items():
            if asked == group:
                ends = self._ends(to)
                for (status, error), values in errors.items():
                    for name, share in ends.items():
                        yield self._key(group, to, name, "group", status, error), values * direct * share

    def _inside_causes(self, group: str, fallen: Floats) -> dict[tuple[str, str], Floats]:
        """Shares of causes among what a later order answered. Hops of requests that went on further are not theirs."""
        hops = self._inside.get(group, {})
        total = np.sum(list(hops.values()), axis=0) if hops else self._nothing
        further = self._sent(group) * self._direct[group]
        mine = np.minimum(_ratio(total * fallen, fallen + further), fallen)
        shares = {key: _ratio(values, total) * _ratio(mine, fallen) for key, values in hops.items()}
        straight = 1.0 - np.sum(list(shares.values()), axis=0) if shares else self._nothing + 1.0
        shares["", ""] = shares.get(("", ""), self._nothing) + straight
        return shares

    def _ends(self, group: str, depth: int = 0) -> dict[str, Floats]:
        """Who answers what comes into a group, as shares; "" is nobody that is known."""
        handled = self._handled[group]
        parts: dict[str, Floats] = {}
        for name, values in self._own.get(group, {}).items():
            self._add(parts, name, _share(values, handled))
        for (asked, to), errors in self._across.items():
            if asked == group and depth < DEPTH:
                part = _share(np.sum(list(errors.values()), axis=0), handled)
                for name, share in self._ends(to, depth + 1).items():
                    self._add(parts, name, part * share)
        left = 1.0 - np.sum(list(parts.values()), axis=0) if parts else self._nothing + 1.0
        if (left > 1e-9).any():
            self._add(parts, "", np.maximum(left, 0.0))
        return parts

    def _share(self, group: str) -> Floats:
        """The share of what a group handled that was asked of it and not of another group."""
        handled, into = self._handled[group], self._into(group)
        if ((into > handled) | ((handled == 0) & (into > 0))).any():  # a hop and its answer met different looks
            total = float(handled.sum())
            return self._nothing + (max(total - float(into.sum()), 0.0) / total if total else 1.0)
        return np.divide(handled - into, handled, out=np.ones_like(handled), where=handled > 0)

    def _answered(self, group: str) -> Floats:
        return np.asarray(np.sum([self._nothing, *self._own.get(group, {}).values()], axis=0))

    def _sent(self, group: str) -> Floats:
        return self._hops(lambda pair: pair[0] == group)

    def _into(self, group: str) -> Floats:
        return self._hops(lambda pair: pair[1] == group)

    def _hops(self, wanted: Callable[[tuple[str, str]], bool]) -> Floats:
        found = [values for pair, errors in self._across.items() if wanted(pair) for values in errors.values()]
        return np.asarray(np.sum([self._nothing, *found], axis=0))

    def _rates(self) -> dict[str, Floats]:
        """US dollars a request by deployment; NaN without a price."""
        answered: dict[str, Floats] = {}
        for mine in self._own.values():
            for name, values in mine.items():
                self._add(answered, name, values)
        found = {}
        for name, requests in answered.items():
            known = self._chains.deployments.get(name)
            usd = self._spend.get(name)
            if usd is None or (known is not None and not (known.priced or known.own) and not usd.any()):
                found[name] = self._nothing + (0.0 if known is not None and known.own else np.nan)
            else:
                found[name] = _share(usd, requests)
        return found

    def _key(self, group: str, via: str, name: str, outcome: str, status: str = "", error: str = "") -> Key:
        known, asked = self._chains.deployments.get(name), self._chains.name(group)
        rank = known.rank if known is not None and known.group == asked else 0
        why = "" if outcome == "first" else cause(status, error)
        return self._team, asked, via, name, rank, outcome, why, status, error, known is not None and known.own

    def _home(self, group: str, name: str) -> str:
        """The group of a deployment; a label that says otherwise is of an alias or a name that matched a pattern."""
        known = self._chains.deployments.get(name)
        return known.group if known is not None else self._chains.name(group)

    @staticmethod
    def _add(kept: dict[K, Floats], key: K, values: Floats) -> None:
        kept[key] = kept[key] + values if key in kept else values


def _of(steps: Steps, team: str) -> Iterable[tuple[tuple[str, ...], Floats]]:
    return ((key, values) for key, values in steps.items() if key[0] == team)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Step by step, 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _share(part: Floats, whole: Floats) -> Floats:
    """Step by step; that of all steps together where a part met another look than its whole."""
    total = float(whole.sum())
    over_all = float(part.sum()) / total if total else 0.0
    if (part[whole <= 0] > 0).any():
        return np.full_like(part, over_all)
    return np.divide(part, whole, out=np.full_like(part, over_all), where=whole > 0)


def _table(points: Sequence[datetime], rows: Sequence[Row]) -> pd.DataFrame:
    """One row per key and step in which there was a request."""
    if not rows:
        return frames.empty(ROUTES)
    requests, usd = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    which, step = np.nonzero(requests)
    keys = list(zip(*(row[0] for row in rows), strict=True))
    names = [name for name in ROUTES if name not in ("at", "requests", "usd")]
    told = {
        name: pd.Series(list(values), dtype=ROUTES[name]).take(which).to_numpy()
        for name, values in zip(names, keys, strict=True)
    }
    frame = pd.DataFrame(told).assign(
        at=pd.DatetimeIndex(list(points)).as_unit("us")[step], requests=requests[which, step], usd=usd[which, step]
    )
    return frames.conform(frame.sort_values(["at", "group", "team", "via", "id"], kind="stable"), ROUTES)
