"""What goes over the wire when objects are changed, for whom, and what is said when the answer is lost."""

import socket
import threading

import pytest

from services.access import ROLES, User
from services.adapters.kube_write import on_behalf
from services.domain.change.refs import Ref
from services.errors import Busy, Forbidden, NotFound, Refused, Rejected, SourceUnavailable
from tests import apiserver
from tests.apiserver import eventually, status

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"a": "b"}}, "spec": {}}
N1 = Ref.of("test", "Node", "n1")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p1", "namespace": "serving", "uid": "u-1"},
    "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
}
P1 = Ref.of("test", "Pod", "p1", "serving")
UNKNOWN = "It is not known whether the change was made"


@pytest.fixture
def server():
    with apiserver.running() as running:
        running.put(NODE, POD)
        yield running


@pytest.fixture
def cluster(server):
    return server.cluster("nodes", read_timeout_s=5.0)


def person(name="ana@example.com", *groups):
    return User(id="sub-1", name="Ana", rights=ROLES["operator"], kube_name=name, groups=groups)


# The requests


def test_a_patch_names_its_version_manager_and_validation(server, cluster):
    version = cluster.read(N1).version
    cluster.patch(N1, {"spec": {"unschedulable": True}}, expected=version)
    seen = server.requests[-1]
    assert (seen.method, seen.path) == ("PATCH", "/api/v1/nodes/n1")
    assert seen.query == {"fieldManager": "gpu-fleet-console", "fieldValidation": "Strict"}
    assert seen.headers["Content-Type"] == "application/merge-patch+json"
    assert seen.headers["Authorization"] == "Bearer sesame"
    assert seen.body == {"spec": {"unschedulable": True}, "metadata": {"resourceVersion": version}}


def test_a_dry_run_says_so_where_each_verb_expects_it(server, cluster):
    live = cluster.read(P1)
    cluster.patch(P1, {"metadata": {"labels": {"x": "y"}}}, expected=live.version, dry_run=True)
    cluster.create(Ref.of("test", "ConfigMap", "c", "serving"), {"data": {}}, dry_run=True)
    cluster.delete(P1, expected=live.version, dry_run=True)
    cluster.evict(P1, dry_run=True)
    patch, create, delete, evict = server.requests[1:]
    assert [seen.query.get("dryRun") for seen in (patch, create, evict)] == ["All"] * 3
    assert delete.body["dryRun"] == ["All"]
    assert evict.body["deleteOptions"] == {"dryRun": ["All"]}
    assert server.writes == []


def test_a_delete_carries_its_preconditions_and_leaves_no_orphans(server, cluster):
    live = cluster.read(N1)
    cluster.delete(N1, expected=live.version, uid=live.uid)
    options = server.requests[-1].body
    assert options["preconditions"] == {"resourceVersion": live.version, "uid": live.uid}
    assert options["propagationPolicy"] == "Background"
    assert server.get("/api/v1/nodes/n1") is None


def test_a_delete_of_whatever_has_the_name_is_not_sent(server, cluster):
    with pytest.raises(ValueError, match="without a version or a uid"):
        cluster.delete(N1, expected="")
    assert server.requests == []


def test_an_eviction_names_the_pod_and_its_uid(server, cluster):
    cluster.evict(P1, uid="u-1")
    seen = server.requests[-1]
    assert seen.path == "/api/v1/namespaces/serving/pods/p1/eviction"
    assert (seen.body["apiVersion"], seen.body["kind"]) == ("policy/v1", "Eviction")
    assert seen.body["metadata"] == {"name": "p1", "namespace": "serving"}
    assert seen.body["deleteOptions"] == {"preconditions": {"uid": "u-1"}}


def test_what_is_created_is_what_the_reference_names(server, cluster):
    ref = Ref.of("test", "ConfigMap", "settings", "serving")
    cluster.create(ref, {"kind": "Secret", "metadata": {"name": "other", "labels": {"a": "b"}}, "data": {"k": "v"}})
    stored = server.get("/api/v1/namespaces/serving/configmaps/settings")
    assert (stored["kind"], stored["metadata"]["labels"], stored["data"]) == ("ConfigMap", {"a": "b"}, {"k": "v"})


