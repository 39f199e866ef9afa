"""The device plugin's documents: read leniently, judged strictly."""

import pytest

from services.domain.sharing import EXCLUSIVE, Layout, Mode
from services.domain.sharing import config as sharing_config

TS4 = """
version: v1
flags: {migStrategy: none}
sharing:
  timeSlicing:
    renameByDefault: true
    failRequestsGreaterThanOne: true
    resources:
    - {name: gpu, replicas: 4}
    - {name: nvidia.com/mig-1g.10gb, replicas: 2}
"""


TWO = "replicas of nvidia.com/gpu must be a whole number of at least 2"
IGNORED = "rename of nvidia.com/gpu is ignored by the plugin"
MIXED = "MPS is not possible with the MIG strategy mixed"


def shared(word: str, resources: str, more: str = "") -> str:
    return f"version: v1\n{more}sharing:\n  {word}:\n    resources: {resources}\n"


def test_a_document_is_read_for_whole_gpus_and_remembers_the_rest() -> None:
    found = sharing_config.read(TS4)
    assert found.layout == Layout(Mode.TIME_SLICING, 4)
    assert (found.renamed, found.single, found.strategy) == (True, True, "none")
    assert found.by_resource == (("nvidia.com/gpu", 4), ("nvidia.com/mig-1g.10gb", 2))


@pytest.mark.parametrize("text", ["", "version: v1", "- a", "a: [", "sharing: {timeSlicng: {resources: []}}"])
def test_what_asks_for_nothing_asks_for_exclusive_gpus(text: str) -> None:
    assert sharing_config.read(text).layout == EXCLUSIVE


def test_mps_refuses_two_units_unless_told_otherwise() -> None:
    text = shared("mps", "[{name: nvidia.com/gpu, replicas: 8}]")
    assert sharing_config.read(text).layout == Layout(Mode.MPS, 8)
    assert sharing_config.read(text).single
    allowed = text.replace("resources", "failRequestsGreaterThanOne: false\n    resources")
    assert not sharing_config.read(allowed).single


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "it is no YAML"),
        ("- a", "it is no mapping"),
        ("version: v2", "version v2 is not v1"),
        ("sharing: {mig: {strategy: mixed}}", "sharing.mig is unknown and silently ignored"),
        ("sharng: {}", "sharng is unknown and silently ignored"),
        ("flags: {plugin: {deviceStrategy: x}}", "flags.plugin.deviceStrategy is unknown and silently ignored"),
        ("flags: {migStrategy: both}", "flags.migStrategy both is none of none, single, mixed"),
        ("sharing: {timeSlicing: {}}", "sharing.timeSlicing names no resources"),
        (shared("timeSlicing", "[{name: gpu, replicas: 1}]"), TWO),
        (shared("timeSlicing", "[{name: gpu, replicas: two}]"), TWO),
        (shared("timeSlicing", "[{name: amd.com/gpu, replicas: 2}]"), "amd.com/gpu is no resource the plugin shares"),
        (shared("timeSlicing", "[{name: gpu, replicas: 2, rename: x}]"), IGNORED),
        (shared("mps", "[{name: mig-1g.10gb, replicas: 2}]"), "MPS shares whole GPUs only, not nvidia.com/mig-1g.10gb"),
        (shared("mps", "[{name: gpu, replicas: 2}]", "flags: {migStrategy: mixed}\n"), MIXED),
    ],
)  # fmt: skip
def test_every_fault_is_said(text: str, fault: str) -> None:
    assert sharing_config.problems(text) == [fault]


def test_time_slicing_and_mps_together_are_refused() -> None:
    both = (
        "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}, mps: {resources: [{name: gpu, replicas: 2}]}}"
    )
    assert sharing_config.problems(both) == ["timeSlicing and mps exclude each other"]


def test_mps_makes_48_units_of_a_new_gpu_and_16_of_an_old_one() -> None:
    text = shared("mps", "[{name: gpu, replicas: 48}]")
    assert sharing_config.problems(text, compute=(7, 5)) == []
    said = "MPS makes at most 16 units of this GPU, not 48"
    assert sharing_config.problems(text, compute=(7, 0)) == [said]
    assert sharing_config.problems(text) == [said], "unknown is judged by the smaller limit"
    over = shared("mps", "[{name: gpu, replicas: 49}]")
    assert sharing_config.problems(over, compute=(9, 0)) == ["MPS makes at most 48 units of this GPU, not 49"]


def test_the_strategy_in_force_overrides_the_documents() -> None:
    text = shared("mps", "[{name: gpu, replicas: 2}]")
    assert sharing_config.problems(text, strategy="mixed") == ["MPS is not possible with the MIG strategy mixed"]


def test_a_document_written_anew_keeps_the_flags_and_changes_only_sharing() -> None:
    text = sharing_config.written(Layout(Mode.MPS, 8), TS4)
    found = sharing_config.read(text)
    assert (found.layout, found.renamed, found.single, found.strategy) == (Layout(Mode.MPS, 8), False, True, "none")
    assert found.by_resource == (("nvidia.com/gpu", 8),)
    assert sharing_config.problems(text) == []
    assert sharing_config.written(EXCLUSIVE, TS4) == "version: v1\nflags:\n  migStrategy: none\n"


@pytest.mark.parametrize(
    ("label", "default", "keys", "fallback", "key"),
    [
        ("ts4", "exclusive", ["exclusive", "ts4"], "empty", "ts4"),
        ("gone", "exclusive", ["exclusive"], "empty", "gone"),
        ("", "exclusive", ["exclusive"], "empty", "exclusive"),
        ("", "", ["default", "ts4"], "named,single", "default"),
        ("", "", ["ts4"], "named,single", "ts4"),
        ("", "", ["a", "b"], "named,single", ""),
        ("", "", ["default"], "empty", ""),
    ],
)
def test_which_document_a_node_uses(label: str, default: str, keys: list[str], fallback: str, key: str) -> None:
    assert sharing_config.effective_key(label, default, keys, fallback=fallback) == key


def test_a_key_is_chosen_only_for_exactly_the_layout_and_without_fault() -> None:
    plain = shared("timeSlicing", "[{name: gpu, replicas: 4}]")
    wrong = plain + "sharng: {}\n"
    careful = plain.replace("resources", "failRequestsGreaterThanOne: true\n    resources")
    four = Layout(Mode.TIME_SLICING, 4)
    assert sharing_config.key_for(four, {"a": wrong, "b": plain, "c": careful}) == "c"
    assert sharing_config.key_for(four, {"b": plain, "c": careful}, prefer="b") == "b"
    assert sharing_config.key_for(four, {"a": wrong, "renamed": TS4}) == ""
    assert sharing_config.key_for(EXCLUSIVE, {"b": plain, "x": "version: v1"}) == "x"


def test_a_new_key_never_takes_an_old_ones_place() -> None:
    four = Layout(Mode.TIME_SLICING, 4)
    assert sharing_config.new_key(four, ["ts4"]) == "time-slicing-4"
    assert sharing_config.new_key(four, ["time-slicing-4", "time-slicing-4-v2"]) == "time-slicing-4-v3"
