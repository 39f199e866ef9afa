"""What may be given, field by field: types, limits, descriptions. The reference in docs/ is generated from here.

Every field carries ``expected``: the end of the sentence a wrong value is answered with. Rules that look at several
fields at once are in :mod:`services.settings.rules` and :mod:`services.settings.rules_access`.
"""

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.settings.fields import LABEL_KEY, PATH, TIMEOUT, Namespace, Seconds, Section, given, secret
from services.settings.given_access import Actions, Login
from services.settings.given_alerts import Channel
from services.settings.given_cost import Cost

_OBJECT = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"
_KEY = r"^[-._a-zA-Z0-9]{1,253}$"


class Kubernetes(Section):
    """The cluster's API server."""

    in_cluster: bool = given(
        False,
        "Use the service account of the pod the console runs in.",
        "true or false",
    )
    kubeconfig: str = given(
        "",
        "Kubeconfig file; without it the usual places are searched.",
        "the path of a kubeconfig file",
    )
    context: str = given(
        "",
        "Context in the kubeconfig; without it the current one is used.",
        "the name of a context in the kubeconfig",
    )
    namespaces: tuple[Namespace, ...] = given(
        (),
        "Read only these namespaces, where the whole cluster may not be read. Comma-separated in the environment.",
        "names of namespaces",
    )
    connect_timeout_s: Seconds = given(3.05, "Longest wait for a connection, in seconds.", TIMEOUT)
    read_timeout_s: Seconds = given(30.0, "Longest wait for an answer, in seconds.", TIMEOUT)


class Prometheus(Section):
    """The Prometheus-compatible server that holds the cluster's GPU metrics."""

    url: str = given(
        "",
        "Base address of the server, with its path prefix if it has one, without /api/v1.",
        "an address such as https://prometheus.example.com",
        max_length=2000,
    )
    auth: Literal["none", "basic", "bearer", "header"] = given(
        "none",
        "How to authenticate: none, basic (username, password), bearer (token), or header (one header of any name).",
        "none, basic, bearer or header",
    )
    username: str = given("", "User name for basic.", "a user name")
    password: SecretStr | None = secret("Password for basic.")
    password_file: str = given("", "File that holds the password for basic.", PATH)
    token: SecretStr | None = secret("Token for bearer.")
    token_file: str = given("", "File that holds the token for bearer; read again whenever it changes.", PATH)
    header_name: str = given(
        "",
        "Name of the header for header, such as X-Api-Key.",
        "the name of an HTTP header",
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]*$",
    )
    header_value: SecretStr | None = secret("Value of the header for header.")
    header_value_file: str = given("", "File that holds the value of the header for header.", PATH)
    ca_file: str = given("", "File of certificate authorities to trust instead of the system's, PEM.", PATH)
    connect_timeout_s: Seconds = given(3.05, "Longest wait for a connection, in seconds.", TIMEOUT)
    read_timeout_s: Seconds = given(30.0, "Longest wait for an answer, in seconds.", TIMEOUT)
    matchers: dict[Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], str] = given(
        {},
        "Labels that select this cluster on a server that holds several, such as cluster=prod-eu. "
        "Comma-separated pairs in the environment, a mapping in the file.",
        "pairs of a label name and a value, such as cluster=prod-eu",
    )
    scrape_interval_s: float = given(
        30.0,
        "Slowest interval at which GPU metrics are scraped, in seconds; no graph is drawn finer.",
        "a number of seconds from 1 to 600",
        ge=1,
        le=600,
        allow_inf_nan=False,
    )
    max_series: int = given(
        20_000,
        "Most series one answer may have; a larger one is refused with a message.",
        "a whole number from 100 to 1000000",
        ge=100,
        le=1_000_000,
    )


class Gateway(Section):
    """The LiteLLM proxy that runs in the cluster, and where its configuration lives."""

    url: str = given(
        "",
        "Base address of the proxy. Without it the console does not ask what is in force.",
        "an address such as http://litellm.serving:4000",
        max_length=2000,
    )
    key: SecretStr | None = secret(
        "Key of the proxy; one that may read is enough, except for rehearsals, which ask models."
    )
    key_file: str = given("", "File that holds the key; read again whenever it changes.", PATH)
    ca_file: str = given("", "File of certificate authorities to trust instead of the system's, PEM.", PATH)
    connect_timeout_s: Seconds = given(3.05, "Longest wait for a connection, in seconds.", TIMEOUT)
    read_timeout_s: Seconds = given(30.0, "Longest wait for an answer, in seconds.", TIMEOUT)
    namespace: Namespace | Literal[""] = given(
        "", "Namespace of the proxy, its ConfigMap and its Deployment.", "the name of a namespace"
    )
    configmap: str = given(
        "", "ConfigMap that holds the proxy's configuration.", "the name of a ConfigMap", pattern=_OBJECT
    )
    config_key: str = given(
        "config.yaml", "Key of the ConfigMap that holds the proxy's YAML.", "a key of a ConfigMap", pattern=_KEY
    )
    deployment: str = given("", "Deployment that reads the ConfigMap.", "the name of a Deployment", pattern=_OBJECT)