def test_an_access_review_names_the_right(server, cluster):
    server.may = lambda asked: (asked.verb, asked.subresource, asked.namespace) == ("create", "eviction", "serving")
    assert cluster.allowed("create", P1, subresource="eviction")
    assert server.requests[-1].body["spec"]["resourceAttributes"] == {
        "verb": "create",
        "version": "v1",
        "resource": "pods",
        "subresource": "eviction",
        "namespace": "serving",
        "name": "p1",
    }
    assert not cluster.allowed("delete", P1)


def test_an_access_review_that_says_nothing_is_a_no(server, cluster):
    server.answer("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 201, {"status": {}})
    assert cluster.allowed("delete", P1) is False


@pytest.mark.parametrize(
    "ref",
    [
        Ref("test", "v1", "Pod", "serving", "../../secrets/key"),
        Ref("test", "v1", "Pod", "serving", ".."),
        Ref("test", "v1", "Pod", "a/../../secrets", "x"),
        Ref("test", "v1/../v2", "Pod", "serving", "x"),
        Ref("test", "v1", "Pod", "serving", "x?dryRun=All"),
        Ref("test", "v1", "Pod", "serving", "x%2fy"),
        Ref("test", "v1", "Node", "", ""),
    ],
)
def test_a_name_that_leads_elsewhere_is_never_asked_for(server, cluster, ref):
    with pytest.raises(Rejected, match="cannot have this name"):
        cluster.read(ref)
    assert server.requests == []


def test_a_node_name_cannot_widen_the_selection_of_its_pods(server, cluster):
    with pytest.raises(Rejected):
        cluster.pods_on("n1,metadata.namespace=kube-system")
    assert server.requests == []


def test_the_pods_of_a_node_are_asked_for_by_field(server, cluster):
    server.put(POD | {"metadata": {"name": "p2", "namespace": "other"}, "spec": {"nodeName": "n2"}})
    (found,) = cluster.pods_on("n1")
    assert (found.ref, found.uid, found.body["kind"]) == (P1, "u-1", "Pod")
    assert server.requests[-1].query == {"fieldSelector": "spec.nodeName=n1"}


def test_warnings_of_the_server_come_with_the_answer(server, cluster):
    server.warnings = ["autoscaling/v2beta2 is deprecated", 'the "beta" annotation is ignored']
    live = cluster.patch(N1, {"metadata": {"labels": {"x": "y"}}}, expected=cluster.read(N1).version)
    assert live.warnings == ("autoscaling/v2beta2 is deprecated", 'the "beta" annotation is ignored')
    assert cluster.read(N1).warnings == ()


def test_watches_see_what_was_written(server, cluster):
    cluster.start()
    eventually(lambda: server.watchers("nodes"))
    cluster.patch(N1, {"metadata": {"labels": {"x": "y"}}}, expected=cluster.read(N1).version)
    eventually(lambda: cluster.snapshot("nodes").objects[0].metadata.labels == {"a": "b", "x": "y"})


# On behalf of a person


def test_every_group_goes_in_a_header_of_its_own(server, cluster):
    cluster.as_user(person("ana@example.com", "gpu-operators", "staff")).read(N1)
    seen = server.requests[-1]
    assert seen.all("Impersonate-User") == ["ana@example.com"]
    assert seen.all("Impersonate-Group") == ["gpu-operators", "staff"]
    assert seen.headers["Authorization"] == "Bearer sesame"


def test_every_kind_of_request_is_made_for_the_person(server, cluster):
    ana = cluster.as_user(person("ana", "staff"))
    version = ana.patch(N1, {"spec": {"unschedulable": True}}, expected=ana.read(N1).version).version
    ana.create(Ref.of("test", "ConfigMap", "c", "serving"), {"data": {}})
    ana.pods_on("n1")
    ana.allowed("patch", N1)
    ana.evict(P1)
    ana.delete(N1, expected=version)
    assert len(server.requests) == 7
    assert {tuple(seen.all("Impersonate-User") + seen.all("Impersonate-Group")) for seen in server.requests} == {
        ("ana", "staff")
    }


def test_one_persons_name_never_goes_with_anothers_request(server, cluster):
    people = {name: cluster.as_user(person(name, f"group-{name}")) for name in ("ana", "bob", "eve")}
    start = threading.Barrier(4)

    def read(who, ref):
        start.wait()
        for _ in range(20):
            who.read(ref)

    for name in people:
        server.put(NODE | {"metadata": {"name": f"node-{name}"}})
    jobs = [(who, Ref.of("test", "Node", f"node-{name}")) for name, who in people.items()] + [(cluster, N1)]
    threads = [threading.Thread(target=read, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 80
    for seen in server.requests:
        name = seen.path.rpartition("/")[2].removeprefix("node-")
        expected = ([], []) if name == "n1" else ([name], [f"group-{name}"])
        assert (seen.all("Impersonate-User"), seen.all("Impersonate-Group")) == expected


def test_the_subject_of_the_login_stands_in_for_a_missing_name():
    assert on_behalf(person("", "staff")) == (("Impersonate-User", "sub-1"), ("Impersonate-Group", "staff"))


def test_a_group_named_twice_is_sent_once():
    assert on_behalf(person("ana", "staff", "staff")) == (("Impersonate-User", "ana"), ("Impersonate-Group", "staff"))


def test_names_beyond_ascii_arrive_as_utf8(server, cluster):
    cluster.as_user(person("zoë@example.com", "Équipe GPU", "計算")).read(N1)
    assert server.requests[-1].all("Impersonate-User") == ["zoë@example.com"]
    assert server.requests[-1].all("Impersonate-Group") == ["Équipe GPU", "計算"]


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("system:admin", ()),
        ("system:serviceaccount:kube-system:default", ()),
        ("ana", ("system:masters",)),
        ("ana", ("staff", "system:nodes")),
        ("ana\r\nImpersonate-Group: system:masters", ()),
        ("ana", ("staff\nx",)),
        ("ana", ("",)),
        ("ana", (" system:masters",)),
        ("ana", ("a\u2028b",)),
        ("a" * 254, ()),
    ],
)
def test_nobody_becomes_the_system_or_smuggles_a_header(cluster, server, name, groups):
    with pytest.raises(Refused):
        cluster.as_user(person(name, *groups))
    assert server.requests == []


def test_somebody_without_a_name_is_nobody():
    with pytest.raises(Refused):
        on_behalf(User(id="", name="?", rights=ROLES["operator"]))


# What is lost, and what is not repeated


def test_an_answer_cut_off_leaves_open_whether_the_change_was_made(server, cluster):
    version = cluster.read(N1).version
    server.swallow()
    with pytest.raises(SourceUnavailable, match=UNKNOWN) as lost:
        cluster.patch(N1, {"spec": {"unschedulable": True}}, expected=version)
    assert "Look at the object" in lost.value.hint
    assert len(server.writes) == 1
    assert server.get("/api/v1/nodes/n1")["spec"] == {"unschedulable": True}


def test_an_answer_that_never_comes_leaves_it_open_too(server):
    impatient = server.cluster("nodes", read_timeout_s=0.2)
    server.swallow(silent=True)
    with pytest.raises(SourceUnavailable, match=f"did not answer in time. {UNKNOWN}"):
        impatient.create(Ref.of("test", "ConfigMap", "c", "serving"), {"data": {"a": "b"}})
    assert server.get("/api/v1/namespaces/serving/configmaps/c")["data"] == {"a": "b"}
    assert len(server.writes) == 1


def test_a_dry_run_and_a_read_leave_nothing_open(server, cluster):
    version = cluster.read(N1).version
    server.swallow()
    with pytest.raises(SourceUnavailable) as lost:
        cluster.patch(N1, {"spec": {"unschedulable": True}}, expected=version, dry_run=True)
    assert UNKNOWN not in str(lost.value)
    server.answer("/api/v1/nodes/n1", 502, b"bad gateway")
    with pytest.raises(SourceUnavailable) as failed:
        cluster.read(N1)
    assert UNKNOWN not in str(failed.value)


def test_a_connection_that_was_never_made_changed_nothing(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = apiserver.kubeconfig(tmp_path, f"http://127.0.0.1:{port}")
    cluster = server.cluster("nodes", kubeconfig=path)
    with pytest.raises(SourceUnavailable, match="refused the connection") as failed:
        cluster.patch(N1, {"spec": {}}, expected="1")
    assert UNKNOWN not in str(failed.value)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (500, status(500, "InternalError", "etcdserver: request timed out")),
        (502, b"<html>bad gateway</html>"),
        (504, status(504, "Timeout", "request did not complete within the allotted timeout")),
        (200, b"<html>please log in</html>"),
        (200, b"[]"),
    ],
)
def test_a_failure_that_does_not_say_otherwise_leaves_it_open(server, cluster, code, body):
    server.answer("/api/v1/nodes/n1", code, body)
    with pytest.raises(SourceUnavailable, match=UNKNOWN):
        cluster.patch(N1, {"spec": {"unschedulable": True}}, expected="1")
    assert len(server.requests) == 1


