"""The cluster as a whole: probing, closing, TLS, and sentences for what can be wrong with a connection."""

import socket
import threading
from datetime import UTC, datetime

import pytest

from services.adapters.kube import KubeCluster
from services.domain.kinds import KINDS
from services.errors import Forbidden, SourceUnavailable
from services.ports import StoreState
from services.settings import KubeAccess
from tests import tls
from tests.apiserver import ApiServer, Clock, Pauses, eventually, kubeconfig, status

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server():
    with ApiServer() as running:
        yield running


@pytest.fixture
def connect(tmp_path):
    """A cluster at an address, not started; closed in the end."""
    made = []

    def to(url, *, user=None, kinds=("pods",), **options):
        access = KubeAccess(
            kubeconfig=kubeconfig(tmp_path, url, user=user, **options), connect_timeout_s=1.0, read_timeout_s=1.0
        )
        chosen = {name: KINDS[name] for name in kinds}
        made.append(KubeCluster("test", access, clock=Clock(START), pause=Pauses(), kinds=chosen))
        return made[-1]

    yield to
    for cluster in made:
        cluster.close()


def watching():
    return [thread for thread in threading.enumerate() if thread.name.startswith("watch test/")]


def test_probing_tells_version_address_and_latency(server, connect):
    cluster = connect(server.url)
    answer = cluster.probe()
    assert (answer.source, answer.address, answer.reachable) == ("kubernetes", server.url, True)
    assert (answer.version, answer.message, answer.since, answer.newest_at) == ("v1.36.2", "", None, None)
    assert answer.latency_s > 0


def test_probing_tells_how_new_the_newest_store_is(server, connect):
    cluster = connect(server.url)
    cluster.start()
    eventually(lambda: cluster.snapshot("pods").state is StoreState.READY)
    assert cluster.probe().newest_at == cluster.snapshot("pods").as_of


def test_the_address_is_shown_without_credentials(server, connect):
    host = server.url.removeprefix("http://")
    assert connect(f"http://ana:sesame@{host}").probe().address == server.url


def test_wrong_credentials_are_one_sentence(server, connect):
    server.token = "right"
    cluster = connect(server.url, user={"token": "sesame"})
    answer = cluster.probe()
    assert (answer.reachable, answer.latency_s) == (False, None)
    assert answer.message == f"The API server at {server.url} did not accept our credentials (401)."
    assert "sesame" not in answer.message + answer.hint
    with pytest.raises(Forbidden):
        cluster.api_groups()


def test_a_server_that_hides_its_version_is_reachable(server, connect):
    server.answer("/version", 403, status(403, "Forbidden", "no"))
    assert connect(server.url).probe().reachable is True


def test_since_is_the_first_failure_and_ends_with_it(server, connect):
    server.answer("/version", 503, b"", times=2)
    cluster = connect(server.url)
    first, second, third = cluster.probe(), cluster.probe(), cluster.probe()
    assert first.since is not None
    assert (second.since, third.since) == (first.since, None)
    assert "HTTP 503" in first.message


def test_a_stopped_server_is_one_sentence(connect):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert connect(f"https://127.0.0.1:{port}").probe().message == f"https://127.0.0.1:{port} refused the connection."


