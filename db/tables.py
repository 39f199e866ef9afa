"""Tables of costs and budgets. Those that hold frames of the domain have the columns those frames have."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from db.models import Base
from db.types import UtcDateTime
from services.domain.cost import CONTROLS, HOLD_SPANS, HOURS, LLM, NODE_SPANS, OWNERS, PLACES
from services.domain.cost.rates import CARD

_TYPES: Mapping[str, type[TypeEngine[Any]]] = {
    "str": Text,
    "int64": BigInteger,
    "float64": Float,
    "bool": Boolean,
    "datetime64[us, UTC]": UtcDateTime,
}
_OPEN = frozenset({"end", "ends"})
"""Instants that may not be known yet."""
SUMS = tuple(name for name, dtype in HOURS.items() if dtype == "int64" and name not in ("card", "owner", "place"))
"""What is summed in facts."""


def _kept(name: str, frame: Mapping[str, str], *key: str, more: tuple[Column[Any] | Index, ...] = ()) -> Table:
    """A table with the columns of a frame."""
    columns = [
        Column(column, _TYPES[dtype](), primary_key=column in key, nullable=column in _OPEN, autoincrement=False)
        for column, dtype in frame.items()
    ]
    return Table(name, Base.metadata, *columns, *more)


OWNERS_TABLE = _kept("cost_owners", OWNERS, "owner")
PLACES_TABLE = _kept("cost_places", PLACES, "place")

_LASTING = text('"end" IS NULL')
NODE_SPANS_TABLE = _kept(
    "cost_node_spans",
    NODE_SPANS,
    "cluster",
    "uid",
    "begin",
    more=(
        Index("ix_cost_node_spans_end", "end"),
        Index("ix_cost_node_spans_open", "cluster", sqlite_where=_LASTING, postgresql_where=_LASTING),
    ),
)
HOLD_SPANS_TABLE = _kept(
    "cost_hold_spans",
    HOLD_SPANS,
    "cluster",
    "pod_uid",
    "begin",
    more=(
        Index("ix_cost_hold_spans_end", "end"),
        Index("ix_cost_hold_spans_open", "cluster", sqlite_where=_LASTING, postgresql_where=_LASTING),
    ),
)
SORTS_TABLE = Table(
    "cost_sorts",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("basis", Text, nullable=False),
    UniqueConstraint("kind", "basis"),
)
CONTROLS_TABLE = Table(
    "cost_controls",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    *(Column(name, _TYPES[dtype](), nullable=False) for name, dtype in CONTROLS.items()),
    UniqueConstraint("cluster", "hour", "card"),
)
"""Closed hours; each is the sheet of its facts."""
DAY_SHEETS_TABLE = Table(
    "cost_day_sheets",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("cluster", Text, nullable=False),
    Column("day", String(10), nullable=False),
    Column("card", BigInteger, nullable=False),
    UniqueConstraint("cluster", "day", "card"),
)


def _facts(name: str) -> Table:
    """A table of facts (:data:`services.domain.cost.HOURS`, :data:`services.domain.cost.DAYS`): whole numbers only.

    Cluster, hour or day, and card are those of the ``sheet``; kind and basis those of the ``sort``. Sorted by its key
    where the engine can: no second copy of it as an index.
    """
    return Table(
        name,
        Base.metadata,
        Column("sheet", Integer, primary_key=True, autoincrement=False),
        Column("sort", Integer, primary_key=True, autoincrement=False),
        Column("owner", BigInteger, primary_key=True, autoincrement=False),
        Column("place", BigInteger, primary_key=True, autoincrement=False),
        *(Column(column, BigInteger, nullable=False) for column in SUMS),
        sqlite_with_rowid=False,
    )


HOURS_TABLE = _facts("cost_hours")
DAYS_TABLE = _facts("cost_days")
LLM_TABLE = _kept(
    "cost_llm",
    LLM,
    "hour",
    "cluster",
    "source",
    "model_group",
    "model",
    "provider",
    "team",
    "key_alias",
    "namespace",
    "workload",
)
CARDS_TABLE = Table(
    "rate_cards",
    Base.metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
LINES_TABLE = Table(
    "rate_card_lines",
    Base.metadata,
    Column("version", Integer, ForeignKey("rate_cards.version", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),  # in the order they were written
    *(Column(name, _TYPES[dtype](), nullable=name in _OPEN) for name, dtype in CARD.items()),
)

BUDGETS_TABLE = Table(
    "budgets",
    Base.metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", JSON, nullable=False),
)
"""Budgets in force; ``document`` is the budget as JSON."""
BUDGET_CHANGES_TABLE = Table(
    "budget_changes",
    Base.metadata,
    Column("id", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("document", JSON(none_as_null=True)),
    Index("ix_budget_changes_at", "at"),
)
"""Every change of a budget; without a document it was removed. Rows are only ever added."""
CROSSINGS_TABLE = Table(
    "budget_crossings",
    Base.metadata,
    Column("budget", String(64), primary_key=True),
    Column("period_begin", UtcDateTime, primary_key=True),
    Column("threshold", String(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("spent_micro", BigInteger, nullable=False),
    Column("amount_micro", BigInteger, nullable=False),
    Index("ix_budget_crossings_at", "at"),
)
DISMISSALS_TABLE = Table(
    "dismissals",
    Base.metadata,
    Column("key", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
)
