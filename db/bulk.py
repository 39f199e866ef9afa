"""Many rows at once: written as upserts, read as frames of plain columns."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
from psycopg.pq import Format
from sqlalchemy import (
    ColumnElement,
    Connection,
    ExecutionContext,
    Select,
    Table,
    any_,
    event,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import NullType

V = TypeVar("V", str, int)
_AT_ONCE = 500
"""Rows turned into columns at a time: as many as stay in the processor's cache."""


def among(connection: Connection, column: ColumnElement[V], values: Iterable[V]) -> ColumnElement[bool]:
    """The column, of texts or numbers, is one of these, however many: an IN of parameters is slow and has a limit."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), postgresql.ARRAY(column.type)))
    return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


def inserting(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what to do on conflict."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write whole rows, in place of those with the same primary key."""
    if not rows:
        return
    made = inserting(connection, table)
    keys = {column.name for column in table.primary_key}
    said = {column.name: made.excluded[column.name] for column in table.columns if column.name not in keys}
    connection.execute(made.on_conflict_do_update(index_elements=sorted(keys), set_=said), rows)


def frame(connection: Connection, wanted: Select[Any], table: Table, columns: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a SELECT without columns, by ``columns``, all of them columns of the table.

    Values come as the driver has them and are converted column by column: 60,000 wide rows in half the time it takes
    value by value.
    """
    in_binary(connection)
    raw = wanted.with_only_columns(*(type_coerce(table.c[name], NullType()).label(name) for name in columns))
    values: list[list[Any]] = [[] for _ in columns]
    for rows in connection.execute(raw.execution_options(binary=True)).partitions(_AT_ONCE):
        for column, part in zip(values, zip(*rows, strict=True), strict=True):
            column.extend(part)
    return pd.DataFrame(
        {name: _column(column, dtype) for (name, dtype), column in zip(columns.items(), values, strict=True)}
    )


def in_binary(connection: Connection) -> None:
    """Have statements executed with the option ``binary`` answer so on PostgreSQL."""
    if connection.dialect.name == "postgresql" and not event.contains(connection, "before_cursor_execute", _binary):
        event.listen(connection, "before_cursor_execute", _binary)


def _column(values: list[Any], dtype: str) -> pd.Series:
    if dtype == "str":  # pandas would look at every value twice on its way to the same
        return pd.Series(pd.array(pa.array(values, pa.large_string()), dtype="str"))
    if dtype == "boolean":  # SQLite has numbers for them
        return pd.Series([None if value is None else bool(value) for value in values], dtype=dtype)
    if dtype.startswith("datetime64") and any(isinstance(value, str) for value in values):  # as SQLite keeps instants
        written = pd.Series(values, dtype="str")
        return pd.Series(pd.to_datetime(written, format="%Y-%m-%d %H:%M:%S.%f", utc=True), dtype=dtype)
    return pd.Series(values, dtype=dtype)


def _binary(
    _connection: Connection,
    cursor: Any,
    _statement: str,
    _parameters: Any,
    context: ExecutionContext | None,
    _many: bool,
) -> None:
    """Have a result in PostgreSQL's binary format where asked: numbers need not be read from text."""
    if context is not None and context.execution_options.get("binary"):
        cursor.format = Format.BINARY