def test_a_silent_server_is_one_sentence(connect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert connect(url).probe().message == f"{url} did not answer in time."


def test_a_name_that_does_not_exist_is_one_sentence(connect, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = connect("https://api.prod.invalid:6443").probe()
    assert answer.message == "The name api.prod.invalid cannot be resolved."


def test_a_redirect_to_a_login_page_is_not_followed(server, connect):
    server.answer("/version", 302, b"", headers={"Location": f"{server.url}/login"})
    answer = connect(server.url).probe()
    assert "redirects elsewhere (HTTP 302)" in answer.message
    assert [seen.path for seen in server.seen] == ["/version"]


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]"])
def test_an_answer_that_is_not_kubernetes_is_recognised(server, connect, body):
    server.answer("*", 200, body)
    cluster = connect(server.url)
    assert "not a Kubernetes answer" in cluster.probe().message
    with pytest.raises(SourceUnavailable):
        cluster.api_groups()


def test_tls_is_verified_against_the_authority_of_the_kubeconfig(connect, tmp_path):
    made, key = tls.certificate(tmp_path, "server")
    with ApiServer(tls=tls.server_side(made, key)) as server:
        assert connect(server.url, **{"certificate-authority": str(made)}).probe().version == "v1.36.2"
        other, _ = tls.certificate(tmp_path, "other")
        answer = connect(server.url, **{"certificate-authority": str(other)}).probe()
        assert answer.message == (
            f"The certificate of {server.url} is not signed by the certificate authority we were given."
        )


def test_a_certificate_for_another_name_is_one_sentence(connect, tmp_path):
    made, key = tls.certificate(tmp_path, "server", alternative="DNS:api.example.com")
    with ApiServer(tls=tls.server_side(made, key)) as server:
        authority = {"certificate-authority": str(made)}
        assert (
            connect(server.url, **authority).probe().message == f"The certificate of {server.url} is for another name."
        )
        assert connect(server.url, **authority, **{"tls-server-name": "api.example.com"}).probe().reachable


def test_plain_http_where_tls_is_expected_is_one_sentence(server, connect):
    url = server.url.replace("http://", "https://")
    assert connect(url).probe().message == f"{url} does not speak TLS."


def test_a_kubeconfig_removed_later_is_told_and_does_not_raise(server, tmp_path):
    path = kubeconfig(tmp_path, server.url)
    cluster = KubeCluster("test", KubeAccess(kubeconfig=f"{path}.gone"), clock=Clock(START))
    assert "does not exist" in cluster.probe().message
    cluster.close()


def test_credentials_are_loaded_anew_when_they_are_refused(server, connect, tmp_path, monkeypatch):
    monkeypatch.setattr("services.adapters.kube_wire.RELOAD_EVERY_S", 0.0)
    cluster = connect(server.url)
    assert cluster.probe().reachable
    server.token = "new"
    kubeconfig(tmp_path, server.url, user={"token": "new"})
    assert cluster.probe().reachable
    asked = [seen.headers["Authorization"] for seen in server.seen]
    assert asked == ["Bearer sesame", "Bearer sesame", "Bearer new"]


def test_refused_credentials_are_not_loaded_again_and_again(server, connect):
    server.token = "other"
    cluster = connect(server.url)
    assert not cluster.probe().reachable
    assert not cluster.probe().reachable
    assert len(server.seen) == 2


def test_api_groups_are_those_served(server, connect):
    server.serve("resource.k8s.io/v1", "resourceslices")
    groups = connect(server.url).api_groups()
    assert "resource.k8s.io" in groups
    assert "karpenter.sh" not in groups


def test_recorded_api_groups_are_read(connect, server):
    from tests.apiserver import recorded

    server.replay(recorded("access-and-discovery", "API groups"))
    assert {"apps", "events.k8s.io", "autoscaling"} <= connect(server.url).api_groups()


def test_an_unknown_kind_is_a_key_error(server, connect):
    with pytest.raises(KeyError):
        connect(server.url).snapshot("unicorns")


def test_starting_twice_watches_once_and_a_closed_cluster_stays_closed(server, connect):
    cluster = connect(server.url)
    cluster.start()
    cluster.start()
    assert len(watching()) == 1
    cluster.close()
    cluster.close()
    cluster.start()
    assert watching() == []
    assert cluster.snapshot("pods").kind == "pods"
    assert "was closed" in cluster.probe().message


@pytest.mark.parametrize("encrypted", [False, True])
def test_closing_ends_threads_that_wait_for_a_watch(connect, tmp_path, encrypted):
    made, key = tls.certificate(tmp_path, "server")
    options = {"certificate-authority": str(made)} if encrypted else {}
    with ApiServer(tls=tls.server_side(made, key) if encrypted else None) as server:
        cluster = connect(server.url, kinds=("pods", "nodes", "nodepools"), **options)
        cluster.start()
        eventually(lambda: server.watchers("pods") and server.watchers("nodes"))
        cluster.close()
        assert watching() == []
        assert cluster.snapshot("pods").state is StoreState.READY


def test_closing_ends_threads_that_wait_for_an_answer(connect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster = connect(f"http://127.0.0.1:{silent.getsockname()[1]}")
        cluster.start()
        peer, _ = silent.accept()
        with peer:
            cluster.close()
            assert watching() == []


def test_closing_ends_threads_that_pause(server, tmp_path):
    server.answer("*", 500, b"")
    access = KubeAccess(kubeconfig=kubeconfig(tmp_path, server.url))
    waiting = threading.Event()

    def pause(stop, seconds):
        waiting.set()
        return stop.wait(60)

    cluster = KubeCluster("test", access, clock=Clock(START), pause=pause, kinds={"pods": KINDS["pods"]})
    cluster.start()
    assert waiting.wait(10)
    cluster.close()
    assert watching() == []
