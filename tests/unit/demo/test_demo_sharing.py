import io
from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.demo import openmetrics
from services.demo.holds import holds
from services.demo.journal import entry
from services.demo.reaction import seen
from services.demo.world import World
from services.domain import inventory
from services.domain.change.refs import Ref
from services.domain.sharing import mig
from services.domain.sharing.install import Way, installation
from services.domain.signals import Query
from services.errors import Busy
from tests.unit.demo.handling import Hands, promised_twice

CONFIG, MIG, STATE = "nvidia.com/device-plugin.config", "nvidia.com/mig.config", "nvidia.com/mig.config.state"


@pytest.fixture
def hands() -> Hands:
    return Hands()


def l4(hands: Hands, place: int = 0) -> Ref:
    return hands.ref("west", "Node", hands.gpu_nodes("west", "l4-inference")[place])


def a100(hands: Hands, place: int = 0) -> Ref:
    return hands.ref("east", "Node", hands.gpu_nodes("east", "a100-mig")[place])


def label(hands: Hands, node: Ref, name: str, value: str | None) -> None:
    hands.patch(node, {"metadata": {"labels": {name: value}}})


def offers(hands: Hands, node: Ref) -> dict[str, str]:
    allocatable = hands.read(node)["status"]["allocatable"]
    return {name: count for name, count in allocatable.items() if name.startswith("nvidia.com/")}


def shown(hands: Hands, node: Ref, *names: str) -> list[str]:
    labels = hands.read(node)["metadata"]["labels"]
    return [labels.get(f"nvidia.com/{name}", "") for name in names]


def drain(hands: Hands, node: Ref) -> list[str]:
    """Cordon and evict; names of the pods a budget keeps."""
    hands.patch(node, {"spec": {"unschedulable": True}})
    kept = []
    cluster = hands.sources[node.cluster].cluster
    for pod in cluster.pods_on(node.name):
        owners = [owner["kind"] for owner in pod.meta.get("ownerReferences", ())]
        if "DaemonSet" in owners or pod.body["status"]["phase"] in ("Succeeded", "Failed"):
            continue
        try:
            cluster.evict(pod.ref, uid=pod.uid)
        except Busy:
            kept.append(pod.ref.name)
    return kept


def test_both_installations_are_recognised(hands: Hands) -> None:
    east = installation(hands["east"].cluster.snapshot("daemonsets").objects)  # type: ignore[arg-type]
    assert (east.way, east.namespace, east.configmap) == (Way.LABEL, "gpu-operator", "plugin-configs")
    assert (east.policy, east.mig, east.strategy, east.default) == ("cluster-policy", True, "mixed", "exclusive")
    west = installation(hands["west"].cluster.snapshot("daemonsets").objects)  # type: ignore[arg-type]
    assert (west.way, west.daemonset, west.policy) == (Way.LABEL, "nvidia-device-plugin", "")
    documents = hands.read(hands.ref("west", "ConfigMap", west.configmap, west.namespace))["data"]
    assert set(documents) == {"exclusive", "ts2", "ts4", "ts8", "mps4"}


def test_another_document_dips_and_returns_as_more_units(hands: Hands) -> None:
    node = l4(hands)
    assert offers(hands, node) == {"nvidia.com/gpu": "16"}
    label(hands, node, CONFIG, "ts8")
    hands.wait(seconds=4)
    assert offers(hands, node) == {"nvidia.com/gpu": "0"}
    hands.wait(seconds=16)
    assert offers(hands, node) == {"nvidia.com/gpu": "32"}
    wanted = ["8", "time-slicing", "NVIDIA-L4-SHARED"]
    assert shown(hands, node, "gpu.replicas", "gpu.sharing-strategy", "gpu.product") == wanted
    frame, _ = inventory.nodes("demo-west", hands["west"].cluster.snapshot("nodes").objects)  # type: ignore[arg-type]
    row = frame.set_index("node").loc[node.name]
    assert (row["gpus"], row["replicas"], row["units"], row["allocatable"], row["drift"]) == (4, 8, 32, 4, "")


@pytest.mark.parametrize(
    ("key", "units", "replicas", "strategy", "product"),
    [
        ("exclusive", "4", "1", "none", "NVIDIA-L4"),
        ("ts2", "8", "2", "time-slicing", "NVIDIA-L4-SHARED"),
        ("mps4", "16", "4", "mps", "NVIDIA-L4-SHARED"),
    ],
)
def test_each_document_makes_its_units_and_labels(
    hands: Hands, key: str, units: str, replicas: str, strategy: str, product: str
) -> None:
    node = l4(hands)
    label(hands, node, CONFIG, key)
    hands.wait(seconds=20)
    assert offers(hands, node) == {"nvidia.com/gpu": units}
    assert shown(hands, node, "gpu.replicas", "gpu.sharing-strategy", "gpu.product") == [replicas, strategy, product]


