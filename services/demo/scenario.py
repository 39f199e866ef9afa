"""The estate as it is written in a scenario file: clusters, pools, workloads and troubles, checked and typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.demo import gateway_plan, startplan
from services.demo.gateway_plan import GatewayPlan
from services.demo.hardware import INSTANCES, PROFILES, Instance
from services.demo.startplan import ImagePlan, RegistryPlan, StartPlan
from services.errors import WrongSetting

_FILES = {"everyday": "scenario.yaml"}


@dataclass(frozen=True)
class PoolPlan:
    """Nodes of one kind in one tile.

    ``replicas`` above 1 means time slicing; ``mig`` names, node by node and GPU by GPU, the profiles a GPU is cut into
    (an empty tuple leaves it whole). Nodes that are ``replaced``, as spot ones are reclaimed and others fail, are so
    every ``replace_s`` seconds after being away for ``gap_s``. ``bursts``: a node comes for each pod of a workload with
    that rhythm, and goes at these minutes of a period of ``burst_s`` seconds.
    """

    name: str
    instance: Instance
    nodes: int
    capacity: str
    replicas: int = 1
    mig: tuple[tuple[tuple[str, ...], ...], ...] = ()
    taint: str = ""
    replaced: tuple[int, ...] = ()
    replace_s: int = 0
    gap_s: int = 0
    bursts: tuple[int, ...] = ()
    burst_s: int = 0


@dataclass(frozen=True)
class ClusterPlan:
    """One cluster. ``labels`` is "karpenter" or "nodegroup", ``exporter`` the dcgm-exporter version it runs."""

    name: str
    region: str
    zones: tuple[str, ...]
    labels: str
    exporter: str
    sm_active: bool
    driver: str
    domain: str
    pools: tuple[PoolPlan, ...]

    def pool(self, name: str) -> PoolPlan:
        """The pool of that name."""
        return next(pool for pool in self.pools if pool.name == name)


@dataclass(frozen=True)
class Activity:
    """How a workload uses what it holds; the fields are explained in the scenario file."""

    name: str
    level: float
    noise: float
    memory: float
    tensor: float = 0.0
    dram: float = 0.0
    sm: float = 0.0
    dip_every_min: int = 0
    dip_min: int = 0
    burst_min: int = 0
    burst_share: float = 0.0
    always: bool = False
    leak_per_day: float = 0.0


@dataclass(frozen=True)
class Demand:
    """Requests a second over the day.

    ``peak_rps`` at the top, never below ``floor`` of it, least at ``trough_hour`` (UTC), multiplied by ``weekend`` on
    Saturdays and Sundays.
    """

    peak_rps: float
    floor: float
    trough_hour: float
    weekend: float


@dataclass(frozen=True)
class Place:
    """Where a pod of a workload runs: a pool, perhaps a node, a GPU, a MIG profile; how many GPUs it holds."""

    pool: str
    node: int | None = None
    nodes: tuple[int, ...] = ()
    gpu: int | None = None
    profile: str = ""
    gpus: int = 1
    spread: bool = False


@dataclass(frozen=True)
class Run:
    """A name under which a lane of jobs runs."""

    name: str
    namespace: str


@dataclass(frozen=True)
class WorkPlan:
    """One workload of a tile. Times in seconds; a rollout replaces one replica every ``roll_s``.

    ``context``: tokens a request may have, of a served language model.
    """

    name: str
    cluster: str
    kind: str
    activity: str
    place: Place
    namespace: str = ""
    at_min: tuple[int, ...] = ()
    otherwise: str = ""
    rhythm: str = "serve"
    least: int = 1
    most: int = 1
    copies: int = 1
    together: bool = False
    runs: tuple[Run, ...] = ()
    demand: Demand | None = None
    llm: bool = False
    context: int = 16384
    per_replica: float = 1.0
    every_s: int = 7 * 86400
    after_s: int = 0
    lasts_s: tuple[int, int] = (0, 0)
    queue_s: tuple[int, int] = (0, 0)
    roll_s: int = 97
    overlap_s: int = 0
    skip: float = 0.0
    kept_s: int | None = None
    skip_weekend: float = 0.0
    fail: float = 0.0
    priority: str = ""
    waits: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    start: StartPlan = field(default_factory=StartPlan)


@dataclass(frozen=True)
class Quota:
    """A ResourceQuota on one GPU resource."""

    cluster: str
    namespace: str
    resource: str
    hard: int

    @property
    def name(self) -> str:
        """Name of the object."""
        return f"{self.namespace}-gpus"


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget of a workload."""

    cluster: str
    namespace: str
    workload: str
    least: int


@dataclass(frozen=True)
class Blocked:
    """A Deployment whose pods a quota refuses."""

    name: str
    cluster: str
    namespace: str
    wants: int
    quota: str


@dataclass(frozen=True)
class Trouble:
    """A thing that is wrong, by name. ``says`` is a sentence; ``node`` and ``gpu`` are places in the first tile."""

    name: str
    cluster: str
    says: str
    pool: str = ""
    node: int | None = None
    gpu: int | None = None
    driver: str = ""


