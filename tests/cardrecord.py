"""A record of costs in memory, as far as the Prices and Books pages ask it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd

from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, NODE_SPANS, PLACES, rates
from services.errors import Conflict, SourceUnavailable
from services.ports import Card


@dataclass
class Record:
    """What is kept; frames are those of :mod:`services.domain.cost`."""

    days: pd.DataFrame = field(default_factory=lambda: frames.empty(DAYS))
    hours: pd.DataFrame = field(default_factory=lambda: frames.empty(HOURS))
    controls: pd.DataFrame = field(default_factory=lambda: frames.empty(CONTROLS))
    places: pd.DataFrame = field(default_factory=lambda: frames.empty(PLACES))
    nodes: pd.DataFrame = field(default_factory=lambda: frames.empty(NODE_SPANS))
    holds: pd.DataFrame = field(default_factory=lambda: frames.empty(HOLD_SPANS))
    cards: list[Card] = field(default_factory=list)
    mark: Mapping[str, Any] | None = None
    broken: bool = False

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A unit that only reads."""
        if self.broken:
            raise SourceUnavailable("database", "The database cannot be reached.")
        yield self._unit()

    @contextmanager
    def __call__(self) -> Iterator[Any]:
        """A unit that may write."""
        with self.reading() as unit:
            yield unit

    def _unit(self) -> Any:
        costs = SimpleNamespace(
            days=self._days,
            hours=lambda begin, end, clusters=None: self._between(self.hours, begin, end, clusters),
            controls=lambda begin, end, clusters=None: self._between(self.controls, begin, end, clusters),
            places=lambda: self.places,
            spans=lambda begin, end, clusters=None: (self.nodes, self.holds),
            extent=self._extent,
            card=self._card,
            cards=lambda: list(reversed(self.cards)),
            add_card=self._add_card,
        )
        starts = SimpleNamespace(mark=lambda _cluster, _name: self.mark)
        return SimpleNamespace(costs=costs, starts=starts, commit=lambda: None)

    def _days(self, first: str, last: str, clusters: Sequence[str] | None = None) -> pd.DataFrame:
        rows = self.days[self.days["day"].between(first, last)]
        return rows if clusters is None else rows[rows["cluster"].isin(clusters)]

    def _between(
        self, rows: pd.DataFrame, begin: datetime, end: datetime, clusters: Sequence[str] | None
    ) -> pd.DataFrame:
        found = rows[(rows["hour"] >= begin) & (rows["hour"] < end)]
        return found if clusters is None else found[found["cluster"].isin(clusters)]

    def _extent(self, cluster: str) -> tuple[datetime, datetime] | None:
        mine = self.controls.loc[self.controls["cluster"].eq(cluster), "hour"]
        return None if mine.empty else (mine.min().to_pydatetime(), mine.max().to_pydatetime())

    def _card(self, version: int | None = None) -> Card | None:
        known = {card.version: card for card in self.cards}
        return known.get(version if version is not None else len(self.cards))

    def _add_card(self, lines: pd.DataFrame, *, after: int, at: datetime, actor: str, reason: str) -> int:
        if after != len(self.cards):
            raise Conflict("Somebody saved another rate card meanwhile.")
        self.cards.append(Card(after + 1, frames.conform(lines, rates.CARD), at, actor, reason))
        return after + 1
