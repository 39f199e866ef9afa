"""The API server of the tests answers writes as the recorded one did, request by request."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from services.domain.change.refs import Ref
from services.errors import NotFound
from tests import apiserver
from tests.apiserver import eventually, recorded

SAID = ("status", "message", "reason", "details", "code")


@pytest.fixture
def server():
    with apiserver.running() as running:
        running.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gpu-demo"}})
        yield running


def sent(server, exchange, **metadata):
    """The answer (status, body, headers) to a recorded request; ``metadata`` replaces what only its server knew."""
    request = exchange["request"]
    body = request.get("body")
    if isinstance(body, dict) and metadata:
        body = body | {"metadata": body.get("metadata", {}) | metadata}
    raw = body if isinstance(body, str) or body is None else json.dumps(body)
    headers = dict(request["headers"]) | ({"Content-Type": request["contentType"]} if request["contentType"] else {})
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    try:
        connection.request(request["method"], request["path"], raw, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers
    finally:
        connection.close()


def agrees(server, file, title, **metadata):
    """Send a recorded request and hold status and words of the answer against the record; the answer's body."""
    exchange = recorded(file, title)
    code, body, headers = sent(server, exchange, **metadata)
    response = exchange["response"]
    assert code == response["status"], body
    if code >= 400:
        assert {key: body.get(key) for key in SAID} == {key: response["body"].get(key) for key in SAID}
    assert headers.get("Warning") == response["warning"]
    return body


def version(server, path):
    return server.get(path)["metadata"]["resourceVersion"]


def test_configmaps_are_written_as_recorded(server):
    file, path = "configmap-writes", "/api/v1/namespaces/gpu-demo/configmaps/litellm-config"
    agrees(server, file, "create ConfigMap")
    first = version(server, path)
    assert agrees(server, file, "get ConfigMap")["data"] == {"config.yaml": "model_list: []\n"}
    agrees(server, file, "merge patch one key with the resourceVersion just read", resourceVersion=first)
    agrees(server, file, "the same resourceVersion again", resourceVersion=first)
    assert server.get(path)["data"] == {"config.yaml": "model_list: [a]\n"}
    assert not agrees(server, file, "remove a key with null").get("data")
    assert server.get(path)["data"] == {"config.yaml": "model_list: [a]\n"}
    agrees(server, file, "create immutable ConfigMap")
    agrees(server, file, "patch an immutable ConfigMap")
    agrees(server, file, "missing ConfigMap")
    agrees(server, file, "missing namespace")


def test_deployments_are_written_as_recorded(server):
    file, path = "deployment-writes", "/apis/apps/v1/namespaces/gpu-demo/deployments/warmers"
    assert agrees(server, file, "create PriorityClass with negative value")["metadata"]["generation"] == 1
    assert "resourceVersion" not in agrees(server, file, "create Deployment, dry run")["metadata"]
    agrees(server, file, "get after dry run")
    assert agrees(server, file, "create Deployment")["metadata"]["generation"] == 1
    agrees(server, file, "create the same Deployment again")
    agrees(server, file, "merge patch with a stale resourceVersion in metadata")
    agrees(server, file, "unsupported patch content type")
    agrees(server, file, "malformed JSON")
    before = server.get(path)
    dry = agrees(server, file, "merge patch replaces the containers list")
    assert [container["name"] for container in dry["spec"]["template"]["spec"]["containers"]] == ["other"]
    assert (dry["metadata"]["resourceVersion"], dry["metadata"]["generation"]) == (version(server, path), 2)
    assert server.get(path) == before
    agrees(server, file, "unknown field, default validation (Warn)")


