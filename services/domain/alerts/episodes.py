"""Which findings began, which last and which are over."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.domain.alerts import Episode

GAP = timedelta(minutes=10)
"""A finding that comes back sooner is the same one."""


@dataclass(frozen=True)
class Turn:
    """What a look changed: ``written`` are new or changed episodes, ``over`` the keys of those to forget."""

    standing: Mapping[str, Episode]
    written: tuple[Episode, ...]
    over: frozenset[str]


def turned(known: Mapping[str, Episode], found: Collection[str], now: datetime, *, whole: bool) -> Turn:
    """The episodes after a look that found these keys.

    Time counts against a finding only where somebody looked and did not see it: without ``whole``, when a source could
    not be asked, what was not seen lasts; and so it does while nobody looks.
    """
    standing: dict[str, Episode] = {}
    written: list[Episode] = []
    for key in found:
        old = known.get(key)
        if old is None or _over(old, now):
            standing[key] = Episode(key, now)
        else:
            standing[key] = old if old.missing is None else replace(old, missing=None)
        if standing[key] != old:
            written.append(standing[key])
    away = [old for key, old in known.items() if key not in standing] if whole else []
    written += [replace(old, missing=now) for old in away if old.missing is None]
    return Turn(standing, tuple(written), frozenset(old.key for old in away if _over(old, now)))


def _over(episode: Episode, now: datetime) -> bool:
    return episode.missing is not None and now - episode.missing >= GAP
