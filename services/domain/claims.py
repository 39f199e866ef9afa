"""Reading what a login says of a person. All of it comes from outside: kinds, lengths and characters are checked."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LONGEST = 256
"""Characters of an id or of a group; more is no name."""
LONGEST_NAME = 100


def found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a dotted path into nested claims ("realm_access.roles"); None without it."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def identifier(value: Any) -> str:
    """A claim that names somebody for a machine; "" when it is missing, too long or unprintable."""
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
        return ""
    return value.strip()


def shown(value: Any) -> str:
    """A claim that names somebody for people: on one line, cut to :data:`LONGEST_NAME`; "" without one."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in value[: 4 * LONGEST_NAME]).split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def names(value: Any) -> tuple[str, ...]:
    """A list of names, each once, in order: a list, or a text separated by commas, else by spaces.

    What is no name is left out.
    """
    if isinstance(value, str):
        parts: Sequence[Any] = value.split(",") if "," in value else value.split()
    else:
        parts = value if isinstance(value, list | tuple) else ()
    return tuple(dict.fromkeys(name for part in parts if (name := identifier(part))))


def instant(value: Any) -> datetime | None:
    """Seconds since 1970 as an instant; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
