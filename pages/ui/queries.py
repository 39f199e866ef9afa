"""Every cached read of the product. Whatever decides an answer is an argument; nothing here computes."""

import pandas as pd
import streamlit as st

from services import attention as attentive
from services import audit, fleet, health, overview, prepull, runtime, sharing, utilisation, workloads
from services.breakers import board as breakers_read
from services.breakers import desk as breakers_desk
from services.domain.attribution import OWNER_GROUPS
from services.domain.findings import Finding
from services.domain.headroom import Want
from services.domain.prepull import PrepullParams
from services.domain.scope import Scope, Sight
from services.domain.startup.summary import Totals
from services.gateway import read as gateway
from services.headroom import read as headroom_read
from services.headroom import shapes as headroom_shape
from services.headroom import survey
from services.overview import Headline
from services.panels import read as panels
from services.panels.catalogue import PANELS
from services.ports import Event, Policy
from services.reading import Reading
from services.startup import advice, board, recorder
from services.startup import one as start_of

_LIVE = {"ttl": "15s", "max_entries": 128, "show_spinner": False, "refresh_mode": "background"}


def mode() -> str:
    """The data mode, demo or live: part of every cache key."""
    return runtime.current().mode


def forget() -> None:
    """Have everything read anew, for instance because something was just changed."""
    runtime.current().memo.hurry()
    st.cache_data.clear()


def policy() -> Policy:
    """The installation's own numbers."""
    return runtime.current().policy


@st.cache_data(ttl="15s", max_entries=64, show_spinner=False, refresh_mode="background")
def choices(mode: str, sees: Sight) -> dict[str, list[str]]:
    """What the global filters offer."""
    return fleet.choices(runtime.current(), sees)


@st.cache_data(**_LIVE)
def headline(mode: str, scope: Scope) -> Reading[Headline]:
    """Figures of the tiles that need Kubernetes alone."""
    return overview.headline(runtime.current(), scope)


