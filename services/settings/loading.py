"""From what was given to settings that can be relied on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from services.errors import WrongSetting
from services.settings import names, rules, rules_access, rules_alerts
from services.settings.access import ClusterSettings, DemoSettings, Settings
from services.settings.fields import expected
from services.settings.given import SECTIONS, Cluster, Given
from services.settings.given_alerts import Channel
from services.settings.names import Names
from services.settings.sources import Environment, from_file

DATABASE_FILE = "gpu-fleet-console.sqlite3"


def load(environ: Mapping[str, str], *, base: Path | None = None) -> Settings:
    """The settings in ``environ`` and in the file GFC_CONFIG names; variables win over the file.

    Relative paths are relative to the file where they stand in it, else to ``base`` (the working folder). Files that
    hold secrets are read here; nothing else outside is asked. Raises WrongSetting with one sentence for the first thing
    that is wrong: the setting, what was given, what is expected; never a secret.
    """
    base = base or Path.cwd()
    called = Names(frozenset(name for name, value in environ.items() if value.strip()), environ.get(names.CONFIG, ""))
    _refuse_unknown(environ)
    written = from_file(called.file, base)
    if called.cluster_from_environment and written.get("clusters"):
        variable = min(name for name in called.given if name in names.CLUSTER)
        raise WrongSetting(f"{variable} is set and {called.file} has clusters as well; expected only one of the two.")
    if called.channel_from_environment and written.get("channels"):
        variable = min(name for name in called.given if name in names.CHANNEL)
        raise WrongSetting(f"{variable} is set and {called.file} has channels as well; expected only one of the two.")
    given = _validated(environ, written, called)
    file_base = base / Path(called.file).expanduser().parent if called.file else base
    cluster_base = base if called.cluster_from_environment else file_base
    clusters = tuple(_cluster(cluster, index, called, cluster_base) for index, cluster in enumerate(given.clusters))
    channel_base = base if called.channel_from_environment else file_base
    channels = rules_alerts.channels(given, called.of, channel_base, alone=called.channel_from_environment)
    _refuse_twins("clusters", [cluster.name for cluster in clusters], called)
    _refuse_twins("channels", [channel.channel.name for channel in channels], called)

    def base_of(field: str) -> Path:
        in_environment = f"{names.PREFIX}{field.upper()}" in called.given
        return base if in_environment or field not in written else file_base

    def anchored(field: str) -> str:
        return rules.anchored(getattr(given, field), base_of(field))

    return Settings(
        mode=_mode(given.mode, clusters, called),
        clusters=clusters,
        database_url=_database(given, anchored("data_dir"), anchored("database_url_file"), called),
        demo=DemoSettings(given.demo_scenario, given.demo_gpus, given.demo_seed),
        idle_after_minutes=given.idle_after_minutes,
        team_label=given.team_label,
        live_refresh_s=given.live_refresh_s,
        utilisation_target=given.utilisation_target,
        fallback_target=given.fallback_target,
        collector=given.collector,
        keep_starts_days=given.keep_starts_days,
        login=rules_access.login(given, called.of),
        provider=rules_access.provider(given, called.of, base_of),
        actions=rules_access.actions(given),
        cost=rules.cost(given),
        channels=channels,
        public_url=rules_alerts.public_url(given, called.of),
    )


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    for name in names.unknown(environ):
        meant = names.nearest(name, [names.CONFIG, *names.GENERAL, *names.CLUSTER, *names.CHANNEL])
        instead = f"{meant} perhaps" if meant else "a name from the settings reference"
        raise WrongSetting(f"{name} is not a setting; expected {instead}.")


def _validated(environ: Mapping[str, str], written: Mapping[str, Any], called: Names) -> Given:
    class Bound(Given):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return Environment(settings_cls, environ), InitSettingsSource(settings_cls, init_kwargs=dict(written))

    try:
        return Bound()
    except ValidationError as error:
        # A key with a typo makes its right spelling "missing": say the cause, not the consequence.
        details = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    raise WrongSetting(_sentence(details[0], called))


def _sentence(detail: ErrorDetails, called: Names) -> str:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    if detail["type"] == "extra_forbidden":
        meant = names.nearest(str(path[-1]), names.known_keys(path))
        instead = f"{meant} perhaps" if meant else "a name from the settings reference"
        return f"{called.of(*path)} is not a setting; expected {instead}."
    field, inner = _field(path)
    is_secret = field is not None and "SecretStr" in str(field.annotation)
    hidden = is_secret or field is None or path[-1] in {"url", "views", *SECTIONS}
    wanted = expected(field) if field is not None else "a mapping of settings"
    shown = path[:-inner] if inner else path
    return f"{called.of(*shown)} is {_shown(detail['input'], hidden=hidden)}; expected {wanted}."


def _field(path: tuple[Any, ...]) -> tuple[FieldInfo | None, int]:
    """The innermost field a path leads to, and how many parts of the path lie inside its value."""
    model: Any = Given
    found: FieldInfo | None = None
    inner = 0
    for part in path:
        if isinstance(part, int) and model in {Cluster, Channel}:
            found = None
        elif model is not None and part in model.model_fields:
            found, inner = model.model_fields[part], 0
            model = SECTIONS.get(str(part))
        else:
            inner += 1
    return found, inner


def _shown(value: Any, *, hidden: bool) -> str:
    """What was given, as far as it may be repeated."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    if hidden or "://" in str(value):  # an address may hold a password wherever it was put
        return "a text" if isinstance(value, str) else f"of the type {type(value).__name__}"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str):
        text = f'"{text if len(text) <= 60 else text[:60] + "…"}"'
    return text


