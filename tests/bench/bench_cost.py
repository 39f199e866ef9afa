"""What thirteen months of costs take to write and to read: ``python -m tests.bench.bench_cost``.

Facts of 10,000 GPUs (an argument gives another number) and 400 days, made by :mod:`tests.costsynth`, in SQLite and in
PostgreSQL where it is installed. *written* are rows a second, a month to a transaction; *read* is the median of several
reads of facts with all their names. *closed* are two days of hours in one transaction, and how long they take to read.
"""

import statistics
import sys
from datetime import UTC, date, datetime, timedelta

from tests import costsynth
from tests.bench.bench_startup import databases, took

_DAYS = 400
_LAST = date(2026, 6, 3)
_BEGIN = datetime(2026, 6, 2, tzinfo=UTC)
_RUNS = 5


def main(gpus: int) -> None:
    """Print the table."""
    fleet = costsynth.fleet(gpus)
    days = costsynth.days(fleet, _LAST - timedelta(days=_DAYS - 1), _DAYS)
    hours, controls = costsynth.hours(fleet, _BEGIN, 48)
    print(f"{sum(fleet.gpus):,} GPUs, {_DAYS} days: {len(days):,} rows")
    with databases() as made:
        for name, database in made.items():
            writing = took(lambda database=database: costsynth.fill(database, fleet, days, _BEGIN))
            print(f"{name}: {len(days) / writing:,.0f} rows/s written")
            for number in (400, 30):
                first = str(_LAST - timedelta(days=number - 1))
                with database.reading() as unit:
                    reading = statistics.median(
                        took(
                            lambda unit=unit, first=first: (
                                unit.costs.days(first, str(_LAST)),
                                unit.costs.owners(),
                                unit.costs.places(),
                            )
                        )
                        for _ in range(_RUNS)
                    )
                print(f"  {number:>3} days: read {reading * 1000:5.0f} ms")
            with database() as unit:
                closing = took(lambda unit=unit: unit.costs.close(hours, controls))
                reading = took(lambda unit=unit: unit.costs.hours(_BEGIN, _BEGIN + timedelta(days=2)))
            print(
                f"  48 hours ({len(hours):,} rows): closed {closing:4.1f} s, read {reading * 1000:5.0f} ms", flush=True
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
