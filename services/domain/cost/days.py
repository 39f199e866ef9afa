"""Facts of days: sums of hours, in the calendar of the reporting zone."""

import pandas as pd

from services.domain import frames
from services.domain.cost import DAYS, LISTLESS
from services.domain.cost.use import USE

SUMMED = ("ticks", "micro", "list_micro", "measured_ticks", "used_ticks", "measured_micro", "used_micro")
_KEY = [name for name in DAYS if name not in SUMMED]


def days(hours: pd.DataFrame, zone: str, card: int | None = None) -> pd.DataFrame:
    """Frame :data:`services.domain.cost.DAYS` of HOURS.

    ``card`` is the version the days are said to be counted with, by default each hour's own. Where one part of a day
    has no list price, the whole of that row has none: half a list price would look like a saving.
    """
    if hours.empty:
        return frames.empty(DAYS)
    local = hours["hour"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d")
    rows = hours.assign(day=local, listless=hours["list_micro"].eq(LISTLESS))
    rows = rows if card is None else rows.assign(card=card)
    sums = rows.groupby(_KEY, sort=True)[[*SUMMED, "listless"]].sum().reset_index()
    return frames.conform(sums.assign(list_micro=sums["list_micro"].mask(sums["listless"] > 0, LISTLESS)), DAYS)


def use_of(hours: pd.DataFrame) -> pd.DataFrame:
    """What was measured and used in hours that are closed (USE), to close them anew."""
    held = hours[hours["kind"] == "held"]
    keys = ["cluster", "hour", "owner", "place"]
    sums = held.groupby(keys, sort=True)[["measured_ticks", "used_ticks"]].sum().reset_index()
    return frames.conform(sums, USE)
