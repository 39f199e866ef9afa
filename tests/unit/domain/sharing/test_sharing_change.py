"""From one layout to another on one node: labels, documents, and what cannot be."""

from dataclasses import replace

import pytest

from services.domain.sharing import EXCLUSIVE, Layout, Mode, mig
from services.domain.sharing.change import Ground, change, division, layouts, mismatch, refusal
from services.domain.sharing.install import Installation, Way
from tests.unit.domain.sharing.test_sharing import of

TS4 = "version: v1\nsharing: {timeSlicing: {resources: [{name: gpu, replicas: 4}]}}\n"
RENAMED = TS4.replace("resources:", "renameByDefault: true, resources:")
GROUND = Ground(Installation(Way.LABEL), {"plain": "version: v1", "ts4": TS4}, "plain")
FOUR, CUT = Layout(Mode.TIME_SLICING, 4), Layout(Mode.MIG, mig="all-1g.10gb")
CONFIGS = mig.configs("mig-configs: {all-1g.10gb: [{devices: all, mig-enabled: true, mig-devices: {1g.10gb: 7}}]}")
WITH_MIG = replace(GROUND, cuts={"n1": CONFIGS}, strategy="mixed")
CAPABLE = {"mig_capable": "true", "mig_config": "all-disabled", "mig_config_state": "success"}
IS_CUT = {"mig_capable": "true", "mig_config": "all-1g.10gb", "mig_config_state": "success", "gpu_replicas": "0"}
SHARED = {"device__plugin_config": "ts4", "gpu_replicas": "4"}


def test_a_label_is_all_it_takes_where_a_document_is_there() -> None:
    one = change(of(), FOUR, GROUND)
    assert (one.labels, one.document) == ({"nvidia.com/device-plugin.config": "ts4"}, None)
    assert division(one.after) == "32 × gpu"


def test_nothing_is_to_be_done_for_what_is_so() -> None:
    assert change(of(), EXCLUSIVE, GROUND).labels == {}
    shared = of({"nvidia.com/gpu": "32"}, **SHARED)
    assert change(shared, FOUR, GROUND).labels == {}
    back = change(shared, EXCLUSIVE, GROUND)
    assert (back.labels, back.document) == ({"nvidia.com/device-plugin.config": "plain"}, None)


def test_a_missing_document_is_written_with_the_flags_the_node_has() -> None:
    ground = replace(GROUND, documents={"plain": "version: v1\nflags: {failOnInitError: true}\n"})
    one = change(of(), FOUR, ground)
    assert one.document is not None
    assert one.labels == {"nvidia.com/device-plugin.config": "time-slicing-4"}
    assert "failOnInitError: true" in one.document[1]
    assert one.single, "what we write refuses requests for two units"


def test_units_keep_the_name_they_have_on_the_node() -> None:
    ground = replace(GROUND, documents={**GROUND.documents, "renamed": RENAMED})
    assert change(of(), FOUR, ground).labels["nvidia.com/device-plugin.config"] == "ts4"
    two = replace(ground, documents={**ground.documents, "r2": RENAMED.replace("4", "2")})
    node = of({"nvidia.com/gpu.shared": "16"}, device__plugin_config="r2", gpu_replicas="2")
    one = change(node, FOUR, two)
    assert one.labels["nvidia.com/device-plugin.config"] == "renamed"
    assert one.after.capacity == {"nvidia.com/gpu.shared": 32}


def test_mig_and_back_takes_the_managers_label() -> None:
    there = change(of(**CAPABLE), CUT, WITH_MIG)
    assert there.labels == {"nvidia.com/mig.config": "all-1g.10gb"}
    assert (there.after.capacity, there.needs_idle) == ({"nvidia.com/mig-1g.10gb": 56}, True)
    assert there.until[0] == (("metadata", "labels", "nvidia.com/mig.config.state"), "is", "success")
    assert there.fails == ((("metadata", "labels", "nvidia.com/mig.config.state"), "is", "failed"),)
    cut = of({"nvidia.com/mig-1g.10gb": "56"}, **IS_CUT)
    assert change(cut, EXCLUSIVE, WITH_MIG).labels == {"nvidia.com/mig.config": "all-disabled"}
    both = change(cut, FOUR, WITH_MIG)
    assert both.labels == {"nvidia.com/mig.config": "all-disabled", "nvidia.com/device-plugin.config": "ts4"}
    assert both.after.capacity == {"nvidia.com/gpu": 32}


