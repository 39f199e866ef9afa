import copy

import pytest

from services.domain.change import redact
from services.domain.change.redact import HIDDEN


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "clientSecret", "api_key", "apiKey", "LITELLM_MASTER_KEY", "auth-token", "DSN"],
)
def test_a_name_that_holds_a_secret_is_known(name: str) -> None:
    assert redact.secret(name)


@pytest.mark.parametrize(
    "name",
    ["key", "keys", "topologyKey", "secretName", "secretKeyRef", "token_file", "max_tokens", "tokenizer", "monkey", ""],
)
def test_a_name_that_only_sounds_so_is_not(name: str) -> None:
    assert not redact.secret(name)


def test_all_data_of_a_secret_is_hidden_and_its_labels_are_not() -> None:
    body = {"kind": "Secret", "metadata": {"labels": {"app": "x"}}, "data": {"user": "YWRh"}, "stringData": {"a": "b"}}
    assert redact.redacted(body) == {
        "kind": "Secret",
        "metadata": {"labels": {"app": "x"}},
        "data": {"user": HIDDEN},
        "stringData": {"a": HIDDEN},
    }
    assert redact.redacted({"data": {"user": "YWRh"}}, kind="Secret") == {"data": {"user": HIDDEN}}


def test_values_of_environment_variables_are_hidden_and_references_stay() -> None:
    env = [
        {"name": "DATABASE_URL", "value": "postgresql://a:b@c/d"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "gateway", "key": "token"}}},
        {"name": "EMPTY"},
    ]
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": env}]}}}}
    shown = redact.redacted(body)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert shown == [{"name": "DATABASE_URL", "value": HIDDEN}, env[1], env[2]]


def test_tolerations_and_resources_stay_readable() -> None:
    spec = {
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "value": "x"}],
        "containers": [{"resources": {"limits": {"nvidia.com/gpu": "8"}}}],
        "automountServiceAccountToken": False,
        "affinity": {"podAffinity": {"topologyKey": "kubernetes.io/hostname"}},
        "imagePullSecrets": [{"name": "registry"}],
    }
    assert redact.redacted({"spec": spec}) == {"spec": spec}


def test_prices_per_token_are_figures_and_keys_are_not() -> None:
    body = {"input_cost_per_token": 1e-06, "max_tokens": 4096, "api_key": "abc", "key": 5}
    assert redact.redacted(body) == {**body, "api_key": HIDDEN}


def test_a_reference_to_where_the_key_is_stays() -> None:
    body = {"api_key": "os.environ/OPENAI_API_KEY", "token": "$(TOKEN)", "password": "${PASSWORD}"}
    assert redact.redacted(body) == body


def test_the_copy_kubectl_keeps_of_the_object_is_hidden_whole() -> None:
    name = "kubectl.kubernetes.io/last-applied-configuration"
    body = {"metadata": {"annotations": {name: '{"env": "x"}', "note": "y"}}}
    assert redact.redacted(body) == {"metadata": {"annotations": {name: HIDDEN, "note": "y"}}}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("key is sk-abcdefghijkl now", f"key is {HIDDEN} now"),
        ("Authorization: Bearer abcdefgh.ijk", f"Authorization: {HIDDEN}"),
        ("https://ada:s3cret@db.test/x", f"https://{HIDDEN}@db.test/x"),
        ("--api-key=abc --port=80", f"--api-key={HIDDEN} --port=80"),
        ('password: "a b"\nport: 80', f"password: {HIDDEN}\nport: 80"),
        ("denied the request: api_key: abc is a key", f"denied the request: api_key: {HIDDEN} is a key"),
        ('{"chat": {"api_key": "abc"}}', f'{{"chat": {{"api_key": {HIDDEN}}}}}'),
        ("password: token: abc", f"password: {HIDDEN} {HIDDEN}"),
        ("AKIAABCDEFGHIJKLMNOP", HIDDEN),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nrest", f"{HIDDEN}\nrest"),
        ("replicas: 3", "replicas: 3"),
        ("nvidia.com/gpu: 8", "nvidia.com/gpu: 8"),
        ("api_key: os.environ/KEY", "api_key: os.environ/KEY"),
    ],
)
def test_secrets_inside_a_text_are_hidden(given: str, shown: str) -> None:
    assert redact.text(given) == shown


def test_one_field_is_judged_by_its_object_and_path() -> None:
    assert redact.field("Secret", ("data", "user"), "YWRh") == HIDDEN
    assert redact.field("ConfigMap", ("data", "user"), "ada") == "ada"
    assert redact.field("ConfigMap", ("data", "config.yaml"), "a: 1\nmaster_key: xyz\n") == (
        f"a: 1\nmaster_key: {HIDDEN}\n"
    )
    assert redact.field("Deployment", ("spec", "password"), None) is None


def test_what_is_given_is_not_changed() -> None:
    body = {"a": [{"password": "x"}]}
    before = copy.deepcopy(body)
    assert redact.redacted(body) == {"a": [{"password": HIDDEN}]}
    assert body == before


def test_secrets_that_are_held_are_found_whatever_holds_them() -> None:
    config = "api_key: first-key\nbase: https://ada:second-key@db.test\nuse: os.environ/TOKEN\n# Bearer third-key-9\n"
    body = {"data": {"config.yaml": config, "port": "80"}, "spec": [{"password": "fourth-key"}, {"token": "short"}]}
    assert redact.held(body) == {"first-key", "second-key", "Bearer third-key-9", "fourth-key"}
    assert redact.held({"replicas": 3, "names": ["a", None]}) == frozenset()


def test_what_is_held_is_hidden_wherever_it_stands_the_longest_first() -> None:
    told = redact.without("first-key-2 and first-key", frozenset({"first-key", "first-key-2"}))
    assert told == f"{HIDDEN} and {HIDDEN}"