def test_a_webhook_that_does_not_answer_let_nothing_through(server, cluster):
    says = 'Internal error occurred: failed calling webhook "v.example.com": context deadline exceeded'
    server.answer("/api/v1/nodes/n1", 500, status(500, "InternalError", says))
    with pytest.raises(SourceUnavailable, match="admission webhook of the cluster did not answer") as failed:
        cluster.patch(N1, {"spec": {"unschedulable": True}}, expected="1")
    assert UNKNOWN not in str(failed.value)


def test_a_redirect_is_not_followed_with_a_write(server, cluster):
    server.answer("/api/v1/nodes/n1", 302, b"", headers={"Location": f"{server.url}/api/v1/nodes/n2"})
    with pytest.raises(SourceUnavailable, match="redirects elsewhere"):
        cluster.patch(N1, {"spec": {}}, expected="1")
    assert len(server.requests) == 1


def test_a_busy_server_is_not_asked_again_and_its_wait_is_kept(server, cluster):
    body = status(429, "TooManyRequests", "too many requests", details={"retryAfterSeconds": 3})
    server.answer("/api/v1/nodes/n1", 429, body, headers={"Retry-After": "7"})
    with pytest.raises(Busy) as busy:
        cluster.patch(N1, {"spec": {}}, expected="1")
    assert busy.value.retry_after_s == 7.0
    assert len(server.requests) == 1


