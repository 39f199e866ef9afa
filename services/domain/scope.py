"""What part of the fleet a view speaks of."""

from dataclasses import dataclass

import pandas as pd

ALL = ""


@dataclass(frozen=True)
class Scope:
    """A selection; an empty field selects everything. ``range`` is a key of :data:`services.domain.window.RANGES`."""

    cluster: str = ALL
    pool: str = ALL
    model: str = ALL
    namespace: str = ALL
    team: str = ALL
    range: str = "24h"

    @property
    def by_owner(self) -> bool:
        """Whether the scope selects pods and not only hardware."""
        return bool(self.namespace or self.team)

    def keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of the scope, on whichever of its columns the frame has."""
        kept = frame
        for column in ("cluster", "pool", "model", "namespace", "team"):
            wanted = getattr(self, column)
            if wanted and column in kept.columns:
                kept = kept[kept[column] == wanted]
        return kept