def test_an_old_failure_does_not_end_the_wait_for_a_new_attempt() -> None:
    failed = of(**{**CAPABLE, "mig_config_state": "failed"})
    assert change(failed, CUT, WITH_MIG).fails == ()


@pytest.mark.parametrize(
    ("labels", "layout", "ground", "why"),
    [
        (CAPABLE, CUT, WITH_MIG, ""),
        (CAPABLE, Layout(Mode.MIG, mig="odd"), WITH_MIG, "n1 has no MIG configuration odd."),
        ({}, CUT, WITH_MIG, "No MIG manager runs here, so nobody would cut the GPUs."),
        ({**CAPABLE, "mig_capable": "false"}, CUT, WITH_MIG, "H100 80GB HBM3 cannot be cut with MIG."),
        (CAPABLE, CUT, replace(WITH_MIG, mig_trouble={"n1": "Not found."}), "Not found."),
        (CAPABLE, CUT, replace(WITH_MIG, strategy="none"),
         "The MIG strategy here is none: instances would not be advertised. Set it to single or mixed first."),
        ({}, Layout(Mode.MPS, 4), GROUND, ""),
        ({}, Layout(Mode.MPS, 4), WITH_MIG, "MPS is not possible with the MIG strategy mixed, which is in force here."),
        ({}, Layout(Mode.MPS, 17), GROUND, "MPS makes at most 16 units of this GPU."),
        ({}, FOUR, replace(GROUND, trouble="Not allowed."), "Not allowed."),
        ({}, FOUR, Ground(Installation(Way.NONE, reason="No plugin.")), "No plugin."),
        (CAPABLE, CUT, replace(WITH_MIG, install=Installation(Way.NONE, reason="No plugin.")), ""),
        ({}, Layout(Mode.MPS, 4), replace(GROUND, install=Installation(Way.STATIC)),
         "One document serves all nodes here, so MPS cannot be set node by node."),
    ],
)  # fmt: skip
def test_what_cannot_be_says_why(labels: dict[str, str], layout: Layout, ground: Ground, why: str) -> None:
    assert refusal(of(**labels), layout, ground) == why


def test_a_node_without_gpus_or_in_gkes_hands_is_left_alone() -> None:
    assert refusal(of({"nvidia.com/gpu": "0"}), FOUR, GROUND).startswith("n1 advertises no GPUs.")
    assert refusal(replace(of(), ready=False), FOUR, GROUND) == "n1 is not ready. Mend it first."
    assert "Recreate the pool" in refusal(replace(of(), gke=True), EXCLUSIVE, GROUND)
    assert "dynamic resource allocation" in refusal(replace(of(), dra=True), FOUR, GROUND)


def test_what_is_offered_are_the_usual_layouts_and_those_of_documents_and_configurations() -> None:
    ground = replace(WITH_MIG, documents={"ts3": TS4.replace("4", "3")})
    assert [one.key for one in layouts(of(), ground)] == [
        "exclusive", "time-slicing-2", "time-slicing-3", "time-slicing-4", "time-slicing-8",
        "mps-2", "mps-4", "mps-8", "mig:all-1g.10gb",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, ""),
        ({"device__plugin_config": "ts4"}, "asks for Time-slicing × 4, shows Exclusive"),
        (
            {"device__plugin_config": "gone"},
            "label asks for gone, which no document answers to; the layout before stays",
        ),
        ({**CAPABLE, "mig_config_state": "failed"}, "MIG all-disabled is failed"),
        (CAPABLE, ""),
    ],
)
def test_where_labels_and_gpus_disagree_it_is_said(labels: dict[str, str], said: str) -> None:
    assert mismatch(of(**labels), GROUND) == said
