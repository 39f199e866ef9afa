"""Tables, typed, under one metadata whose naming convention keeps constraint names stable across engines."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.types import Identity, UtcDateTime


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class JournalRow(Base):
    """One thing a person did to the demo estate.

    Rows are only ever added. ``id`` grows in the order in which rows became visible. ``entry`` holds a number under
    "schema" that says how to read the rest.
    """

    __tablename__ = "journal"
    __table_args__ = (Index(None, "cluster", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Identity, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    cluster: Mapped[str] = mapped_column(String(253))
    actor: Mapped[str] = mapped_column(String(320))
    entry: Mapped[dict[str, Any]] = mapped_column(JSON)
