"""From watched objects to traces: what is kept, what is not, and that the order of looking does not matter."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.headroom import OURS
from services.domain.objects import Event, Generic, Node, Pod
from services.domain.startup.nodes import offering
from services.domain.startup.observe import Early, Observed, observe
from services.domain.startup.trace import FIRST_EVENT_LIMIT, ContainerSeen, NodeSeen, Trace, dump, load, load_node
from tests.unit.domain.startup.looks import (
    IMAGE,
    UID,
    at,
    claim,
    container,
    event,
    false,
    node,
    pod,
    status,
    true,
)

SCALED = "pod triggered scale-up: [{h100 3->4 (max: 10)}]"
PULLED = f'Successfully pulled image "{IMAGE}" in 1m0.5s (1m0.5s including waiting). Image size: 18200000000 bytes.'


@dataclass(frozen=True)
class Look:
    """One object, and when it was looked at."""

    seconds: float
    thing: Pod | Node | Event | Generic
    gone: str = ""


def watch(*looks: Look, known: Observed | None = None) -> Observed:
    found = known or Observed()
    for look in looks:
        found = found.updated(change(found, look))
    return found


def change(known: Observed, *looks: Look) -> Observed:
    things = [look.thing for look in looks]
    return observe(
        known,
        "east",
        pods=[one for one in things if isinstance(one, Pod)],
        nodes=[one for one in things if isinstance(one, Node)],
        events=[one for one in things if isinstance(one, Event)],
        claims=[one for one in things if isinstance(one, Generic)],
        at=at(looks[0].seconds),
        gone=[look.gone for look in looks if look.gone],
    )


def seen(known: Observed, uid: str = UID) -> Trace:
    return known.traces[uid]


def server(known: Observed) -> ContainerSeen:
    return seen(known).containers[-1]


BOUND = (true("PodScheduled", 2), false("Ready", 3), false("ContainersReady", 3))
STARTING = pod(*BOUND, node="n1", statuses=[status(running=70)], phase="Running")
READY = pod(
    true("PodScheduled", 2),
    true("PodReadyToStartContainers", 4),
    true("ContainersReady", 130),
    true("Ready", 130),
    node="n1",
    phase="Running",
    statuses=[status(running=70, started=True, ready=True)],
)


def test_a_pod_is_known_from_its_first_look() -> None:
    trace = seen(watch(Look(1, pod(containers=[container(gpus=4), container("proxy", gpus=0, probes="")]))))
    assert (trace.cluster, trace.namespace, trace.pod, trace.created, trace.seen) == (
        "east", "serving", "chat-0", at(0), at(1),
    )  # fmt: skip
    assert (trace.workload_kind, trace.workload, trace.attempt) == ("StatefulSet", "chat", "set-1/0")
    assert (trace.resource, trace.gpus) == ("nvidia.com/gpu", 4.0)
    assert trace.containers == (
        ContainerSeen("server", "main", IMAGE, has_startup_probe=True, has_readiness_probe=True),
        ContainerSeen("proxy", "main", IMAGE),
    )


def test_only_pods_that_ask_for_gpus_have_a_trace() -> None:
    plain = container("web", gpus=0)
    sliced = {**plain, "resources": {"requests": {"nvidia.com/mig-1g.10gb": "2"}}}
    found = watch(
        Look(1, pod(uid="cpu", containers=[plain])),
        Look(1, pod(uid="init", containers=[plain], init=[container("warm")])),
        Look(1, pod(uid="slice", containers=[sliced])),
        Look(1, pod(uid="claim", containers=[plain], resourceClaims=[{"name": "gpu"}])),
        Look(1, pod(uid="ours", labels=OURS)),
    )
    assert {uid: (trace.resource, trace.gpus) for uid, trace in found.traces.items()} == {
        "init": ("nvidia.com/gpu", 1.0),
        "slice": ("nvidia.com/mig-1g.10gb", 2.0),
        "claim": ("resource claim", 0.0),  # how many cannot be told from the pod
    }


def test_an_unwanted_pod_gets_no_trace_and_its_events_do_not_wait_for_it() -> None:
    found = observe(
        Observed(),
        "east",
        pods=[pod()],
        nodes=[],
        events=[event("Pulled", PULLED, 65, of="server")],
        claims=[],
        at=at(70),
        wanted=lambda one: one.metadata.uid != UID,
    )
    assert found == Observed()


def test_workload_and_team_are_as_described() -> None:
    found = observe(
        Observed(), "east", pods=[pod()], nodes=[], events=[], claims=[], at=at(1),
        describe=lambda one: ("Deployment", one.metadata.name, "llm"),
    )  # fmt: skip
    assert (seen(found).workload_kind, seen(found).workload, seen(found).team) == ("Deployment", "chat-0", "llm")


def test_what_was_seen_before_is_no_change() -> None:
    looks = [Look(1, node()), Look(2, pod()), Look(75, STARTING), Look(66, event("Pulled", PULLED, 65, of="server"))]
    found = watch(*looks)
    assert [change(found, look) for look in looks] == [Observed()] * 4
    assert change(found, Look(80, READY)).traces.keys() == {UID}


def test_the_first_time_of_a_condition_counts() -> None:
    recreated = pod(true("PodScheduled", 2), true("PodReadyToStartContainers", 90), node="n1")
    first = pod(true("PodScheduled", 2), true("PodReadyToStartContainers", 4), node="n1")
    for order in ((first, recreated), (recreated, first)):
        trace = seen(watch(*(Look(100, one) for one in order)))
        assert trace.conditions == {"PodScheduled": at(2), "PodReadyToStartContainers": at(4)}


def test_a_startup_probe_that_was_seen_to_fail_before_has_a_known_end() -> None:
    passed = pod(*BOUND, node="n1", statuses=[status(running=70, started=True)], phase="Running")
    assert (server(watch(Look(71, STARTING), Look(125.2, passed))).up_known) is True
    late = server(watch(Look(125.2, passed)))
    assert (late.up, late.up_known) == (at(125.2), False)


def test_a_new_run_has_to_pass_its_startup_probe_again() -> None:
    passed = pod(*BOUND, node="n1", statuses=[status(running=70, started=True)])
    again = pod(*BOUND, node="n1", statuses=[status(running=100, restarts=1, last=(70, 90, 137))])
    for order in ((passed, again), (again, passed)):
        found = server(watch(Look(60, pod()), *(Look(110, one) for one in order)))
        assert (found.started, found.started_last, found.restarts) == (at(70), at(100), 1)
        assert (found.up, found.said) == (None, "Error, exit code 137")


def test_what_kept_a_container_waiting_is_over_when_it_runs() -> None:
    waits = pod(*BOUND, node="n1", statuses=[status(waiting="ImagePullBackOff", message="Back-off pulling image")])
    found = watch(Look(30, waits))
    assert (server(found).waiting, server(found).said) == ("ImagePullBackOff", "Back-off pulling image")
    found = watch(Look(71, STARTING), known=found)
    assert (server(found).waiting, server(found).said) == ("", "")


def test_nothing_after_the_first_readiness_changes_a_trace() -> None:
    before = watch(Look(1, node()), Look(1, pod()), Look(71, STARTING), Look(130.5, READY))
    flapped = pod(true("PodScheduled", 2), false("Ready", 400), node="n1", statuses=[status(running=70)])
    restarted = pod(
        true("PodScheduled", 2),
        true("ContainersReady", 520),
        true("Ready", 520),
        node="n1",
        statuses=[status(running=450, restarts=1, last=(70, 440, 1), ready=True, started=True)],
    )
    over = pod(false("Ready", 600), node="n1", phase="Failed", statuses=[status(ended=(450, 600, 1))], deleted=630)
    after = watch(
        Look(401, flapped),
        Look(521, restarted),
        Look(601, over),
        Look(602, event("Unhealthy", "Readiness probe failed: timeout", 395, of="server")),
        Look(603, node(gpus=0)),
        Look(604, node(), gone=UID),
        known=before,
    )
    assert seen(after) == seen(before)
    assert seen(before).conditions["Ready"] == at(130)


def test_what_is_dated_before_readiness_still_counts_when_it_comes_late() -> None:
    found = watch(
        Look(1, pod()),
        Look(130.5, READY),
        Look(140, event("Pulled", PULLED, 65, of="server")),
        Look(140, event("Killing", "Stopping container server", 139, of="server")),
        Look(141, node(labels={"karpenter.sh/nodepool": "h100"})),
    )
    assert [(one.reason, one.container, one.first) for one in seen(found).events] == [("Pulled", "server", at(65))]
    here = seen(found).node
    assert here is not None
    assert (here.created, here.ready, here.offers) == (at(-3600), at(-3540), {})  # its GPUs were seen too late


def test_readiness_that_ended_before_it_was_seen_is_not_exact() -> None:
    """The condition is made false before a container starts, and turns false again only when it was true."""
    down = pod(true("PodScheduled", 2), false("Ready", 200), node="n1", statuses=[status(running=70)])
    assert seen(watch(Look(1, pod()), Look(71, STARTING))).ready_exact
    assert not seen(watch(Look(1, pod()), Look(201, down))).ready_exact


def test_a_pod_first_seen_when_it_was_ready_and_over_has_no_trace() -> None:
    over: dict[str, Any] = {"node": "n1", "phase": "Succeeded", "statuses": [status(ended=(70, 900, 0))]}
    assert watch(Look(950, pod(false("Ready", 900), **over))).traces == {}
    never_ready = watch(Look(950, pod(false("Ready", 3), **over)))
    assert seen(never_ready).ended == at(900)
    no_probes = watch(Look(950, pod(false("Ready", 900), containers=[container(probes="")], **over)))
    assert (seen(no_probes).ended, seen(no_probes).ready_exact) == (at(900), False)


def test_a_rejected_pod_ended_when_it_was_seen_to() -> None:
    message = "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu"
    rejected = pod(true("PodScheduled", 2), node="n1", phase="Failed")
    said = msgspec.structs.replace(rejected.status, reason="UnexpectedAdmissionError", message=message)
    found = watch(Look(5, msgspec.structs.replace(rejected, status=said)))
    assert (seen(found).ended, seen(found).reason) == (at(5), f"UnexpectedAdmissionError: {message}")


def test_what_ends_while_it_is_deleted_was_deleted() -> None:
    leaving = pod(*BOUND, node="n1", phase="Failed", statuses=[status(ended=(70, 95, 143))], deleted=120)
    found = seen(watch(Look(71, STARTING), Look(96, leaving), Look(97, leaving, gone=UID)))
    assert (found.ended, found.deleted) == (None, at(95))


def test_a_pod_that_is_no_more_was_deleted_by_then() -> None:
    found = watch(Look(1, pod()), Look(60, node(), gone=UID))
    assert seen(found).deleted == at(60)
    assert seen(watch(Look(90, node(), gone=UID), known=found)).deleted == at(60)
    assert change(found, Look(90, node(), gone="somebody else")).traces == {}


def test_gates_are_over_when_they_are_first_not_seen() -> None:
    gated = pod(false("PodScheduled", 0, "SchedulingGated"), schedulingGates=[{"name": "kueue.x-k8s.io/admission"}])
    open_ = pod(false("PodScheduled", 0, "Unschedulable", "0/12 nodes are available: 12 Insufficient nvidia.com/gpu."))
    found = seen(watch(Look(1, gated), Look(45.5, open_), Look(60, open_)))
    assert (found.gated, found.ungated) == (True, at(45.5))
    assert found.reason == "Unschedulable: 0/12 nodes are available: 12 Insufficient nvidia.com/gpu."


def test_a_node_is_remembered_before_anything_runs_on_it() -> None:
    labels = {"karpenter.sh/nodepool": "h100", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    found = watch(
        Look(40, node(created=40, ready=None, gpus=0)),
        Look(90.5, node(created=40, ready=90, gpus=0)),
        Look(150.5, node(created=40, ready=90, gpus=8, labels=labels)),
        Look(160, pod(true("PodScheduled", 152), node="n1")),
    )
    here = seen(found).node
    assert here is not None
    assert (here.created, here.ready, here.ready_exact) == (at(40), at(90), True)
    assert (here.seen, here.offers) == (at(40), {"nvidia.com/gpu": at(150.5)})
    assert (here.pool, here.model, here.capacity_type) == ("h100", "H100 80GB HBM3", "unknown")


def test_a_node_that_offers_gpus_at_first_sight_may_have_had_them_for_long() -> None:
    here = watch(Look(150, node(created=40, ready=90))).nodes["n1"]
    assert (here.seen, here.offers) == (at(150), {"nvidia.com/gpu": at(150)})
    assert offering(here, "nvidia.com/gpu") is None


def test_what_is_cut_from_a_gpu_is_offered_later_than_the_gpu() -> None:
    def cut(seconds: float, **amounts: str) -> Look:
        raw = msgspec.to_builtins(node(created=40, ready=90, gpus=0))
        raw["status"]["allocatable"].update({f"nvidia.com/{name.replace('_', '-')}": n for name, n in amounts.items()})
        return Look(seconds, msgspec.convert(raw, Node))

    here = watch(cut(90), cut(120, gpu="8"), cut(151, gpu="8", mig_1g="7"), cut(160, gpu="8", mig_1g="7")).nodes["n1"]
    assert here.offers == {"nvidia.com/gpu": at(120), "nvidia.com/mig-1g": at(151)}
    assert offering(here, "nvidia.com/gpu") == at(120)
    assert offering(here, "nvidia.com/mig-1g") == offering(here, "nvidia.com/gpu, nvidia.com/mig-1g") == at(151)
    assert offering(here, "resource claim") is None


def test_labels_say_where_a_node_is() -> None:
    labels = {
        "cloud.google.com/gke-nodepool": "h100-spot",
        "topology.kubernetes.io/zone": "europe-west4-b",
        "node.kubernetes.io/instance-type": "a3-highgpu-8g",
        "cloud.google.com/gke-accelerator": "nvidia-h100-80gb",
        "cloud.google.com/gke-spot": "true",
        "cloud.google.com/gke-image-streaming": "true",
    }
    here = watch(Look(1, node(labels=labels))).nodes["n1"]
    assert (here.pool, here.zone, here.instance) == ("h100-spot", "europe-west4-b", "a3-highgpu-8g")
    assert (here.model, here.capacity_type, here.streaming) == ("h100 80gb", "spot", True)


def test_the_readiness_of_an_old_node_is_not_its_first() -> None:
    here = watch(Look(1, node(created=-7200, ready=-100))).nodes["n1"]
    assert (here.ready, here.ready_exact) == (at(-100), False)


def test_an_event_tells_when_a_node_was_ready_before_its_condition_flapped() -> None:
    ready = event("NodeReady", "Node n1 status is now: NodeReady", 90, kind="Node", name="n1")
    flapped = Look(300, node(created=40, ready=280))
    for looks in ([flapped, Look(300, ready)], [Look(300, ready), flapped]):
        here = watch(*looks).nodes["n1"]
        assert (here.ready, here.ready_exact) == (at(90), True)


def test_of_two_nodes_of_one_name_a_pod_is_on_the_one_it_was_bound_to() -> None:
    old, new = node(created=-3600), node(created=500, ready=540)
    bound = Look(10, pod(true("PodScheduled", 2), node="n1"))
    for looks in ([Look(1, old), bound, Look(510, new)], [Look(1, old), bound, Look(510, new), Look(511, old)]):
        found = watch(*looks)
        here = seen(found).node
        assert here is not None
        assert here.created == at(-3600)
        assert found.nodes["n1"].created == at(500)


def test_a_pod_on_the_second_node_of_a_name_is_not_on_the_first() -> None:
    found = watch(
        Look(1, node(created=-3600)),
        Look(510, pod(true("PodScheduled", 505), node="n1")),
        Look(511, node(created=500, ready=502)),
    )
    here = seen(found).node
    assert here is not None
    assert here.created == at(500)


def test_a_node_claim_tells_what_came_before_its_node() -> None:
    said = claim("n1", created=12, registered=60, initialized=140)
    for looks in ([Look(150, said), Look(150, node(created=55))], [Look(150, node(created=55)), Look(150, said)]):
        here = watch(*looks).nodes["n1"]
        assert (here.created, here.claim_created) == (at(55), at(12))
        assert (here.claim_registered, here.claim_initialized) == (at(60), at(140))


def test_a_claim_without_a_node_says_nothing_yet() -> None:
    assert watch(Look(20, claim("", created=12, registered=60))).nodes == {}


def test_a_claim_with_times_that_cannot_be_read_says_nothing_of_them() -> None:
    raw = msgspec.to_builtins(claim("n1", created=12, registered=60))
    raw["status"]["conditions"] = [{"type": "Registered", "status": "True", "lastTransitionTime": "just now"}]
    here = watch(Look(70, msgspec.convert(raw, Generic))).nodes["n1"]
    assert (here.claim_created, here.claim_registered) == (at(12), None)


def test_a_node_says_itself_when_it_streams_images() -> None:
    said = event(
        "ImageStreaming", f"Image {IMAGE} is backed by image streaming.", 30, by="gcfs", kind="Node", name="n1"
    )
    found = watch(Look(1, node()), Look(5, pod(true("PodScheduled", 2), node="n1")), Look(31, said))
    here = seen(found).node
    assert here is not None
    assert here.streaming


def test_an_event_without_any_time_is_left_out() -> None:
    timeless = msgspec.structs.replace(event("Pulled", PULLED, 65), first_timestamp=None, last_timestamp=None)
    assert seen(watch(Look(1, pod()), Look(66, timeless))).events == ()


def test_images_that_were_there_before_a_pod_are_remembered_with_it() -> None:
    there = node(images=["docker.io/library/busybox:latest", "reg.example/old:1"])
    containers = [container("a", image="busybox"), container("b", image="reg.example/new:1", gpus=0)]
    bound = pod(true("PodScheduled", 2), node="n1", containers=containers)

    def holds(*looks: Look) -> tuple[str, ...]:
        here = seen(watch(*looks)).node
        assert here is not None
        return here.holds

    assert holds(Look(1, there), Look(3, bound)) == ("busybox",)
    assert holds(Look(1, there), Look(33, bound)) == ()  # it may have pulled it by then
    assert holds(Look(3, bound), Look(4, there)) == ()


def test_events_are_kept_by_who_said_what_of_which_container() -> None:
    found = watch(
        Look(1, pod()),
        Look(66, event("Pulled", PULLED, 65, of="server")),
        Look(80, event("Pulled", f'Container image "{IMAGE}" already present on machine', 80, of="server")),
        Look(70, event("Started", "Started container server", 70, of="server", last=80, count=2)),
        Look(5, event("FailedScheduling", "Failed to schedule pod, no instance type", 5, by="karpenter")),
        Look(6, event("FailedScheduling", "0/12 nodes are available", 3, by="default-scheduler")),
    )
    assert [(one.component, one.reason, one.first, one.last, one.count) for one in seen(found).events] == [
        ("default-scheduler", "FailedScheduling", at(3), at(3), 1),
        ("karpenter", "FailedScheduling", at(5), at(5), 1),
        ("kubelet", "Pulled", at(65), at(80), 1),
        ("kubelet", "Started", at(70), at(80), 2),
    ]
    assert seen(found).events[2].message == PULLED


def test_a_combined_event_belongs_to_no_container() -> None:
    said = event("Failed", "(combined from similar events): Error: ErrImagePull", 60, of="server")
    (kept,) = seen(watch(Look(1, pod()), Look(61, said))).events
    assert (kept.container, kept.message) == ("", "(combined from similar events): Error: ErrImagePull")


def test_only_the_first_events_are_kept_and_their_texts_are_cut() -> None:
    many = [Look(1, event(f"Reason{n:02}", "x" * 600, n)) for n in range(FIRST_EVENT_LIMIT + 6)]
    random.Random(7).shuffle(many)
    kept = seen(watch(Look(1, pod()), *many)).events
    assert [one.reason for one in kept] == [f"Reason{n:02}" for n in range(FIRST_EVENT_LIMIT)]
    assert {len(one.message) for one in kept} == {512}


def test_victims_are_counted_once_each() -> None:
    def victim(name: str) -> Look:
        said = event("Preempted", f"Preempted by pod {UID} on node n1", 3, by="default-scheduler", name=name, uid=name)
        return Look(4, said)

    for looks in ([Look(1, pod()), victim("a"), victim("b"), victim("a")], [victim("b"), victim("a"), Look(1, pod())]):
        trace = seen(watch(*looks))
        assert (trace.victims, trace.victim_pods) == (2, ("serving/a", "serving/b"))


def test_events_wait_five_minutes_for_their_pod() -> None:
    early = Look(4, event("Pulled", PULLED, 3, of="server"))
    found = watch(early)
    assert found.traces == {}
    assert isinstance(found.early[UID], Early)
    assert [one.reason for one in seen(watch(Look(5, pod()), known=found)).events] == ["Pulled"]
    assert watch(Look(5, pod()), known=found).early == {}
    assert watch(Look(305, node()), known=found).early == {}
    assert watch(Look(303, node()), known=found).early.keys() == {UID}


def test_a_trace_survives_its_json() -> None:
    found = watch(Look(1, node()), Look(1, pod()), Look(66, event("Pulled", PULLED, 65, of="server")), Look(71, READY))
    assert load(dump(seen(found))) == seen(found)
    assert load_node(dump(found.nodes["n1"])) == found.nodes["n1"]
    assert load(b'{"cluster":"c","namespace":"n","pod":"p","uid":"u","created":"2026-03-10T12:00:00Z",'
                b'"seen":"2026-03-10T12:00:00Z","later":1}').pod == "p"  # fmt: skip


def looks_of_a_cold_start() -> list[Look]:
    """A pod for which a node comes, with a failed pull, a restart and a startup probe."""
    waits = pod(false("PodScheduled", 0, "Unschedulable", "0/12 nodes are available: 12 Insufficient nvidia.com/gpu."))
    bound = (true("PodScheduled", 160), false("Ready", 161))
    up = (*bound, true("PodReadyToStartContainers", 164))
    run: dict[str, Any] = {"node": "n1", "phase": "Running"}
    died: dict[str, Any] = {"restarts": 1, "last": (240, 260, 137)}
    return [
        Look(0.5, waits),
        Look(12, event("TriggeredScaleUp", SCALED, 11, by="cluster-autoscaler")),
        Look(50, node(created=50, ready=None, gpus=0)),
        Look(95, node(created=50, ready=95, gpus=0)),
        Look(95, event("NodeReady", "Node n1 status is now: NodeReady", 95, kind="Node", name="n1")),
        Look(158.5, node(created=50, ready=95, labels={"karpenter.sh/nodepool": "h100"})),
        Look(60, claim("n1", created=12, registered=60)),
        Look(158, claim("n1", created=12, registered=60, initialized=158)),
        Look(160.5, pod(*bound, node="n1")),
        Look(165, pod(*up, node="n1", statuses=[status(waiting="ErrImagePull", message="not found")])),
        Look(165, event("Pulling", f'Pulling image "{IMAGE}"', 165, of="server")),
        Look(239, event("Pulled", PULLED, 239, of="server")),
        Look(240.5, pod(*up, **run, statuses=[status(running=240)])),
        Look(261, pod(*up, **run, statuses=[status(waiting="CrashLoopBackOff", **died)])),
        Look(271, pod(*up, **run, statuses=[status(running=270, **died)])),
        Look(300.2, pod(*up, **run, statuses=[status(running=270, started=True, **died)])),
        Look(
            310.5,
            pod(
                true("PodScheduled", 160), true("PodReadyToStartContainers", 164), true("ContainersReady", 310),
                true("Ready", 310), **run, statuses=[status(running=270, started=True, ready=True, **died)],
            ),
        ),
    ]  # fmt: skip


def settled(found: Observed) -> tuple[Trace, NodeSeen]:
    return seen(found), found.nodes["n1"]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.integers(1, 6))
def test_order_and_repetition_make_no_difference(chance: random.Random, times: int, batch: int) -> None:
    looks = looks_of_a_cold_start()
    expected = settled(watch(*looks))
    mixed = [look for look in looks for _ in range(times)]
    chance.shuffle(mixed)
    found = Observed()
    for several in batches(mixed, batch):
        for moment in sorted({look.seconds for look in several}):
            same = [look for look in several if look.seconds == moment]
            found = found.updated(change(found, *same))
    assert settled(found) == expected


def batches(looks: Sequence[Look], number: int) -> Iterable[Sequence[Look]]:
    return (looks[place : place + number] for place in range(0, len(looks), number))


def test_the_cold_start_says_what_it_should() -> None:
    """What the shuffled looks are compared with is right itself."""
    trace, here = settled(watch(*looks_of_a_cold_start()))
    assert trace.conditions == {
        "PodScheduled": at(160),
        "PodReadyToStartContainers": at(164),
        "ContainersReady": at(310),
        "Ready": at(310),
    }
    assert trace.containers == (
        ContainerSeen(
            "server",
            "main",
            IMAGE,
            started=at(240),
            started_last=at(270),
            up=at(300.2),
            up_known=True,
            ready=at(310.5),
            restarts=1,
            said="Error, exit code 137",
            has_startup_probe=True,
            has_readiness_probe=True,
        ),
    )
    assert [one.reason for one in trace.events] == ["TriggeredScaleUp", "Pulling", "Pulled"]
    assert (here.created, here.ready, here.offers) == (at(50), at(95), {"nvidia.com/gpu": at(158.5)})
    assert trace.node == msgspec.structs.replace(here, holds=())


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job"])
def test_pods_that_replace_each_other_share_an_attempt(kind: str) -> None:
    raw = msgspec.to_builtins(pod())
    raw["metadata"]["ownerReferences"] = [{"kind": kind, "name": "x", "uid": "owner-1", "controller": True}]
    raw["metadata"]["labels"] = {"batch.kubernetes.io/job-completion-index": "3"} if kind == "Job" else {}
    trace = seen(watch(Look(1, msgspec.convert(raw, Pod))))
    assert trace.attempt == ("owner-1/3" if kind == "Job" else "owner-1")


def test_a_pod_of_its_own_has_no_attempts() -> None:
    raw = msgspec.to_builtins(pod())
    raw["metadata"]["ownerReferences"] = None
    assert seen(watch(Look(1, msgspec.convert(raw, Pod)))).attempt == ""