def test_running_pods_keep_their_devices_when_units_become_fewer(hands: Hands) -> None:
    node = l4(hands)
    before = {pod.uid for pod in hands["west"].cluster.pods_on(node.name)}
    label(hands, node, CONFIG, "exclusive")
    hands.wait(seconds=20)
    after = {pod.uid for pod in hands["west"].cluster.pods_on(node.name)}
    assert before == after
    assert promised_twice(hands["west"]) == [(node.name, "nvidia.com/gpu")]


def test_an_unknown_document_keeps_the_old_one_and_crashes_the_plugin(hands: Hands) -> None:
    node = l4(hands)
    label(hands, node, CONFIG, "ts16")
    hands.wait(seconds=10)
    assert offers(hands, node) == {"nvidia.com/gpu": "16"}
    (pod,) = [p for p in hands.pods("west", "nvidia-device-plugin-") if p.spec.node_name == node.name]
    (_, manager) = pod.status.container_statuses or []
    assert "CrashLoopBackOff" in str(manager.state)
    events = hands["west"].cluster.snapshot("events").objects
    assert [e.involved_object.name for e in events if e.reason == "BackOff"] == [pod.metadata.name]
    label(hands, node, CONFIG, "ts4")
    hands.wait(seconds=20)
    (pod,) = [p for p in hands.pods("west", "nvidia-device-plugin-") if p.spec.node_name == node.name]
    assert len(pod.status.container_statuses or []) == 1


def test_a_document_written_first_can_be_chosen(hands: Hands) -> None:
    documents = hands.ref("west", "ConfigMap", "nvidia-device-plugin-configs", "nvidia-device-plugin")
    text = "version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 3}]}}\n"
    hands.patch(documents, {"data": {"ts3": text}})
    label(hands, l4(hands), CONFIG, "ts3")
    hands.wait(seconds=20)
    assert offers(hands, l4(hands)) == {"nvidia.com/gpu": "12"}


def test_new_content_under_an_old_key_needs_a_restart_of_the_plugin(hands: Hands) -> None:
    documents = hands.ref("west", "ConfigMap", "nvidia-device-plugin-configs", "nvidia-device-plugin")
    plugin = hands.ref("west", "DaemonSet", "nvidia-device-plugin", "nvidia-device-plugin")
    hands.patch(documents, {"data": {"ts4": "version: v1\n"}})
    hands.wait(minutes=5)
    assert offers(hands, l4(hands)) == {"nvidia.com/gpu": "16"}
    hands.patch(plugin, {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}})
    hands.wait(seconds=9)
    status = hands.read(plugin)["status"]
    assert (status["observedGeneration"], status["updatedNumberScheduled"]) == (2, 1)
    hands.wait(minutes=1)
    assert hands.read(plugin)["status"]["updatedNumberScheduled"] == 7
    assert [offers(hands, l4(hands, place))["nvidia.com/gpu"] for place in range(3)] == ["4"] * 3