@dataclass(frozen=True)
class Scenario:
    """Everything the scenario file says."""

    name: str
    clusters: tuple[ClusterPlan, ...]
    namespaces: Mapping[str, str]
    activities: Mapping[str, Activity]
    works: tuple[WorkPlan, ...]
    quotas: tuple[Quota, ...]
    blocked: tuple[Blocked, ...]
    budgets: tuple[Budget, ...]
    troubles: tuple[Trouble, ...]
    registries: tuple[RegistryPlan, ...]
    images: tuple[ImagePlan, ...]
    gateways: tuple[GatewayPlan, ...] = ()

    @property
    def tile_gpus(self) -> int:
        """Physical GPUs of one tile."""
        return sum(pool.nodes * pool.instance.gpus for cluster in self.clusters for pool in cluster.pools)

    def trouble(self, name: str) -> Trouble:
        """The trouble of that name."""
        return next(trouble for trouble in self.troubles if trouble.name == name)


@cache
def load(name: str) -> Scenario:
    """The scenario called ``name``. Raises WrongSetting when there is none of that name."""
    if name not in _FILES:
        raise WrongSetting(f"There is no demo scenario {name!r}; known are {', '.join(sorted(_FILES))}.")
    text = (Path(__file__).parent / _FILES[name]).read_text(encoding="utf-8")
    return _scenario(YAML(typ="safe").load(text))


def _scenario(raw: Mapping[str, Any]) -> Scenario:
    return Scenario(
        name=raw["name"],
        clusters=tuple(_cluster(entry) for entry in raw["clusters"]),
        namespaces=dict(raw["namespaces"]),
        activities={name: Activity(name=name, **entry) for name, entry in raw["activities"].items()},
        works=tuple(_work(entry) for entry in raw["works"]),
        quotas=tuple(Quota(**entry) for entry in raw["quotas"]),
        blocked=tuple(Blocked(**{k: v for k, v in entry.items() if k != "trouble"}) for entry in raw["blocked"]),
        budgets=tuple(Budget(**entry) for entry in raw["budgets"]),
        troubles=tuple(Trouble(**entry) for entry in raw["troubles"]),
        registries=tuple(startplan.registry(entry) for entry in raw["registries"]),
        images=tuple(startplan.image(entry) for entry in raw["images"]),
        gateways=tuple(gateway_plan.read(entry) for entry in raw["gateways"]),
    )


def _cluster(raw: Mapping[str, Any]) -> ClusterPlan:
    return ClusterPlan(**{**raw, "zones": tuple(raw["zones"]), "pools": tuple(_pool(entry) for entry in raw["pools"])})


def _pool(raw: Mapping[str, Any]) -> PoolPlan:
    fields = dict(raw)
    replaced = fields.pop("replaced", None)
    if replaced:
        fields["replaced"] = tuple(replaced["nodes"])
        fields["replace_s"] = replaced["every_days"] * 86400
        fields["gap_s"] = replaced["gap_minutes"] * 60
    bursts = fields.pop("bursts", None)
    if bursts:
        fields["bursts"] = tuple(bursts["gone_minutes"])
        fields["burst_s"] = bursts["every_hours"] * 3600
    fields["instance"] = INSTANCES[raw["instance"]]
    fields["mig"] = tuple(
        tuple(tuple(group["layout"]) for group in node for _ in range(group["gpus"])) for node in raw.get("mig", ())
    )
    unknown = {profile for node in fields["mig"] for layout in node for profile in layout} - set(PROFILES)
    if unknown:
        raise WrongSetting(f"Pool {raw['name']} names unknown MIG profiles {sorted(unknown)}.")
    return PoolPlan(**fields)


def _work(raw: Mapping[str, Any]) -> WorkPlan:
    fields = dict(raw)
    place = dict(fields.pop("place"))
    fields["place"] = Place(**{**place, "nodes": tuple(place.get("nodes", ()))})
    if "demand" in fields:
        fields["demand"] = Demand(**fields["demand"])
    for unit, seconds in (("days", 86400), ("hours", 3600)):
        if f"every_{unit}" in fields:
            fields["every_s"] = int(fields.pop(f"every_{unit}") * seconds)
    fields["at_min"] = tuple(fields.get("at_min", ()))
    if "after_min" in fields:
        fields["after_s"] = fields.pop("after_min") * 60
    if "overlap_min" in fields:
        fields["overlap_s"] = fields.pop("overlap_min") * 60
    if "lasts_hours" in fields:
        fields["lasts_s"] = tuple(int(hours * 3600) for hours in fields.pop("lasts_hours"))
    if "queue_min" in fields:
        fields["queue_s"] = tuple(int(minutes * 60) for minutes in fields.pop("queue_min"))
    if "start" in fields:
        fields["start"] = startplan.start(fields["start"])
    fields["runs"] = tuple(Run(**entry) for entry in fields.get("runs", ()))
    return WorkPlan(**fields)
