from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from db.work import Database
from services.ports import JournalEntry


def test_an_entry_comes_back_as_it_was_written(database: Database, now: datetime) -> None:
    entry = {"schema": 1, "what": "scale", "replicas": 6, "labels": {"team": "speech", "größe": "x"}, "note": None}
    with database() as work:
        written = work.journal.append("east", entry, at=now, actor="ada@example.com")
        work.commit()
    with database() as work:
        (read,) = work.journal.entries()
    assert read == JournalEntry(written, datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC), "east", "ada@example.com", entry)


def test_entries_since_an_id_are_those_above_it_oldest_first(database: Database, now: datetime) -> None:
    with database() as work:
        first, second, third = (
            work.journal.append(cluster, {"schema": 1}, at=now - timedelta(minutes=minutes), actor="ada")
            for cluster, minutes in (("east", 0), ("west", 5), ("east", 9))
        )
        work.commit()
        assert [entry.id for entry in work.journal.entries(first)] == [second, third]
        assert [entry.id for entry in work.journal.entries(cluster="east")] == [first, third]
        assert work.journal.entries(third) == ()


@pytest.mark.parametrize("entry", [{}, {"schema": "1"}, {"schema": 0}, {"schema": True}])
def test_an_entry_without_its_schema_number_is_refused(database: Database, now: datetime, entry: dict) -> None:
    with database() as work, pytest.raises(ValueError, match="schema"):
        work.journal.append("east", entry, at=now, actor="ada")


def test_ids_become_visible_in_order_when_many_write(database: Database, now: datetime) -> None:
    def write(number: int) -> None:
        with database() as work:
            work.journal.append("east", {"schema": 1, "number": number}, at=now, actor="ada")
            work.commit()

    def watch() -> list[int]:
        seen: list[int] = []
        while len(seen) < 24:
            with database() as work:
                seen += [entry.id for entry in work.journal.entries(seen[-1] if seen else 0)]
        return seen

    with ThreadPoolExecutor(4) as pool:
        watching = pool.submit(watch)
        list(pool.map(write, range(24)))
        assert len(set(watching.result())) == 24