def test_a_cordoned_node_takes_no_new_pods_until_it_is_open_again(hands: Hands) -> None:
    node = l4(hands)
    body = hands.patch(node, {"spec": {"unschedulable": True}}).body
    assert {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"} in body["spec"]["taints"]
    hands.wait(hours=2)
    since = hands.clock.at - timedelta(hours=2)
    pods = [p for p in hands.pods("west", "") if p.spec.node_name == node.name and p.status.start_time]
    assert [p.metadata.name for p in pods if p.status.start_time and p.status.start_time > since] == []
    body = hands.patch(node, {"spec": {"unschedulable": None}}).body
    assert "unschedulable" not in body["spec"]
    assert [taint["key"] for taint in body["spec"]["taints"]] == ["nvidia.com/gpu"]


def test_a_cordon_of_the_scenario_can_be_lifted(hands: Hands) -> None:
    cordoned = [n for n in hands["east"].cluster.snapshot("nodes").objects if n.spec.unschedulable]  # type: ignore[union-attr]
    (node,) = [hands.ref("east", "Node", n.metadata.name) for n in cordoned]
    hands.patch(node, {"spec": {"unschedulable": None}})
    assert not any(n.spec.unschedulable for n in hands["east"].cluster.snapshot("nodes").objects)  # type: ignore[union-attr]


def test_drained_pods_come_back_elsewhere_or_wait(hands: Hands) -> None:
    def served() -> Counter[str]:
        pods = [p for p in hands.pods("west", "") if p.status.phase in ("Running", "Pending")]
        return Counter(p.metadata.name.split("-")[0] for p in pods if (p.metadata.labels or {}).get("team"))

    node = l4(hands, 1)
    before = served()
    assert [name.split("-")[0] for name in drain(hands, node)] == ["transcode"]
    hands.wait(seconds=30)
    left = [
        pod.ref.name
        for pod in hands["west"].cluster.pods_on(node.name)
        if "DaemonSet" not in str(pod.meta["ownerReferences"]) and pod.body["status"]["phase"] == "Running"
    ]
    assert [name.split("-")[0] for name in left] == ["transcode"]
    assert served() == before
    assert promised_twice(hands["west"]) == []


def test_mig_is_refused_while_pods_hold_the_node(hands: Hands) -> None:
    node = a100(hands)
    before = offers(hands, node)
    label(hands, node, MIG, "all-1g.10gb")
    hands.wait(seconds=4)
    assert shown(hands, node, "mig.config.state") == ["pending"]
    hands.wait(seconds=30)
    assert shown(hands, node, "mig.config.state") == ["failed"]
    assert offers(hands, node) == before


def test_an_unknown_mig_configuration_fails_at_once(hands: Hands) -> None:
    label(hands, a100(hands), MIG, "all-9g.90gb")
    hands.wait(seconds=4)
    assert shown(hands, a100(hands), "mig.config.state") == ["failed"]


def test_a_drained_node_is_cut_anew(hands: Hands) -> None:
    node = a100(hands)
    assert drain(hands, node) == []
    hands.wait(seconds=10)
    label(hands, node, MIG, "all-balanced")
    hands.wait(seconds=10)
    assert shown(hands, node, "mig.config.state") == ["pending"]
    assert set(offers(hands, node).values()) == {"0"}
    hands.wait(seconds=70)
    assert shown(hands, node, "mig.config.state") == ["success"]
    # eight GPUs of 2 × 1g, 1 × 2g, 1 × 3g each
    assert offers(hands, node) == {
        "nvidia.com/gpu": "0",
        "nvidia.com/mig-1g.10gb": "16",
        "nvidia.com/mig-2g.20gb": "8",
        "nvidia.com/mig-3g.40gb": "8",
    }
    assert shown(hands, node, "mig-1g.10gb.count", "mig-3g.40gb.count") == ["16", "8"]
    hands.wait(minutes=5)
    query = Query("util", ("gpu", "instance", "profile"))
    frame = hands["east"].metrics.instant(query, hands.clock.at, {"node": [node.name]}).frame
    assert Counter(frame["profile"]) == {"1g.10gb": 16, "2g.20gb": 8, "3g.40gb": 8}
    assert frame["weight"].sum() == pytest.approx(8.0)
    hands.patch(node, {"spec": {"unschedulable": None}})
    hands.wait(minutes=3)
    owners = hands["east"].metrics.instant(Query("util", ("pod",)), hands.clock.at, {"node": [node.name]}).frame
    held = [p for p in hands.pods("east", "") if p.spec.node_name == node.name and p.status.phase == "Running"]
    assert set(owners["pod"]) == {p.metadata.name for p in held if (p.metadata.labels or {}).get("app") is None}
    assert promised_twice(hands["east"]) == []


def test_gpus_can_be_made_whole_again(hands: Hands) -> None:
    node = a100(hands)
    drain(hands, node)
    hands.wait(seconds=10)
    label(hands, node, MIG, "all-disabled")
    hands.wait(seconds=80)
    assert offers(hands, node)["nvidia.com/gpu"] == "8"
    assert {count for name, count in offers(hands, node).items() if "mig" in name} == {"0"}
    (before,) = [
        text
        for name, text in hands.read(hands.ref("east", "ConfigMap", f"{node.name}-mig-config", "gpu-operator"))[
            "data"
        ].items()
        if name == "config.yaml"
    ]
    assert {"all-disabled", "all-1g.10gb", "all-balanced", "custom-0"} <= set(mig.configs(before))


def samples(text: str, name: str, node: str) -> dict[tuple[str, str], tuple[float, int]]:
    """Value and time of the newest sample of each (UUID, pod) on a node."""
    found = {}
    for line in text.splitlines():
        if line.startswith(f"{name}{{") and f'ostname="{node}"' in line:
            labels = dict(
                pair.split("=", 1) for pair in line[line.index("{") + 1 : line.index("}")].replace('"', "").split(",")
            )
            value, at = line.rsplit(" ", 2)[1:]
            found[labels["UUID"], labels.get("exported_pod", "")] = (float(value), int(at))
    return found


def test_metrics_and_exporter_agree_after_a_sharing_change(hands: Hands) -> None:
    west, first = l4(hands), l4(hands, 1)
    asked = Query("util", ("pod",)), hands.clock.at.replace(second=0), {"node": [west.name]}
    before = len(hands["west"].metrics.instant(*asked).frame)
    label(hands, west, CONFIG, "ts8")
    hands.wait(seconds=30)
    hands.patch(l4(hands, 2), {"spec": {"unschedulable": True}})
    drain(hands, first)  # its pods have only the new units to move to
    hands.wait(minutes=10)
    end = hands.clock.at.replace(second=0)
    file = io.StringIO()
    openmetrics.write(hands.world(), "demo-west", end - timedelta(minutes=3), end, timedelta(minutes=1), file)
    text = file.getvalue()
    for node in (west, first):
        written = samples(text, "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", node.name)
        now = {key: value for key, (value, at) in written.items() if at == int(end.timestamp())}
        query = Query("util", ("gpu", "namespace", "pod"))
        frame = hands["west"].metrics.instant(query, end, {"node": [node.name]}).frame
        answered = {(row.gpu, row.pod): row.value for row in frame.itertuples()}
        assert answered == pytest.approx({key: value for key, value in now.items() if key[1]})
    on = hands["west"].metrics.instant(Query("util", ("pod",)), end, {"node": [west.name]}).frame
    assert len(on) > before


def test_history_before_a_change_stays_as_it_was(hands: Hands) -> None:
    at = hands.clock.at
    query = Query("util", ("node", "gpu", "instance", "namespace", "pod"))
    before = hands["west"].metrics.instant(query, at).frame
    label(hands, l4(hands), CONFIG, "ts8")
    hands.wait(hours=3)
    after = hands["west"].metrics.instant(query, at).frame
    assert after.equals(before)


NOON = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)


