from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select, text
from sqlalchemy.exc import StatementError

from db.types import UtcDateTime
from db.work import Database

instants = Table("instants", MetaData(), Column("at", UtcDateTime))


def test_an_instant_comes_back_in_utc_whatever_zone_it_was_given_in(database: Database) -> None:
    summer = timezone(timedelta(hours=2))
    with database.engine.begin() as connection:
        instants.create(connection)
        connection.execute(insert(instants), {"at": datetime(2026, 6, 3, 14, 30, 0, 250_000, tzinfo=summer)})
        (stored,) = connection.execute(select(instants.c.at)).scalars()
    assert stored == datetime(2026, 6, 3, 12, 30, 0, 250_000, tzinfo=UTC)
    assert stored.utcoffset() == timedelta(0)


def test_the_zone_of_the_session_does_not_move_an_instant(database: Database) -> None:
    with database.engine.begin() as connection:
        instants.create(connection)
        if database.engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL timezone = 'Asia/Tokyo'"))
        connection.execute(insert(instants), {"at": datetime(2026, 1, 1, 0, 0, tzinfo=UTC)})
        (stored,) = connection.execute(select(instants.c.at)).scalars()
    assert stored == datetime(2026, 1, 1, 0, 0, tzinfo=UTC)
    assert stored.hour == 0


def test_a_naive_instant_is_refused(database: Database) -> None:
    with database.engine.begin() as connection:
        instants.create(connection)
        with pytest.raises(StatementError, match="needs its zone"):
            connection.execute(insert(instants), {"at": datetime(2026, 6, 3, 12, 30)})


def test_no_instant_stays_no_instant(database: Database) -> None:
    with database.engine.begin() as connection:
        instants.create(connection)
        connection.execute(insert(instants), {"at": None})
        assert connection.execute(select(instants.c.at)).scalars().all() == [None]