class OpenCost(Section):
    """The OpenCost whose prices of nodes count where the rate card says none."""

    url: str = given(
        "",
        "Base address of OpenCost's API. Not needed where Prometheus scrapes OpenCost: its metrics are read there.",
        "an address such as http://opencost.opencost:9003",
        max_length=2000,
    )
    key: SecretStr | None = secret("Bearer token, where something before OpenCost wants one.")
    key_file: str = given("", "File that holds the bearer token; read again whenever it changes.", PATH)
    ca_file: str = given("", "File of certificate authorities to trust instead of the system's, PEM.", PATH)
    connect_timeout_s: Seconds = given(3.05, "Longest wait for a connection, in seconds.", TIMEOUT)
    read_timeout_s: Seconds = given(30.0, "Longest wait for an answer, in seconds.", TIMEOUT)
    cluster_id: str = given(
        "",
        "What OpenCost calls this cluster, where it knows several.",
        "a name of at most 253 characters",
        max_length=253,
    )


class Cluster(Section):
    """One cluster."""

    name: str = given(
        "",
        "Name of the cluster on every page. With one cluster in the environment it may be left out: "
        "the context's name is used, or `default`.",
        "a name of at most 63 characters without spaces at its ends",
        pattern=r"^(\S(.{0,61}\S)?)?$",
    )
    kubernetes: Kubernetes = given(Kubernetes(), "How to reach the API server.", "a mapping of settings")
    prometheus: Prometheus | None = given(None, "Where the GPU metrics are.", "a mapping of settings")
    gateway: Gateway | None = given(None, "The gateway whose fallbacks are shown and changed.", "a mapping of settings")
    opencost: OpenCost | None = given(None, "The OpenCost that prices its nodes.", "a mapping of settings")


class Given(Cost, Login, Actions, BaseSettings):
    """Settings as given by the environment and the file together."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    mode: Literal["auto", "demo", "live"] = given(
        "auto",
        "Simulated or real estate. With auto it is live when a cluster is configured and the demo otherwise.",
        "auto, demo or live",
    )
    data_dir: str = given(
        "data",
        "Folder of the embedded database; it is created.",
        "the path of a folder",
        min_length=1,
    )
    database_url: SecretStr | None = given(
        None,
        "Address of the database, sqlite:///path or postgresql://user:password@host/name. "
        "Without it an SQLite file in the data folder.",
        "sqlite:///path or postgresql://user:password@host/name",
    )
    database_url_file: str = given("", "File that holds the address of the database.", PATH)
    idle_after_minutes: float = given(
        30.0,
        "How long a GPU that a workload holds must have been unused to count as idle, in minutes.",
        "a number of minutes from 1 to 1440",
        ge=1,
        le=1440,
        allow_inf_nan=False,
    )
    team_label: str = given(
        "team",
        "Label key that names the team: on the pod, else on its namespace.",
        "a label key such as team or example.com/team",
        pattern=LABEL_KEY,
    )
    live_refresh_s: float = given(
        15.0,
        "Period at which an open page refreshes itself, in seconds.",
        "a number of seconds from 5 to 3600",
        ge=5,
        le=3600,
        allow_inf_nan=False,
    )
    utilisation_target: float = given(
        0.70,
        "Utilisation the estate is meant to reach, as a ratio.",
        "a ratio above 0, at most 1",
        gt=0,
        le=1,
        allow_inf_nan=False,
    )
    fallback_target: float = given(
        0.10,
        "Share of answered requests that may be answered by another tier than the first after a failure, as a ratio.",
        "a ratio above 0, at most 1",
        gt=0,
        le=1,
        allow_inf_nan=False,
    )
    collector: Literal["auto", "on", "off"] = given(
        "auto",
        "Record the starts of pods in the web process. With auto it does where it owns its database; elsewhere "
        "python -m services.collector does.",
        "auto, on or off",
    )
    keep_starts_days: int = given(
        400,
        "How long recorded starts are kept, in days.",
        "a whole number of days from 1 to 3650",
        ge=1,
        le=3650,
    )
    demo_scenario: str = given(
        "everyday",
        "Scenario of the demo estate.",
        "the name of a scenario",
        pattern=r"^[a-z][a-z0-9_-]*$",
    )
    demo_gpus: int = given(
        64,
        "GPUs in the demo estate.",
        "a whole number from 64 to 20000",
        ge=64,
        le=20_000,
    )
    demo_seed: int = given(
        7,
        "Seed of the demo's chance: the same seed shows the same estate.",
        "a whole number from 0 to 2147483647",
        ge=0,
        le=2_147_483_647,
    )
    public_url: str = given(
        "",
        "The console's own address for browsers, for links in messages. Without it that of the login is used.",
        "an address such as https://gpus.example.com",
        max_length=2000,
    )
    clusters: tuple[Cluster, ...] = given((), "The clusters, in the file only.", "a list of clusters")
    channels: tuple[Channel, ...] = given((), "Where alerts go, in the file only.", "a list of channels")


SECTIONS: dict[str, type[Section]] = {
    "clusters": Cluster,
    "channels": Channel,
    "kubernetes": Kubernetes,
    "prometheus": Prometheus,
    "gateway": Gateway,
    "opencost": OpenCost,
}
"""Settings that hold settings of their own, by name."""
