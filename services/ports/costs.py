"""The record of costs: spans, facts of hours and days, spend of language models, rate cards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd


@dataclass(frozen=True)
class Card:
    """One version of the rate card. ``lines`` is :data:`services.domain.cost.rates.CARD`; versions count from 1."""

    version: int
    lines: pd.DataFrame
    at: datetime
    actor: str
    reason: str


class Costs(Protocol):
    """Costs inside one unit of work. Frames are those of :mod:`services.domain.cost`; clusters None means all."""

    def save_spans(self, nodes: pd.DataFrame, holds: pd.DataFrame, owners: pd.DataFrame, places: pd.DataFrame) -> None:
        """Write spans in place of those with the same key, and owners and places that are new."""
        ...

    def spans(
        self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """NODE_SPANS and HOLD_SPANS that were there somewhere in [begin, end)."""
        ...

    def open_spans(self, cluster: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Those of a cluster that last."""
        ...

    def close(self, hours: pd.DataFrame, controls: pd.DataFrame) -> None:
        """Write the facts of hours in place of all rows of the same cluster, hour and card, and their controls."""
        ...

    def set_days(self, days: pd.DataFrame, clusters: tuple[str, ...], first: str, last: str, card: int) -> None:
        """Write the facts of days in place of all rows of these clusters, days (both included) and card."""
        ...

    def hours(
        self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None, card: int | None = None
    ) -> pd.DataFrame:
        """HOURS in [begin, end): of each cluster and hour those of the newest card, not above ``card`` if given."""
        ...

    def days(
        self, first: str, last: str, clusters: tuple[str, ...] | None = None, card: int | None = None
    ) -> pd.DataFrame:
        """DAYS from first to last, both included, chosen in the same way."""
        ...

    def controls(
        self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None, card: int | None = None
    ) -> pd.DataFrame:
        """CONTROLS in [begin, end), chosen in the same way, oldest first."""
        ...

    def extent(self, cluster: str) -> tuple[datetime, datetime] | None:
        """The first and the last closed hour of a cluster; None when there is none."""
        ...

    def owners(self) -> pd.DataFrame:
        """OWNERS, all."""
        ...

    def places(self) -> pd.DataFrame:
        """PLACES, all."""
        ...

    def save_llm(self, rows: pd.DataFrame, cluster: str, source: str, hours: Sequence[datetime]) -> None:
        """Write LLM rows in place of all of this cluster, source and these hours."""
        ...

    def llm(self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None) -> pd.DataFrame:
        """LLM in [begin, end), oldest first."""
        ...

    def card(self, version: int | None = None) -> Card | None:
        """One version of the rate card, the newest when None; None when there is none."""
        ...

    def cards(self) -> Sequence[Card]:
        """All versions, newest first."""
        ...

    def add_card(self, lines: pd.DataFrame, *, after: int, at: datetime, actor: str, reason: str) -> int:
        """Write the next version; its number. Raises Conflict when the newest is not ``after`` (0 for none)."""
        ...

    def prune(self, hours_before: datetime, limit: int) -> int:
        """Remove facts of hours, and spans that ended, before that; the rest stays. How many rows; call until 0."""
        ...
