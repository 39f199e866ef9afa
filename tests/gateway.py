"""A gateway for tests of what stands above the adapter: a file in a cluster of dictionaries, a process in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from services.access import ROLES, User
from services.actions.edit_fallbacks import RESTARTED_AT, FallbackParams
from services.actions.engine import Engine
from services.domain import frames, litellm
from services.domain.change import patch
from services.domain.change.plan import Plan
from services.domain.change.refs import Ref
from services.domain.counters import COUNTERS
from services.domain.litellm import KINDS, Chain
from services.domain.litellm.rehearsal import FLAGS, MOCKS_REFUSED, NORMAL, way
from services.errors import SourceError
from services.ports import Answered, ClusterSource, GatewayPlace, Routing, Samples, Sources, SourceStatus, Tier, Trial
from tests.conftest import NOW, Inline
from tests.fakes import SteadyMetrics
from tests.memory import MemoryCluster, source

if TYPE_CHECKING:
    from tests.unit.actions.conftest import Desk

OPERATOR = User(id="op-1", name="Olga", rights=ROLES["operator"], roles=("operator",), via="demo")

PLACE = GatewayPlace(namespace="llm", configmap="litellm-config", key="config.yaml", deployment="litellm")
FILE = """\
# who answers what
model_list:
  - model_name: chat
    litellm_params:
      model: hosted_vllm/llama   # our own
      api_base: http://vllm.llm:8000/v1
      api_key: none
      order: 1
    model_info: {id: chat-own}
  - model_name: chat
    litellm_params: {model: openai/gpt-4o-mini, api_key: sk-live-4f9d8e7c6b, order: 2}
    model_info: {id: chat-cloud}
  - model_name: large
    litellm_params: {model: azure/gpt-4o, api_base: os.environ/AZURE, api_key: os.environ/AZURE_KEY}
    model_info: {id: large-azure}
router_settings:
  fallbacks: [{chat: [large]}]
  timeout: 60
general_settings:
  master_key: os.environ/MASTER_KEY
  dangerously_allow_mock_testing_request_params: true
"""
KEY = "sk-live-4f9d8e7c6b"


def config_ref(cluster: str = "east") -> Ref:
    return Ref.of(cluster, "ConfigMap", PLACE.configmap, PLACE.namespace)


def deployment_ref(cluster: str = "east") -> Ref:
    return Ref.of(cluster, "Deployment", PLACE.deployment, PLACE.namespace)


def deployment(**spec: Any) -> dict[str, Any]:
    """A Deployment of two replicas that mounts the file and is rolled out."""
    volumes = [{"name": "config", "configMap": {"name": PLACE.configmap}}]
    whole = {"replicas": 2, "template": {"metadata": {"labels": {"app": "litellm"}}, "spec": {"volumes": volumes}}}
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": 1}, "spec": {**whole, **spec}, "status": status}


def installed(memory: MemoryCluster, text: str = FILE, cluster: str = "east", **spec: Any) -> None:
    """Have the ConfigMap and the Deployment in the cluster."""
    memory.put(config_ref(cluster), {"data": {PLACE.key: text}})
    memory.put(deployment_ref(cluster), deployment(**spec))


@dataclass
class MemoryGateway:
    """A process that routes by the text it was started with. ``error`` is raised by every call.

    ``sent`` are the test requests it was sent; deployments in ``down`` do not answer them. ``before_send`` is called
    ahead of each, and may raise; ``says`` makes what it answers another answer.
    """

    text: str = FILE
    version: str = "1.106.2"
    database: tuple[Tier, ...] = ()
    stored: bool = False
    error: SourceError | None = None
    counted: pd.DataFrame | None = None
    starts: list[str] = field(default_factory=list)
    sent: list[Trial] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    before_send: Callable[[Trial], None] = lambda _trial: None
    says: Callable[[Answered], Answered] = lambda answer: answer

    def start(self, text: str) -> None:
        self.text = text
        self.starts.append(text)

    def routing(self) -> Routing:
        if self.error is not None:
            raise self.error
        config = litellm.read(self.text)
        tiers = [
            Tier(
                d.id or f"hash-{d.place}",
                d.group,
                d.model,
                d.order,
                d.weight,
                d.provider,
                d.base,
                "file",
                1e-6,
                2e-6,
                d.blocked,
            )
            for d in config.deployments
        ]
        rules = {kind: config.in_force(kind) for kind in KINDS}
        return Routing(
            version=self.version,
            tiers=(*tiers, *self.database),
            **rules,
            default_fallbacks=config.default_fallbacks,
            stored_in_database=self.stored,
        )

    def send(self, trial: Trial) -> Answered:
        if self.error is not None:
            raise self.error
        self.sent.append(trial)
        self.before_send(trial)
        return self.says(self._answer(trial))

    def _answer(self, trial: Trial) -> Answered:
        config = litellm.read(self.text)
        mode = next(mode for mode, flags in FLAGS.items() if flags == trial.flags)
        if trial.flags and not config.mocks:
            return Answered("", "", 400, MOCKS_REFUSED)
        hops = 0 if mode == NORMAL else 1
        for stop in way(config, trial.group, mode):
            if stop.key not in self.down:
                return Answered(stop.key, stop.group, 200, "", min(hops, 1), 0, 74e-6, 0.25)
            hops += 1
        return Answered("", "", 503, "ServiceUnavailableError")

    def probe(self) -> SourceStatus:
        return SourceStatus("litellm", "https://litellm.test", reachable=True, version=self.version)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class GatewayMetrics(SteadyMetrics):
    """Counters that say what a gateway ``counted`` (:data:`TRAFFIC`), whenever they are asked."""

    gateway: Any = None

    def grown(self, counter: str, begin: datetime, end: datetime, step: timedelta) -> Samples:
        counted, columns = getattr(self.gateway, "counted", None), COUNTERS[counter].columns
        told: dict[str, list[tuple[Any, ...]]] = {"fallback_answers": [], "fallback_spend": [], "fallback_lost": []}
        for group, name, requests, usd in [] if counted is None else counted.itertuples(index=False):
            if name:
                told["fallback_answers"].append((end, name, group, "", requests))
                told["fallback_spend"].append((end, name, "", usd))
            else:
                told["fallback_lost"].append((end, group, "503", "", "", requests))
        return Samples(frames.table(columns, told.get(counter, [])))


def with_gateway(source: ClusterSource, gateway: Any) -> ClusterSource:
    """The cluster's source with a gateway in it, whose traffic is counted."""
    metrics = GatewayMetrics((), NOW, gateway=gateway)
    return replace(source, gateway=gateway, gateway_place=PLACE, metrics=source.metrics or metrics)


