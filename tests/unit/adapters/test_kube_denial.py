"""Every recorded refusal of a write becomes the right error of ours, in words a person can use and may see."""

import json

import pytest

from services.adapters.kube_denial import denied, explained
from services.adapters.kube_wire import Answer
from services.adapters.kube_words import Unauthenticated
from services.domain.change.refs import API, Ref
from services.errors import Busy, Conflict, Forbidden, NotFound, Rejected, SourceUnavailable
from tests.apiserver import RECORDED, recorded, status
from tests.apiwrites import Target

HERE = "https://api.example.com:6443"
KIND = {plural: kind for kind, (_, plural, _) in API.items()}
WARMERS = Ref.of("test", "Deployment", "warmers", "gpu-demo")


def answer(code, body, *, retry_after=None):
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(code, raw, HERE, "application/json", retry_after)


def replayed(file, title):
    """The error our adapter makes of a recorded exchange."""
    exchange = recorded(file, title)
    request, response = exchange["request"], exchange["response"]
    target = Target.of(request["path"].partition("?")[0])
    body = request.get("body") or {}
    name = target.name or (body.get("metadata", {}).get("name", "") if isinstance(body, dict) else "")
    ref = Ref("test", target.version, KIND.get(target.plural, "Pod"), target.namespace, name)
    changes = request["method"] != "GET"
    return denied(
        answer(response["status"], response["body"], retry_after=response["retryAfter"]), ref, changes=changes
    )


@pytest.mark.parametrize(
    ("file", "title", "kind", "says"),
    [
        (
            "deployment-writes", "get after dry run", NotFound,
            "Deployment gpu-demo/warmers does not exist.",
        ),
        (
            "deployment-writes", "create the same Deployment again", Conflict,
            "Deployment gpu-demo/warmers exists already.",
        ),
        (
            "deployment-writes", "merge patch with a stale resourceVersion in metadata", Conflict,
            "Deployment gpu-demo/warmers changed since it was read.",
        ),
        (
            "deployment-writes", "update with a stale resourceVersion", Conflict,
            "Deployment gpu-demo/warmers changed since it was read.",
        ),
        (
            "deployment-writes", "patch Scale to a negative number", Rejected,
            "The API server rejected Deployment gpu-demo/warmers: "
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0.",
        ),
        (
            "deployment-writes", "patch Scale to a string", Rejected,
            "The API server rejected Deployment gpu-demo/warmers: spec.replicas: expected int32, not string.",
        ),
        (
            "deployment-writes", "JSON patch with a failing test op", Rejected,
            "The API server rejected Deployment gpu-demo/warmers: "
            "the server rejected our request due to an error in our request.",
        ),
        (
            "deployment-writes", "change an immutable field", Rejected,
            "The API server rejected Deployment gpu-demo/warmers: "
            "spec.template.metadata.labels: `selector` does not match template `labels`; "
            "spec.selector: field is immutable.",
        ),
        (
            "deployment-writes", "unknown field, strict validation", Rejected,
            'The API server rejected Deployment gpu-demo/warmers: unknown field "spec.replicaz".',
        ),
        (
            "deployment-writes", "unsupported patch content type", Rejected,
            "The API server rejected Deployment gpu-demo/warmers: 415: Unsupported Media Type.",
        ),
        (
            "deployment-writes", "malformed JSON", Rejected,
            "The API server rejected Deployment gpu-demo/warmers: error decoding patch: unexpected end of JSON input.",
        ),
        (
            "deployment-writes", "server-side apply by another manager: conflict", Conflict,
            "Deployment gpu-demo/warmers changed since it was read.",
        ),
        (
            "configmap-writes", "the same resourceVersion again", Conflict,
            "ConfigMap gpu-demo/litellm-config changed since it was read.",
        ),
        (
            "configmap-writes", "patch an immutable ConfigMap", Rejected,
            "The API server rejected ConfigMap gpu-demo/frozen: "
            "data: Forbidden: field is immutable when `immutable` is set.",
        ),
        ("configmap-writes", "missing ConfigMap", NotFound, "ConfigMap gpu-demo/nope does not exist."),
        ("configmap-writes", "missing namespace", NotFound, "Namespace nope does not exist."),
        (
            "configmap-writes", "non-string data value", Rejected,
            "The API server rejected ConfigMap gpu-demo/litellm-config: data: expected string, not number.",
        ),
        (
            "node-writes", "invalid label value", Rejected,
            'The API server rejected Node gpu-a-0: metadata.labels: Invalid value: "not valid!": a valid label must be '
            "an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character.",
        ),
        (
            "pods-and-eviction", "GPU requests different from limits", Rejected,
            "The API server rejected Pod gpu-demo/p2: "
            'spec.containers[0].resources.requests: Invalid value: "1": must be equal to nvidia.com/gpu limit of 2.',
        ),
        (
            "pods-and-eviction", "GPU request without limit", Rejected,
            "The API server rejected Pod gpu-demo/p3: spec.containers[0].resources.limits: "
            "Required value: Limit must be set for non overcommitable resources.",
        ),
        (
            "pods-and-eviction", "fractional GPU", Rejected,
            "The API server rejected Pod gpu-demo/p4: "
            'spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: "500m": must be an integer; '
            'spec.containers[0].resources.requests[nvidia.com/gpu]: Invalid value: "500m": must be an integer.',
        ),
        (
            "pods-and-eviction", "evict a pod protected by a PodDisruptionBudget", Busy,
            "Pod gpu-demo/p1 cannot be evicted now: "
            "The disruption budget infer needs 1 healthy pods and has 1 currently.",
        ),
        ("pods-and-eviction", "evict a pod that does not exist", NotFound, "Pod gpu-demo/ghost does not exist."),
        (
            "governance-and-autoscaling", "pod over the quota", Rejected,
            "The cluster does not admit Pod gpu-demo/q2: exceeded quota: gpu-quota, requested: "
            "requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=9, limited: requests.nvidia.com/gpu=1.",
        ),
        (
            "access-and-discovery", "patch without rights", Forbidden,
            "system:serviceaccount:gpu-fleet:dashboard may not patch deployments in namespace gpu-demo (403).",
        ),
        (
            "access-and-discovery", "list nodes without rights", Forbidden,
            "system:serviceaccount:gpu-fleet:dashboard may not list nodes in the whole cluster (403).",
        ),
        (
            "access-and-discovery", "impersonation by an admin of a user without rights", Forbidden,
            "ana@example.com may not list deployments in namespace gpu-demo (403).",
        ),
        (
            "access-and-discovery", "impersonation without the right to impersonate", Forbidden,
            "system:serviceaccount:gpu-fleet:dashboard may not act for other people in this cluster (403).",
        ),
        (
            "access-and-discovery", "anonymous", Forbidden,
            "system:anonymous may not list nodes in the whole cluster (403).",
        ),
        (
            "access-and-discovery", "invalid bearer token", Unauthenticated,
            f"The API server at {HERE} did not accept our credentials (401).",
        ),
        (
            "access-and-discovery", "CapacityBuffer API absent", NotFound,
            "The cluster has no API for capacitybuffers (autoscaling.x-k8s.io/v1beta1).",
        ),
    ],
)  # fmt: skip
def test_a_recorded_refusal_is_the_right_error_in_plain_words(file, title, kind, says):
    error = replayed(file, title)
    assert type(error) is kind
    assert str(error) == says