@pytest.mark.parametrize("pool", ["h100-train", "a100-mig", "l4-inference"])
def test_a_pool_that_was_touched_for_nothing_goes_on_by_its_timetable(pool: str) -> None:
    hands, plain = Hands(), World()
    hands.clock.at = NOON - timedelta(days=3)
    cluster = "west" if pool == "l4-inference" else "east"
    node = hands.ref(cluster, "Node", hands.gpu_nodes(cluster, pool)[0])
    hands.journal.append(
        node.cluster, entry("patch", node, {"spec": {"unschedulable": None}}), at=hands.clock.at, actor="kim"
    )
    end = int(NOON.timestamp())
    touched = seen(hands.world().sites[node.cluster], end)
    assert touched.reaction is not None

    def rows(site: Any) -> set[tuple[Any, ...]]:
        pods = site.pods(end - 2 * 86400, end)
        pods = pods.where(np.array([site.works[work].plan.place.pool == pool for work in pods.work.tolist()]))
        return set(zip(*(getattr(pods, field.name).tolist() for field in fields(pods)), strict=True))

    assert rows(touched) == rows(plain.sites[node.cluster])
    assert len(rows(touched)) > 8


def test_no_slot_is_held_by_two_pods_whatever_people_do(hands: Hands) -> None:
    hands.headroom(2)
    label(hands, l4(hands), CONFIG, "ts8")
    hands.wait(minutes=20)
    drain(hands, l4(hands, 1))
    drain(hands, a100(hands))
    hands.wait(seconds=20)
    label(hands, a100(hands), MIG, "all-balanced")
    hands.wait(minutes=30)
    hands.patch(a100(hands), {"spec": {"unschedulable": None}})
    hands.wait(days=2)
    end = int(hands.clock.at.timestamp())
    for base in hands.world().sites.values():
        site = seen(base, end)
        held = holds(site, site.roster(end - 2 * 86400, end), site.pods(end - 2 * 86400, end))
        order = np.lexsort((held.start, held.replica, held.unit))
        unit, replica, start, ended = (values[order] for values in (held.unit, held.replica, held.start, held.end))
        same = (unit[1:] == unit[:-1]) & (replica[1:] == replica[:-1])
        assert len(held) > 50
        assert (start[1:][same] >= ended[:-1][same]).all()
