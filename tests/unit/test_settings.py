import dataclasses
import stat
from pathlib import Path

import pytest

from services.errors import WrongSetting
from services.settings import KubeAccess, MetricsAccess, Settings, load, reference

CLUSTER = {"GFC_KUBE_CONTEXT": "prod-eu", "GFC_PROMETHEUS_URL": "https://prometheus.example.com/"}


def refused(environ: dict[str, str]) -> str:
    """The sentence a start with these variables ends with."""
    with pytest.raises(WrongSetting) as caught:
        load(environ)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "; expected " in sentence
    return sentence


@pytest.fixture
def in_file(tmp_path: Path):
    """Writes a settings file; the variables that name it."""

    def write(text: str) -> dict[str, str]:
        (tmp_path / "console.yaml").write_text(text, encoding="utf-8")
        return {"GFC_CONFIG": str(tmp_path / "console.yaml")}

    return write


def cluster_in_file(lines: str) -> str:
    return f"clusters:\n  - name: lab\n    kubernetes: {{context: lab}}\n    prometheus:\n{lines}"


def test_without_any_setting_there_is_the_demo_and_an_embedded_database(tmp_path: Path) -> None:
    settings = load({"PATH": "/bin"}, base=tmp_path)
    assert (settings.mode, settings.clusters) == ("demo", ())
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/data/gpu-fleet-console.sqlite3"
    assert settings.embedded_database
    assert (settings.demo.scenario, settings.demo.gpus) == ("everyday", 64)
    assert (settings.idle_after_minutes, settings.team_label, settings.live_refresh_s) == (30.0, "team", 15.0)
    assert settings.utilisation_target == 0.70
    assert settings.fallback_target == 0.10
    assert not list(tmp_path.iterdir())


def test_two_variables_connect_a_cluster() -> None:
    settings = load(CLUSTER)
    assert settings.mode == "live"
    (cluster,) = settings.clusters
    assert cluster.name == "prod-eu"
    assert cluster.kube == KubeAccess(context="prod-eu")
    assert cluster.metrics == MetricsAccess(url="https://prometheus.example.com")


def test_a_cluster_needs_no_metrics_source() -> None:
    (cluster,) = load({"GFC_IN_CLUSTER": "true"}).clusters
    assert (cluster.name, cluster.kube.in_cluster, cluster.metrics) == ("default", True, None)


def test_variables_can_say_everything_about_one_cluster(tmp_path: Path) -> None:
    (cluster,) = load(
        {
            "GFC_CLUSTER_NAME": "Production EU",
            "GFC_KUBECONFIG": "conf/eu.yaml",
            "GFC_KUBE_NAMESPACES": "research, shared",
            "GFC_KUBE_CONNECT_TIMEOUT_S": "1.5",
            "GFC_PROMETHEUS_URL": "http://localhost:9090/prom",
            "GFC_PROMETHEUS_AUTH": "header",
            "GFC_PROMETHEUS_HEADER_NAME": "X-Api-Key",
            "GFC_PROMETHEUS_HEADER_VALUE": "s3cret",
            "GFC_PROMETHEUS_MATCHERS": "cluster=prod-eu, env=live",
            "GFC_PROMETHEUS_MAX_SERIES": "500",
            "GFC_PROMETHEUS_CA_FILE": "",
        },
        base=tmp_path,
    ).clusters
    assert cluster.name == "Production EU"
    assert cluster.kube == KubeAccess(
        kubeconfig=str(tmp_path / "conf/eu.yaml"), namespaces=("research", "shared"), connect_timeout_s=1.5
    )
    metrics = cluster.metrics
    assert metrics is not None
    assert (metrics.url, metrics.auth, metrics.header_name) == ("http://localhost:9090/prom", "header", "X-Api-Key")
    assert metrics.header_value.get_secret_value() == "s3cret"
    assert (metrics.matchers, metrics.max_series) == ({"cluster": "prod-eu", "env": "live"}, 500)


def test_a_file_says_several_clusters_and_variables_win_over_it(in_file, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    given = in_file(
        """
        team_label: example.com/team
        utilisation_target: 0.8
        clusters:
          - name: prod-eu
            kubernetes: {context: prod-eu}
            prometheus:
              url: https://mimir.example.com/prometheus
              auth: bearer
              token_file: token
              matchers: {cluster: prod-eu}
          - name: lab
            kubernetes: {kubeconfig: lab.kubeconfig, namespaces: [research]}
        """
    )
    settings = load({**given, "GFC_UTILISATION_TARGET": "0.6"})
    assert (settings.mode, settings.team_label, settings.utilisation_target) == ("live", "example.com/team", 0.6)
    eu, lab = settings.clusters
    assert eu.metrics is not None
    assert eu.metrics.token_file == str(tmp_path / "token")
    assert eu.metrics.matchers == {"cluster": "prod-eu"}
    assert lab.metrics is None
    assert lab.kube.kubeconfig == str(tmp_path / "lab.kubeconfig")


def test_settings_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}, base=tmp_path).mode = "live"  # type: ignore[misc]


