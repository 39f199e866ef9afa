"""Spans, facts of hours and days, spend of language models and rate cards."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, or_, select, text, tuple_
from sqlalchemy.orm import Session

from db import bulk
from db.chain import clean
from db.facts import Clusters, Facts, Where
from db.tables import (
    CARDS_TABLE,
    CONTROLS_TABLE,
    DAY_SHEETS_TABLE,
    DAYS_TABLE,
    HOLD_SPANS_TABLE,
    HOURS_TABLE,
    LINES_TABLE,
    LLM_TABLE,
    NODE_SPANS_TABLE,
    OWNERS_TABLE,
    PLACES_TABLE,
)
from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, LLM, NODE_SPANS, OWNERS, PLACES
from services.domain.cost.rates import CARD
from services.errors import Conflict
from services.ports import Card

_LOCK = 7_201_004
"""Key of the PostgreSQL advisory lock that lets one transaction at a time write costs."""
_FRAMES: Mapping[Table, Mapping[str, str]] = {
    NODE_SPANS_TABLE: NODE_SPANS,
    HOLD_SPANS_TABLE: HOLD_SPANS,
    OWNERS_TABLE: OWNERS,
    PLACES_TABLE: PLACES,
    LLM_TABLE: LLM,
}
_OF_HOUR = ["cluster", "hour", "card"]


class Costs:
    """The record of costs inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # -- spans -------------------------------------------------------------------------------------------------------

    def save_spans(self, nodes: pd.DataFrame, holds: pd.DataFrame, owners: pd.DataFrame, places: pd.DataFrame) -> None:
        """Write spans in place of those with the same key, and owners and places that are new."""
        if not any(map(len, (nodes, holds, owners, places))):
            return
        connection = self._locked()
        for table, frame in ((OWNERS_TABLE, owners), (PLACES_TABLE, places)):
            if len(frame):
                connection.execute(bulk.inserting(connection, table).on_conflict_do_nothing(), _rows(frame))
        bulk.upsert(connection, NODE_SPANS_TABLE, _rows(nodes))
        bulk.upsert(connection, HOLD_SPANS_TABLE, _rows(holds))

    def spans(self, begin: datetime, end: datetime, clusters: Clusters = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """NODE_SPANS and HOLD_SPANS that were there somewhere in [begin, end)."""
        found = []
        for table in (NODE_SPANS_TABLE, HOLD_SPANS_TABLE):
            there = table.c.begin < end, or_(table.c.end.is_(None), table.c.end > begin), *_of(table, clusters)
            found.append(self._frame(table, *there))
        return found[0], found[1]

    def open_spans(self, cluster: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Those of a cluster that last."""
        nodes, holds = (
            self._frame(table, table.c.cluster == cluster, table.c.end.is_(None))
            for table in (NODE_SPANS_TABLE, HOLD_SPANS_TABLE)
        )
        return nodes, holds

    # -- facts -------------------------------------------------------------------------------------------------------

    def close(self, hours: pd.DataFrame, controls: pd.DataFrame) -> None:
        """Write the facts of hours in place of all rows of the same cluster, hour and card, and their controls.

        Raises ValueError for facts of an hour without its control.
        """
        if not set(_keys(hours)) <= set(_keys(controls)):
            raise ValueError("facts of an hour need its control")
        facts = self._hours(self._locked())
        for (cluster, card), own in controls.groupby(["cluster", "card"]):
            instants = CONTROLS_TABLE.c.hour.in_(own["hour"].dt.to_pydatetime().tolist())
            facts.clear(CONTROLS_TABLE.c.cluster == cluster, CONTROLS_TABLE.c.card == card, instants)
        facts.write(hours, _rows(controls))

    def set_days(self, days: pd.DataFrame, clusters: tuple[str, ...], first: str, last: str, card: int) -> None:
        """Write the facts of days in place of all rows of these clusters, days (both included) and card."""
        facts, table = self._days(self._locked()), DAY_SHEETS_TABLE.c
        facts.clear(table.day.between(first, last), table.card == card, table.cluster.in_(clusters))
        facts.write(days, _rows(days[["cluster", "day", "card"]].drop_duplicates()))

    def hours(self, begin: datetime, end: datetime, clusters: Clusters = None, card: int | None = None) -> pd.DataFrame:
        """HOURS in [begin, end): of each cluster and hour those of the newest card, not above ``card`` if given."""
        facts = self._hours(self._session.connection())
        return facts.read(HOURS, _between(CONTROLS_TABLE, begin, end), clusters, card)

    def days(self, first: str, last: str, clusters: Clusters = None, card: int | None = None) -> pd.DataFrame:
        """DAYS from first to last, both included, chosen in the same way."""
        facts = self._days(self._session.connection())
        return facts.read(DAYS, [DAY_SHEETS_TABLE.c.day.between(first, last)], clusters, card)

    def controls(
        self, begin: datetime, end: datetime, clusters: Clusters = None, card: int | None = None
    ) -> pd.DataFrame:
        """CONTROLS in [begin, end), chosen in the same way, oldest first."""
        connection = self._session.connection()
        chosen = self._hours(connection).chosen(_between(CONTROLS_TABLE, begin, end), clusters, card)
        own = select().where(bulk.among(connection, CONTROLS_TABLE.c.id, chosen))
        order = CONTROLS_TABLE.c["hour", "cluster"]
        return bulk.frame(connection, own.order_by(*order), CONTROLS_TABLE, CONTROLS)

    def extent(self, cluster: str) -> tuple[datetime, datetime] | None:
        """The first and the last closed hour of a cluster; None when there is none."""
        wanted = select(func.min(CONTROLS_TABLE.c.hour), func.max(CONTROLS_TABLE.c.hour))
        first, last = self._session.execute(wanted.where(CONTROLS_TABLE.c.cluster == cluster)).one()
        return None if first is None else (first, last)

    def owners(self) -> pd.DataFrame:
        """OWNERS, all."""
        return self._frame(OWNERS_TABLE)

    def places(self) -> pd.DataFrame:
        """PLACES, all."""
        return self._frame(PLACES_TABLE)

    # -- language models ---------------------------------------------------------------------------------------------

    def save_llm(self, rows: pd.DataFrame, cluster: str, source: str, hours: Sequence[datetime]) -> None:
        """Write LLM rows in place of all of this cluster, source and these hours."""
        connection = self._locked()
        own = LLM_TABLE.c.cluster == cluster, LLM_TABLE.c.source == source, LLM_TABLE.c.hour.in_(list(hours))
        connection.execute(delete(LLM_TABLE).where(*own))
        if len(rows):
            connection.execute(insert(LLM_TABLE), _rows(rows))

    def llm(self, begin: datetime, end: datetime, clusters: Clusters = None) -> pd.DataFrame:
        """LLM in [begin, end), oldest first."""
        found = self._frame(LLM_TABLE, *_between(LLM_TABLE, begin, end), *_of(LLM_TABLE, clusters))
        return found.sort_values(["hour", "cluster", "source", "model_group", "model"], ignore_index=True)

    # -- rate cards --------------------------------------------------------------------------------------------------

    def card(self, version: int | None = None) -> Card | None:
        """One version of the rate card, the newest when None; None when there is none."""
        newest = select(func.max(CARDS_TABLE.c.version)).scalar_subquery()
        return next(iter(self._cards(CARDS_TABLE.c.version == (newest if version is None else version))), None)

    def cards(self) -> Sequence[Card]:
        """All versions, newest first."""
        return self._cards()

    def add_card(self, lines: pd.DataFrame, *, after: int, at: datetime, actor: str, reason: str) -> int:
        """Write the next version; its number. Raises Conflict when the newest is not ``after`` (0 for none)."""
        connection = self._locked()
        newest = connection.execute(select(func.max(CARDS_TABLE.c.version))).scalar() or 0
        if newest != after:
            raise Conflict("Somebody else changed the prices meanwhile.", hint="Look at them and try again.")
        made = {"version": after + 1, "at": at, "actor": clean(actor), "reason": clean(reason)}
        connection.execute(insert(CARDS_TABLE), [made])
        rows = [{**row, "version": after + 1, "place": place} for place, row in enumerate(_rows(lines[list(CARD)]))]
        if rows:
            connection.execute(insert(LINES_TABLE), rows)
        return after + 1

    def _cards(self, *where: ColumnElement[bool]) -> Sequence[Card]:
        found = self._session.execute(select(CARDS_TABLE).where(*where).order_by(CARDS_TABLE.c.version.desc())).all()
        connection = self._session.connection()
        own = select().where(bulk.among(connection, LINES_TABLE.c.version, [card.version for card in found]))
        columns = {"version": "int64", **CARD}
        lines = bulk.frame(connection, own.order_by(LINES_TABLE.c.version, LINES_TABLE.c.place), LINES_TABLE, columns)
        return [
            Card(version, frames.conform(lines[lines["version"] == version], CARD), at, actor, reason)
            for version, at, actor, reason in found
        ]

    # -- forgetting --------------------------------------------------------------------------------------------------

    def prune(self, hours_before: datetime, limit: int) -> int:
        """Remove facts of hours, and spans that ended, before that. How many rows; call until 0.

        Days stay, and so does what language models cost: nothing sums it by day. Hours go whole, the oldest first,
        until at least ``limit`` rows went; of spans ``limit`` rows at most.
        """
        connection, gone = self._locked(), 0
        oldest = select(CONTROLS_TABLE.c.id).where(CONTROLS_TABLE.c.hour < hours_before)
        facts = self._hours(connection)
        for id in connection.execute(oldest.order_by(CONTROLS_TABLE.c.hour).limit(limit)).scalars().all():
            gone += facts.remove([id])
            if gone >= limit:
                break
        return gone + sum(
            self._cut(table, limit, column < hours_before)
            for table, column in (
                (NODE_SPANS_TABLE, NODE_SPANS_TABLE.c.end),
                (HOLD_SPANS_TABLE, HOLD_SPANS_TABLE.c.end),
            )
        )

    def _cut(self, table: Table, limit: int, old: ColumnElement[bool]) -> int:
        key = tuple(table.primary_key)
        gone = tuple_(*key).in_(select(*key).where(old).limit(limit))
        return self._session.connection().execute(delete(table).where(gone)).rowcount

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _locked(self) -> Connection:
        """The connection, as the only one that writes costs until the transaction ends."""
        connection = self._session.connection()
        if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        return connection

    def _hours(self, connection: Connection) -> Facts:
        return Facts(connection, CONTROLS_TABLE, HOURS_TABLE, "hour")

    def _days(self, connection: Connection) -> Facts:
        return Facts(connection, DAY_SHEETS_TABLE, DAYS_TABLE, "day")

    def _frame(self, table: Table, *where: ColumnElement[bool]) -> pd.DataFrame:
        return bulk.frame(self._session.connection(), select().where(*where), table, _FRAMES[table])


def _keys(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return zip(*(frame[name] for name in _OF_HOUR), strict=True)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as the drivers want them: plain numbers, aware instants, None for what is not there, no NUL in texts."""
    columns = []
    for name in frame.columns:
        values = frame[name]
        if str(values.dtype).startswith("datetime64"):
            columns.append([None if pd.isna(each) else each.to_pydatetime() for each in values])
        elif values.dtype in ("str", "object", "category"):
            columns.append([clean(str(each)) for each in values])
        else:
            columns.append(values.tolist())
    names = list(frame.columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _of(table: Table, clusters: Clusters) -> tuple[ColumnElement[bool], ...]:
    return () if clusters is None else (table.c.cluster.in_(clusters),)


def _between(table: Table, begin: datetime, end: datetime) -> Where:
    return [table.c.hour >= begin, table.c.hour < end]