@pytest.mark.parametrize(
    ("file", "title", "ending"),
    [
        (
            "deployment-writes", "unknown field, strict validation",
            'strict decoding error: unknown field "spec.replicaz"',
        ),
        (
            "configmap-writes", "non-string data value",
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_kind_is_refused_with_the_whole_object_in_the_words(server, file, title, ending):
    agrees(server, "deployment-writes", "create Deployment")
    agrees(server, "configmap-writes", "create ConfigMap")
    exchange = recorded(file, title)
    code, body, _ = sent(server, exchange)
    was = exchange["response"]["body"]
    assert code == exchange["response"]["status"] == 422
    assert (body["reason"], body["message"][:30]) == (was["reason"], was["message"][:30])
    assert body["message"].endswith(ending)
    assert was["message"].endswith(ending)
    assert [cause["field"] for cause in body["details"]["causes"]] == ["patch"]


def test_nodes_are_written_as_recorded(server):
    file, path = "node-writes", "/api/v1/nodes/gpu-a-0"
    server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-a-0"}, "spec": {}})
    agrees(server, file, "label a node")
    assert server.get(path)["metadata"]["labels"] == {"nvidia.com/device-plugin.config": "time-slicing-4"}
    agrees(server, file, "remove a node label with null")
    assert server.get(path)["metadata"]["labels"] == {}
    agrees(server, file, "invalid label value")
    agrees(server, file, "cordon")
    assert server.get(path)["spec"] == {"unschedulable": True}
    agrees(server, file, "uncordon")
    assert server.get(path)["spec"] == {}
    assert "generation" not in server.get(path)["metadata"]


def test_pods_are_created_and_evicted_as_recorded(server):
    file, path = "pods-and-eviction", "/api/v1/namespaces/gpu-demo/pods/p1"
    made = agrees(server, file, "create GPU pod: requests defaulted from limits")
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"nvidia.com/gpu": "1"}
    agrees(server, file, "GPU requests different from limits")
    agrees(server, file, "GPU request without limit")
    server.change(path, {"status": {"phase": "Running"}})
    agrees(server, file, "pdb")
    server.change("/apis/policy/v1/namespaces/gpu-demo/poddisruptionbudgets/infer", {"status": None})
    agrees(server, file, "evict a pod protected by a PodDisruptionBudget")
    agrees(server, file, "evict a pod that does not exist")
    agrees(server, file, "drop pdb")
    agrees(server, file, "evict, dry run")
    assert server.get(path) is not None
    agrees(server, file, "evict")
    assert server.get(path) is None


def test_a_quota_refuses_pods_as_recorded(server):
    file = "governance-and-autoscaling"
    agrees(server, file, "ResourceQuota with requests.nvidia.com/gpu")
    agrees(server, file, "ResourceQuota with limits.nvidia.com/gpu")
    limits = {"limits": {"nvidia.com/gpu": "9"}}
    held = {"nodeName": "gpu-a-0", "containers": [{"name": "c", "resources": limits}]}
    server.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nine", "namespace": "gpu-demo"}, "spec": held})
    agrees(server, file, "pod over the quota")


def test_rights_are_refused_as_recorded(server):
    file = "access-and-discovery"
    server.account = "system:serviceaccount:gpu-fleet:dashboard"
    server.may = lambda asked: False
    for title in ("list pods without rights", "list nodes without rights", "patch without rights"):
        agrees(server, file, title)
    assert agrees(server, file, "SelfSubjectAccessReview: denied")["status"] == {"allowed": False}
    agrees(server, file, "impersonation without the right to impersonate")
    server.may = lambda asked: asked.verb == "impersonate"
    agrees(server, file, "impersonation by an admin of a user without rights")
    server.may = lambda asked: True
    assert agrees(server, file, "SelfSubjectAccessReview: allowed")["status"] == {"allowed": True}


# What only tests can do to it


def test_a_workload_rolls_out_when_it_is_told_to_or_by_itself(server):
    path = "/apis/apps/v1/namespaces/gpu-demo/deployments/warmers"
    agrees(server, "deployment-writes", "create Deployment")
    assert server.get(path)["status"] == {}
    server.settle(path)
    settled = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    assert server.get(path)["status"] == settled | {"observedGeneration": 1}
    server.settles = True
    cluster, ref = server.cluster("deployments"), Ref.of("test", "Deployment", "warmers", "gpu-demo")
    cluster.patch(ref, {"spec": {"replicas": 3}}, expected=cluster.read(ref).version)
    status = cluster.read(ref).body["status"]
    assert (status["observedGeneration"], status["availableReplicas"]) == (2, 3)


def test_a_graceful_pod_stays_until_it_is_told_to_go(server):
    path = "/api/v1/namespaces/gpu-demo/pods/p1"
    agrees(server, "pods-and-eviction", "create GPU pod: requests defaulted from limits")
    server.graceful = True
    server.cluster("pods").evict(Ref.of("test", "Pod", "p1", "gpu-demo"))
    assert server.get(path)["metadata"]["deletionTimestamp"]
    server.delete(path)
    assert server.get(path) is None


def test_finalizers_keep_an_object_until_the_last_is_taken_away(server):
    ref = Ref.of("test", "ConfigMap", "kept", "gpu-demo")
    cluster = server.cluster("configmaps")
    made = cluster.create(ref, {"metadata": {"finalizers": ["example.com/wait"]}, "data": {}})
    cluster.delete(ref, expected=made.version)
    ending = cluster.read(ref)
    assert ending.meta["deletionTimestamp"]
    cluster.patch(ref, {"metadata": {"finalizers": None}}, expected=ending.version)
    with pytest.raises(NotFound):
        cluster.read(ref)


def test_a_watch_sees_only_what_its_selector_chooses(server):
    cluster = server.cluster("configmaps")
    cluster.start()
    eventually(lambda: server.watchers("configmaps"))
    cluster.create(Ref.of("test", "ConfigMap", "secretive", "gpu-demo"), {"data": {}})
    cluster.create(Ref.of("test", "ConfigMap", "cluster-autoscaler-status", "gpu-demo"), {"data": {}})
    eventually(lambda: cluster.snapshot("configmaps").objects)
    assert [obj.metadata.name for obj in cluster.snapshot("configmaps").objects] == ["cluster-autoscaler-status"]


def test_a_write_can_be_held_back(server):
    arrived = []
    server.on_write = lambda seen: arrived.append((seen.method, seen.path, server.get(seen.path)))
    server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {}})
    cluster, ref = server.cluster("nodes"), Ref.of("test", "Node", "n1")
    cluster.delete(ref, expected=cluster.read(ref).version)
    ((method, path, then),) = arrived
    assert (method, path, then["spec"]) == ("DELETE", "/api/v1/nodes/n1", {})
    assert server.get(path) is None