def test_names_that_kubernetes_puts_into_pods_are_no_settings() -> None:
    links = {
        "GFC_SERVICE_HOST": "10.0.0.1",
        "GFC_SERVICE_PORT": "80",
        "GFC_CONSOLE_SERVICE_PORT_HTTP": "80",
        "GFC_CONSOLE_PORT": "tcp://10.0.0.1:80",
        "GFC_CONSOLE_PORT_8501_TCP_ADDR": "10.0.0.1",
    }
    assert load(links).mode == "demo"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"GFC_PROMETEUS_URL": "x"}, "GFC_PROMETEUS_URL is not a setting; expected GFC_PROMETHEUS_URL perhaps."),
        ({"GFC_QQQQ": "x"}, "GFC_QQQQ is not a setting; expected a name from the settings reference."),
        ({"gfc_team_label": "x"}, "gfc_team_label is not a setting; expected a name from the settings reference."),
        ({"GFC_MODE": "real"}, 'GFC_MODE is "real"; expected auto, demo or live.'),
        ({"GFC_DEMO_GPUS": "many"}, 'GFC_DEMO_GPUS is "many"; expected a whole number from 64 to 20000.'),
        ({"GFC_UTILISATION_TARGET": "70"}, 'GFC_UTILISATION_TARGET is "70"; expected a ratio above 0, at most 1.'),
        (
            {"GFC_LIVE_REFRESH_S": "nan"},
            'GFC_LIVE_REFRESH_S is "nan"; expected a number of seconds from 5 to 3600.',
        ),
        (
            {**CLUSTER, "GFC_PROMETHEUS_READ_TIMEOUT_S": "-1"},
            'GFC_PROMETHEUS_READ_TIMEOUT_S is "-1"; expected a number of seconds above 0, at most 600.',
        ),
        (
            {**CLUSTER, "GFC_IN_CLUSTER": "true"},
            "GFC_IN_CLUSTER is true and GFC_KUBE_CONTEXT is set as well; expected only one of the two.",
        ),
        (
            {"GFC_PROMETHEUS_URL": "http://p"},
            "GFC_KUBE_CONTEXT is missing; expected the name of a context in the kubeconfig, or GFC_KUBECONFIG, "
            "or GFC_IN_CLUSTER true.",
        ),
        (
            {**CLUSTER, "GFC_MODE": "demo"},
            "GFC_MODE is demo while a cluster is configured; expected live, or no cluster.",
        ),
        (
            {"GFC_MODE": "live"},
            "GFC_MODE is live while no cluster is configured; expected GFC_KUBE_CONTEXT, GFC_KUBECONFIG or "
            "GFC_IN_CLUSTER, or clusters in the file GFC_CONFIG names.",
        ),
        (
            {**CLUSTER, "GFC_PROMETHEUS_MATCHERS": "prod-eu"},
            'GFC_PROMETHEUS_MATCHERS is "prod-eu"; '
            "expected pairs of a label name and a value, such as cluster=prod-eu.",
        ),
        (
            {**CLUSTER, "GFC_PROMETHEUS_CA_FILE": "/nowhere/ca.pem"},
            "GFC_PROMETHEUS_CA_FILE names /nowhere/ca.pem, which cannot be read; expected a PEM file.",
        ),
        (
            {"GFC_CONFIG": "/nowhere/c.yaml"},
            "GFC_CONFIG names /nowhere/c.yaml, which does not exist; expected the path of a YAML file.",
        ),
    ],
)
def test_a_wrong_variable_is_answered_with_its_name_what_was_given_and_what_is_expected(
    environ: dict[str, str], sentence: str
) -> None:
    assert refused(environ) == sentence


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://ada:hunter2@prometheus.example.com", "has a user name or password in it"),
        ("ftp://prometheus.example.com", 'starts with "ftp:"'),
        ("prometheus.example.com", "does not start with http:// or https://"),
        ("http://", "is not an address"),
        ("http://prometheus:99999", "is not an address"),
        ("http://a b", "is not an address"),
        ("https://prometheus.example.com?token=hunter2", "has a query or a fragment in it"),
        ("https://prometheus.example.com/api/v1/", "ends with /api/v1"),
    ],
)
def test_a_wrong_address_is_described_and_its_secrets_are_not_repeated(url: str, what: str) -> None:
    sentence = refused({**CLUSTER, "GFC_PROMETHEUS_URL": url})
    assert sentence.startswith(f"GFC_PROMETHEUS_URL {what}; expected ")
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"AUTH": "oauth"}, 'GFC_PROMETHEUS_AUTH is "oauth"; expected none, basic, bearer or header.'),
        (
            {"AUTH": "basic", "USERNAME": "ada"},
            "GFC_PROMETHEUS_PASSWORD or GFC_PROMETHEUS_PASSWORD_FILE is missing; "
            "expected it because GFC_PROMETHEUS_AUTH is basic.",
        ),
        (
            {"AUTH": "bearer"},
            "GFC_PROMETHEUS_TOKEN or GFC_PROMETHEUS_TOKEN_FILE is missing; "
            "expected it because GFC_PROMETHEUS_AUTH is bearer.",
        ),
        (
            {"AUTH": "header", "HEADER_VALUE": "hunter2"},
            "GFC_PROMETHEUS_HEADER_NAME is missing; expected it because GFC_PROMETHEUS_AUTH is header.",
        ),
        (
            {"TOKEN": "hunter2"},
            "GFC_PROMETHEUS_TOKEN is set while GFC_PROMETHEUS_AUTH is none; "
            "expected it only where GFC_PROMETHEUS_AUTH is bearer.",
        ),
        (
            {"AUTH": "bearer", "TOKEN": "hunter2", "TOKEN_FILE": "/run/token"},
            "GFC_PROMETHEUS_TOKEN or GFC_PROMETHEUS_TOKEN_FILE are both set; expected only one of the two.",
        ),
        (
            {"AUTH": "bearer", "TOKEN": "hunter2\nX-Other: 1"},
            "GFC_PROMETHEUS_TOKEN has a line break or a control character in it; expected a secret on one line.",
        ),
        (
            {"AUTH": "header", "HEADER_NAME": "X Api", "HEADER_VALUE": "hunter2"},
            'GFC_PROMETHEUS_HEADER_NAME is "X Api"; expected the name of an HTTP header.',
        ),
    ],
)
def test_authentication_has_exactly_the_fields_it_needs(given: dict[str, str], sentence: str) -> None:
    variables = {f"GFC_PROMETHEUS_{name}": value for name, value in given.items()}
    assert refused(CLUSTER | variables) == sentence


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("clusters: [", "GFC_CONFIG names {file}, which is not YAML (line 1); expected a mapping of settings."),
        ("[]", "GFC_CONFIG names {file}, which holds no mapping of names to values; expected a mapping of settings."),
        (
            "mode: demo\nmode: live",
            "GFC_CONFIG names {file}, which says one key twice (line 2); expected every key once.",
        ),
        ("teamlabel: x", "teamlabel in {file} is not a setting; expected team_label perhaps."),
        ("team_label:", "team_label in {file} is empty; expected a label key such as team or example.com/team."),
        ("clusters: prod", "clusters in {file} is a text; expected a list of clusters."),
        ("clusters:\n  - prod", "clusters[0] in {file} is a text; expected a mapping of settings."),
        (
            "clusters:\n  - kubernetes: {context: a}",
            "clusters[0].name in {file} is missing; expected a name for the cluster.",
        ),
        (
            "clusters:\n  - {name: a, kubernetes: {context: a}}\n  - {name: a, kubernetes: {context: b}}",
            'clusters[1].name in {file} is "a", which is also the name of clusters[0]; '
            "expected a name of its own for every cluster.",
        ),
        (
            cluster_in_file("      url: http://p\n      pasword: hunter2"),
            "clusters[0].prometheus.pasword in {file} is not a setting; expected password perhaps.",
        ),
        (
            cluster_in_file("      url: http://p\n      password: [hunter2]"),
            "clusters[0].prometheus.password in {file} is a list; expected a text on one line.",
        ),
        (
            cluster_in_file("      url: http://p\n      read_timeout_s: 0"),
            "clusters[0].prometheus.read_timeout_s in {file} is 0; expected a number of seconds above 0, at most 600.",
        ),
        (
            "clusters:\n  - {name: a, prometheus: 'http://ada:hunter2@p'}",
            "clusters[0].prometheus in {file} is a text; expected a mapping of settings.",
        ),
        (
            "clusters:\n  - {name: a, kubernetes: {context: 7}}",
            "clusters[0].kubernetes.context in {file} is 7; expected the name of a context in the kubeconfig.",
        ),
    ],
)
def test_a_wrong_file_is_answered_with_the_place_and_never_with_a_secret(in_file, text: str, what: str) -> None:
    given = in_file(text)
    sentence = refused(given)
    assert sentence == what.format(file=given["GFC_CONFIG"])
    assert "hunter2" not in sentence


