"""List, watch, resume, list again: against a server on loopback that can be told to misbehave."""

import threading
from datetime import UTC, datetime

import pytest

from services.adapters import kube_watch
from services.adapters.kube import KubeCluster
from services.adapters.kube_watch import backoff_s, resource_path
from services.domain.kinds import KINDS, Kind
from services.domain.objects import Generic
from services.ports import StoreState
from services.settings import KubeAccess
from tests.apiserver import GONE, ApiServer, Clock, Pauses, eventually, kubeconfig, recorded, status

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
READY, FAILED, FORBIDDEN, ABSENT = StoreState.READY, StoreState.FAILED, StoreState.FORBIDDEN, StoreState.ABSENT
DENIED = recorded("access-and-discovery", "list pods without rights")["response"]["body"]


def pod(name, namespace="a", **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": {"phase": "Running"}}


@pytest.fixture
def server():
    with ApiServer() as running:
        yield running


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def watch(server, pauses, tmp_path):
    """Starts a cluster that watches some kinds, and closes it."""
    started = []

    def go(*kinds, namespaces=(), page=500, declared=KINDS):
        access = KubeAccess(kubeconfig=kubeconfig(tmp_path, server.url), namespaces=namespaces)
        chosen = {name: declared[name] for name in kinds}
        cluster = KubeCluster("test", access, clock=Clock(START), pause=pauses, kinds=chosen, page=page)
        started.append(cluster)
        cluster.start()
        return cluster

    yield go
    for cluster in started:
        cluster.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch test/")]


def becomes(cluster, kind, state):
    eventually(lambda: cluster.snapshot(kind).state is state)
    return cluster.snapshot(kind)


def names(cluster, kind):
    return {obj.metadata.name for obj in cluster.snapshot(kind).objects}


def test_the_first_list_may_come_from_the_cache_and_the_watch_starts_from_it(server, watch):
    server.put("pods", pod("p0"))
    cluster = watch("pods")
    becomes(cluster, "pods", READY)
    eventually(lambda: server.watchers("pods"))
    listed, watched = server.asked("pods")
    assert listed.query == {"limit": "500", "resourceVersion": "0"}
    lasts = int(watched.query["timeoutSeconds"])
    assert 180 <= lasts <= 240
    assert watched.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "1001",
        "timeoutSeconds": str(lasts),
    }
    assert listed.headers["Authorization"] == "Bearer sesame"
    assert listed.headers["User-Agent"] == "gpu-fleet-console"


def test_pages_are_joined(server, watch):
    server.put("pods", *[pod(f"p{i}") for i in range(7)])
    cluster = watch("pods", page=3)
    becomes(cluster, "pods", READY)
    assert names(cluster, "pods") == {f"p{i}" for i in range(7)}
    queries = [seen.query for seen in server.asked("pods", watch=False)]
    assert [query.get("limit") for query in queries] == ["3", "3", "3"]
    assert ["resourceVersion" in query for query in queries] == [True, False, False]
    assert cluster.snapshot("pods").version == 1


def test_a_server_that_answers_from_its_cache_may_ignore_the_page_size(server, watch):
    server.cached = True
    server.put("pods", *[pod(f"p{i}") for i in range(7)])
    cluster = watch("pods", page=3)
    becomes(cluster, "pods", READY)
    assert len(names(cluster, "pods")) == 7
    assert len(server.asked("pods", watch=False)) == 1


def test_an_expired_continue_token_lists_again_in_one_piece(server, watch):
    server.put("pods", *[pod(f"p{i}") for i in range(7)])
    server.expire_tokens()
    cluster = watch("pods", page=3)
    becomes(cluster, "pods", READY)
    assert len(names(cluster, "pods")) == 7
    assert [seen.query.get("limit") for seen in server.asked("pods", watch=False)] == ["3", "3", None]


