"""OpenCost over HTTP: the real implementation of :class:`services.ports.Pricing`.

``/assets`` says what each node cost in a window: ``totalCost`` is processors, memory and GPUs less discounts, and
``minutes`` how long the node was there (OpenCost ``core/pkg/opencost/asset_json.go``, ``pkg/costmodel/assets.go``).
Which filters it knows differs from version to version, so none is used. ``/allocation`` does not serve: it knows nodes
by the pods on them, and nothing of those without.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import pandas as pd

from services.adapters.keyed_http import KeyedHttp
from services.domain import frames
from services.errors import OpsError, Rejected, SourceUnavailable
from services.ports.pricing import NODE_PRICES
from services.ports.status import SourceStatus
from services.settings.access import OpenCostAccess

SOURCE = "opencost"
_HOUR = timedelta(hours=1)
_REFUSED = "Give the console the token that is wanted before OpenCost."
_NAMED = 5


class _Properties(msgspec.Struct):
    cluster: str = ""
    name: str = ""


class _Asset(msgspec.Struct):
    type: str = ""
    properties: _Properties | None = None
    minutes: float | None = None
    usd: float | None = msgspec.field(default=None, name="totalCost")
    gpu_usd: float | None = msgspec.field(default=None, name="gpuCost")
    gpu_hours: float | None = msgspec.field(default=None, name="GPUHours")


class _Assets(msgspec.Struct):
    data: dict[str, _Asset] | list[dict[str, _Asset] | None] | None = None


class OpenCost:
    """One OpenCost, asked over HTTP. ``name`` names it in messages; ``clock`` tells the present instant (UTC)."""

    def __init__(self, name: str, access: OpenCostAccess, *, clock: Callable[[], datetime]) -> None:
        self._name, self._clock, self._cluster = name, clock, access.cluster_id
        self._http = KeyedHttp(SOURCE, name, access, what="prices", refused=_REFUSED)
        self._failing_since: datetime | None = None

    def nodes(self, begin: datetime, end: datetime) -> pd.DataFrame:
        """One request for each hour; a node of no cost has no price."""
        rows: list[tuple[str, datetime, float, float, float, float]] = []
        while begin < end:
            rows += [
                (one.properties.name, begin, one.usd, one.minutes / 60, one.gpu_usd or 0.0, one.gpu_hours or 0.0)
                for one in self._own(self._assets(begin))
                if one.properties and one.properties.name and one.usd and one.minutes and one.minutes > 0
            ]
            begin += _HOUR
        found = pd.DataFrame(rows, columns=["node", "hour", "cost", "hours", "gpu_cost", "gpu_hours"])
        sums = found.groupby(["node", "hour"], as_index=False).sum()  # a node that came again under its name is two
        priced = sums.assign(
            usd=sums["cost"] / sums["hours"],
            gpu_usd=(sums["gpu_cost"] / sums["gpu_hours"]).where(sums["gpu_hours"] > 0),
        )
        return frames.conform(priced[priced["usd"] > 0], NODE_PRICES)

    def probe(self) -> SourceStatus:
        """Asks whether it is there, not for prices, which it would query Prometheus for."""
        started = time.perf_counter()
        try:
            self._http.get("/healthz", {})
        except OpsError as error:
            self._failing_since = self._failing_since or self._clock()
            return SourceStatus(
                SOURCE, self._http.address, reachable=False, message=str(error), hint=error.hint,
                since=self._failing_since,
            )  # fmt: skip
        self._failing_since = None
        return SourceStatus(SOURCE, self._http.address, reachable=True, latency_s=time.perf_counter() - started)

    def close(self) -> None:
        """Release connections."""
        self._http.close()

    def _assets(self, begin: datetime) -> Iterable[_Asset]:
        window = ",".join(f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (begin, begin + _HOUR))
        body = self._http.get("/assets", {"window": window})
        try:
            data = msgspec.json.decode(body, type=_Assets).data
        except msgspec.DecodeError as error:
            raise SourceUnavailable(
                SOURCE,
                f"The answer of {self._name} is not that of OpenCost.",
                hint="Check the address, its path and the proxies before it.",
            ) from error
        sets = data if isinstance(data, list) else [data]
        return [asset for one in sets for asset in (one or {}).values() if asset.type.lower() == "node"]

    def _own(self, nodes: Iterable[_Asset]) -> list[_Asset]:
        """Those of our cluster. Raises Rejected when that cannot be told: nodes of two may have one name."""
        by_cluster: dict[str, list[_Asset]] = {}
        for one in nodes:
            by_cluster.setdefault(one.properties.cluster if one.properties else "", []).append(one)
        if len(by_cluster) == 1 and not self._cluster:
            return next(iter(by_cluster.values()))
        if self._cluster in by_cluster or not by_cluster:
            return by_cluster.get(self._cluster, [])
        known = ", ".join(sorted(by_cluster)[:_NAMED])
        which = f"not {self._cluster}" if self._cluster else "and nobody said which of them is ours"
        raise Rejected(
            SOURCE,
            f"{self._name} knows {'the cluster' if len(by_cluster) == 1 else 'the clusters'} {known}, {which}.",
            hint="Set cluster_id of OpenCost to one of them.",
        )
