"""The world as OpenMetrics text: what a Prometheus holds after scraping the simulated exporters.

For ``promtool tsdb create-blocks-from openmetrics``: families and series are contiguous and samples ascend. Backfilled
text has no staleness markers, so a server that answers from it needs a lookback shorter than the step
(``--query.lookback-delta=59s`` for one-minute samples) to see series end when they end. Counters are written as
``unknown`` because their exporter names lack the ``_total`` OpenMetrics asks of counters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TextIO

import numpy as np

from services.demo import exporter
from services.demo.exporter import Family
from services.demo.holds import holds
from services.demo.names import pod_names
from services.demo.noise import Floats, Ints
from services.demo.reaction import seen
from services.demo.readings import Readings
from services.demo.shapes import DAY
from services.demo.world import Site, World, seconds
from services.domain.signals import MIB

_WEEK = 7 * DAY
_OF_GPU = ("clock", "temperature", "power", "energy", "xid", "row_remap_failed")


@dataclass(frozen=True)
class _Series:
    """Labels (without name) of one target's view of one unit under one owner, and at which samples it exists."""

    labels: str
    unit: int
    samples: Ints


def write(
    world: World,
    cluster: str,
    start: datetime,
    end: datetime,
    step: timedelta,
    file: TextIO,
    *,
    honor_labels: bool = False,
) -> int:
    """Write what the cluster's exporters said from ``start`` to ``end`` (both included) every ``step``.

    The answer is the number of samples. ``step`` is a whole number of minutes. ``honor_labels`` false puts the workload
    into ``exported_*`` labels beside the exporter's own; true gives it ``pod``, ``namespace`` and ``container``, which
    the exporter has on free GPUs only.
    """
    site = seen(world.sites[cluster], seconds(end))
    begin = -(-seconds(start) // 60) * 60
    times = np.arange(begin, seconds(end) + 1, int(step.total_seconds()), dtype=np.int64)
    source = _Source(site, times)
    series = list(source.series(honor_labels=honor_labels))
    stamps = [str(moment) for moment in times.tolist()]
    written = 0
    for family in exporter.FAMILIES:
        lines = source.lines(family, series, stamps)
        first = next(lines, None)
        if first is None:
            continue
        name = exporter.metric(site, family)
        file.write(f"# HELP {name} {family.reading}\n# TYPE {name} {'unknown' if family.counter else 'gauge'}\n")
        file.write(first)
        written += first.count("\n")
        for text in lines:
            file.write(text)
            written += text.count("\n")
    file.write("# EOF\n")
    return written


class _Source:
    def __init__(self, site: Site, times: Ints) -> None:
        self.site, self.times = site, times
        self.readings = _readings(site, int(times[0]), int(times[-1]))
        self.roster = self.readings.roster
        self.there = self.readings.exists(times)

    def series(self, *, honor_labels: bool) -> Iterator[_Series]:
        """Every series of a family that all units have, unit by unit."""
        roster = self.roster
        owners = self._owners()
        for unit in range(len(roster.unit_slot)):
            gpu = int(roster.unit_gpu[unit])
            node = int(roster.gpu_node[gpu])
            name = roster.node_names[node]
            codes = {key: int(values[unit]) for key, values in roster.unit_codes.items()}
            texts = {key: roster.labels[key][code] for key, code in codes.items()}
            device = exporter.device_labels(
                self.site,
                int(self.site.estate.gpu_place[roster.gpu_slot[gpu]]),
                texts["gpu"],
                texts["model"],
                texts["profile"],
                texts["instance"],
                name,
                exporter.driver(self.site, int(roster.node_slot[node])),
            )
            for job in exporter.exporters(self.site, int(roster.node_slot[node])):
                target = exporter.target_labels(self.site, name, job)
                yield from self._unit(unit, device, target, owners.get(unit, {}), honor_labels=honor_labels)

    def _unit(
        self,
        unit: int,
        device: Mapping[str, str],
        target: Mapping[str, str],
        owners: Mapping[tuple[tuple[str, str], ...], list[Ints]],
        *,
        honor_labels: bool,
    ) -> Iterator[_Series]:
        free = self.there[unit].copy()
        for owner, parts in owners.items():
            samples = np.concatenate(parts)
            samples = samples[self.there[unit][samples]]
            free[samples] = False
            if not len(samples):
                continue
            labels = {**device, **target}
            for key, value in owner:
                plain = honor_labels or key == "vgpu"
                labels[key if plain else f"exported_{key}"] = value
            yield _Series(_text(labels), unit, np.sort(samples))
        if free.any():
            yield _Series(_text({**device, **target}), unit, np.nonzero(free)[0])

    def _owners(self) -> dict[int, dict[tuple[tuple[str, str], ...], list[Ints]]]:
        """By unit: the samples at which each owner's copy of the series exists."""
        held, pods = self.readings.held, self.readings.pods
        first = np.searchsorted(self.times, held.start, side="left")
        last = np.searchsorted(self.times, held.end, side="left")
        names = pod_names(self.site, pods)
        shared = exporter.shares(self.site)
        found: dict[int, dict[tuple[tuple[str, str], ...], list[Ints]]] = {}
        for place in np.nonzero(last > first)[0].tolist():
            pod = int(held.pod[place])
            work = self.site.works[int(pods.work[pod])]
            owner = [("container", "main"), ("namespace", work.namespace), ("pod", names[pod])]
            if shared:
                owner.append(("vgpu", str(int(held.replica[place]))))
            samples = np.arange(first[place], last[place])
            found.setdefault(int(held.unit[place]), {}).setdefault(tuple(owner), []).append(samples)
        return found

    def lines(self, family: Family, series: list[_Series], stamps: list[str]) -> Iterator[str]:
        """The family's lines, one text for each series."""
        new = exporter.renamed(self.site)
        name = exporter.metric(self.site, family)
        scale, places = (family.new_scale, family.new_decimals) if new else (family.scale, family.decimals)
        values = self._values(family.reading) * scale
        whole = self.roster.unit_codes["profile"] == self.roster.labels["profile"].index("")
        profiled = self.readings.profiled
        for one in series:
            if (family.whole_only and not whole[one.unit]) or (family.reading == "util" and not profiled[one.unit]):
                continue
            row = values[one.unit, one.samples]
            if np.isnan(row).all():
                continue
            moments = [stamps[sample] for sample in one.samples.tolist()]
            if family.reading == "xid":
                yield from _xid(name, one.labels, row, moments)
                continue
            head = f"{name}{{{one.labels}}} "
            yield "".join(
                [f"{head}{value:.{places}f} {moment}\n" for value, moment in zip(row.tolist(), moments, strict=True)]
            )

    def _values(self, reading: str) -> Floats:
        """A row per unit; what a GPU reads stands on each of its units."""
        readings, roster = self.readings, self.roster
        if reading == "energy":
            values = self._energy()
        elif reading == "clock":
            models = self.site.estate.models
            busy = readings.values("power", self.times) > readings.watts[0] * 1.3
            top = np.array([model.clock_mhz for model in models])[self.site.estate.gpu_model[roster.gpu_slot]]
            values = np.where(busy, top[:, None], 345.0)
        elif reading == "busy_percent":
            values = np.round(readings.busy(self.times)[0] * 100.0)
        elif reading == "reserved":
            values = np.repeat(readings.reserved_mib[:, None] * MIB, len(self.times), axis=1)
        else:
            values = readings.values(reading, self.times)
        return np.asarray(values[roster.unit_gpu] if reading in _OF_GPU else values)

    def _energy(self) -> Floats:
        """Joules since the week began (the driver is reloaded every Monday at 00:00 UTC), by adding up power."""
        roster = self.roster
        total = np.zeros((len(roster.gpu_slot), len(self.times)))
        weeks = (self.times + 3 * DAY) // _WEEK
        for week in np.unique(weeks).tolist():
            begin, until = week * _WEEK - 3 * DAY, int(self.times[weeks == week].max())
            past = _readings(self.site, begin, until)
            places = {uuid: row for row, uuid in enumerate(past.roster.gpu_uuids)}
            rows = np.array([places[uuid] for uuid in roster.gpu_uuids if uuid in places])
            own = np.array([uuid in places for uuid in roster.gpu_uuids])
            running = np.zeros(len(rows))
            wanted = np.nonzero(weeks == week)[0]
            for chunk in range(begin, until + 1, DAY):
                minutes = np.arange(chunk, min(chunk + DAY, until + 60), 60, dtype=np.int64)
                grown = running[:, None] + np.cumsum(np.nan_to_num(past.values("power", minutes)[rows]) * 60.0, axis=1)
                running = grown[:, -1]
                inside = wanted[(self.times[wanted] >= chunk) & (self.times[wanted] < chunk + DAY)]
                total[np.ix_(own, inside)] = grown[:, (self.times[inside] - chunk) // 60]
        return total


def _readings(site: Site, begin: int, end: int) -> Readings:
    pods, roster = site.pods(begin, end), site.roster(begin, end)
    return Readings(site, roster, pods, holds(site, roster, pods))


def _xid(name: str, labels: str, row: Floats, moments: list[str]) -> Iterator[str]:
    """XID series change their labels with their value."""
    for code in np.unique(row).astype(int).tolist():
        head = f'{name}{{{labels},err_code="{code}",err_msg="{exporter.XID_TEXTS[code]}"}} {code} '
        yield "".join([f"{head}{moments[place]}\n" for place in np.nonzero(row == code)[0].tolist()])


def _text(labels: Mapping[str, str]) -> str:
    return ",".join(f'{key}="{value}"' for key, value in labels.items())