def test_a_recorded_list_and_watch_are_followed(server, watch):
    for title in (
        "list with limit 2",
        "next page",
        "watch: added, modified, leaves the selector, deleted",
    ):
        server.replay(recorded("lists-and-watches", title))
    last = recorded("lists-and-watches", "next page")
    last["request"]["path"] = (
        "/api/v1/namespaces/gpu-demo/configmaps?continue=" + last["response"]["body"]["metadata"]["continue"]
    )
    last["response"]["body"]["metadata"].pop("continue")
    last["response"]["body"]["items"] = last["response"]["body"]["items"][:1]
    server.replay(last)
    server.answer("/api/v1/configmaps", 403, DENIED)
    maps = {"configmaps": Kind("configmaps", ("v1",), "configmaps", Generic, True, "nothing")}
    cluster = watch("configmaps", declared=maps, namespaces=("gpu-demo",), page=2)
    becomes(cluster, "configmaps", READY)
    assert names(cluster, "configmaps") == {"l0", "l1", "l2", "l3"}
    # Added, modified and deleted again; the watch resumes from its bookmark.
    eventually(lambda: any(seen.query["resourceVersion"] == "418" for seen in server.asked("configmaps", watch=True)))
    assert names(cluster, "configmaps") == {"l0", "l1", "l2", "l3"}


def test_a_broken_connection_resumes_where_it_was_without_listing(server, watch, pauses):
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    server.put("pods", pod("p1"))
    eventually(lambda: names(cluster, "pods") == {"p1"})
    server.cut("pods")
    eventually(lambda: len(server.asked("pods", watch=True)) == 2)
    assert server.asked("pods", watch=True)[1].query["resourceVersion"] == "1001"
    assert len(server.asked("pods", watch=False)) == 1
    server.put("pods", pod("p2"))
    eventually(lambda: names(cluster, "pods") == {"p1", "p2"})
    assert cluster.snapshot("pods").state is READY
    assert 0.25 <= pauses.asked[0] <= 0.5


def test_a_watch_that_ends_in_order_goes_on_at_once_and_confirms(server, watch, pauses, monkeypatch):
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    server.put("pods", pod("p1"))
    eventually(lambda: names(cluster, "pods") == {"p1"})
    before = cluster.snapshot("pods").as_of
    server.end("pods")
    eventually(lambda: len(server.asked("pods", watch=True)) == 2)
    assert cluster.snapshot("pods").as_of > before
    assert pauses.asked == []


def test_a_proxy_that_ends_every_watch_at_once_is_not_asked_in_a_circle(server, watch, pauses):
    server.answer("/api/v1/pods", 200, b"", when=lambda seen: seen.watch)
    cluster = watch("pods")
    eventually(lambda: len(pauses.asked) >= 4)
    assert pauses.asked[0] <= 0.5 < pauses.asked[2]
    assert cluster.snapshot("pods").state is READY


@pytest.mark.parametrize("form", ["answer", "event"])
def test_a_version_too_old_is_listed_again_and_not_from_the_cache(server, watch, form):
    server.put("pods", pod("p1"))
    if form == "answer":
        server.answer("/api/v1/pods", 410, GONE, when=lambda seen: seen.watch, times=1)
    else:
        error = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
        server.answer("/api/v1/pods", 200, error, when=lambda seen: seen.watch, times=1)
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    first, second = server.asked("pods", watch=False)
    assert (first.query.get("resourceVersion"), second.query.get("resourceVersion")) == ("0", None)
    assert (names(cluster, "pods"), cluster.snapshot("pods").state) == ({"p1"}, READY)


def test_garbage_costs_only_itself_and_is_told(server, watch):
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    server.send("pods", b"<garbage>\n")
    server.send("pods", b'{"type":"ADDED","object":{"metadata":{"name":"x","creationTimestamp":"noon"}}}\n')
    server.put("pods", pod("p1"))
    eventually(lambda: names(cluster, "pods") == {"p1"})
    snapshot = cluster.snapshot("pods")
    assert (snapshot.state, snapshot.message) == (READY, "2 pods could not be read and are left out.")


def test_a_line_cut_short_is_not_garbage(server, watch):
    server.put("pods", pod("p1"))
    server.answer("/api/v1/pods", 200, b'{"type":"ADDED","obj', when=lambda seen: seen.watch, times=1)
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    assert cluster.snapshot("pods").message == ""


def test_lines_in_pieces_are_put_together(server, watch):
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    for piece in (
        b'{"type":"ADDED","object":{"metada',
        b'ta":{"name":"p1","namespace":"a","resourceVersion":"9"}',
        b"}}\n",
    ):
        server.send("pods", piece)
    eventually(lambda: names(cluster, "pods") == {"p1"})