class Proxy:
    """The desk with a gateway in cluster east: a restart of its Deployment starts the process on the file as it is."""

    def __init__(self, desk: "Desk", text: str = FILE, *, gateway: Any = None) -> None:
        self.desk, self.memory = desk, desk.clusters["east"]
        self.gateway: Any = gateway or MemoryGateway(text)
        self.starts: Callable[[str], bool] = lambda _text: True
        installed(self.memory, text)
        self.seen = self.stamp
        self.memory.after = self._counted
        desk.ticks.append(self.roll)

    @property
    def engine(self) -> Engine:
        return Engine(self.sources, pool=Inline(), worker="w", wait=self.desk.wait)

    @property
    def sources(self) -> Sources:
        east = with_gateway(source("east", self.memory), self.gateway)
        return Sources("demo", {"east": east}, now=lambda: self.desk.now, pool=Inline(), work=self.desk.database)

    @property
    def text(self) -> str:
        found: str = self.memory.objects[config_ref()]["data"][PLACE.key]
        return found

    @property
    def stamp(self) -> Any:
        path = ("spec", "template", "metadata", "annotations", RESTARTED_AT)
        return patch.at(self.memory.objects[deployment_ref()], path)

    def _counted(self, _verb: str, ref: Ref) -> None:
        """What the API server does at once: a Deployment that was changed has another generation."""
        if ref == deployment_ref():
            generation = self.memory.objects[ref]["metadata"]["generation"]
            self.memory.set(ref, {"metadata": {"generation": generation + 1}})

    def roll(self) -> None:
        """What the Deployment's controller does between two looks."""
        ready = self.stamp == self.seen
        if not ready and self.starts(self.text):
            self.gateway.start(self.text)
            self.seen, ready = self.stamp, True
        seen = self.memory.objects[deployment_ref()]["metadata"]["generation"]
        status = {"observedGeneration": seen, "updatedReplicas": 2, "availableReplicas": 2 if ready else 1}
        self.memory.set(deployment_ref(), {"status": status})

    def plan(self, *chains: Chain, **more: Any) -> Plan:
        return self.engine.plan(OPERATOR, "edit-fallbacks", FallbackParams("east", chains, **more))
