"""Closing hours: from spans, prices and readings to facts; the same again when asked again."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from services.domain import frames
from services.domain.cost import cardchange, days, hours, opencost, rates
from services.domain.cost.use import USE, use
from services.domain.signals import Query
from services.domain.window import Window
from services.errors import OpsError
from services.jobs import spending
from services.ports import Card, ClusterSource, Sources, UnitOfWork, Work
from services.snapshots import price_book

log = logging.getLogger(__name__)

Hold = Callable[[UnitOfWork], None]
Note = Callable[[UnitOfWork, tuple[datetime, ...]], None]
"""Called in the transaction that keeps the facts, with the hours whose utilisation nobody could tell."""
_BY_POD = Query("util", ("node", "namespace", "pod"))
_FINE, _COARSE = timedelta(minutes=1), timedelta(minutes=5)
_FINE_UP_TO = 500
"""Values of one hour (GPUs) up to which its utilisation is read minute by minute."""
_HOUR = timedelta(hours=1)


class Closing:
    """Works out the facts of whole hours of one cluster."""

    def __init__(self, sources: Sources, work: Work, hold: Hold) -> None:
        self._sources, self._work, self._hold = sources, work, hold
        self._zone = ZoneInfo(sources.policy.cost.zone)

    def close(
        self, source: ClusterSource, begin: datetime, end: datetime, now: datetime, *, note: Note, measure: bool
    ) -> None:
        """Close the hours from ``begin`` to ``end``. Raises SourceUnavailable for the database."""
        for _ in self.closed(source, begin, end, now, note=note, measure=measure):
            pass

    def closed(
        self, source: ClusterSource, begin: datetime, end: datetime, now: datetime, *, note: Note, measure: bool
    ) -> Iterator[None]:
        """The same in small steps. Without ``measure`` the utilisation is what is in the record.

        What OpenCost counts is, too, as far as it does not say it now.
        """
        name = source.name
        with self._work.reading() as unit:
            nodes, holds = unit.costs.spans(begin, end, (name,))
            places, card, owners = unit.costs.places(), unit.costs.card(), unit.costs.owners()
            before = unit.costs.hours(begin, end, (name,))
        read, live = days.use_of(before), opencost.remembered(before, nodes)
        yield
        unmeasured: tuple[datetime, ...] = ()
        spent: dict[str, pd.DataFrame] = {}
        try:  # of two prices the later one is heeded
            live = pd.concat([live, _live(source, begin, end)], ignore_index=True)
        except OpsError as error:
            log.warning("%s: what nodes cost from %s on could not be read: %s", name, begin, error)
            unmeasured = tuple(_hours(begin, end))
        yield
        try:
            if measure:
                read = self._use(source, nodes, holds, begin, end)
                yield
                spent = spending.read(source, begin, end, holds, owners)
        except OpsError as error:
            log.warning("%s: what GPUs did from %s on could not be read: %s", name, begin, error)
            unmeasured = tuple(_hours(begin, end))
        yield
        prices = hours.Prices(
            lines=frames.empty(rates.CARD) if card is None else card.lines,
            version=0 if card is None else card.version,
            book=price_book(),
            live=live,
        )
        made = hours.closed(nodes, holds, places, prices, read, begin, end, (name,))
        if len(made.orphans):
            log.warning(
                "%s: %d pods held GPUs on nodes that are not recorded; that time is in no cost", name, len(made.orphans)
            )
        yield
        with self._work() as unit:
            self._hold(unit)
            unit.costs.close(made.facts, made.controls.assign(closed_at=pd.Timestamp(now)))
            self._sum_days(unit, name, begin, end)
            for kind, rows in spent.items():
                unit.costs.save_llm(rows, name, kind, tuple(_hours(begin, end)))
            note(unit, unmeasured)
            unit.commit()

    def touched(self, before: int, card: Card, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        """Stretches of [since, until) in which another price is in force than with an earlier version of the card."""
        with self._work.reading() as unit:
            old = unit.costs.card(before) if before else None
        lines = frames.empty(rates.CARD) if old is None else old.lines
        found = cardchange.touched(lines, card.lines, pd.Timestamp(since), pd.Timestamp(until))
        return [(begin.to_pydatetime(), end.to_pydatetime()) for begin, end in found]

    def _use(
        self, source: ClusterSource, nodes: pd.DataFrame, holds: pd.DataFrame, begin: datetime, end: datetime
    ) -> pd.DataFrame:
        """What was used; raises SourceError while that cannot be told."""
        if source.metrics is None:
            return frames.empty(USE)
        gpus = int(nodes.drop_duplicates("uid", keep="last")["gpus"].sum())
        fine = gpus * ((end - begin) / _HOUR) <= _FINE_UP_TO
        step = _FINE if fine else _COARSE
        samples = source.metrics.range(_BY_POD, Window(begin, end, step)).frame
        return use(samples, nodes, holds, begin, end, step)

    def _sum_days(self, unit: UnitOfWork, name: str, begin: datetime, end: datetime) -> None:
        """Sum the days that are over by now, as far as anything of them is closed."""
        extent = unit.costs.extent(name)
        last = end if extent is None else max(end, extent[1] + _HOUR)
        day = begin.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        while (first := day.astimezone(UTC)) < end:
            day = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=self._zone)
            over = day.astimezone(UTC)
            if over <= last:
                facts = unit.costs.hours(first, over, (name,))
                card = int(facts["card"].max()) if len(facts) else 0
                text = str((day - timedelta(hours=12)).date())
                unit.costs.set_days(days.days(facts, str(self._zone), card), (name,), text, text, card)


def _live(source: ClusterSource, begin: datetime, end: datetime) -> pd.DataFrame:
    """What OpenCost counts nodes at, hour by hour (:data:`services.domain.cost.hours.LIVE`). Raises SourceError.

    Its own address is asked where there is one, else the metrics it exports.
    """
    if source.pricing is not None:
        return opencost.live(source.pricing.nodes(begin, end), source.name)
    if source.metrics is None:
        return frames.empty(hours.LIVE)
    whole, gpu = (
        source.metrics.grown(counter, begin, end, _HOUR).frame.rename(columns={"value": column})
        for counter, column in (("node_price", "usd"), ("gpu_price", "gpu_usd"))
    )
    said = whole.merge(gpu, on=["at", "node"], how="left")
    return opencost.live(said.assign(hour=said["at"] - pd.Timedelta(_HOUR)), source.name)


def _hours(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += _HOUR
