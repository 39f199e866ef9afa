"""What a person who may see one team only is shown: nothing of anybody else, on any page and in any file."""

import dataclasses
import re

import pandas as pd
import pytest

from pages.ui import tables as columns
from services import fleet, snapshots, workloads
from services.domain.scope import Scope, Sight
from services.ports import Sources
from tests.pages.opening import ENTRIES, table
from tests.pages.persons import LOGIN, behind, claims, downloads, everything, opened_by  # noqa: F401 - a fixture

SEARCH = Sight(namespaces=frozenset({"search-prod", "search-batch"}), teams=frozenset({"search"}))
LIMITED = dataclasses.replace(LOGIN, views={"search-team": SEARCH})
POOL = "demo-east · h100-train · H100 80GB HBM3 · nvidia.com/gpu"
_COMMON = {"", "(no team)"}


def hidden(sources: Sources) -> list[str]:
    """Names of namespaces, workloads, pods and teams that only others have."""
    everybodys: set[str] = set()
    mine: set[str] = set()
    frames = [workloads.table(sources, Scope(range=span)).value for span in ("1h", "24h")]
    for source in sources.clusters.values():
        stock = snapshots.read(sources, source).value
        assert stock is not None
        frames += [stock.pods, stock.waiting]
    for frame in frames:
        assert frame is not None
        for column in {"namespace", "workload", "pod", "team"} & set(frame.columns):
            everybodys |= set(frame[column].astype("str"))
            mine |= set(SEARCH.seen(frame)[column].astype("str"))
    return sorted(everybodys - mine - _COMMON)


def told(text: str, names: list[str]) -> list[str]:
    """Which of the names stand in the text, as words of their own."""
    anywhere = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return sorted(set(re.findall(rf"(?<![\w-])(?:{anywhere})(?![\w-])", text)))


PATHS = [
    *((path, {}) for path in ENTRIES),
    ("utilisation", {"util_group": "workload"}),
    ("utilisation", {"util_group": "namespace"}),
    ("utilisation", {"util_group": "team"}),
    ("utilisation", {"util_measure": "memory"}),
    ("workloads", {"cluster": "demo-east", "range": "7d"}),
    ("headroom", {"headroom_pool": POOL}),
    ("sharing", {"share_pool": "demo-east/h100-train"}),
]


@pytest.mark.parametrize(("path", "params"), PATHS)
def test_no_page_and_no_file_names_what_is_hidden(
    path: str,
    params: dict[str, str],
    sources: Sources,
    downloads: list[str],  # noqa: F811
) -> None:
    names = hidden(sources)
    assert {"assistants-prod", "assistants", "vision-train", "chat-70b", "ablation-study"} <= set(names)
    at = opened_by(claims("search-team"), behind(sources, LIMITED), path, **params)
    assert told(everything(at), names) == []
    assert told("\n".join(downloads), names) == []


def test_a_node_shared_with_others_shows_its_gpus_as_held_by_hidden_pods(sources: Sources) -> None:
    names = hidden(sources)
    seen = set()
    nodes = fleet.nodes(sources, Scope()).value
    assert nodes is not None
    for node in sorted(nodes["node"])[::3]:
        at = opened_by(claims("search-team"), behind(sources, LIMITED), "utilisation", util_node=node)
        assert told(everything(at), names) == []
        if any(list(element.value.columns) == list(columns.UNITS) for element in at.dataframe):
            seen |= set(table(at, columns.UNITS)["pods"])
    assert "hidden" in seen


@pytest.mark.parametrize("path", ["overview", "utilisation", "workloads"])
@pytest.mark.parametrize("asked", [{"ns": "vision-train"}, {"team": "vision"}])
def test_asking_for_a_hidden_name_shows_nothing_of_it(path: str, asked: dict[str, str], sources: Sources) -> None:
    at = opened_by(claims("search-team"), behind(sources, LIMITED), path, **asked)
    assert told(everything(at), [name for name in hidden(sources) if name not in asked.values()]) == []
    for element in at.dataframe:
        if {"workload", "namespace"} <= set(element.value.columns):
            assert element.value.empty


def test_asking_for_the_pods_of_a_hidden_workload_finds_none(sources: Sources) -> None:
    at = opened_by(claims("search-team"), behind(sources, LIMITED), "workloads", work_name="assistants-prod/chat-70b")
    said = everything(at)
    assert told(said, [name for name in hidden(sources) if name not in {"assistants-prod", "chat-70b"}]) == []
    assert "No such workload" in said


def test_totals_of_hardware_stay(sources: Sources) -> None:
    all_of_it = opened_by(claims("gpu-ops"), behind(sources, LIMITED))
    limited = opened_by(claims("search-team"), behind(sources, LIMITED))

    def pools(at: object) -> pd.DataFrame:
        return table(at, columns.POOLS)  # type: ignore[arg-type]

    pd.testing.assert_frame_equal(pools(limited), pools(all_of_it))
    tiles = {metric.label: metric.value for metric in limited.metric}
    assert tiles | {} == tiles
    assert [m.value for m in limited.metric][:1] == [m.value for m in all_of_it.metric][:1]


def test_what_one_person_sees_is_never_answered_to_another(sources: Sources) -> None:
    """The same pages in one process, one after the other: answers are kept, and not across people."""
    behind_login = behind(sources, LIMITED)
    everyone = opened_by(claims("gpu-ops"), behind_login, "workloads")
    limited = opened_by(claims("search-team"), behind_login, "workloads")
    nobodys = opened_by(claims("cleaners"), behind_login, "workloads")
    rows = [len(table(at, columns.WORKLOADS)) for at in (everyone, limited)]
    assert rows[0] > rows[1] > 0
    assert set(table(limited, columns.WORKLOADS)["team"]) == {"search"}
    assert told(everything(nobodys), [*hidden(sources), "search-prod", "search-batch", "search"]) == []


def test_findings_of_others_are_left_out(sources: Sources) -> None:
    limited = opened_by(claims("search-team"), behind(sources, LIMITED))
    found = table(limited, columns.FINDINGS)
    assert set(found["team"]) <= {"", "search"}
    assert len(found) > 0


@pytest.mark.parametrize(
    ("path", "params", "name"),
    [
        ("overview", {}, "ablation-study"),
        ("utilisation", {"util_group": "workload"}, "chat-70b"),
        ("workloads", {}, "vision-train"),
    ],
)
def test_the_same_look_finds_the_names_where_everything_is_seen(
    path: str,
    params: dict[str, str],
    name: str,
    sources: Sources,
    downloads: list[str],  # noqa: F811
) -> None:
    at = opened_by(claims("gpu-ops"), behind(sources, LIMITED), path, **params)
    assert told(everything(at), [name]) == [name]
    assert len(told("\n".join(downloads), hidden(sources))) > 5
    assert any(name in element.value.to_csv() for element in at.dataframe)
