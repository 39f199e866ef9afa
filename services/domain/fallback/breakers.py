"""Whether a proxy leaves a deployment out: LiteLLM's own circuit breaker, told from what it counts.

The gauge ``litellm_deployment_state`` does not tell: its series of an outage never goes back (seen in a running 1.106).
What tells is when a deployment was last cooled down, for how long that lasts, and whether it answered since. Each
replica judges for itself, unless they share a Redis.
"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from services.domain import frames

BREAKERS = {
    "id": "str",
    "replica": "str",
    "cooldowns": "float64",  # times in the window
    "status": "str",  # of the error most of them followed
    "last": "datetime64[us, UTC]",  # end of the minute of the last one within the last hour; NaT before
    "answered": "float64",  # requests in the last hour
    "state": "str",  # one of STATES
}
STATES = {
    "out": "Left out now",
    "back": "Back in rotation",
    "in": "In rotation",
    "quiet": "No requests",
}


def breakers(
    whole: pd.DataFrame, recent: pd.DataFrame, answered: pd.DataFrame, cooldown_s: float, now: datetime
) -> pd.DataFrame:
    """Frame :data:`BREAKERS`.

    Growth of "fallback_cooldowns" over the window (``whole``) and by minute of the last hour (``recent``), and by
    minute of "fallback_replica_answers". ``cooldown_s``: how long a deployment stays out.
    """
    keys = ["id", "replica"]
    counts = whole[whole["value"] > 0].groupby(keys)["value"].sum()
    lately = recent[recent["value"] > 0].groupby(keys)["at"].max()
    busy = answered[answered["value"] > 0]
    requests, last_answer = busy.groupby(keys)["value"].sum(), busy.groupby(keys)["at"].max()
    names = pd.concat([one.index.to_frame(index=False) for one in (counts, lately, requests)]).drop_duplicates()
    if names.empty:
        return frames.empty(BREAKERS)
    index = pd.MultiIndex.from_frame(names.sort_values(keys))
    found = pd.DataFrame(index=index)
    found["cooldowns"] = counts.reindex(index).fillna(0.0)
    found["status"] = _statuses(whole, keys).reindex(index).fillna("")
    found["last"] = lately.reindex(index)
    found["answered"] = requests.reindex(index).fillna(0.0)
    until = found["last"] + timedelta(seconds=cooldown_s)
    out = found["last"].notna() & (until > pd.Timestamp(now)) & ~(last_answer.reindex(index) > found["last"])
    back = found["last"].notna() & (found["answered"] > 0)
    found["state"] = np.select([out, back, found["answered"] > 0], ["out", "back", "in"], "quiet")
    return frames.conform(found.reset_index(), BREAKERS)


def _statuses(whole: pd.DataFrame, keys: list[str]) -> pd.Series:
    """The status most cooldowns of each followed."""
    sums = whole[whole["value"] > 0].groupby([*keys, "status"])["value"].sum().reset_index()
    return sums.sort_values("value").drop_duplicates(keys, keep="last").set_index(keys)["status"]
