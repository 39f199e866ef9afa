import pytest
import streamlit as st

from pages.ui import filters
from services.domain.scope import Scope


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    state: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", state)
    return state


@pytest.mark.parametrize(
    ("scope", "more", "params"),
    [
        (Scope(), {}, {}),
        (Scope(range=filters.DEFAULT_RANGE), {}, {}),
        (Scope(range="7d", namespace="web"), {}, {"range": "7d", "ns": "web"}),
        (
            Scope(cluster="east", pool="h100", model="H100", team="ml"),
            {"util_node": "n1"},
            {"cluster": "east", "pool": "h100", "model": "H100", "team": "ml", "util_node": "n1"},
        ),
        (Scope(cluster="east"), {"cluster": "west"}, {"cluster": "west"}),
    ],
)
def test_a_link_carries_the_scope_and_its_own_values_win(
    session: dict[str, object], scope: Scope, more: dict[str, str], params: dict[str, str]
) -> None:
    assert filters.params(scope, **more) == params


@pytest.mark.parametrize(("live", "params"), [(True, {}), (False, {"live": "false"}), (None, {})])
def test_a_link_carries_that_refreshing_is_off(
    session: dict[str, object], live: bool | None, params: dict[str, str]
) -> None:
    if live is not None:
        session["live"] = live
    assert filters.params(Scope()) == params


def test_every_part_of_a_scope_stands_in_the_url_under_a_name_of_its_own() -> None:
    from dataclasses import fields

    assert set(filters.KEYS) == {field.name for field in fields(Scope)} - {"sees"}
    assert len(set(filters.KEYS.values())) == len(filters.KEYS)