def test_a_cluster_is_said_by_variables_or_by_the_file(in_file) -> None:
    given = in_file("clusters:\n  - {name: a, kubernetes: {context: a}}")
    assert refused({**given, **CLUSTER}).startswith("GFC_KUBE_CONTEXT is set and ")


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    (cluster,) = load(
        {
            **CLUSTER,
            "GFC_PROMETHEUS_AUTH": "basic",
            "GFC_PROMETHEUS_USERNAME": "ada",
            "GFC_PROMETHEUS_PASSWORD_FILE": "password",
        },
        base=tmp_path,
    ).clusters
    assert cluster.metrics is not None
    assert cluster.metrics.password.get_secret_value() == "hunter2"


@pytest.mark.parametrize("content", [None, "", "  \n", "hunter2\nhunter3"])
def test_a_secret_file_must_hold_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    given = {**CLUSTER, "GFC_PROMETHEUS_AUTH": "bearer", "GFC_PROMETHEUS_TOKEN_FILE": str(tmp_path / "token")}
    sentence = refused(given)
    assert sentence.startswith("GFC_PROMETHEUS_TOKEN_FILE ")
    assert "hunter2" not in sentence


def test_a_certificate_file_must_hold_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    sentence = refused({**CLUSTER, "GFC_PROMETHEUS_CA_FILE": str(tmp_path / "ca.pem")})
    assert sentence == (
        f"GFC_PROMETHEUS_CA_FILE names {tmp_path}/ca.pem, which holds no certificate; expected a PEM file."
    )


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://ada:hunter2@db/console", "postgresql+psycopg://ada:hunter2@db/console"),
        ("postgresql://db/console", "postgresql+psycopg://db/console"),
        ("sqlite:////var/lib/console.sqlite3", "sqlite:////var/lib/console.sqlite3"),
    ],
)
def test_a_database_is_reached_with_the_driver_we_ship(tmp_path: Path, given: str, used: str) -> None:
    (tmp_path / "url").write_text(given + "\n")
    for environ in ({"GFC_DATABASE_URL": given}, {"GFC_DATABASE_URL_FILE": str(tmp_path / "url")}):
        settings = load(environ)
        assert settings.database_url.get_secret_value() == used
        assert settings.embedded_database is used.startswith("sqlite")


