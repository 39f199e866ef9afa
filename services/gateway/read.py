"""What a gateway routes by: its file in the cluster, its running process, and where the two disagree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pandas as pd

from services.domain import frames, litellm
from services.domain.change.refs import Live, Ref
from services.domain.fallback import TRAFFIC
from services.domain.fallback.causes import refused
from services.domain.litellm import Config, yamltext
from services.domain.litellm import lint as litellm_lint
from services.domain.litellm.lint import Known, Lint
from services.errors import OpsError, Refused
from services.gateway import compare
from services.gateway.compare import Difference
from services.ports import ClusterSource, GatewayPlace, Routing, Sources
from services.reading import Absence, Problem, Reading

_DAY = timedelta(days=1)
FILE_WINS = (1, 106)
"""Up to 1.100 what the proxy's database holds hides the file; from 1.106 (read) the file wins."""


@dataclass(frozen=True)
class Board:
    """Everything the Chains page shows of one gateway.

    ``config`` is the file's, None when it could not be read (``unread`` says why); ``sha256`` its fingerprint.
    ``routing`` is the process's, None when it could not be asked (``unasked``). ``locked``: groups that cannot be
    edited here, and why. ``counted`` is whether something counts requests; ``unanswered`` those of the last 24 hours
    that nobody answered, by group.
    """

    cluster: str
    place: GatewayPlace
    config: Config | None
    sha256: str
    routing: Routing | None
    tiers: pd.DataFrame
    lints: tuple[Lint, ...] = ()
    differences: tuple[Difference, ...] = ()
    locked: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""
    unasked: str = ""
    counted: bool = False
    unanswered: Mapping[str, float] = field(default_factory=dict)


def places(sources: Sources) -> list[str]:
    """Clusters with a gateway whose file is known, sorted."""
    return sorted(name for name, source in sources.clusters.items() if source.gateway_place is not None)


def board(sources: Sources, cluster: str) -> Reading[Board]:
    """The gateway of a cluster; nothing is kept, the file is read anew each time."""
    source = sources.clusters.get(cluster)
    if source is None or source.gateway_place is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    problems: list[OpsError] = []
    try:
        text = file_text(source.cluster.read(config_ref(cluster, source.gateway_place)), source.gateway_place)
        config, digest, unread = litellm.read(text), yamltext.sha256(text), ""
    except OpsError as error:
        problems.append(error)
        config, digest, unread = None, "", str(error)
    try:
        routing, unasked = source.gateway.routing() if source.gateway else None, ""
    except OpsError as error:
        problems.append(error)
        routing, unasked = None, str(error)
    problem = Problem.of(problems[0], source="kubernetes") if problems else None
    if config is None and routing is None:
        return Reading(None, problem=problem)
    counted = traffic(sources, source)
    tiers = compare.table(cluster, config, routing, counted)
    value = Board(
        cluster=cluster,
        place=source.gateway_place,
        config=config,
        sha256=digest,
        routing=routing,
        tiers=tiers,
        lints=_lints(config, routing, tiers, traffic=counted is not None),
        differences=tuple(compare.differences(config, routing)) if config and routing else (),
        locked=compare.locked(routing),
        unread=unread,
        unasked=unasked,
        counted=counted is not None,
        unanswered={} if counted is None else compare.unanswered(counted),
    )
    return Reading(value, as_of=sources.now(), problem=problem)


def config_ref(cluster: str, place: GatewayPlace) -> Ref:
    """The ConfigMap that holds the proxy's file."""
    return Ref.of(cluster, "ConfigMap", place.configmap, place.namespace)


def file_text(live: Live, place: GatewayPlace) -> str:
    """The proxy's file. Raises Refused when the ConfigMap does not hold it as text."""
    text = (live.body.get("data") or {}).get(place.key)
    if isinstance(text, str):
        return text
    if place.key in (live.body.get("binaryData") or {}):
        raise Refused(f"{live.ref} holds {place.key} as binary data.", hint="Store it as text.")
    raise Refused(f"{live.ref} has no key {place.key}.", hint="Check the gateway's key in the settings.")


def traffic(sources: Sources, source: ClusterSource) -> pd.DataFrame | None:
    """What was counted over the last 24 hours, frame :data:`TRAFFIC`; None when nothing counts it."""
    if source.metrics is None:
        return None
    end = sources.now().replace(second=0, microsecond=0)
    found = {}
    try:
        for name in ("answers", "spend", "lost"):
            found[name] = source.metrics.grown(f"fallback_{name}", end - _DAY, end, _DAY).frame
    except OpsError:
        return None
    if found["answers"].empty and found["lost"].empty:
        return None
    answers = found["answers"].groupby(["group", "id"])["value"].sum().reset_index(name="requests")
    answers["usd"] = answers["id"].map(found["spend"].groupby("id")["value"].sum())
    lost = found["lost"]
    at_fault = [refused(status, error) for status, error in zip(lost["status"], lost["error"], strict=True)]
    nobody = lost[~pd.Series(at_fault, index=lost.index, dtype=bool)].groupby("group")["value"].sum()
    lacking = nobody.reset_index(name="requests").assign(id="", usd=0.0)
    return frames.conform(pd.concat([answers, lacking], ignore_index=True), TRAFFIC)


def _lints(config: Config | None, routing: Routing | None, tiers: pd.DataFrame, *, traffic: bool) -> tuple[Lint, ...]:
    if config is None:
        return ()
    mine = tiers[tiers["key"].isin([one.key for one in config.deployments])]
    free = mine["input_usd"].fillna(0).eq(0) & mine["output_usd"].fillna(0).eq(0)
    known = Known(
        version=routing.version if routing else "",
        unpriced=frozenset(mine.loc[free, "key"]) if routing else frozenset(),
        idle=frozenset(mine.loc[mine["requests"] == 0, "key"]) if traffic else frozenset(),
        over="in the last 24 hours",
    )
    return tuple(litellm_lint.lint(config, known))
