"""Access settings: what is wrong is said in one sentence, before anything is started."""

import os
import stat

import pytest
from kubernetes.config import incluster_config

from services.adapters.kube_connect import check, configured
from services.errors import SourceUnavailable, WrongSetting
from services.settings import KubeAccess
from tests.apiserver import kubeconfig

NOWHERE = "https://127.0.0.1:1"


def refusal(**access):
    with pytest.raises(WrongSetting) as wrong:
        check("prod", KubeAccess(**access))
    message = str(wrong.value)
    assert message.startswith('Cluster "prod"')
    assert "\n" not in message
    return message


def written(folder, text):
    path = folder / "config"
    path.write_text(text)
    return str(path)


def test_a_good_kubeconfig_passes(tmp_path):
    check("prod", KubeAccess(kubeconfig=kubeconfig(tmp_path, NOWHERE)))
    check("prod", KubeAccess(kubeconfig=kubeconfig(tmp_path, NOWHERE), context="test"))


def test_the_environment_names_the_kubeconfig_when_the_settings_do_not(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, NOWHERE))
    check("prod", KubeAccess())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    assert "gone does not exist" in refusal()


def test_an_unknown_context_is_named_with_those_available(tmp_path):
    message = refusal(kubeconfig=kubeconfig(tmp_path, NOWHERE), context="staging")
    assert '"staging"' in message
    assert message.endswith("it has: test.")


def test_a_kubeconfig_without_current_context_asks_for_one(tmp_path):
    path = written(tmp_path, "contexts: [{name: a, context: {cluster: c}}, {name: b, context: {cluster: c}}]")
    assert "no current context; set one of those available: a, b." in refusal(kubeconfig=path)


def test_a_missing_kubeconfig_is_named(tmp_path):
    assert f"{tmp_path}/none does not exist" in refusal(kubeconfig=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("a: b: c\n", "is not YAML (line 1)"),
        ("token: [sesame\n", "is not YAML"),
        ("- a\n- b\n", "is not a mapping"),
        ("just words", "is not a mapping"),
        ("contexts: {a: b}", "contexts in the kubeconfig"),
        ("contexts: [{context: {}}]", "is not a list of named entries"),
        ("current-context: a\ncontexts: [{name: a, context: 3}]", 'context "a"'),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]", "names a cluster that is not there"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]",
            "has no server address",
        ),
        (
            (
                "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
                "clusters: [{name: c, cluster: {server: 'https://x'}}]"
            ),
            "names a user that is not there",
        ),
        (
            (
                "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n"
                "clusters: [{name: c, cluster: {server: 'https://x', certificate-authority: ca.crt}}]"
            ),
            "ca.crt, which does not exist",
        ),
        (
            (
                "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
                "clusters: [{name: c, cluster: {server: 'https://x'}}]\nusers: [{name: u, user: {tokenFile: t}}]"
            ),
            "tokenFile of",
        ),
    ],
)
def test_a_broken_kubeconfig_is_described_without_its_content(tmp_path, text, says):
    message = refusal(kubeconfig=written(tmp_path, text))
    assert says in message
    assert "sesame" not in message


def test_binary_and_folders_are_no_kubeconfigs(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is not text" in refusal(kubeconfig=str(binary))
    assert "cannot be read" in refusal(kubeconfig=str(tmp_path))


def test_several_files_are_read_as_one(tmp_path):
    first = kubeconfig(tmp_path, NOWHERE, name="first")
    path = os.pathsep.join([first, str(tmp_path / "missing")])
    check("prod", KubeAccess(kubeconfig=path))


def test_in_cluster_outside_a_pod_is_refused(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "no service account of a pod" in refusal(in_cluster=True)


def test_in_cluster_without_a_token_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    assert "no service account of a pod" in refusal(in_cluster=True)


def test_in_cluster_reads_address_token_and_authority(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    for name, constant in (("token", "SERVICE_TOKEN_FILENAME"), ("ca.crt", "SERVICE_CERT_FILENAME")):
        (tmp_path / name).write_text("sesame")
        monkeypatch.setattr(incluster_config, constant, str(tmp_path / name))
    api = configured("prod", KubeAccess(in_cluster=True), pool_size=3)
    assert api.configuration.host == "https://[fd00::1]:443"
    assert api.configuration.auth_settings()["BearerToken"]["value"] == "bearer sesame"
    assert api.configuration.connection_pool_maxsize == 3


def test_in_cluster_and_a_kubeconfig_exclude_each_other(tmp_path):
    assert "exactly one" in refusal(in_cluster=True, kubeconfig=kubeconfig(tmp_path, NOWHERE))


def plugin(folder, body):
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "interactiveMode": "Never"}
    return kubeconfig(folder, NOWHERE, user={"exec": command})


def test_a_credential_plugin_is_run_when_connecting_and_not_when_checking(tmp_path):
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"open"}}'
    access = KubeAccess(kubeconfig=plugin(tmp_path, f"touch {tmp_path}/ran; echo '{answer}'"))
    check("prod", access)
    assert not (tmp_path / "ran").exists()
    api = configured("prod", access, pool_size=1)
    assert api.configuration.auth_settings()["BearerToken"]["value"] == "Bearer open"


def test_a_credential_plugin_that_fails_is_named(tmp_path, caplog):
    access = KubeAccess(kubeconfig=plugin(tmp_path, "echo no network >&2; exit 3"))
    with pytest.raises(SourceUnavailable, match=r'plugin ".*login" of cluster "prod" gave no credentials') as failed:
        configured("prod", access, pool_size=1)
    assert "installed" in failed.value.hint


def test_certificate_data_that_is_no_base64_is_one_sentence(tmp_path):
    access = KubeAccess(kubeconfig=kubeconfig(tmp_path, NOWHERE, **{"certificate-authority-data": "a"}))
    with pytest.raises(SourceUnavailable, match="could not be obtained"):
        configured("prod", access, pool_size=1)


def test_redirects_are_not_followed_and_sockets_are_kept_alive(tmp_path):
    api = configured("prod", KubeAccess(kubeconfig=kubeconfig(tmp_path, NOWHERE)), pool_size=9)
    assert api.configuration.retries is False
    assert api.configuration.keep_alive is True
    assert api.user_agent == "gpu-fleet-console"
