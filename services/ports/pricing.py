"""Somebody who says what nodes cost, hour by hour."""

from datetime import datetime
from typing import Protocol

import pandas as pd

from services.ports.status import SourceStatus

NODE_PRICES = {
    "node": "str",
    "hour": "datetime64[us, UTC]",
    "usd": "float64",
    "gpu_usd": "float64",
}
"""What a node costs an hour, US dollars: all of it, and one of its GPUs of that, NaN where nobody said."""


class Pricing(Protocol):
    """Prices of one cluster's nodes."""

    def nodes(self, begin: datetime, end: datetime) -> pd.DataFrame:
        """Frame :data:`NODE_PRICES`, what is known of the hours that begin in [begin, end). Raises SourceError."""
        ...

    def probe(self) -> SourceStatus:
        """Reachable, and how fast."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