def test_every_recorded_refusal_of_a_write_is_short_and_drags_nothing_along():
    refused = 0
    for file in ("deployment-writes", "configmap-writes", "node-writes", "pods-and-eviction"):
        for exchange in json.loads((RECORDED / f"{file}.json").read_text()):
            if exchange["response"]["status"] < 400:
                continue
            refused += 1
            error = replayed(file, exchange["title"])
            told = f"{error} {error.hint}"
            assert len(told) < 700
            assert not [word for word in ("managedFields", "fieldsV1", "apiVersion", "\n", "@@") if word in told]
    assert refused == 25


def test_a_change_of_a_pod_shows_no_difference_dump():
    error = replayed("pods-and-eviction", "change resources of a pod in place is refused for GPUs")
    assert type(error) is Rejected
    assert "must be equal to nvidia.com/gpu limit of 2" in str(error)
    assert "pod updates may not change fields other than" in str(error)
    assert "Requests" not in str(error)


def test_a_missing_right_comes_with_the_rule_that_gives_it():
    error = replayed("access-and-discovery", "patch without rights")
    assert error.hint == 'A role with this rule: {apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}'


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            'admission webhook "policy.example.com" denied the request: images must come from our registry.',
            'admission webhook "policy.example.com" denied the request: images must come from our registry',
        ),
        (
            'pods "p" is forbidden: maximum nvidia.com/gpu usage per Container is 4, but limit is 8',
            "maximum nvidia.com/gpu usage per Container is 4, but limit is 8",
        ),
        (
            'deployments.apps "w" is forbidden: unable to create new content in namespace team because it is being '
            "terminated",
            "unable to create new content in namespace team because it is being terminated",
        ),
        (
            "deployments.apps \"w\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        ),
    ],
)
def test_what_admission_says_is_passed_on(message, says):
    error = denied(answer(403, status(403, "Forbidden", message)), WARMERS, changes=True)
    assert type(error) is Rejected
    assert str(error) == f"The cluster does not admit Deployment gpu-demo/warmers: {says}."


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            'admission webhook "keys" denied the request: master_key: hunter22 is written out',
            'admission webhook "keys" denied the request: master_key: (hidden) is written out',
        ),
        (
            'admission webhook "keys" denied the request: postgresql://litellm:hunter22@db:5432 is no reference',
            'admission webhook "keys" denied the request: postgresql://(hidden)@db:5432 is no reference',
        ),
        (
            'admission webhook "keys" denied "model_list:\\n- key of mine hunter22\\n" in "config.yaml"',
            'admission webhook "keys" denied "(hidden)" in "config.yaml"',
        ),
        (
            'admission webhook "keys" denied the request:\n"config.yaml" holds "model_list:\n- key of mine hunter22',
            'admission webhook "keys" denied the request: "config.yaml" holds "(hidden)"',
        ),
    ],
)
@pytest.mark.parametrize("code", [403, 422, 500])
def test_keys_a_webhook_quotes_are_not_passed_on(message, says, code):
    error = denied(answer(code, status(code, "Forbidden", message)), WARMERS, changes=True)
    assert f": {says}." in str(error)
    assert "hunter22" not in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "causes"),
    [(403, "Forbidden", []), (422, "Invalid", [{"message": "hunter22 is a key", "field": "data.hunter22"}])],
)
def test_a_key_that_was_sent_is_not_repeated_by_whatever_name(code, reason, causes):
    sent = {"data": {"config.yaml": "general_settings:\n  master_key: hunter22\n"}}
    body = status(code, reason, 'admission webhook "keys" denied the request: hunter22 is a key')
    body["details"] = {"kind": "ConfigMap", "name": "c", "causes": causes}
    error = denied(answer(code, body), WARMERS, changes=True, sent=sent)
    assert "(hidden) is a key" in str(error)
    assert "hunter22" not in f"{error}{error.hint}"


