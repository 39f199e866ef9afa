import pandas as pd
import pytest

from services.domain.scope import EVERYTHING, Scope, Sight
from services.domain.veil import named, veiled

PODS = pd.DataFrame(
    [
        ("ml", "train-0", "train", "research"),
        ("ml", "train-1", "train", "research"),
        ("web", "chat-0", "chat", "product"),
        ("web", "rank-0", "rank", "search"),
    ],
    columns=["namespace", "pod", "workload", "team"],
)
UNITS = pd.DataFrame(
    [
        ("u0", "ml/train-0", "ml", "train", "research", 1.0),
        ("u1", "ml/train-1, web/chat-0", "ml and 1 more", "train and 1 more", "research and 1 more", 1.0),
        ("u2", "web/chat-0, web/rank-0", "web", "chat and 1 more", "product and 1 more", 0.5),
        ("u3", "", "", "", "", 0.0),
        ("u4", "web/gone-0", "web", "gone", "product", 1.0),
    ],
    columns=["gpu", "pods", "namespace", "workload", "team", "held"],
)
NAMES = ["pods", "namespace", "workload", "team"]


def rows(sees: Sight) -> list[tuple[object, ...]]:
    return list(veiled(UNITS, sees, PODS)[NAMES].itertuples(index=False, name=None))


def test_whoever_sees_everything_sees_the_same_frame() -> None:
    assert veiled(UNITS, EVERYTHING, PODS) is UNITS


def test_names_of_other_namespaces_are_left_out_and_figures_stay() -> None:
    assert rows(Sight(namespaces=frozenset({"ml"}))) == [
        ("ml/train-0", "ml", "train", "research"),
        ("ml/train-1, hidden", "ml", "train", "research"),
        ("hidden", "", "", ""),
        ("", "", "", ""),
        ("hidden", "", "", ""),
    ]
    assert veiled(UNITS, Sight(frozenset()), PODS)["held"].tolist() == [1.0, 1.0, 0.5, 0.0, 1.0]


def test_a_team_opens_its_pods_in_any_namespace() -> None:
    assert rows(Sight(teams=frozenset({"search"}))) == [
        ("hidden", "", "", ""),
        ("hidden", "", "", ""),
        ("web/rank-0, hidden", "web", "rank", "search"),
        ("", "", "", ""),
        ("hidden", "", "", ""),
    ]


def test_somebody_who_sees_nothing_is_told_no_name() -> None:
    text = veiled(UNITS, Sight(frozenset(), frozenset()), PODS).to_csv()
    assert not any(name in text for name in ("train", "chat", "rank", "gone", "research", "product", "search"))


def test_the_frame_given_is_never_changed() -> None:
    before = UNITS.copy()
    veiled(UNITS, Sight(frozenset({"ml"})), PODS)
    pd.testing.assert_frame_equal(UNITS, before)


def test_what_is_said_of_holders_leaves_out_units_without_a_name() -> None:
    sees = Sight(namespaces=frozenset({"ml"}))
    assert named(veiled(UNITS, sees, PODS), sees)["gpu"].tolist() == ["u0", "u1"]
    assert named(UNITS, EVERYTHING) is UNITS


@pytest.mark.parametrize(
    ("sees", "pods"),
    [
        (EVERYTHING, ["train-0", "train-1", "chat-0", "rank-0"]),
        (Sight(namespaces=frozenset({"ml"})), ["train-0", "train-1"]),
        (Sight(teams=frozenset({"product"})), ["chat-0"]),
        (Sight(frozenset({"ml"}), frozenset({"search"})), ["train-0", "train-1", "rank-0"]),
        (Sight(frozenset(), frozenset()), []),
    ],
)
def test_a_scope_keeps_what_is_seen(sees: Sight, pods: list[str]) -> None:
    assert Scope(sees=sees).keep(PODS)["pod"].tolist() == pods


def test_asking_for_a_hidden_namespace_gives_nothing() -> None:
    assert Scope(namespace="web", sees=Sight(namespaces=frozenset({"ml"}))).keep(PODS).empty


def test_hardware_is_seen_by_all() -> None:
    nodes = pd.DataFrame({"node": ["a", "b"], "pool": ["p", "q"]})
    hidden = Scope(pool="p", namespace="web", sees=Sight(frozenset()))
    assert hidden.keep(nodes)["node"].tolist() == ["a"]
    assert hidden.hardware == Scope(pool="p")
