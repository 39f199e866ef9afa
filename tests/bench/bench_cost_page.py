"""What costs of a large fleet cost to close, to show and to hand out: ``python -m tests.bench.bench_cost_page``.

Thirteen months of 10,000 GPUs by day (an argument gives another number of GPUs), made by :mod:`tests.costsynth`, in
SQLite and in PostgreSQL where it is installed. *cold* is the first run of the Cost page's script with nothing cached,
*warm* the median of further ones, in Streamlit's test harness. *closed* are hours of as many GPUs on nodes of 8, a pod
on each, from spans to facts.
"""

import logging
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
from streamlit import config

from services import runtime
from services.cost import board
from services.cost.board import Asked
from services.cost.export_csv import csv_of
from services.cost.export_pdf import pdf_of
from services.cost.export_xlsx import xlsx_of
from services.cost.told import Report
from services.domain import frames
from services.domain.cost import HOLD_SPANS, NODE_SPANS, PLACES, TICKS, hours, rates
from services.domain.cost.use import USE
from services.domain.scope import Scope
from services.ports import Sources, Work
from services.snapshots import price_book
from tests import costsynth
from tests.bench.bench_startup import databases, shown, took
from tests.conftest import NOW, demo_sources

_DAYS = 396
_FIRST = NOW.date() - timedelta(days=_DAYS)


def sources_of(work: Work) -> Sources:
    """Sources whose clusters have the names the made-up costs have."""
    made = demo_sources(work=work)
    some = next(iter(made.clusters.values()))
    names = dict.fromkeys(spot.cluster for spot in costsynth.SPOTS)
    return replace(made, clusters={name: replace(some, name=name) for name in names})


def spans(gpus: int, begin: datetime) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Nodes of 8 GPUs, a pod of one GPU on each of them, and their place."""
    nodes = [("lab", f"n{number}", begin, None, f"node-{number}", 1, 8, 0, 0, False) for number in range(gpus // 8)]
    holds = [
        ("lab", f"p{number}", f"n{number // 8}", begin, None, "held", number % 1000, f"ns/p{number}", TICKS)
        for number in range(gpus)
    ]
    place = (1, "lab", "pool", "H100 80GB HBM3", "p5.48xlarge", "on-demand", "us-east-1", "us-east-1a")
    return frames.table(NODE_SPANS, nodes), frames.table(HOLD_SPANS, holds), frames.table(PLACES, [place])


def closing(gpus: int) -> None:
    """Print how long an hour and a day take to close."""
    begin = NOW.replace(minute=0, second=0, microsecond=0)
    given = spans(gpus, begin)
    prices = hours.Prices(frames.empty(rates.CARD), 0, price_book())
    for number in (1, 24):
        end = begin + timedelta(hours=number)
        seconds = took(lambda end=end: hours.closed(*given, prices, frames.empty(USE), begin, end))
        print(f"closed: {gpus:,} GPUs held by {gpus:,} pods, {number} h: {seconds:.2f} s")


def main(gpus: int) -> None:
    """Print the tables."""
    logging.disable(logging.WARNING)
    config.set_option("runner.enforceSerializableSessionState", False)
    runtime.now = lambda: NOW
    closing(gpus)
    made = costsynth.fleet(gpus)
    facts = costsynth.days(made, _FIRST, _DAYS)
    with databases() as opened:
        for name, database in opened.items():
            costsynth.fill(database, made, facts, NOW)
            print(f"{name}: {len(facts):,} facts of {_DAYS} days")
            sources = sources_of(database)
            whole = {"cost_window": "From–to", "cost_from": str(_FIRST), "cost_to": str(NOW.date())}
            for label, params in (("this month", {}), ("13 months", whole)):
                cold, warm = shown(sources, "pages/money/cost.py", **params)
                print(f"  {label:>10}: page cold {cold:6.2f} s, warm {warm * 1000:5.0f} ms")
            asked = Asked(window="days", first=_FIRST, last=NOW.date())
            found = board.board(sources, Scope(), asked).value
            if found is None:
                raise SystemExit("there is no board")
            report = Report(board=found, llm=None, by="team", scope="All clusters", mode="demo", at=NOW)
            for ending, build in (("PDF", pdf_of), ("XLSX", xlsx_of), ("CSV", csv_of)):
                print(f"  {ending:>10}: {took(lambda build=build, report=report: build(report)):.2f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
