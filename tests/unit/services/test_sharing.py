"""How GPUs are shared, and what could be chosen instead, over the estate of tests/sharing_estate.py."""

import pandas as pd
import pytest

from services import sharing
from services.domain.scope import Scope, Sight
from services.domain.sharing import CONFIG_LABEL
from services.domain.sharing.tables import PREVIEW, SHARED_NODES, SHARED_POOLS, pool_table
from services.reading import Absence
from tests import sharing_estate as estate
from tests import tiny
from tests.sharing_estate import CLUSTER, CONFIGS, PLUGIN, node

GIB = 2.0**30


def choices(layout: str = "", *names: str, drain: bool = False, **more: object) -> sharing.Desk:
    reading = sharing.desk(estate.sources(**more), CLUSTER, names or ("t1", "t2"), layout, drain=drain)  # type: ignore[arg-type]
    assert reading.value is not None
    return reading.value


def possible(desk: sharing.Desk) -> list[str]:
    return [one.layout.key for one in desk.choices if not one.refusal]


def test_every_gpu_node_is_told_with_its_layout() -> None:
    rows = sharing.nodes(estate.sources(), Scope()).value
    assert rows is not None
    assert {name: str(kind) for name, kind in rows.dtypes.items()} == SHARED_NODES
    told = rows.set_index("node")[["layout", "units", "equivalents", "held", "offers", "state"]]
    assert told.loc["t1"].tolist() == ["Exclusive", 1, 1, 1, "1 × gpu", "ready"]
    assert told.loc["a1"].tolist() == ["Exclusive", 2, 2, 2, "2 × gpu", "ready"]
    assert rows.set_index("node")["memory_share"]["t1"] == 16 * GIB


def test_pools_add_up_and_say_where_layouts_differ() -> None:
    memory = estate.cluster()
    memory.set(node("t2"), {"metadata": {"labels": {CONFIG_LABEL: "ts2"}}})
    rows = sharing.nodes(estate.sources(memory), Scope()).value
    assert rows is not None
    assert rows.set_index("node")["state"]["t2"] == "asks for Time-slicing × 2, shows Exclusive"
    estate.controllers(memory)
    rows = sharing.nodes(estate.sources(memory), Scope(pool="t4")).value
    assert rows is not None
    pools = pool_table(rows)
    assert {name: str(kind) for name, kind in pools.dtypes.items()} == SHARED_POOLS
    (row,) = pools.to_dict("records")
    assert (row["layout"], row["nodes"], row["gpus"], row["units"], row["equivalents"], row["held"]) == (
        "Exclusive (1), Time-slicing × 2 (1)", 2, 2, 3, 2, 1.5,
    )  # fmt: skip
    assert row["memory_share"] == 8 * GIB
    assert pool_table(rows.iloc[:0]).empty


def test_what_can_be_chosen_and_what_not_is_told_with_the_reason() -> None:
    desk = choices()
    assert possible(desk) == [
        "exclusive", "time-slicing-2", "time-slicing-4", "time-slicing-8", "mps-2", "mps-4", "mps-8",
    ]  # fmt: skip
    assert desk.install.endswith(
        "each node's label chooses a document of ConfigMap nvidia-device-plugin/plugin-configs"
    )
    cut = choices("", "a1")
    assert possible(cut) == [
        "exclusive", "time-slicing-2", "time-slicing-4", "time-slicing-8", "mig:all-1g.10gb", "mig:half",
    ]  # fmt: skip
    refusals = {one.layout.key: one.refusal for one in cut.choices}
    assert refusals["mps-2"] == "MPS is not possible with the MIG strategy mixed, which is in force here."
    assert "at most 7" in refusals["mig:eight"]


