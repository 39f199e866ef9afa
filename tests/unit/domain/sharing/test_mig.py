"""MIG configurations: what they make of a node's GPUs, and what cannot be."""

import math

import pytest

from services.domain.sharing import mig

TEXT = """
version: v1
mig-configs:
  half-and-half:
  - devices: [0, 1]
    mig-enabled: false
  - devices: [2, 3]
    mig-enabled: true
    mig-devices: {"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1}
  all-1g.10gb.me:
  - devices: all
    mig-enabled: true
    mig-devices: {"1g.10gb+me": 1, "1g.10gb": 6}
  by-board:
  - {device-filter: "0x233010DE", devices: all, mig-enabled: true, mig-devices: {"7g.80gb": 1}}
  - {device-filter: "0x20B210DE", devices: all, mig-enabled: true, mig-devices: {"4g.40gb": 1}}
  broken: 7
"""
H100, A100, A30 = "H100 80GB HBM3", "A100-SXM4-80GB", "A30"


def test_a_configuration_says_what_becomes_of_each_gpu() -> None:
    configs = mig.configs(TEXT)
    assert list(configs) == ["half-and-half", "all-1g.10gb.me", "by-board"]
    mixed = {"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1}
    assert mig.cut(configs["half-and-half"], 4, H100) == (None, None, mixed, mixed)
    assert mig.cut(configs["all-1g.10gb.me"], 1, H100) == ({"1g.10gb.me": 1, "1g.10gb": 6},)


def test_a_filter_by_board_keeps_what_is_for_others_out() -> None:
    groups = mig.configs(TEXT)["by-board"]
    assert mig.cut(groups, 1, H100) == ({"7g.80gb": 1},)
    assert mig.cut(groups, 1, A100) == ({"4g.40gb": 1},)


@pytest.mark.parametrize("text", ["a: [", "version: v1", "- x", "mig-configs: 3"])
def test_what_is_no_document_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is no YAML|it has no mig-configs"):
        mig.configs(text)


def test_units_are_advertised_by_strategy() -> None:
    cuts = (None, {"1g.10gb": 2, "3g.40gb": 1}, {"1g.10gb": 7})
    assert mig.advertised(cuts, "mixed") == {
        "nvidia.com/gpu": 1, "nvidia.com/mig-1g.10gb": 9, "nvidia.com/mig-3g.40gb": 1,
    }  # fmt: skip
    assert mig.advertised(({"1g.10gb": 7}, {"1g.10gb": 7}), "single") == {"nvidia.com/gpu": 14}
    assert mig.single(({"1g.10gb": 7}, {"1g.10gb": 7})) == "1g.10gb"
    assert mig.single((None, {"1g.10gb": 7})) == "", "a GPU without instances breaks the strategy single"
    assert mig.single(cuts[1:]) == ""


def test_equivalents_are_compute_slices() -> None:
    assert mig.equivalents((None, {"1g.10gb": 2, "3g.40gb": 1}), H100) == pytest.approx(1 + 5 / 7)
    assert mig.equivalents(({"1g.6gb": 2, "2g.12gb": 1},), A30) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("one", "model", "said"),
    [
        ({"1g.10gb": 7}, H100, []),
        ({"3g.40gb": 2}, H100, []),
        ({"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1}, A100, []),
        ({"1g.6gb": 4}, A30, []),
        ({"1g.10gb": 4, "1g.20gb": 2}, H100, []),  # 6 compute, 8 memory
        ({"3g.40gb": 7}, H100, [
            "7 × 3g.40gb: one GPU holds at most 2", "7 × 3g.40gb need more slices than one GPU has",
        ]),
        ({"1g.5gb": 1}, A100, ["A100-SXM4-80GB has no profile 1g.5gb"]),
        ({"3g.40gb": 2, "1g.10gb": 1}, H100, ["2 × 3g.40gb + 1 × 1g.10gb need more slices than one GPU has"]),
        ({"1g.10gb.me": 2}, H100, ["2 × 1g.10gb.me: one GPU holds at most 1"]),
        ({"9g.9gb": 9}, "Radeon", []),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_gpu_is_said(one: dict[str, int], model: str, said: list[str]) -> None:
    assert mig.problems([one], model) == said


def test_a_profile_name_means_another_share_on_another_board() -> None:
    """1g.10gb is the smallest profile of an 80 GB board and the double-memory one of a 40 GB board."""
    at80, at40 = mig.board(A100), mig.board("A100-SXM4-40GB")
    assert at80 is not None
    assert at40 is not None
    assert (at80.profiles["1g.10gb"].memory, at80.profiles["1g.10gb"].most) == (1, 7)
    assert (at40.profiles["1g.10gb"].memory, at40.profiles["1g.10gb"].most) == (2, 4)


@pytest.mark.parametrize(
    ("model", "small"),
    [("H200", "1g.18gb"), ("GH200 144G HBM3e", "1g.18gb"), ("GH200 480GB", "1g.12gb"), ("H100 NVL", "1g.12gb"),
     ("B200", "1g.23gb"), ("GB200", "1g.23gb"), ("A30", "1g.6gb"), ("H100 PCIe", "1g.10gb")],
)  # fmt: skip
def test_boards_are_told_apart_by_model(model: str, small: str) -> None:
    board = mig.board(model)
    assert board is not None
    assert next(iter(board.profiles)) == small
    assert mig.board("Tesla T4") is None


def test_memory_is_as_listed_or_as_the_name_says() -> None:
    assert mig.memory_bytes("1g.10gb", A100) == 9856 * 1048576
    assert mig.memory_bytes("3g.71gb", "H200") == 71e9
    assert math.isnan(mig.memory_bytes("odd", "H200"))
