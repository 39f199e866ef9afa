"""Answers a :class:`services.domain.signals.Query` from readings: groups, weights and statistics by arithmetic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from services.demo.estate import Roster
from services.demo.holds import holds
from services.demo.names import pod_names
from services.demo.noise import Floats, Ints
from services.demo.readings import Bools, Readings
from services.demo.world import Site
from services.domain.signals import IDLE_BELOW, SIGNALS, Combine, Level, Query, Stat

Only = Mapping[str, Sequence[str]] | None

_CELLS = 2_000_000  # pairs of hold and time worked on at once: about 300 MB at the peak
_OWNER = ("namespace", "pod")


@dataclass
class _Groups:
    """Which group each entity, or each hold, belongs to (-1: left out), and the groups' texts, one column each."""

    codes: Ints
    texts: dict[str, pd.Series]
    count: int


class Question:
    """A query about given times (seconds since the epoch, sorted) of one cluster."""

    def __init__(self, site: Site, query: Query, times: Ints) -> None:
        self.site, self.query, self.times = site, query, times
        minutes = times // 60 * 60
        begin, end = (int(minutes[0]), int(minutes[-1])) if len(minutes) else (0, 0)
        self.pods = site.pods(begin, end)
        self.roster: Roster = site.roster(begin, end)
        self.held = holds(site, self.roster, self.pods)
        self.readings = Readings(site, self.roster, self.pods, self.held)
        self.signal = SIGNALS[query.signal]
        self.of_gpu = self.signal.level is Level.GPU
        self.codes = self.roster.gpu_codes if self.of_gpu else self.roster.unit_codes
        self.entities = len(self.roster.gpu_slot if self.of_gpu else self.roster.unit_slot)
        self.weights: Floats = np.ones(self.entities) if self.of_gpu else self.roster.unit_fraction
        self.hold_entity: Ints = self.roster.unit_gpu[self.held.unit] if self.of_gpu else self.held.unit
        self.by_owner = any(name in _OWNER for name in query.by)

    def frame(self, only: Only, *, ranged: bool, instants: int) -> pd.DataFrame:
        """The answer as the query documents it, a row for each time as well when it is ``ranged``.

        ``instants`` is how many times the whole span has; some may lie ahead of the clock.
        """
        wanted = dict(only or {})
        owners = {name: set(wanted.pop(name)) for name in _OWNER if name in wanted}
        kept = self._kept(wanted)
        owned = self._owned(owners) if owners else None
        groups = self._groups(kept, owned)
        step = max(1, _CELLS // max(len(self.site.placement.slot_unit) + self.entities, 1))
        summed = _Sums(groups.count, self.query, len(self.times), ranged=ranged, span=instants)
        for begin in range(0, len(self.times), step):
            self._gather(summed, groups, kept, owned, begin, self.times[begin : begin + step])
        return summed.frame(groups.texts, self.times, self.query.by)

    def _kept(self, wanted: Mapping[str, Sequence[str]]) -> Bools:
        kept = np.ones(self.entities, np.bool_)
        for name, values in wanted.items():
            chosen = set(values)
            kept &= np.array([text in chosen for text in self.roster.labels[name]], np.bool_)[self.codes[name]]
        return kept

    def _namespaces(self) -> tuple[list[str], Ints]:
        names = sorted({work.namespace for work in self.site.works})
        place = {name: code for code, name in enumerate(names)}
        codes = np.array([place[work.namespace] for work in self.site.works], np.int64)
        return names, codes[self.pods.work[self.held.pod]]

    def _pod_codes(self) -> tuple[list[str], Ints]:
        used, inverse = np.unique(self.held.pod, return_inverse=True)
        names = pod_names(self.site, self.pods.where(used))
        texts = list(dict.fromkeys(names))
        place = {name: code for code, name in enumerate(texts)}
        return texts, np.array([place[name] for name in names], np.int64)[inverse]

    def _owned(self, owners: Mapping[str, set[str]]) -> Bools:
        """Which holds are by the wanted namespaces and pods."""
        chosen = np.ones(len(self.held), np.bool_)
        for name, values in owners.items():
            texts, codes = self._namespaces() if name == "namespace" else self._pod_codes()
            chosen &= np.array([text in values for text in texts] or [False], np.bool_)[codes]
        return chosen

    def _groups(self, kept: Bools, owned: Bools | None) -> _Groups:
        columns: list[tuple[str, list[str], Ints]] = []
        for name in self.query.by:
            if name in _OWNER:
                texts, codes = self._namespaces() if name == "namespace" else self._pod_codes()
            else:
                texts = self.roster.labels[name]
                codes = self.codes[name][self.hold_entity] if self.by_owner else self.codes[name]
            columns.append((name, texts, codes))
        size = len(self.held) if self.by_owner else self.entities
        packed = np.zeros(size, np.int64)
        for _, texts, codes in columns:
            packed = packed * max(len(texts), 1) + codes
        valid = kept[self.hold_entity] if self.by_owner else kept
        if self.by_owner and owned is not None:
            valid = valid & owned
        distinct, place = np.unique(packed[valid], return_inverse=True)
        codes = np.full(size, -1, np.int64)
        codes[valid] = place
        texts_of: dict[str, pd.Series] = {}
        rest = distinct
        for name, texts, _ in reversed(columns):
            rest, code = np.divmod(rest, max(len(texts), 1))
            texts_of[name] = pd.Series(np.array(texts or [""], dtype=object)[code], dtype="str")
        return _Groups(codes, texts_of, len(distinct))

    def _gather(
        self, summed: "_Sums", groups: _Groups, kept: Bools, owned: Bools | None, begin: int, times: Ints
    ) -> None:
        values = self.readings.values(self.query.signal, times)
        span = len(times)
        minutes = times // 60 * 60
        if self.by_owner:
            hold, at, _ = self.held.pairs(minutes)
            entity = self.hold_entity[hold]
            sharers = np.bincount(entity * span + at, minlength=self.entities * span)
            group = groups.codes[hold]
            value = values[entity, at]
            seen = (group >= 0) & ~np.isnan(value)
            hold, at, entity, group, value = hold[seen], at[seen], entity[seen], group[seen], value[seen]
            portion = 1.0 / sharers[entity * span + at]
            summed.add(group, at, value, self.weights[entity], portion, entity, (begin, span))
            return
        if owned is not None:
            hold, at, _ = self.held.pairs(minutes)
            mine = owned[hold]
            held = np.zeros(values.shape, np.bool_)
            held[self.hold_entity[hold[mine]], at[mine]] = True
            values = np.where(held, values, np.nan)
        rows = np.nonzero(kept)[0]
        entity, at = np.nonzero(~np.isnan(values[rows]))
        entity = rows[entity]
        value = values[entity, at]
        summed.add(groups.codes[entity], at, value, self.weights[entity], None, entity, (begin, span))


class _Sums:
    """Running sums by group, and by time where the answer needs it."""

    def __init__(self, groups: int, query: Query, instants: int, *, ranged: bool, span: int) -> None:
        self.groups, self.query, self.instants, self.ranged, self.span = groups, query, instants, ranged, span
        self.combine = SIGNALS[query.signal].combine
        size = groups * instants if ranged else groups
        self.top = np.zeros(size)
        self.bottom = np.zeros(size)
        self.weight = np.zeros(size)
        self.peak = np.full(size, -np.inf)

    def add(
        self,
        group: Ints,
        at: Ints,
        value: Floats,
        weight: Floats,
        portion: Floats | None,
        entity: Ints,
        chunk: tuple[int, int],
    ) -> None:
        """Observations: values of entities in groups at times counted from the chunk's (begin, length).

        ``portion`` is the group's part of the entity, 1/n; None when entities are whole.
        """
        size = len(self.top)
        begin, length = chunk
        cell = group * self.instants + begin + at if self.ranged else group
        self.weight += np.bincount(cell, weight, size)
        if self._peaks:
            np.maximum.at(self.peak, cell, value)
        elif self.query.stat is Stat.IDLE:
            self.top += np.bincount(cell, weight * (value < IDLE_BELOW), size)
        elif self.combine is Combine.SHARE:
            self.top += np.bincount(cell, weight * value, size)
        elif self.combine is Combine.SUM:
            self.top += np.bincount(cell, value if portion is None else value * portion, size)
            if self.query.over is not None:
                seen = np.bincount(group * length + at, minlength=size * length).reshape(size, length) > 0
                self.bottom += seen.sum(axis=1)
        else:
            if portion is not None:  # several pods of one group on one unit are still one unit
                number = int(entity.max(initial=0)) + 1
                _, first = np.unique((group * length + at) * number + entity, return_index=True)
                cell, value = cell[first], value[first]
            self.top += np.bincount(cell, value, size)
            self.bottom += np.bincount(cell, minlength=size)

    @property
    def _peaks(self) -> bool:
        return self.query.stat is Stat.MAX or (self.combine is Combine.PEAK and self.query.over is None)

    def frame(self, texts: Mapping[str, pd.Series], times: Ints, by: Sequence[str]) -> pd.DataFrame:
        """The rows with any weight."""
        if self._peaks:
            value = self.peak
        elif self.query.stat is Stat.IDLE or self.combine is Combine.SHARE:
            value = np.divide(self.top, self.weight, out=np.zeros(len(self.top)), where=self.weight > 0)
        elif self.query.over is None:
            value = self.top
        else:
            value = np.divide(self.top, self.bottom, out=np.zeros(len(self.top)), where=self.bottom > 0)
        rows = np.nonzero(self.weight > 0)[0]
        group = rows // self.instants if self.ranged else rows
        columns: dict[str, object] = {name: texts[name].take(group).reset_index(drop=True) for name in by}
        if self.ranged:
            at = (times[rows % self.instants] * 1_000_000).astype("datetime64[us]")
            columns["at"] = pd.Series(at).dt.tz_localize("UTC")
        columns["value"] = value[rows]
        columns["weight"] = self.weight[rows] / (1 if self.query.over is None else self.span)
        return pd.DataFrame(columns)