def test_before_and_after_are_worked_out_for_each_node() -> None:
    desk = choices("time-slicing-4")
    assert desk.rows is not None
    assert desk.checks is not None
    assert {name: str(kind) for name, kind in desk.rows.dtypes.items()} == PREVIEW
    assert desk.rows[["units_before", "units_after", "equivalents_after", "memory_after"]].to_numpy().tolist() == [
        [1, 4, 1, 4 * GIB],
        [1, 4, 1, 4 * GIB],
    ]
    assert desk.rows["changes"].all()
    assert (desk.blocked, desk.needs_idle) == ("", False)
    assert desk.checks["about"].tolist() == ["Running pods", "Requests above one"], "2 GiB fit into 4"
    assert "1 workload asks for more than one unit and may be placed here" in desk.checks["says"].iat[1]


def test_half_a_node_cut_by_mig_is_worth_what_its_slices_are() -> None:
    desk = choices("mig:half", "a1", drain=True)
    assert desk.rows is not None
    (row,) = desk.rows.to_dict("records")
    assert row["after"] == "MIG half: 1 × gpu, 2 × mig-3g.40gb"
    assert row["equivalents_after"] == pytest.approx(1 + 6 / 7)
    assert choices("mig:half", "a1").blocked.startswith("1 pod holds GPUs here")


def test_unknown_memory_is_said() -> None:
    desk = choices("time-slicing-4", metrics=False)
    assert desk.checks is not None
    assert "Memory" in desk.checks["about"].tolist()


def test_a_person_is_not_told_names_they_may_not_see() -> None:
    sees = Sight(namespaces=frozenset({"lab"}))
    reading = sharing.desk(estate.sources(), CLUSTER, ["t1", "t2"], "time-slicing-4", drain=False, sees=sees)
    assert reading.value is not None
    assert reading.value.checks is not None
    assert reading.value.checks["who"].tolist() == ["2 you may not see", "1 you may not see"]


def test_without_a_way_to_change_it_the_reason_stands_everywhere() -> None:
    memory = estate.cluster()
    memory.objects.pop(PLUGIN)
    desk = choices(memory=memory)
    assert possible(desk) == ["exclusive"], "which it is"
    assert desk.install.startswith("No NVIDIA device plugin was found")


@pytest.mark.parametrize(("broken", "said"), [("gone", "does not exist"), ("get", "could not be read")])
def test_documents_that_cannot_be_read_stop_layouts_that_need_them(broken: str, said: str) -> None:
    memory = estate.cluster()
    if broken == "gone":
        memory.objects.pop(CONFIGS)
    else:
        memory.before = lambda verb, ref: _refuse(verb, ref)  # noqa: PLW0108
    desk = choices(memory=memory)
    refusals = {one.layout.key: one.refusal for one in desk.choices}
    assert said in refusals["time-slicing-4"]


def _refuse(verb: str, ref: object) -> None:
    from services.errors import Forbidden

    if verb == "get" and ref == CONFIGS:
        raise Forbidden("kubernetes", "You may not get it.")


def test_an_unknown_cluster_or_node_is_no_desk() -> None:
    assert sharing.desk(estate.sources(), "nowhere", ["t1"], "", drain=False).absence is Absence.NOT_CONFIGURED
    assert sharing.desk(estate.sources(), CLUSTER, ["ghost"], "", drain=False).value is None


def test_small_pods_on_whole_gpus_are_found_with_their_fix() -> None:
    """10 % busy bears four (40 %), and 4 × 2 of 16 GiB fit; eight would need 80 % of the time. 2 × 3/4 = 1.5 GPUs."""
    (found,) = sharing.findings(estate.sources(), Scope())
    assert (found.gpus, found.params["share_layout"]) == (1.5, "time-slicing-4")
    assert found.fix is not None
    assert found.fix.params == {"cluster": CLUSTER, "nodes": ["t1", "t2"], "layout": "time-slicing-4"}
    memory = estate.cluster()
    memory.objects.pop(PLUGIN)
    assert sharing.findings(estate.sources(memory), Scope()) == [], "what cannot be changed is no finding"
    assert sharing.findings(estate.sources(metrics=False), Scope()) == []


def test_an_estate_without_a_plugin_is_told_all_the_same() -> None:
    rows = sharing.nodes(tiny.sources(), Scope()).value
    assert isinstance(rows, pd.DataFrame)
    assert rows["layout"].tolist() == ["Exclusive", "Exclusive"]