@pytest.mark.parametrize(
    "url", ["mysql://ada:hunter2@db/x", "sqlite://", "sqlite:///:memory:", "hunter2", "postgresql://"]
)
def test_a_database_we_cannot_use_is_refused_without_repeating_its_address(url: str) -> None:
    assert refused({"GFC_DATABASE_URL": url}) == (
        "GFC_DATABASE_URL is no address we can use; "
        "expected sqlite:///path or postgresql://user:password@host/name."
    )  # fmt: skip


def test_secrets_do_not_show(tmp_path: Path) -> None:
    settings = load(
        {
            **CLUSTER,
            "GFC_PROMETHEUS_AUTH": "basic",
            "GFC_PROMETHEUS_USERNAME": "ada",
            "GFC_PROMETHEUS_PASSWORD": "hunter2",
            "GFC_DATABASE_URL": "postgresql://ada:hunter3@db/console",
        }
    )
    assert "hunter" not in f"{settings!r} {settings}"


def test_the_reference_is_what_make_docs_would_write() -> None:
    assert reference.TARGET.read_text(encoding="utf-8") == reference.text(), "stale: run `make docs`"


def test_the_reference_names_every_setting_once() -> None:
    rows = [line.split("|")[1].strip() for line in reference.text().splitlines() if line.startswith("| `")]
    assert len(rows) == len(set(rows))
    assert {"`GFC_CONFIG`", "`GFC_TEAM_LABEL`", "`GFC_IN_CLUSTER`", "`prometheus.token_file`"} <= set(rows)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # root may read everything, so the refusal itself is imitated
    path = tmp_path / "console.yaml"
    path.write_text("mode: demo")
    path.chmod(stat.S_IWUSR)

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    assert refused({"GFC_CONFIG": str(path)}) == (
        f"GFC_CONFIG names {path}, which cannot be read; expected the path of a YAML file."
    )


def test_all_settings_have_a_place_in_the_answer() -> None:
    assert {field.name for field in dataclasses.fields(Settings)} == {
        "mode", "clusters", "database_url", "demo", "idle_after_minutes", "team_label", "live_refresh_s",
        "utilisation_target", "fallback_target", "collector", "keep_starts_days", "login", "provider", "actions",
        "cost", "channels", "public_url",
    }  # fmt: skip
