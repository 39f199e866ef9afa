"""Facts of costs: sheets of whole numbers, written and read as columns.

What the rows of a cluster, hour or day, and card have in common is kept once, in their sheet; kind and basis are kept
once for all, as a sort. The rest are whole numbers, which both engines hand over several times as fast as texts.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import BigInteger, ColumnElement, Connection, Table, cast, delete, func, insert, literal, select
from sqlalchemy.dialects import postgresql

from db import bulk
from db.chain import clean
from db.tables import SORTS_TABLE, SUMS

_HEAD = 20
"""Bytes of an array of one dimension before its items, in PostgreSQL's binary format."""
_ITEM = np.dtype([("size", ">i4"), ("value", ">i8")])
Clusters = tuple[str, ...] | None
Where = Sequence[ColumnElement[bool]]


class Facts:
    """The facts of one table. ``sheets`` is the table of their sheets and ``when`` its column: "hour" or "day"."""

    def __init__(self, connection: Connection, sheets: Table, facts: Table, when: str) -> None:
        self._connection, self._sheets, self._facts, self._when = connection, sheets, facts, when

    def clear(self, *where: ColumnElement[bool]) -> None:
        """Remove sheets and what is on them."""
        ids = self._connection.execute(select(self._sheets.c.id).where(*where)).scalars().all()
        self.remove(ids)

    def remove(self, ids: Sequence[int]) -> int:
        """Remove sheets by number; how many rows went, theirs included."""
        gone = (self._facts, self._facts.c.sheet), (self._sheets, self._sheets.c.id)
        return sum(
            self._connection.execute(delete(table).where(bulk.among(self._connection, column, ids))).rowcount
            for table, column in (gone if ids else ())
        )

    def write(self, rows: pd.DataFrame, sheets: Sequence[Mapping[str, Any]]) -> None:
        """Write sheets, and rows that belong to them."""
        if not sheets:
            return
        key = self._sheets.c["cluster", self._when, "card"]
        made = insert(self._sheets).returning(self._sheets.c.id, *key)
        ids: dict[Hashable, int] = {tuple(own): id for id, *own in self._connection.execute(made, sheets)}
        if rows.empty:
            return
        sorts = self._sorts(set(zip(rows["kind"], rows["basis"], strict=True)))
        mine = zip(rows["cluster"], rows[self._when], rows["card"], strict=True)
        numbers = {
            "sheet": [ids[own] for own in mine],
            "sort": [sorts[sort] for sort in zip(rows["kind"], rows["basis"], strict=True)],
            **{name: rows[name].tolist() for name in ("owner", "place", *SUMS)},
        }
        if self._connection.dialect.name == "postgresql":
            columns = [literal(values, postgresql.ARRAY(self._facts.c[name].type)) for name, values in numbers.items()]
            given = func.unnest(*columns).table_valued(*numbers).render_derived()
            self._connection.execute(insert(self._facts).from_select(list(numbers), select(given)))
        else:
            each = zip(*numbers.values(), strict=True)
            self._connection.execute(insert(self._facts), [dict(zip(numbers, row, strict=True)) for row in each])

    def chosen(self, where: Where, clusters: Clusters, card: int | None) -> dict[int, tuple[str, Any, int]]:
        """Sheets, oldest first: of each cluster and hour or day that of the newest card, not above ``card`` if given.

        Their numbers, and cluster, hour or day, and card.
        """
        table = self._sheets.c
        wanted = select(table.id, table.cluster, table[self._when], table.card).where(*where)
        if clusters is not None:
            wanted = wanted.where(table.cluster.in_(clusters))
        if card is not None:
            wanted = wanted.where(table.card <= card)
        found = self._connection.execute(wanted.order_by(table[self._when], table.cluster, table.card))
        newest = {(cluster, when): (id, card) for id, cluster, when, card in found}
        return {id: (cluster, when, card) for (cluster, when), (id, card) in newest.items()}

    def read(
        self, columns: Mapping[str, str], where: Where, clusters: Clusters = None, card: int | None = None
    ) -> pd.DataFrame:
        """The rows of the chosen sheets."""
        chosen = self.chosen(where, clusters, card)
        numbers = self._numbers(list(chosen))
        ids, heads = np.array(sorted(chosen), dtype="int64"), [chosen[id] for id in sorted(chosen)]
        sheet = np.searchsorted(ids, numbers["sheet"])
        sorts = self._connection.execute(select(SORTS_TABLE).order_by(SORTS_TABLE.c.id)).all()
        sort = np.searchsorted([id for id, _, _ in sorts], numbers["sort"])
        found = {
            "cluster": _named([cluster for cluster, _, _ in heads], sheet),
            self._when: _named([when for _, when, _ in heads], sheet, columns[self._when]),
            "card": pd.Series(np.array([card for _, _, card in heads], dtype="int64")[sheet]),
            "kind": _named([kind for _, kind, _ in sorts], sort),
            "basis": _named([basis for _, _, basis in sorts], sort),
        }
        return pd.DataFrame({name: found[name] if name in found else pd.Series(numbers[name]) for name in columns})

    def _numbers(self, sheets: Sequence[int]) -> dict[str, np.ndarray]:
        """The columns of the table, of some sheets.

        The engine hands over each as one value: taking a million numbers from rows would take most of the time.
        """
        columns = tuple(self._facts.c)
        binary = self._connection.dialect.name == "postgresql"
        if binary:
            bulk.in_binary(self._connection)
            sent = [func.array_send(func.array_agg(cast(column, BigInteger))) for column in columns]
        else:
            sent = [func.json_group_array(column) for column in columns]
        own = bulk.among(self._connection, self._facts.c.sheet, sheets)
        found = self._connection.execute(select(*sent).where(own).execution_options(binary=True)).one()
        read = _from_binary if binary else _from_json
        return {column.name: read(array) for column, array in zip(columns, found, strict=True)}

    def _sorts(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The numbers of kinds and bases; those that are new are written."""
        every = select(SORTS_TABLE.c.kind, SORTS_TABLE.c.basis, SORTS_TABLE.c.id)
        known = {(kind, basis): id for kind, basis, id in self._connection.execute(every)}
        news = sorted({(kind, clean(basis)) for kind, basis in wanted} - set(known))
        if news:
            rows = [{"kind": kind, "basis": basis} for kind, basis in news]
            self._connection.execute(insert(SORTS_TABLE), rows)
            known = {(kind, basis): id for kind, basis, id in self._connection.execute(every)}
        return {(kind, basis): known[kind, clean(basis)] for kind, basis in wanted}


def _from_binary(array: bytes | None) -> np.ndarray:
    """Whole numbers of an array as PostgreSQL sends it; None is one without items."""
    if array is None:
        return np.empty(0, dtype="int64")
    return np.frombuffer(array, _ITEM, offset=_HEAD)["value"].astype("int64")


def _from_json(array: str) -> np.ndarray:
    """Whole numbers of a JSON array without spaces, as SQLite writes it."""
    if array == "[]":
        return np.empty(0, dtype="int64")
    return np.fromstring(array[1:-1], dtype="int64", sep=",")


def _named(names: Sequence[str] | Sequence[datetime], codes: np.ndarray, dtype: str = "str") -> pd.Series:
    """A column of texts or instants from the number of each among a few."""
    if dtype != "str":
        return pd.Series(names, dtype=dtype).take(codes).reset_index(drop=True)
    taken = pa.array(names, pa.large_string()).take(pa.array(codes))
    return pd.Series(pd.array(taken, dtype="str"))
