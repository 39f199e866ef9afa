"""The audit: ``python -m db.audit verify`` checks that the record is as it was written.

Reads only, in one snapshot, while the console works. Prints the hash of the last event: whoever keeps it elsewhere can
tell even a chain that was written anew from its start. Exit codes: 0 the chain holds, 1 it does not or the database
cannot be used, 2 the call or a setting is wrong.
"""

import os
import sys
from collections.abc import Sequence

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.engine import READS, open_engine
from db.integrity import broken
from db.models import EndRow, EventRow
from db.work import translated
from services import settings
from services.errors import OpsError, WrongSetting
from services.ports import Broken


def verify(engine: Engine) -> tuple[int, str, tuple[Broken, ...]]:
    """How many events there are, the hash of the last, and where the record does not hold. Raises SourceUnavailable."""
    reading = engine.execution_options(**READS[engine.dialect.name])
    with translated(), Session(reading) as session:
        head = session.execute(select(EndRow.hash).where(EndRow.name == "head")).scalar() or ""
        events = session.execute(select(func.count()).select_from(EventRow)).scalar_one()
        return events, head, broken(session)


def main(arguments: Sequence[str]) -> int:
    """The command; its exit code."""
    if list(arguments) != ["verify"]:
        return _told("Usage: python -m db.audit verify", 2)
    try:
        configured = settings.load(os.environ)
        engine = open_engine(configured.database_url.get_secret_value())
    except WrongSetting as error:
        return _told(str(error), 2)
    try:
        events, head, found = verify(engine)
    except OpsError as error:
        return _told(f"{error} {error.hint}".strip(), 1)
    finally:
        engine.dispose()
    for each in found:
        print(f"after event {each.event}: {each.says}")  # noqa: T201 - what a command says
    said = "chain is broken" if found else "chain holds"
    print(f"{events} {'event' if events == 1 else 'events'}, {said}; last hash {head or 'none'}")  # noqa: T201 - the same
    return 1 if found else 0


def _told(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - the one sentence a command owes its caller
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
