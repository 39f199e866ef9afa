"""Settings about logins, rights, views, actions and the gateway."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.access import ActionPolicy, Login
from services.domain.scope import Sight
from services.errors import WrongSetting
from services.settings import GatewayAccess, load

SECRET = "0123456789abcdef0123456789abcdef"
OIDC = {
    "GFC_LOGIN": "oidc",
    "GFC_OIDC_ISSUER": "https://login.example.com/realms/main/",
    "GFC_OIDC_CLIENT_ID": "console",
    "GFC_OIDC_CLIENT_SECRET": "hunter2",
    "GFC_OIDC_REDIRECT_URI": "https://gpus.example.com/oauth2callback",
    "GFC_OIDC_COOKIE_SECRET": SECRET,
}
ONE = {"GFC_KUBE_CONTEXT": "prod-eu"}


def refused(environ: dict[str, str], base: Path | None = None) -> str:
    with pytest.raises(WrongSetting) as caught:
        load(environ, base=base)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "; expected " in sentence
    assert "hunter2" not in sentence
    assert SECRET not in sentence
    return sentence


def written(tmp_path: Path, text: str) -> dict[str, str]:
    (tmp_path / "console.yaml").write_text(text, encoding="utf-8")
    return {"GFC_CONFIG": str(tmp_path / "console.yaml")}


def test_without_settings_nobody_logs_in_and_nothing_is_impersonated() -> None:
    settings = load({})
    assert (settings.login.how, settings.provider) == ("none", None)
    assert settings.actions == ActionPolicy(as_person=False)


def test_five_settings_connect_a_provider() -> None:
    settings = load(OIDC)
    provider = settings.provider
    assert provider is not None
    assert provider.metadata_url == "https://login.example.com/realms/main/.well-known/openid-configuration"
    assert (provider.client_id, provider.client_secret.get_secret_value()) == ("console", "hunter2")
    assert provider.redirect_uri == "https://gpus.example.com/oauth2callback"
    assert provider.cookie_secret.get_secret_value() == SECRET
    assert provider.scopes == ("openid", "profile", "email")
    assert provider.fresh_s == 3600
    assert "hunter2" not in repr(settings)
    assert settings.login == Login(
        how="oidc",
        issuer="https://login.example.com/realms/main/",
        audience="console",
        roles={
            "viewer": frozenset("*"), "finance": frozenset(), "operator": frozenset(), "admin": frozenset(),
        },
    )  # fmt: skip
    assert settings.actions.as_person


def test_variables_can_say_everything_about_logins(tmp_path: Path) -> None:
    (tmp_path / "client").write_text("from-file\n")
    given = {name: value for name, value in OIDC.items() if name != "GFC_OIDC_CLIENT_SECRET"}
    settings = load(
        {
            **given,
            "GFC_OIDC_CLIENT_SECRET_FILE": "client",
            "GFC_OIDC_METADATA_URL": "https://login.example.com/meta",
            "GFC_OIDC_SCOPES": "openid, groups",
            "GFC_OIDC_GROUPS_CLAIM": "realm_access.roles",
            "GFC_OIDC_NAME_CLAIM": "preferred_username",
            "GFC_OIDC_SUBJECT_CLAIM": "oid",
            "GFC_OIDC_EXPIRY": "false",
            "GFC_ACT_AS_CLAIM": "email",
            "GFC_ACT_AS_PREFIX": "oidc:",
            "GFC_ADMIN_GROUPS": "root",
            "GFC_OPERATOR_GROUPS": "gpu-ops, sre",
            "GFC_FINANCE_GROUPS": "money",
            "GFC_VIEWER_GROUPS": "staff",
            "GFC_VIEW_ALL_GROUPS": "auditors",
            "GFC_LOGIN_HOURS": "8",
            "GFC_LOGIN_WRITE_MINUTES": "15",
        },
        base=tmp_path,
    )
    assert settings.provider is not None
    assert settings.provider.client_secret.get_secret_value() == "from-file"
    assert settings.provider.metadata_url == "https://login.example.com/meta"
    assert settings.provider.scopes == ("openid", "groups")
    assert settings.provider.fresh_s == 900
    login = settings.login
    assert (login.subject, login.name, login.groups) == ("oid", "preferred_username", "realm_access.roles")
    assert (login.act_as, login.prefix, login.expires, login.max_age) == ("email", "oidc:", False, timedelta(hours=8))
    assert login.roles["operator"] == {"gpu-ops", "sre"}
    assert (login.roles["viewer"], login.roles["admin"]) == ({"staff"}, {"root"})
    assert login.see_all == {"auditors"}
    assert settings.actions.login_max_age == timedelta(minutes=15)


def test_a_proxy_names_its_headers() -> None:
    login = load({"GFC_LOGIN": "proxy", "GFC_PROXY_USER_HEADER": "X-Remote-User"}).login
    assert (login.how, login.subject, login.groups) == ("proxy", "X-Remote-User", "X-Forwarded-Groups")


def test_a_file_says_who_sees_what(tmp_path: Path) -> None:
    text = """
        login: proxy
        operator_groups: ["cn=gpu,ou=teams", sre]
        view_all_groups: [auditors]
        views:
          ml-research: {namespaces: [research, research-batch], teams: [research]}
          "*": {namespaces: [shared]}
        actions: on
    """
    login = load(written(tmp_path, text)).login
    assert login.roles["operator"] == {"cn=gpu,ou=teams", "sre"}
    assert login.views == {
        "ml-research": Sight(frozenset({"research", "research-batch"}), frozenset({"research"})),
        "*": Sight(frozenset({"shared"}), frozenset()),
    }


def test_what_actions_may_do_is_set() -> None:
    policy = load(
        {
            **OIDC,
            "GFC_ACTIONS": "dry-run",
            "GFC_ACT_AS": "service",
            "GFC_SECOND_PERSON": "true",
            "GFC_BREAKER_NODES": "5",
            "GFC_BREAKER_POOL_RATIO": "0.25",
            "GFC_BREAKER_WINDOW_MINUTES": "30",
            "GFC_AUDIT_DAYS": "730",
        }
    ).actions
    assert policy == ActionPolicy(
        mode="dry-run",
        as_person=False,
        second_person=True,
        breaker_nodes=5,
        breaker_pool_ratio=0.25,
        breaker_window=timedelta(minutes=30),
        audit_kept=timedelta(days=730),
    )


def test_a_gateway_belongs_to_its_cluster(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-1\n")
    (cluster,) = load(
        {
            **ONE,
            "GFC_GATEWAY_URL": "http://litellm.serving:4000/",
            "GFC_GATEWAY_KEY_FILE": "key",
            "GFC_GATEWAY_NAMESPACE": "serving",
            "GFC_GATEWAY_CONFIGMAP": "litellm-config",
            "GFC_GATEWAY_DEPLOYMENT": "litellm",
        },
        base=tmp_path,
    ).clusters
    assert cluster.gateway == GatewayAccess(
        url="http://litellm.serving:4000",
        key_file=str(tmp_path / "key"),
        namespace="serving",
        configmap="litellm-config",
        deployment="litellm",
    )
    assert load(ONE).clusters[0].gateway is None


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in OIDC.items() if name not in names}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"GFC_LOGIN": "saml"}, 'GFC_LOGIN is "saml"; expected none, oidc or proxy.'),
        ({"GFC_OPERATOR_GROUPS": "x"}, "GFC_OPERATOR_GROUPS is set while GFC_LOGIN is none; expected it only where"),
        ({"GFC_LOGIN": "proxy", "GFC_OIDC_ISSUER": "x"}, "GFC_OIDC_ISSUER is set while GFC_LOGIN is proxy"),
        ({**OIDC, "GFC_PROXY_USER_HEADER": "X"}, "GFC_PROXY_USER_HEADER is set while GFC_LOGIN is oidc"),
        (without("GFC_OIDC_ISSUER"), "GFC_OIDC_ISSUER is missing; expected an address such as https://login."),
        (without("GFC_OIDC_CLIENT_ID"), "GFC_OIDC_CLIENT_ID is missing"),
        (without("GFC_OIDC_CLIENT_SECRET"), "GFC_OIDC_CLIENT_SECRET or GFC_OIDC_CLIENT_SECRET_FILE is missing"),
        ({**OIDC, "GFC_OIDC_CLIENT_SECRET_FILE": "x"}, "are both set; expected only one of the two."),
        (without("GFC_OIDC_COOKIE_SECRET"), "GFC_OIDC_COOKIE_SECRET or GFC_OIDC_COOKIE_SECRET_FILE is missing"),
        ({**OIDC, "GFC_OIDC_COOKIE_SECRET": "short"}, "expected a random text of at least 32 characters."),
        (without("GFC_OIDC_REDIRECT_URI"), "GFC_OIDC_REDIRECT_URI is missing"),
        ({**OIDC, "GFC_OIDC_REDIRECT_URI": "https://gpus.example.com"}, "does not end in /oauth2callback"),
        ({**OIDC, "GFC_OIDC_REDIRECT_URI": "gpus.example.com/oauth2callback"}, "does not start with http"),
        ({**OIDC, "GFC_OIDC_SCOPES": "profile"}, "GFC_OIDC_SCOPES has no openid in it"),
        ({**OIDC, "GFC_LOGIN_HOURS": "0"}, 'GFC_LOGIN_HOURS is "0"; expected a number of hours'),
        ({"GFC_AUDIT_DAYS": "30"}, 'GFC_AUDIT_DAYS is "30"; expected a whole number from 365 to 3650.'),
        ({"GFC_ACTIONS": "yes"}, "expected on, dry-run or off."),
        ({"GFC_BREAKER_POOL_RATIO": "0"}, "expected a ratio above 0, at most 1."),
        ({"GFC_VIEWS": "x"}, "GFC_VIEWS is not a setting"),
        ({**ONE, "GFC_GATEWAY_KEY": "hunter2"}, "GFC_GATEWAY_URL is missing"),
        ({**ONE, "GFC_GATEWAY_URL": "litellm:4000"}, 'GFC_GATEWAY_URL starts with "litellm:"'),
        (
            {**ONE, "GFC_GATEWAY_NAMESPACE": "serving", "GFC_GATEWAY_CONFIGMAP": "c"},
            "GFC_GATEWAY_DEPLOYMENT is missing; expected it together with GFC_GATEWAY_NAMESPACE",
        ),
        ({**ONE, "GFC_GATEWAY_URL": "http://l", "GFC_GATEWAY_NAMESPACE": "a/b"}, "expected the name of a namespace."),
        (
            {**ONE, "GFC_GATEWAY_URL": "http://l", "GFC_GATEWAY_KEY": "hunter2", "GFC_GATEWAY_KEY_FILE": "x"},
            "are both set",
        ),
        ({**ONE, "GFC_GATEWAY_URL": "http://l", "GFC_GATEWAY_KEY_FILE": "/nowhere/key"}, "which cannot be read"),
    ],
)
def test_a_wrong_setting_is_answered_with_one_sentence(environ: dict[str, str], says: str, tmp_path: Path) -> None:
    assert says in refused(environ, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("login: proxy\nviews: {ml: {namespace: [a]}}", "views.ml.namespace in"),
        ("login: proxy\nviews: {ml: {namespace: [a]}}", "expected namespaces perhaps."),
        ("login: proxy\nviews: [ml]", "expected a mapping of groups to namespaces and teams."),
        ("login: proxy\nviews: {ml: {namespaces: [A_B]}}", "expected a mapping of groups"),
        ("login: proxy\nadmin_groups: root", "expected names of groups"),
        ("views: {ml: {namespaces: [a]}}", "is set while login in"),
    ],
)
def test_a_wrong_file_is_answered_with_one_sentence(text: str, says: str, tmp_path: Path) -> None:
    assert says in refused(written(tmp_path, text), tmp_path)
