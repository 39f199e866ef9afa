"""What stands against a change of layout."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from services.domain.objects import Generic, Meta, Pod
from services.domain.sharing import EXCLUSIVE, Layout, Mode
from services.domain.sharing.asks import Ask, asks
from services.domain.sharing.change import Change, Ground, change
from services.domain.sharing.checks import BLOCKS, WARNS, Around, Check, checks, frame, veiled
from services.domain.sharing.install import Installation, Way
from tests.factories import pod
from tests.unit.domain.sharing.test_sharing import of

GIB = 2.0**30
FOUR = Layout(Mode.TIME_SLICING, 4)
GROUND = Ground(Installation(Way.LABEL, mps=True), {"exclusive": "version: v1"}, "exclusive")
PRODUCT = "NVIDIA-H100-80GB-HBM3"


def found(
    layout: Layout = FOUR,
    *,
    pods: Sequence[Pod] = (),
    asked: Sequence[Ask] = (),
    quotas: Sequence[Generic] = (),
    elsewhere: frozenset[str] = frozenset(),
    measured: pd.DataFrame | None = None,
    drain: bool = False,
    ground: Ground = GROUND,
    node: Any = None,
) -> dict[str, Check]:
    one: Change = change(node or of(), layout, ground)
    around = Around(pods, asked, quotas, elsewhere, measured)
    return {check.about: check for check in reversed(checks([one], ground, around, drain=drain))}


def ask(units: Mapping[str, float], selector: Mapping[str, str] | None = None, **values: frozenset[str]) -> Ask:
    return Ask("ns/job", units, selector or {}, values)


def test_pods_run_on_beside_new_ones_when_gpus_are_shared() -> None:
    check = found(pods=[pod("p"), pod("q", node_name="other"), pod("done", phase="Succeeded")])["Running pods"]
    assert (check.level, check.who) == (WARNS, ("ns/p",))
    assert check.says == "New pods will be placed on the same GPUs, beside 1 pod there now."


def test_a_layout_that_needs_idle_gpus_is_blocked_by_pods_unless_they_are_drained() -> None:
    mps = Layout(Mode.MPS, 4)
    assert found(mps, pods=[pod("p"), pod("q")])["Running pods"].level == BLOCKS
    owned = [pod(name, owner=("Job", "j", "u")) for name in ("p", "q")]
    drained = found(mps, pods=owned, drain=True)["Running pods"]
    assert (drained.level, drained.says) == (WARNS, "2 pods will be evicted, within their disruption budgets.")
    daemon = found(mps, pods=[pod("p", owner=("DaemonSet", "d", "u"))], drain=True)["Running pods"]
    assert daemon.level == BLOCKS
    assert "cannot be evicted" in daemon.says


def test_a_pod_without_a_controller_is_not_evicted() -> None:
    check = found(pods=[pod("lone")], drain=True)["Running pods"]
    assert (check.level, check.who) == (BLOCKS, ("ns/lone",))
    assert check.says == "Nothing would start 1 pod again: no controller owns them."


def test_fewer_units_leave_pods_with_devices_that_are_not_offered_any_more() -> None:
    shared = of({"nvidia.com/gpu": "32"}, gpu_replicas="4")
    ground = Ground(GROUND.install, {"x": "version: v1"}, "other")
    assert (
        "more may be held than offered"
        in found(EXCLUSIVE, pods=[pod()], node=shared, ground=ground)["Running pods"].says
    )


def test_who_asks_for_a_name_that_goes_away_blocks_unless_others_offer_it() -> None:
    renamed = of({"nvidia.com/gpu.shared": "32"}, gpu_replicas="4")
    ground = Ground(GROUND.install, {"x": "version: v1"}, "other")
    asked = [ask({"nvidia.com/gpu.shared": 1.0})]
    blocked = found(EXCLUSIVE, asked=asked, node=renamed, ground=ground)["Resource name"]
    assert (blocked.level, blocked.who) == (BLOCKS, ("ns/job",))
    assert blocked.says.startswith("nvidia.com/gpu.shared goes away here, and 1 workload asks for it; no other node")
    elsewhere = frozenset({"nvidia.com/gpu.shared"})
    assert (
        found(EXCLUSIVE, asked=asked, node=renamed, ground=ground, elsewhere=elsewhere)["Resource name"].level == WARNS
    )
    assert "Resource name" not in found(EXCLUSIVE, node=renamed, ground=ground)


def test_requests_for_two_shared_units_are_refused_by_the_kubelet() -> None:
    bound = ask({"nvidia.com/gpu": 2.0}, {"nvidia.com/gpu.product": PRODUCT})
    loose, away = ask({"nvidia.com/gpu": 8.0}), ask({"nvidia.com/gpu": 8.0}, {"nvidia.com/gpu.product": "T4"})
    assert found(asked=[bound])["Requests above one"].level == BLOCKS
    assert found(asked=[loose])["Requests above one"].level == WARNS
    assert "Requests above one" not in found(asked=[away, ask({"nvidia.com/gpu": 1.0})])


def measured(used_gib: float, holders: int = 1) -> pd.DataFrame:
    return pd.DataFrame({"node": ["n1"], "memory_used": [used_gib * GIB], "holders": [holders], "pods": ["ns/p, ns/q"]})


def test_memory_in_use_is_held_against_the_share() -> None:
    """A quarter of 79.6 GiB is 19.9 GiB."""
    check = found(measured=measured(30.0))["Memory"]
    assert check.says == "On 1 of 1 units a pod uses up to 30 GiB; a share is 20 GiB and nothing enforces it."
    assert check.who == ("ns/p", "ns/q")
    assert "Memory" not in found(measured=measured(19.0))
    assert "Memory" not in found(measured=measured(38.0, holders=2)), "two pods share what is used"
    assert "that is a limit" in found(Layout(Mode.MPS, 4), measured=measured(30.0))["Memory"].says


@pytest.mark.parametrize("rows", [None, measured(1.0).assign(memory_used=float("nan")), measured(1.0).assign(node="x")])
def test_unknown_memory_is_said_to_be_unknown(rows: pd.DataFrame | None) -> None:
    assert "unknown" in found(measured=rows)["Memory"].says


def test_quotas_that_do_not_know_the_new_name_limit_nothing() -> None:
    renamed = (
        "version: v1\nsharing:\n  timeSlicing:\n    renameByDefault: true\n    resources: [{name: gpu, replicas: 4}]\n"
    )
    ground = Ground(GROUND.install, {"r": renamed}, "exclusive")
    node = of({"nvidia.com/gpu.shared": "16"}, gpu_replicas="2")
    back = found(
        EXCLUSIVE, node=node, ground=ground, quotas=[quota("a", "requests.nvidia.com/gpu.shared"), quota("b", "cpu")]
    )
    assert back["Quotas"].who == ("a",)
    assert (
        back["Quotas"].says
        == "1 namespace limits GPUs by quota but not nvidia.com/gpu: of it they could take any number."
    )
    assert "Quotas" not in found(quotas=[quota("a", "requests.nvidia.com/gpu")])


def quota(space: str, key: str) -> Generic:
    return Generic(metadata=Meta(name="gpu", namespace=space), spec={"hard": {key: "4"}})


def test_selectors_on_the_product_stop_matching() -> None:
    by_label = ask({"nvidia.com/gpu": 1.0}, {"nvidia.com/gpu.product": PRODUCT})
    by_rule = ask({"nvidia.com/gpu": 1.0}, **{"nvidia.com/gpu.product": frozenset({PRODUCT, "other"})})
    check = found(asked=[by_label, by_rule])["Node selectors"]
    assert (check.level, len(check.who)) == (WARNS, 2)
    assert f"which becomes {PRODUCT}-SHARED" in check.says
    assert "Node selectors" not in found(asked=[ask({"nvidia.com/gpu": 1.0}, {"gpu": "h100"})])


def test_new_nodes_of_an_autoscaled_pool_come_without_the_label() -> None:
    assert found()["Autoscaled pool"].says == "New nodes of h100 come without this label, with the default layout."


def test_mps_without_its_daemon_is_warned_of() -> None:
    ground = Ground(Installation(Way.LABEL), {"exclusive": "version: v1"}, "exclusive")
    assert "No MPS control daemon" in found(Layout(Mode.MPS, 4), ground=ground)["MPS"].says


def test_what_blocks_comes_first_and_the_table_says_who() -> None:
    one = change(of(), Layout(Mode.MPS, 4), GROUND)
    table = frame(checks([one], GROUND, Around([pod("p"), pod("q")], [], []), drain=False))
    assert table["level"].iat[0] == BLOCKS
    assert table["who"].iat[0] == "ns/p, ns/q"
    assert table["level"].tolist() == sorted(table["level"].tolist())


def test_names_a_person_may_not_see_are_counted() -> None:
    check = Check(WARNS, "a", "b", "c", ("mine/p", "theirs/p", "theirs/q"))
    assert veiled(check, {"mine"}).who == ("mine/p", "2 you may not see")
    assert veiled(check, None) is check


def test_a_workload_asks_by_its_template_and_without_one_by_its_pods() -> None:
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [
            {"key": "gpu", "operator": "In", "values": ["h100", "a100"]}, {"key": "x", "operator": "Exists"},
        ]}
    ]}}}  # fmt: skip
    spec = {
        "containers": [{"resources": {"limits": {"nvidia.com/gpu": 2}}}],
        "affinity": affinity,
        "nodeSelector": {"zone": "a"},
    }
    deployment = Generic(metadata=Meta(name="web", namespace="ns"), spec={"template": {"spec": spec}})
    cpu_only = Generic(metadata=Meta(name="cpu", namespace="ns"), spec={"template": {"spec": {"containers": [{}]}}})
    odd = Generic(metadata=Meta(name="odd", namespace="ns"), spec={"template": {"spec": {"containers": 3}}})
    pods = [
        pod("web-1", owner=("Deployment", "web", "u")),
        pod("lone", units={"nvidia.com/gpu": 3}),
        pod("x", phase="Failed"),
    ]
    web, lone = sorted(asks({"Deployment": [deployment, cpu_only, odd]}, pods), key=lambda one: one.name, reverse=True)
    assert (web.name, web.units, web.of("gpu"), web.of("zone")) == (
        "ns/web", {"nvidia.com/gpu": 2}, {"h100", "a100"}, {"a"},
    )  # fmt: skip
    assert (lone.name, lone.units, lone.chooses) == ("ns/lone", {"nvidia.com/gpu": 3}, False)