def test_a_server_that_fails_keeps_the_last_good_objects_and_backs_off(server, watch, pauses):
    server.put("pods", pod("p1"))
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    as_of = cluster.snapshot("pods").as_of
    server.answer("/api/v1/pods", 500, status(500, "InternalError", "etcdserver: request timed out"))
    server.cut("pods")
    snapshot = becomes(cluster, "pods", FAILED)
    assert names(cluster, "pods") == {"p1"}
    assert snapshot.as_of == as_of < snapshot.since
    assert "HTTP 500" in snapshot.message
    assert "etcdserver: request timed out" in snapshot.message
    eventually(lambda: len(pauses.asked) > 8)
    assert max(pauses.asked) <= 30.0
    since = cluster.snapshot("pods").since
    server.behave()
    back = becomes(cluster, "pods", READY)
    assert (back.message, back.since) == ("", None)
    assert since == snapshot.since


def test_throttling_waits_as_long_as_it_is_told(server, watch, pauses):
    body = status(429, "TooManyRequests", "slow down")
    server.answer("/api/v1/pods", 429, body, headers={"Retry-After": "17"}, times=1)
    becomes(watch("pods"), "pods", READY)
    assert pauses.asked[0] == 17.0


def test_a_login_page_is_recognised(server, watch):
    server.answer("/api/v1/pods", 200, b"<html>Sign in</html>")
    snapshot = becomes(watch("pods"), "pods", FAILED)
    assert "not a Kubernetes answer" in snapshot.message
    assert "<html>" not in snapshot.message
    assert "login page" in snapshot.hint


def test_forbidden_says_who_may_not_do_what_and_which_rule_would_help(server, watch, pauses):
    server.answer("/api/v1/pods", 403, DENIED)
    cluster = watch("pods", "nodes")
    snapshot = becomes(cluster, "pods", FORBIDDEN)
    assert snapshot.message == "system:serviceaccount:gpu-fleet:dashboard may not read pods in the whole cluster (403)."
    assert snapshot.hint == (
        'Bind a ClusterRole with this rule: {apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"]}'
    )
    becomes(cluster, "nodes", READY)
    eventually(lambda: pauses.asked)
    assert 54 <= pauses.asked[0] <= 66
    server.behave()
    becomes(cluster, "pods", READY)


def test_a_right_withdrawn_while_watching_takes_the_objects_away(server, watch):
    server.put("pods", pod("p1"))
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    assert names(cluster, "pods") == {"p1"}
    server.answer("/api/v1/pods", 403, DENIED)
    server.cut("pods")
    assert list(becomes(cluster, "pods", FORBIDDEN).objects) == []


def test_credentials_refused_keep_the_objects(server, watch, monkeypatch):
    monkeypatch.setattr("services.adapters.kube_wire.RELOAD_EVERY_S", 0.0)
    server.put("pods", pod("p1"))
    cluster = watch("pods")
    eventually(lambda: server.watchers("pods"))
    server.token = "other"
    server.cut("pods")
    snapshot = becomes(cluster, "pods", FORBIDDEN)
    assert "did not accept our credentials (401)" in snapshot.message
    assert (names(cluster, "pods"), snapshot.as_of is not None) == ({"p1"}, True)
    server.token = "sesame"
    becomes(cluster, "pods", READY)


def test_namespaces_are_watched_one_by_one_where_the_cluster_is_refused(server, watch):
    server.put("pods", pod("p1", "a"), pod("p2", "b"), pod("p3", "c"))
    server.answer("/api/v1/pods", 403, DENIED)
    cluster = watch("pods", "nodes", namespaces=("a", "b", "a"))
    snapshot = becomes(cluster, "pods", READY)
    assert (names(cluster, "pods"), snapshot.scope) == ({"p1", "p2"}, ("a", "b"))
    eventually(lambda: server.watchers("pods") == 2)
    server.put("pods", pod("p4", "b"), pod("p5", "c"))
    eventually(lambda: names(cluster, "pods") == {"p1", "p2", "p4"})
    server.delete("pods", "p1", "a")
    eventually(lambda: names(cluster, "pods") == {"p2", "p4"})
    assert becomes(cluster, "nodes", READY).scope == ()


