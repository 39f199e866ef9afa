"""Amounts and lists in words."""

from collections.abc import Sequence

from services.domain.startup.imagenames import short

_NAMED = 5


def amount(size: float) -> str:
    """Bytes as people read sizes of images."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def nodes(number: int) -> str:
    """So many nodes."""
    return "1 node" if number == 1 else f"{number} nodes"


def images(names: Sequence[str]) -> str:
    """One image by its name, several by their number."""
    return short(names[0]) if len(names) == 1 else f"{len(names)} images"


def named(who: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(who) - _NAMED
    return ", ".join(who[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
