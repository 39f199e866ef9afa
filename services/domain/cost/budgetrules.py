"""What a budget may be, in sentences for who writes one."""

from collections.abc import Iterator, Sequence

from services.domain.cost import MICRO
from services.domain.cost.budget import SCOPES, Budget

LEAST, DEAREST = MICRO // 100, 1_000_000_000 * MICRO
"""A cent and a thousand million dollars: what an amount lies between."""
MOST = 500
"""Budgets there may be."""
MOST_THRESHOLDS = 10
LONGEST = {"id": 60, "name": 80, "value": 253, "owner": 120, "channel": 80}
"""Characters of each text."""


def wrong(one: Budget) -> list[str]:
    """All that is wrong with a budget; nothing when it may be kept."""
    return list(_texts(one)) + list(_numbers(one))


def clashes(budgets: Sequence[Budget]) -> Iterator[tuple[int, str]]:
    """Budgets that cannot be told from one before them, by their place."""
    names: dict[str, str] = {}
    ids: set[str] = set()
    for place, one in enumerate(budgets):
        if one.name.casefold() in names:
            yield place, f"There is a budget called {one.name} already."
        if one.id and one.id in ids:
            yield place, f"There is a budget with the id {one.id} already."
        names[one.name.casefold()] = one.id
        ids.add(one.id)


def _texts(one: Budget) -> Iterator[str]:
    for name, most in LONGEST.items():
        given = str(getattr(one, name))
        if len(given) > most:
            yield f"The {name} is longer than {most} characters."
        if not given.isprintable():
            yield f"The {name} has a sign in it that cannot be shown."
    if not one.name.strip():
        yield "A budget needs a name."
    if one.scope not in SCOPES:
        yield f"The scope is none of {', '.join(SCOPES)}."
    elif one.scope == "fleet" and one.value:
        yield "The fleet has no value: it is all of it."
    elif one.scope == "label" and not all(part.strip() for part in (one.value.partition("=")[::2])):
        yield "A label is written key=value."
    elif one.scope != "fleet" and not one.value.strip():
        yield f"Say which {one.scope} it is for."


def _numbers(one: Budget) -> Iterator[str]:
    if not LEAST <= one.amount_micro <= DEAREST:
        yield f"The amount is from $0.01 to ${DEAREST // MICRO:,}."
    if len(one.thresholds) > MOST_THRESHOLDS:
        yield f"There are more than {MOST_THRESHOLDS} thresholds."
    if not all(0.01 <= share <= 2 for share in one.thresholds):
        yield "A threshold is from 1 % to 200 %."
    if len(set(one.thresholds)) < len(one.thresholds):
        yield "A threshold stands there twice."
