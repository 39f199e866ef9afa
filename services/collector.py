"""The collector as a process of its own: ``python -m services.collector [run|once [--json]]``.

``run`` records starts until it is told to end (SIGTERM). ``once`` needs no database: it prints what the clusters can
still tell of the starts of their GPU pods. Exit codes: 0; 2 for a wrong setting; 3 when a cluster cannot be read.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta

from db import migrate
from services import runtime
from services.errors import OpsError, WrongSetting
from services.jobs import once
from services.jobs.loop import Collector
from services.settings import Settings, load

WRONG, UNREACHABLE = 2, 3


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.collector", description="Record the starts of GPU pods.")
    parser.add_argument("command", nargs="?", choices=("run", "once"), default="run")
    parser.add_argument("--json", action="store_true", help="print JSON (once)")
    given = parser.parse_args(arguments)
    try:
        settings = load(environ)
        return _once(settings, as_json=given.json) if given.command == "once" else _run(settings)
    except OpsError as error:
        sys.stderr.write(f"{error} {error.hint}".strip() + "\n")
        return WRONG if isinstance(error, WrongSetting) else UNREACHABLE


def _once(settings: Settings, *, as_json: bool) -> int:
    with runtime.watching(settings, database=False) as sources:
        answer = once.ask(sources)
    if answer.starts or not answer.silent:  # nobody answered: that is no answer, and not an empty one
        sys.stdout.write(once.as_json(answer.starts) if as_json else once.table(answer.starts))
    for sentence in answer.silent:
        sys.stderr.write(f"{sentence}\n")
    return UNREACHABLE if answer.silent else 0


def _run(settings: Settings) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    migrate.upgrade_embedded(settings)
    with runtime.watching(settings) as sources:
        Collector(sources, keep=timedelta(days=settings.keep_starts_days)).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
