import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from db.work import Database

BEGIN = datetime(2026, 6, 3, 9, 0, tzinfo=UTC)
LASTS = timedelta(seconds=30)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def take(database: Database, holder: str, seconds: float = 0.0, name: str = "collector") -> int | None:
    with database() as work:
        token = work.leases.take(name, holder, until=at(seconds) + LASTS, now=at(seconds))
        work.commit()
    return token


def holder(database: Database) -> tuple[str, datetime] | None:
    with database() as work:
        return work.leases.holder("collector")


def test_a_lease_is_of_the_first_who_takes_it(database: Database) -> None:
    assert holder(database) is None
    assert take(database, "a") == 1
    assert take(database, "b", 29) is None
    assert holder(database) == ("a", at(30))
    assert take(database, "b", name="pruning") == 1


def test_renewing_keeps_the_token(database: Database) -> None:
    assert take(database, "a") == 1
    assert take(database, "a", 20) == 1
    assert holder(database) == ("a", at(50))
    assert take(database, "b", 40) is None


def test_a_lease_that_is_over_may_be_taken_over_with_the_next_token(database: Database) -> None:
    assert take(database, "a") == 1
    assert take(database, "b", 30) == 2
    assert holder(database) == ("b", at(60))
    assert take(database, "a", 31) is None
    assert take(database, "a", 60) == 3


def test_a_holder_that_was_late_but_not_replaced_goes_on(database: Database) -> None:
    take(database, "a")
    assert take(database, "a", 300) == 1


def test_what_is_given_back_is_free_and_its_token_is_not_given_again(database: Database) -> None:
    take(database, "a")
    with database() as work:
        assert not work.leases.release("collector", "b")
        assert work.leases.release("collector", "a")
        assert not work.leases.release("collector", "a")
        assert not work.leases.release("collector", "")
        work.commit()
    assert holder(database) is None
    assert take(database, "a", 1) == 2


def test_when_it_was_taken_is_kept_when_it_is_prolonged(database: Database) -> None:
    def taken_at() -> str:
        with database.engine.connect() as connection:
            return str(connection.exec_driver_sql("SELECT taken_at FROM leases").scalar_one())[:19]

    take(database, "a")
    take(database, "a", 20)
    assert taken_at() == "2026-06-03 09:00:00"
    take(database, "b", 50)
    assert taken_at() == "2026-06-03 09:00:50"


@pytest.mark.parametrize(("name", "until"), [("", LASTS), ("a", timedelta(0)), ("a", -LASTS)])
def test_a_lease_of_nobody_or_without_time_is_refused(database: Database, name: str, until: timedelta) -> None:
    with database() as work, pytest.raises(ValueError, match="a lease needs"):
        work.leases.take("collector", name, until=BEGIN + until, now=BEGIN)


def test_a_token_holds_until_the_lease_changes_hands(database: Database) -> None:
    def holds(token: int) -> bool:
        with database() as work:
            return work.leases.check("collector", token)

    assert not holds(1)
    take(database, "a")
    assert holds(1)
    assert not holds(0)
    take(database, "a", 300)
    assert holds(1)
    take(database, "b", 400)
    assert (holds(1), holds(2)) == (False, True)
    with database() as work:
        work.leases.release("collector", "b")
        work.commit()
    assert not holds(2)


def test_nobody_takes_a_lease_over_between_a_check_and_what_is_written_under_it(database: Database) -> None:
    take(database, "a")
    tries = Event()

    def take_over() -> tuple[int | None, object]:
        tries.set()
        with database() as work:
            token = work.leases.take("collector", "b", until=at(90), now=at(60))
            seen = work.starts.mark("east", "upto")
            work.commit()
            return token, seen

    with ThreadPoolExecutor(1) as pool:
        with database() as work:
            assert work.leases.check("collector", 1)
            waiting = pool.submit(take_over)
            assert tries.wait(10)
            work.starts.set_mark("east", "upto", {"written": "by a"}, at(61))
            work.commit()
        assert waiting.result(10) == (2, {"written": "by a"})
    with database() as work:
        assert not work.leases.check("collector", 1)


def test_of_many_that_take_it_at_once_one_does(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        for turn in range(10):
            tokens = list(pool.map(lambda who, turn=turn: take(database, f"{turn}-{who}", turn * 60), range(4)))
            assert sorted(tokens, key=str) == [turn + 1, None, None, None]


RACER = """
import sys
from datetime import UTC, datetime, timedelta
from db.work import Database
url, who = sys.argv[1:]
database, begin = Database(url), datetime(2026, 6, 3, tzinfo=UTC)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(60):
    now = begin + timedelta(seconds=turn)
    with database() as work:
        token = work.leases.take("collector", f"{who}-{turn}", until=now + timedelta(seconds=1), now=now)
        work.commit()
    if token is not None:
        print(turn, token, flush=True)
"""


def test_processes_at_once_never_hold_the_same_token(database: Database, database_url: str) -> None:
    """Starts two interpreters, which takes seconds."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, database_url, who],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in "ab"
    ]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n", "ready\n"]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    held = sorted(tuple(map(int, line.split())) for lines in said for line in lines.splitlines())
    assert [token for _, token in held] == list(range(1, len(held) + 1))
    assert len({turn for turn, _ in held}) == len(held)
    assert held[-1][0] == 59
