"""How a source is doing."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SourceStatus:
    """How a source is doing, for the Sources page.

    ``latency_s`` of the last probe; ``newest_at`` of its newest datum.
    """

    source: str  # "kubernetes", "prometheus", "litellm", "opencost"
    address: str  # without credentials
    reachable: bool
    latency_s: float | None = None
    version: str = ""
    newest_at: datetime | None = None
    message: str = ""
    hint: str = ""
    since: datetime | None = None