def _cluster(given: Cluster, index: int, called: Names, base: Path) -> ClusterSettings:
    def kube_name(field: str) -> str:
        return called.of("clusters", index, "kubernetes", field)

    def prometheus_name(field: str) -> str:
        return called.of("clusters", index, "prometheus", field)

    def gateway_name(field: str) -> str:
        return called.of("clusters", index, "gateway", field)

    def opencost_name(field: str) -> str:
        return called.of("clusters", index, "opencost", field)

    name = given.name
    if not name and called.cluster_from_environment:
        name = given.kubernetes.context or "default"
    if not name:
        raise WrongSetting(f"{called.of('clusters', index, 'name')} is missing; expected a name for the cluster.")
    return ClusterSettings(
        name=name,
        kube=rules.kubernetes(given.kubernetes, kube_name, base),
        metrics=rules.prometheus(given.prometheus, prometheus_name, base) if given.prometheus else None,
        gateway=rules_access.gateway(given.gateway, gateway_name, base) if given.gateway else None,
        opencost=rules_access.opencost(given.opencost, opencost_name, base) if given.opencost else None,
    )


def _refuse_twins(what: str, given: Sequence[str], called: Names) -> None:
    for index, name in enumerate(given):
        if name in given[:index]:
            raise WrongSetting(
                f'{called.of(what, index, "name")} is "{name}", which is also the name of '
                f"{what}[{given.index(name)}]; expected a name of its own for every {what.removesuffix('s')}."
            )


def _mode(given: str, clusters: tuple[ClusterSettings, ...], called: Names) -> str:
    if given == "demo" and clusters:
        raise WrongSetting(f"{called.of('mode')} is demo while a cluster is configured; expected live, or no cluster.")
    if given == "live" and not clusters:
        raise WrongSetting(
            f"{called.of('mode')} is live while no cluster is configured; expected GFC_KUBE_CONTEXT, GFC_KUBECONFIG or "
            "GFC_IN_CLUSTER, or clusters in the file GFC_CONFIG names."
        )
    return "live" if clusters else "demo"


def _database(given: Given, data_dir: str, url_file: str, called: Names) -> SecretStr:
    """The database's address, with the driver we ship."""
    setting, url = called.of("database_url"), given.database_url
    if url is not None and url_file:
        raise WrongSetting(
            f"{setting} and {called.of('database_url_file')} are both set; expected only one of the two."
        )
    if url_file:
        setting = called.of("database_url_file")
        url = rules.secret_from(url_file, setting)
    if url is None:
        return SecretStr(f"sqlite:///{Path(data_dir) / DATABASE_FILE}")
    scheme, separator, rest = url.get_secret_value().partition("://")
    if separator and scheme == "sqlite" and rest.startswith("/") and rest not in {"/", "/:memory:"}:
        return url
    if separator and scheme in {"postgresql", "postgres", "postgresql+psycopg"} and rest:
        return SecretStr(f"postgresql+psycopg://{rest}")
    raise WrongSetting(f"{setting} is no address we can use; expected {expected(Given.model_fields['database_url'])}.")
