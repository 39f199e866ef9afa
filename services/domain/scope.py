"""What part of the fleet a view speaks of."""

from dataclasses import dataclass, replace

import pandas as pd

ALL = ""


@dataclass(frozen=True)
class Sight:
    """What a person may see of what belongs to namespaces and teams; None is everything.

    A row is seen when its namespace is in ``namespaces`` or its team in ``teams``; where only one of the two limits,
    the other is no way in. Hardware (nodes, pools, totals of capacity) belongs to nobody and is seen by all.
    """

    namespaces: frozenset[str] | None = None
    teams: frozenset[str] | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is hidden."""
        return self.namespaces is None and self.teams is None

    def seen(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows that are seen. A frame without a namespace and a team is about hardware."""
        if self.whole or not {"namespace", "team"} & set(frame.columns):
            return frame
        mine = pd.Series(data=False, index=frame.index)
        for column, names in (("namespace", self.namespaces), ("team", self.teams)):
            if column in frame.columns:
                mine |= frame[column].isin(names or ())
        return frame[mine]


EVERYTHING = Sight()


@dataclass(frozen=True)
class Scope:
    """A selection; an empty field selects everything. ``range`` is a key of :data:`services.domain.window.RANGES`."""

    cluster: str = ALL
    pool: str = ALL
    model: str = ALL
    namespace: str = ALL
    team: str = ALL
    range: str = "24h"
    sees: Sight = EVERYTHING

    @property
    def by_owner(self) -> bool:
        """Whether the scope selects pods and not only hardware."""
        return bool(self.namespace or self.team)

    @property
    def hardware(self) -> "Scope":
        """The scope without its owners: for totals in which nobody is named."""
        return replace(self, namespace=ALL, team=ALL, sees=EVERYTHING)

    def keep(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of the scope that are seen, on whichever of its columns the frame has."""
        kept = self.sees.seen(frame)
        for column in ("cluster", "pool", "model", "namespace", "team"):
            wanted = getattr(self, column)
            if wanted and column in kept.columns:
                kept = kept[kept[column] == wanted]
        return kept