def test_a_refusal_without_words_is_a_missing_right():
    assert type(denied(answer(403, "<html>"), WARMERS, changes=True)) is Forbidden


@pytest.mark.parametrize(
    ("header", "details", "wait"),
    [("10", 0, 10.0), (None, 10, 10.0), ("3", 5, 5.0), (None, None, 0.0), ("Sun, 01 Mar 2026 12:00:00 GMT", 0, 0.0)],
)
def test_the_longer_of_the_waits_a_busy_server_asks_for_counts(header, details, wait):
    more = {} if details is None else {"details": {"retryAfterSeconds": details}}
    body = status(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", **more)
    error = denied(answer(429, body, retry_after=header), Ref.of("test", "Pod", "p", "a"), changes=True)
    assert type(error) is Busy
    assert error.retry_after_s == wait
    assert str(error) == (
        "Pod a/p cannot be evicted now: Cannot evict pod as it would violate the pod's disruption budget."
    )


def test_two_budgets_are_the_requests_fault_and_not_the_servers():
    says = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    error = denied(answer(500, status(500, "InternalError", says)), Ref.of("test", "Pod", "p", "a"), changes=True)
    assert type(error) is Rejected
    assert str(error) == "Pod a/p cannot be evicted: more than one PodDisruptionBudget protects it."


def test_a_failing_server_leaves_a_write_open_and_a_read_not():
    body = status(500, "InternalError", "etcdserver: request timed out")
    wrote, read = (denied(answer(500, body), WARMERS, changes=changes) for changes in (True, False))
    assert type(wrote) is type(read) is SourceUnavailable
    assert str(read) == f"The API server at {HERE} failed (HTTP 500): etcdserver: request timed out."
    assert str(wrote) == f"{read} It is not known whether the change was made."


def test_more_than_three_complaints_are_counted():
    causes = [{"message": f"Required value: {n}", "field": f"spec.f{n}"} for n in range(5)]
    error = denied(answer(422, status(422, "Invalid", "", details={"causes": causes})), WARMERS, changes=True)
    assert str(error).endswith(
        "spec.f0: Required value: 0; spec.f1: Required value: 1; spec.f2: Required value: 2; and 2 more."
    )


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ('Invalid value: "sk-1234": too short', 'Invalid value: "sk-1234": too short'),
        (f'Invalid value: "{"k" * 64}": too long', "too long"),
        ('Invalid value: {"token":"secret: value"}: must be a list', "must be a list"),
        ('Invalid value: ["a","b"]: must be an object', "must be an object"),
        ('Duplicate value: {"name":"TOKEN","value":"secret"}', "it gave no reason"),
        ('Unsupported value: "Maybe": supported values: "Always", "Never"',
         'Unsupported value: "Maybe": supported values: "Always", "Never"'),
        ('Invalid value: "secret that does not end', "the value does not fit"),
        ("Invalid value: map[token:secret]: no", "the value does not fit"),
        ("Required value", "Required value"),
        ("", "it gave no reason"),
        ("x" * 400, "x" * 297 + "..."),
    ],
)  # fmt: skip
def test_values_are_told_only_when_they_are_short_scalars(message, says):
    assert explained(message).rstrip(".") == says.rstrip(".")


@pytest.mark.parametrize("field", ["data.config.yaml", "spec.template.spec.containers[0].env[2].value"])
def test_values_of_texts_and_variables_are_never_told(field):
    assert explained('Invalid value: "sk-1234": too short', field) == f"{field}: too short"
