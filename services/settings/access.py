"""What the settings say, as the rest of the product sees it: frozen values, secrets wrapped."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from services.access import ActionPolicy, Login
from services.domain.alerts import Channel
from services.ports import CostPolicy


@dataclass(frozen=True)
class KubeAccess:
    """How to reach one cluster's API server.

    Either ``in_cluster`` or a kubeconfig (``kubeconfig`` path, empty for the default places, and ``context``, empty for
    the current one). ``namespaces`` restricts namespaced reads when we may not read the whole cluster.
    """

    in_cluster: bool = False
    kubeconfig: str = ""
    context: str = ""
    namespaces: tuple[str, ...] = ()
    connect_timeout_s: float = 3.05
    read_timeout_s: float = 30.0


@dataclass(frozen=True)
class MetricsAccess:
    """How to reach one Prometheus-compatible server.

    ``auth`` is "none", "basic", "bearer" or "header". ``token_file`` is read again whenever it changes. ``matchers``
    are label matchers added to every selector, for servers that hold several clusters ({"cluster": "prod-eu"}).
    ``scrape_interval_s`` is the slowest interval at which GPU metrics are scraped: no step goes below it.
    """

    url: str
    auth: str = "none"
    username: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    token_file: str = ""
    header_name: str = ""
    header_value: SecretStr = SecretStr("")
    ca_file: str = ""
    connect_timeout_s: float = 3.05
    read_timeout_s: float = 30.0
    matchers: dict[str, str] = field(default_factory=dict)
    scrape_interval_s: float = 30.0
    max_series: int = 20_000


@dataclass(frozen=True)
class KeyedAccess:
    """How to reach a server that takes a key as bearer token, or none; ``key_file`` is read again at every request."""

    url: str
    key: SecretStr = SecretStr("")
    key_file: str = ""
    ca_file: str = ""
    connect_timeout_s: float = 3.05
    read_timeout_s: float = 30.0


@dataclass(frozen=True)
class GatewayAccess(KeyedAccess):
    """How to reach one LiteLLM proxy, and where its configuration lives in the cluster.

    Empty ``url``: the gateway is not asked what is in force, only its ConfigMap is read. ``namespace``, ``configmap``
    and ``deployment`` are names; ``config_key`` is the key of the ConfigMap that holds the proxy's YAML.
    """

    namespace: str = ""
    configmap: str = ""
    config_key: str = "config.yaml"
    deployment: str = ""


@dataclass(frozen=True)
class OpenCostAccess(KeyedAccess):
    """How to reach one OpenCost; ``cluster_id`` selects a cluster where it knows several, "" takes all it knows."""

    cluster_id: str = ""


@dataclass(frozen=True)
class ProviderAccess:
    """How to reach the OpenID Connect provider, and who we are there.

    ``redirect_uri`` is the console's own address for browsers, ending in /oauth2callback. ``cookie_secret`` signs the
    login's cookie. ``fresh_s``: the provider asks people for their password again when that is longer ago.
    """

    metadata_url: str
    client_id: str
    client_secret: SecretStr
    redirect_uri: str
    cookie_secret: SecretStr
    scopes: tuple[str, ...]
    fresh_s: int


@dataclass(frozen=True)
class ChannelAccess:
    """Where alerts go, and the address they are sent to, which is a secret."""

    channel: Channel
    url: SecretStr


@dataclass(frozen=True)
class ClusterSettings:
    """One cluster: its name on every page and how to reach it. None for a source that is not configured."""

    name: str
    kube: KubeAccess
    metrics: MetricsAccess | None = None
    gateway: GatewayAccess | None = None
    opencost: OpenCostAccess | None = None


@dataclass(frozen=True)
class DemoSettings:
    """Which simulated estate the demo shows: scenario by name, number of GPUs, seed of its chance."""

    scenario: str = "everyday"
    gpus: int = 64
    seed: int = 7


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, validated. ``clusters`` is empty exactly when ``mode`` is "demo".

    ``database_url`` is an SQLAlchemy address and may hold a password, hence wrapped. ``team_label`` is the label key
    that names a pod's team (else its namespace's). ``live_refresh_s`` is the period of a page that refreshes itself.
    ``utilisation_target`` (0..1) is what the pages compare with; ``idle_after_minutes`` how long a held GPU must have
    been unused to be called idle. ``provider`` is None unless people log in by OpenID Connect. ``collector`` is "auto",
    "on" or "off" (see :attr:`collects`); starts are kept for ``keep_starts_days``. ``public_url`` is the console's own
    address for browsers, "" where nobody said.
    """

    mode: str
    clusters: tuple[ClusterSettings, ...]
    database_url: SecretStr
    demo: DemoSettings = DemoSettings()
    idle_after_minutes: float = 30.0
    team_label: str = "team"
    live_refresh_s: float = 15.0
    utilisation_target: float = 0.70
    fallback_target: float = 0.10
    collector: str = "auto"
    keep_starts_days: int = 400
    login: Login = field(default_factory=Login)
    provider: ProviderAccess | None = None
    actions: ActionPolicy = field(default_factory=ActionPolicy)
    cost: CostPolicy = field(default_factory=CostPolicy)
    channels: tuple[ChannelAccess, ...] = ()
    public_url: str = ""

    @property
    def embedded_database(self) -> bool:
        """Whether the database is the SQLite file this process owns, rather than a server others share."""
        return self.database_url.get_secret_value().startswith("sqlite")

    @property
    def collects(self) -> bool:
        """Whether the web process records starts itself."""
        return self.collector == "on" or (self.collector == "auto" and self.embedded_database)