@st.cache_data(**_LIVE)
def fleet_utilisation(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Utilisation of the whole scope over its window."""
    return overview.utilisation_trend(runtime.current(), scope)


@st.cache_data(**_LIVE)
def funnel(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Total → allocated → active → effective."""
    return overview.funnel(runtime.current(), scope)


@st.cache_data(**_LIVE)
def attention(mode: str, scope: Scope) -> Reading[list[Finding]]:
    """What needs attention, ranked."""
    return attentive.read(runtime.current(), scope)


@st.cache_data(**_LIVE)
def pools(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """GPUs by pool and model."""
    return fleet.pools(runtime.current(), scope)


@st.cache_data(**_LIVE)
def nodes(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU nodes."""
    return fleet.nodes(runtime.current(), scope)


@st.cache_data(**_LIVE)
def gpus(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """One row per unit."""
    return utilisation.table(runtime.current(), scope)


@st.cache_data(**_LIVE)
def heat(mode: str, scope: Scope, measure: str, node: str) -> Reading[pd.DataFrame]:
    """Cells of the heat map."""
    return utilisation.heat(runtime.current(), scope, measure, node)


@st.cache_data(**_LIVE)
def idle_classes(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU equivalents by class of use."""
    return utilisation.uses(runtime.current(), scope)


@st.cache_data(**_LIVE)
def distribution(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU equivalents by utilisation over the window."""
    return utilisation.distribution(runtime.current(), scope)


@st.cache_data(**_LIVE)
def wasters(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Units that cost most while held and idle."""
    return utilisation.wasters(runtime.current(), scope)


@st.cache_data(**_LIVE)
def summary(mode: str, scope: Scope, node: str) -> Reading[utilisation.Summary]:
    """Headline figures of the Utilisation page; of one node when it is given."""
    return utilisation.summary(runtime.current(), scope, node)


@st.cache_data(ttl="60s", max_entries=128, show_spinner=False, refresh_mode="background")
def trend(mode: str, panel: str, scope: Scope, group: str) -> Reading[pd.DataFrame]:
    """A panel's trend split by a group."""
    sources = runtime.current()
    window = fleet.window(sources, scope, by_owner=scope.by_owner or group in OWNER_GROUPS)
    return panels.trend(sources, PANELS[panel], scope, window, group)


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False, refresh_mode="background")
def gpu_trend(mode: str, scope: Scope, cluster: str, gpu: str) -> Reading[pd.DataFrame]:
    """What one physical GPU did over the window."""
    return utilisation.gpu_trend(runtime.current(), scope, cluster, gpu)


@st.cache_data(**_LIVE)
def workload_table(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Workloads that hold, want or held GPUs."""
    return workloads.table(runtime.current(), scope)


@st.cache_data(**_LIVE)
def workload_pods(mode: str, scope: Scope, namespace: str, workload: str) -> Reading[pd.DataFrame]:
    """The pods of one workload."""
    return workloads.pods(runtime.current(), scope, namespace, workload)


@st.cache_data(**_LIVE)
def waiting(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Unmet demand."""
    return fleet.waiting(runtime.current(), scope)


@st.cache_data(**_LIVE)
def source_health(mode: str, cluster: str) -> Reading[health.Report]:
    """How the sources are doing; with an empty cluster, all of them."""
    return health.report(runtime.current(), cluster)


@st.cache_data(**_LIVE)
def carriers(mode: str, cluster: str) -> Reading[pd.DataFrame]:
    """Which metrics carry utilisation."""
    return health.carriers(runtime.current(), cluster, "util")


@st.cache_data(**_LIVE)
def workload_totals(mode: str, scope: Scope) -> Reading[workloads.Totals]:
    """Headline figures of the Workloads page."""
    return workloads.totals(runtime.current(), scope)


@st.cache_data(**_LIVE)
def class_hours(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU-hours of the window by class of use."""
    return workloads.class_hours(runtime.current(), scope)


@st.cache_data(**_LIVE)
def marks(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Operations to mark on the trends of the scope's window."""
    sources = runtime.current()
    return audit.marks(sources, scope, fleet.window(sources, scope))


@st.cache_data(ttl="2s", max_entries=64, show_spinner=False)
def operations(mode: str, range: str, cluster: str, own: str) -> Reading[pd.DataFrame]:  # noqa: A002
    """Operations of a time range, newest first; of one person when ``own`` names one."""
    return audit.operations(runtime.current(), range, cluster, own)


def operation(id: str, own: str = "") -> Reading[audit.Record]:
    """One operation as it is now: whoever watches one run is not shown an older answer."""
    return audit.operation(runtime.current(), id, own)


def today(record: audit.Record) -> Reading[pd.DataFrame]:
    """What an operation set beside what is live now; asked when somebody wants to know."""
    return audit.today(runtime.current(), record.plan)


@st.cache_data(ttl="60s", max_entries=2, show_spinner=False)
def chain(mode: str) -> Reading[audit.Chain]:
    """Whether the audit is as it was written."""
    return audit.chain(runtime.current())


@st.cache_data(ttl="2s", max_entries=2, show_spinner=False)
def breaker(mode: str) -> Reading[Event]:
    """What tripped the fleet-wide breaker, if it is open."""
    return audit.breaker(runtime.current())


@st.cache_data(**_LIVE)
def headroom(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Warm units, their use and how starts were served, by pool."""
    return headroom_read.pools(runtime.current(), scope)


@st.cache_data(**_LIVE)
def headroom_summary(mode: str, scope: Scope) -> Reading[headroom_read.Summary]:
    """Headline figures of the Headroom page."""
    return headroom_read.summary(runtime.current(), scope)


@st.cache_data(**_LIVE)
def headroom_shapes(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """What one replica of each workload asks for."""
    return headroom_shape.shapes(runtime.current(), scope)


@st.cache_data(**_LIVE)
def headroom_weighed(mode: str, want: Want) -> Reading[survey.Found]:
    """What a number of warm units in one pool would take."""
    return survey.weigh(runtime.current(), want)


@st.cache_data(**_LIVE)
def breakers(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Circuit breakers of the mesh and cooldowns of gateways, and what they did."""
    return breakers_read.board(runtime.current(), scope)


@st.cache_data(**_LIVE)
def breaker_look(mode: str, cluster: str, namespace: str, name: str, sees: Sight) -> breakers_desk.Look | None:
    """One rule of the mesh and what is wrong with it."""
    return breakers_desk.look(runtime.current(), cluster, namespace, name, sees)


@st.cache_data(**_LIVE)
def unguarded(mode: str, scope: Scope) -> Reading[tuple[breakers_desk.Host, ...]]:
    """Hosts that gateways call and no rule of the mesh is for."""
    return breakers_desk.unguarded(runtime.current(), scope)


@st.cache_data(**_LIVE)
def shared_nodes(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU nodes and how each is divided."""
    return sharing.nodes(runtime.current(), scope)


@st.cache_data(**_LIVE)
def sharing_desk(
    mode: str, scope: Scope, cluster: str, nodes: tuple[str, ...], layout: str, drain: bool
) -> Reading[sharing.Desk]:
    """What could be done with nodes, and what a layout would do."""
    return sharing.desk(runtime.current(), cluster, nodes, layout, drain=drain, sees=scope.sees)


@st.cache_data(**_LIVE)
def sharing_findings(mode: str, scope: Scope) -> list[Finding]:
    """Where sharing would free GPUs."""
    return sharing.findings(runtime.current(), scope)


@st.cache_data(**_LIVE)
def routing(mode: str, cluster: str) -> Reading[gateway.Board]:
    """What the gateway of a cluster routes by: its file and its process."""
    return gateway.board(runtime.current(), cluster)


@st.cache_data(**_LIVE)
def startup_totals(mode: str, scope: Scope) -> Reading[Totals]:
    """Headline figures of recorded starts."""
    return board.totals(runtime.current(), scope)


@st.cache_data(**_LIVE)
def startup(mode: str, scope: Scope, workload: str) -> Reading[board.Board]:
    """The figures of the Startup page; of one workload when it is named."""
    return board.board(runtime.current(), scope, workload)


@st.cache_data(**_LIVE)
def startup_advice(mode: str, scope: Scope, workload: str) -> Reading[advice.Advice]:
    """What would make starts faster, and what made them slower; of one workload when it is named."""
    return advice.advice(runtime.current(), scope, workload)


@st.cache_data(**_LIVE)
def startup_recorder(mode: str, cluster: str) -> Reading[recorder.State]:
    """Whether starts are being recorded."""
    return recorder.state(runtime.current(), cluster)


@st.cache_data(**_LIVE)
def start(mode: str, sees: Sight, cluster: str, uid: str) -> Reading[start_of.One]:
    """One recorded start in full."""
    return start_of.one(runtime.current(), sees, cluster, uid)


@st.cache_data(**_LIVE)
def prepull_kept(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Images that are kept on nodes."""
    return prepull.kept(runtime.current(), scope)


@st.cache_data(**_LIVE)
def prepull_weighed(mode: str, want: PrepullParams) -> Reading[prepull.Weighed]:
    """What keeping images on the nodes of a pool would take."""
    return prepull.weigh(runtime.current(), want)


def starts(scope: Scope, workload: str) -> pd.DataFrame:
    """All recorded starts, for a file; asked when somebody wants it."""
    return board.listed(runtime.current(), scope, workload)