def test_a_namespace_that_is_refused_is_named(server, watch):
    server.put("pods", pod("p1", "a"))
    server.answer("/api/v1/pods", 403, DENIED)
    server.answer("/api/v1/namespaces/b/pods", 403, DENIED)
    cluster = watch("pods", namespaces=("a", "b"))
    eventually(lambda: cluster.snapshot("pods").scope == ("a",))
    snapshot = becomes(cluster, "pods", READY)
    assert names(cluster, "pods") == {"p1"}
    assert "may not read pods in namespace b" in snapshot.message
    assert snapshot.hint.startswith("Bind a Role with")


def test_an_api_that_is_not_installed_is_absent_until_it_is(server, watch, pauses):
    cluster = watch("nodepools")
    snapshot = becomes(cluster, "nodepools", ABSENT)
    assert snapshot.message == "The cluster does not offer nodepools of karpenter.sh/v1."
    eventually(lambda: pauses.asked)
    assert 162 <= pauses.asked[0] <= 198
    server.serve("karpenter.sh/v1", "nodepools")
    server.put("nodepools", {"metadata": {"name": "h100"}, "spec": {"limits": {"nvidia.com/gpu": "64"}}})
    becomes(cluster, "nodepools", READY)
    assert cluster.snapshot("nodepools").objects[0].spec == {"limits": {"nvidia.com/gpu": "64"}}


def test_the_newest_version_served_is_read(server, watch):
    server.serve("resource.k8s.io/v1beta2", "resourceslices")
    server.serve("resource.k8s.io/v1beta1", "resourceslices")
    snapshot = becomes(watch("resourceslices"), "resourceslices", READY)
    assert snapshot.api == "resource.k8s.io/v1beta2"
    paths = [seen.path for seen in server.asked("resourceslices", watch=False)]
    assert paths == [
        "/apis/resource.k8s.io/v1/resourceslices",
        "/apis/resource.k8s.io/v1beta2/resourceslices",
    ]


def test_refusal_of_what_is_not_installed_is_absence(server, watch):
    server.answer("/apis/karpenter.sh/v1/nodepools", 403, status(403, "Forbidden", "no"))
    cluster = watch("nodepools")
    becomes(cluster, "nodepools", ABSENT)
    server.serve("karpenter.sh/v1", "nodepools")
    server.behave()
    becomes(cluster, "nodepools", READY)


def test_an_api_taken_away_is_absent_and_its_objects_with_it(server, watch):
    server.serve("karpenter.sh/v1", "nodepools")
    server.put("nodepools", {"metadata": {"name": "h100"}})
    cluster = watch("nodepools")
    eventually(lambda: server.watchers("nodepools"))
    server.cut("nodepools")
    server.withdraw("karpenter.sh/v1", "nodepools")
    assert list(becomes(cluster, "nodepools", ABSENT).objects) == []


def test_an_installed_kind_that_is_not_served_is_a_failure(server, watch):
    server.withdraw("v1", "pods")
    snapshot = becomes(watch("pods"), "pods", FAILED)
    assert "does not serve this" in snapshot.message


def test_a_field_selector_is_sent_along(server, watch):
    running = Kind("pods", ("v1",), "pods", Generic, True, "nothing", field_selector="status.phase=Running")
    watch("pods", declared={"pods": running})
    eventually(lambda: server.watchers("pods"))
    assert [seen.query["fieldSelector"] for seen in server.asked("pods")] == ["status.phase=Running"] * 2


def test_a_fault_of_our_own_is_logged_shown_and_survived(server, watch, monkeypatch, caplog):
    def broken(self, body):
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr(kube_watch.Decoder, "page", broken)
    cluster = watch("pods")
    becomes(cluster, "pods", READY)
    assert "unexpected error" in caplog.text


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 0.0, 0.25), (1, 1.0, 0.5), (2, 1.0, 1.0), (5, 1.0, 8.0), (7, 1.0, 30.0), (7, 0.0, 15.0), (5000, 1.0, 30.0)],
)
def test_backoff_doubles_to_its_cap_and_is_spread(failures, jitter, seconds):
    assert backoff_s(failures, jitter) == seconds


def test_paths_are_those_of_the_api():
    assert resource_path("v1", "pods") == "/api/v1/pods"
    assert resource_path("v1", "pods", "a") == "/api/v1/namespaces/a/pods"
    assert resource_path("apps/v1", "deployments", "a") == "/apis/apps/v1/namespaces/a/deployments"
