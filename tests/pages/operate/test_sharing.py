"""The Sharing page over the estate of tests/sharing_estate.py, worked out by hand there."""

from pages.operate import _sharing_change as changing
from pages.operate import _sharing_tables as overview
from tests import sharing_estate as estate
from tests.pages.opening import has_table, opened, table, tiles, words
from tests.sharing_estate import PLUGIN


def test_the_tiles_tell_how_the_gpus_are_divided() -> None:
    at = opened(estate.sources(), "sharing")
    assert tiles(at)["Exclusive"] == ("4 GPUs", "one pod holds a whole GPU")
    assert tiles(at)["Time-slicing and MPS"] == ("0 GPUs", "no GPU is shared")
    assert tiles(at)["Sharing would free"][0] == "1.5 GPUs"


def test_pools_are_listed_with_their_layout() -> None:
    pools = table(opened(estate.sources(), "sharing"), overview.POOLS)
    assert pools[["pool", "layout", "units", "equivalents"]].to_numpy().tolist() == [
        ["a100", "Exclusive", 2, 2],
        ["t4", "Exclusive", 2, 2],
    ]
    assert pools["memory_share"].tolist() == [80, 16]


def test_where_sharing_would_help_a_button_says_so() -> None:
    at = opened(estate.sources(), "sharing")
    assert "2 small pods hold whole GPUs in pool t4" in words(at).replace("\\", "")
    assert at.button(key="share_fix_0").label.replace("\\", "") == "Share 2 nodes × 4"


def test_a_pool_and_a_layout_in_the_link_show_what_would_come_of_it() -> None:
    at = opened(estate.sources(), "sharing", share_pool="lab/t4", share_layout="time-slicing-4")
    assert table(at, overview.NODES)["node"].tolist() == ["t1", "t2"]
    assert table(at, changing.PREVIEW)["units_after"].tolist() == [4, 4]
    text = words(at)
    assert "**2 → 8 units**, worth 2 → 2 GPU equivalents; memory per unit 16.0 GiB → 4.0 GiB." in text
    assert "Time-slicing gives no memory limit and no fault isolation." in text
    assert table(at, changing.CHECKS)["about"].tolist() == ["Running pods", "Requests above one"]
    assert at.button(key="share_apply").label == "Set Time-slicing × 4 on 2 nodes"


def test_what_blocks_is_said_in_red_and_disables_the_button() -> None:
    at = opened(estate.sources(), "sharing", share_pool="lab/a100", share_layout="mig:all-1g.10gb")
    assert "1 pod holds GPUs here" in at.error[0].value
    assert at.button(key="share_apply").disabled


def test_what_is_so_already_has_no_button_to_press() -> None:
    at = opened(estate.sources(), "sharing", share_pool="lab/t4", share_layout="exclusive")
    assert at.button(key="share_apply").disabled


def test_layouts_that_are_not_possible_say_why() -> None:
    at = opened(estate.sources(), "sharing", share_pool="lab/a100", share_layout="mps-4")
    text = words(at).replace("\\", "")
    assert "MPS is not possible with the MIG strategy mixed" in text
    assert "These nodes cannot have that layout" in text
    assert not has_table(at, changing.PREVIEW)


def test_a_cluster_without_the_plugin_gives_the_reason() -> None:
    memory = estate.cluster()
    memory.objects.pop(PLUGIN)
    at = opened(estate.sources(memory), "sharing", share_pool="lab/t4")
    assert "No NVIDIA device plugin was found" in words(at)


def test_a_pool_nobody_knows_is_said_to_be_unknown() -> None:
    assert "This pool is not known here" in words(opened(estate.sources(), "sharing", share_pool="lab/ghost"))