def test_refused_credentials_are_renewed_once_because_nothing_was_done(server, cluster, monkeypatch):
    monkeypatch.setattr("services.adapters.kube_wire.RELOAD_EVERY_S", 0.0)
    version = cluster.read(N1).version
    server.token = "new"
    with pytest.raises(Forbidden, match="did not accept our credentials"):
        cluster.patch(N1, {"spec": {"unschedulable": True}}, expected=version)
    assert len(server.writes) == 2


def test_a_write_goes_through_with_renewed_credentials(server, monkeypatch, tmp_path):
    monkeypatch.setattr("services.adapters.kube_wire.RELOAD_EVERY_S", 0.0)
    token = tmp_path / "token"
    token.write_text("old")
    server.token = "old"
    path = apiserver.kubeconfig(tmp_path, server.url, user={"tokenFile": str(token)})
    cluster = server.cluster("nodes", kubeconfig=path)
    version = cluster.read(N1).version
    server.token = "new"
    token.write_text("new")
    cluster.patch(N1, {"spec": {"unschedulable": True}}, expected=version)
    assert [seen.headers["Authorization"] for seen in server.writes] == ["Bearer old", "Bearer new"]


def test_evictions_that_meet_at_one_budget_are_tried_again_later(server, cluster):
    busy = status(409, "Conflict", 'Operation cannot be fulfilled on poddisruptionbudgets.policy "infer": modified')
    server.answer("/api/v1/namespaces/serving/pods/p1/eviction", 409, busy)
    with pytest.raises(Busy, match="was changed while it was evicted"):
        cluster.evict(P1, uid="u-1")
    server.delete("/api/v1/namespaces/serving/pods/p1")
    cluster.evict(P1, uid="u-1")


def test_closed_clusters_write_no_more(server, cluster):
    version = cluster.read(N1).version
    cluster.close()
    with pytest.raises(SourceUnavailable, match="was closed"):
        cluster.patch(N1, {"spec": {}}, expected=version)


def test_what_is_missing_is_said_without_a_namespace_for_nodes(cluster):
    with pytest.raises(NotFound, match=r"^Node n9 does not exist"):
        cluster.read(Ref.of("test", "Node", "n9"))
