"""Bytes to structs: recorded objects, sharing, and what is dropped."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from services.adapters.kube_decode import ANNOTATION_LIMIT, Decoder
from services.domain.kinds import KINDS
from tests.apiserver import line, recorded


def listed(*items, **meta):
    return json.dumps({"metadata": {"resourceVersion": "7", **meta}, "items": list(items)}).encode()


def test_a_recorded_node_is_read():
    node = recorded("node-writes", "node status")["response"]["body"]
    page = Decoder(KINDS["nodes"]).page(listed(node))
    (read,) = page.objects
    assert read.metadata.name == "gpu-a-0"
    assert read.metadata.resource_version == "332"
    assert read.metadata.creation_timestamp == datetime(2026, 11, 22, 12, 17, 4, tzinfo=UTC)
    assert read.status.allocatable["nvidia.com/gpu"] == "2"
    assert [c.type for c in read.status.conditions] == ["Ready"]
    assert (page.version, page.next, page.skipped) == ("7", "", 0)


def test_a_recorded_pod_is_read():
    pod = recorded("pods-and-eviction", "create GPU pod: requests defaulted from limits")["response"]["body"]
    (read,) = Decoder(KINDS["pods"]).page(listed(pod)).objects
    assert read.metadata.namespace == "gpu-demo"
    assert read.spec.containers[0].resources.requests["nvidia.com/gpu"] == "1"
    assert read.status.phase == "Pending"


def test_a_recorded_watch_is_read_line_by_line():
    events = recorded("lists-and-watches", "watch: added, modified, leaves the selector, deleted")["response"]["body"]
    decoder = Decoder(KINDS["quotas"])
    changes = [decoder.change(json.dumps(event).encode()) for event in events]
    assert [(c.type, c.version) for c in changes] == [
        ("ADDED", "415"),
        ("MODIFIED", "416"),
        ("DELETED", "417"),
        ("BOOKMARK", "418"),
    ]
    assert changes[0].obj.metadata.name == "w1"
    assert changes[3].obj is None


def test_objects_that_cannot_be_read_are_counted_and_the_others_kept():
    good = {"metadata": {"name": "a"}}
    late = {"metadata": {"name": "b", "creationTimestamp": "yesterday"}}
    page = Decoder(KINDS["nodes"]).page(listed(late, good, {"spec": {}}, 3))
    assert [obj.metadata.name for obj in page.objects] == ["a"]
    assert page.skipped == 3


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"items":[]}', b'{"metadata":{},"items":[]}', b"\xff"])
def test_a_body_that_is_no_list_is_an_error(body):
    with pytest.raises(msgspec.DecodeError):
        Decoder(KINDS["nodes"]).page(body)


def test_an_empty_list_may_be_null():
    assert Decoder(KINDS["nodepools"]).page(b'{"metadata":{"resourceVersion":"1"},"items":null}').objects == []


def test_label_sets_of_replicas_are_held_once():
    pods = [{"metadata": {"name": f"p{i}", "labels": {"app": "a", "hash": "b"}}} for i in range(2)]
    first, second = Decoder(KINDS["pods"]).page(listed(*pods)).objects
    assert first.metadata.labels == {"app": "a", "hash": "b"}
    assert first.metadata.labels is second.metadata.labels


def test_long_and_copied_annotations_are_dropped_and_others_kept():
    annotations = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "note": "x" * ANNOTATION_LIMIT,
        "manifest": "x" * (ANNOTATION_LIMIT + 1),
    }
    node = {"metadata": {"name": "a", "annotations": annotations}}
    (read,) = Decoder(KINDS["nodes"]).page(listed(node)).objects
    assert list(read.metadata.annotations) == ["note"]


def test_a_pod_template_keeps_what_its_pods_ask_for():
    container = {"name": "m", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "1"}}, "env": [{"name": "X"}]}
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container], "volumes": [{"name": "v"}]}}
    workload = {"metadata": {"name": "d"}, "spec": {"replicas": 2, "template": template}}
    (read,) = Decoder(KINDS["deployments"]).page(listed(workload)).objects
    assert read.spec["replicas"] == 2
    assert read.spec["template"]["metadata"] == {"labels": {"app": "a"}}
    assert read.spec["template"]["spec"] == {
        "containers": [{"name": "m", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]
    }
    (driver,) = Decoder(KINDS["daemonsets"]).page(listed(workload)).objects
    assert driver.spec["template"]["spec"]["volumes"] == [{"name": "v"}]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_reads_an_object_of_which_only_the_name_is_known(kind):
    change = Decoder(KINDS[kind]).change(line("ADDED", {"metadata": {"name": "a", "resourceVersion": "5"}}))
    assert (change.obj.metadata.name, change.version) == ("a", "5")


def test_an_error_line_carries_the_status():
    change = Decoder(KINDS["pods"]).change(b'{"type":"ERROR","object":{"code":410}}')
    assert (change.type, change.raw, change.obj) == ("ERROR", b'{"code":410}', None)


@pytest.mark.parametrize("bad", [b"garbage\n", b'{"type":"ADDED"}\n', b'{"type":"ADDED","object":{"metadata":3}}\n'])
def test_a_line_that_cannot_be_read_is_an_error(bad):
    with pytest.raises(msgspec.DecodeError):
        Decoder(KINDS["pods"]).change(bad)


def test_what_starts_of_replicas_share_is_held_once():
    def pod(number):
        probe = {"periodSeconds": 5, "failureThreshold": 120}
        main = {"name": "main", "image": "a:1", "imagePullPolicy": "Always", "startupProbe": probe}
        ended = {"terminated": {"reason": "Reason of an end", "exitCode": 1}}
        return {
            "metadata": {"name": f"p{number}"},
            "spec": {"containers": [main], "schedulingGates": [{"name": "example.com/gate"}]},
            "status": {"containerStatuses": [{"name": "main", "lastState": ended}]},
        }

    first, second = Decoder(KINDS["pods"]).page(listed(pod(1), pod(2))).objects
    assert first.spec.containers[0].startup_probe.failure_threshold == 120
    assert first.spec.containers[0].startup_probe is second.spec.containers[0].startup_probe
    assert first.spec.containers[0].image_pull_policy is second.spec.containers[0].image_pull_policy
    assert first.spec.scheduling_gates[0].name is second.spec.scheduling_gates[0].name
    ends = [one.status.container_statuses[0].last_state.terminated for one in (first, second)]
    assert ends[0].reason is ends[1].reason
    assert ends[0].reason == "Reason of an end"


def test_names_of_images_on_nodes_are_held_once_and_their_sizes_kept():
    def node(number):
        names = [f"registry.example.com/chat@sha256:{7:064x}", "registry.example.com/chat:7"]
        return {"metadata": {"name": f"n{number}"}, "status": {"images": [{"names": names, "sizeBytes": 9}, {}]}}

    first, second = Decoder(KINDS["nodes"]).page(listed(node(1), node(2))).objects
    assert first.status.images[0].size_bytes == 9
    assert first.status.images[0].names == second.status.images[0].names
    assert all(a is b for a, b in zip(first.status.images[0].names, second.status.images[0].names, strict=True))
    assert not first.status.images[1].names


def test_an_event_says_which_container_is_meant():
    about = {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{main}"}
    events = [{"metadata": {"name": f"e{i}"}, "involvedObject": about, "reason": "Pulled"} for i in range(2)]
    first, second = Decoder(KINDS["events"]).page(listed(*events)).objects
    assert first.involved_object.field_path == "spec.containers{main}"
    assert first.involved_object.field_path is second.involved_object.field_path
