"""What stands on the Cost page over costs worked out by hand in tests/costing.py."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from services.domain.scope import Sight
from services.ports import Sources
from tests import costing, tiny
from tests.conftest import NOW
from tests.costing import CHAT, SPOT, TRAIN, Book, cost
from tests.pages.opening import figures, opened, rerun, table, tiles, words
from tests.pages.persons import LOGIN, behind, claims, everything, opened_by
from tests.pages.test_hostile import EVIL, SIGNS, interpreted

ROWS = (
    cost("2026-06-01", 24, 100, who=CHAT, measured=80, used=60, listed=120),
    cost("2026-06-01", 8, 20, listed=30),
    cost("2026-06-02", 24, 100, who=TRAIN, at=SPOT, measured=100, used=10, listed=250),
    cost("2026-06-02", 5, None, who=TRAIN, at=SPOT),
    cost("2026-05-01", 24, 80, who=CHAT, measured=80, used=60, listed=120),
    cost("2026-05-02", 24, 80, who=CHAT),
)
"""June: 220 dollars, of which chat held 100 (20 of 80 measured idle), train 100 on spot (90 idle), 20 were free."""


@pytest.fixture
def sources() -> Sources:
    return replace(tiny.sources(), work=Book(days=costing.days(*ROWS)))


def test_the_tiles_say_what_was_worked_out(sources: Sources) -> None:
    found = tiles(opened(sources, "cost"))
    assert found["Month to date"] == ("$220", "61 GPU-hours")
    # free 20 + held idle 20 + 90 = 130 of 220
    assert found["Idle money"] == ("59 %", "$130")
    # whole days 1 and 2 June, 220, against 1 and 2 May, 160
    assert found["Change"] == ("+37.5 %", "+$60, 2 whole days")
    # list 250 − 100 of 24 spot hours; five more have no list price
    assert found["Spot saved"] == ("$150", "48 % of GPU-hours")


def test_the_answer_is_two_sentences(sources: Sources) -> None:
    said = words(opened(sources, "cost")).replace("\\", "")
    assert "**Most of it goes to** research 45 %, product 45 %; 9 % held by nobody." in said
    assert "**Against 2026-05-01 to 2026-05-02:** +$60, mostly volume (+$27); moved most: train +$100." in said


def test_the_charts_hold_the_figures(sources: Sources) -> None:
    daily, change = figures(opened(sources, "cost"))
    assert [trace["name"] for trace in daily["data"]] == [
        "Used", "Held, not measured", "Held idle", "Free", "Expected a day",
    ]  # fmt: skip
    assert change["data"][0]["text"] == ["$160", "+$27", "+$20", "+$13", "$220"]


def test_by_team_nobodys_money_has_rows_of_its_own(sources: Sources) -> None:
    rows = shown(opened(sources, "cost"), "held_usd").set_index("name")
    assert rows["cost_usd"].to_dict() == {"research": 100, "product": 100, "Free": 20}
    assert rows.loc["product", "used_usd"] == 60
    assert pd.isna(rows.loc["Free", "used_usd"])


def test_the_link_leads_the_way_down(sources: Sources) -> None:
    at = opened(sources, "cost", cost_in="team:product", cost_by="namespace")
    assert tiles(at)["Month to date"][0] == "$100"
    assert shown(at, "held_usd")["name"].tolist() == ["web"]
    at.button(key="cost_up").click()
    at = rerun(at, sources)
    assert tiles(at)["Month to date"][0] == "$220"
    assert at.segmented_control(key="cost_by_choice").value == "team"


def test_a_shared_link_is_of_days_and_of_a_rate_card(sources: Sources) -> None:
    at = opened(sources, "cost")
    (link,) = [code.value for code in at.code if "cost_window" in code.value]
    asked = dict(parse_qsl(link.partition("?")[2]))
    assert asked == {
        "cost_window": "From–to", "cost_from": "2026-06-01", "cost_to": "2026-06-03", "cost_card": "1",
    }  # fmt: skip


def test_a_frozen_rate_card_stays_what_was_sent(sources: Sources) -> None:
    """A newer card made chat twice as dear; the link that was sent before still says 220."""
    dearer = cost("2026-06-01", 24, 200, who=CHAT, card=2), cost("2026-06-01", 8, 20, card=2)
    book = Book(days=costing.days(*ROWS, *dearer), version=2)
    newer = replace(tiny.sources(), work=book)
    assert tiles(opened(newer, "cost"))["Month to date"][0] == "$320"
    st.cache_data.clear()
    assert tiles(opened(newer, "cost", cost_card="1"))["Month to date"][0] == "$220"


def test_what_has_no_price_is_listed_and_in_no_total(sources: Sources) -> None:
    rows = table(opened(sources, "cost"), ["instance_type", "gpu_hours", "capacity_type", "cluster"])
    assert rows[["instance_type", "gpu_hours"]].to_numpy().tolist() == [["g6.xlarge", 5.0]]


def test_who_sees_one_team_sees_its_held_money_and_no_fleet(sources: Sources) -> None:
    views = {"web": Sight(namespaces=frozenset({"web"}))}
    login = replace(LOGIN, views=views)
    at = opened_by(claims("web"), behind(sources, login), "cost")
    assert tiles(at)["Month to date"][0] == "$100"
    told = everything(at)
    assert "research" not in told
    assert "train" not in told
    assert shown(at, "held_usd")["name"].tolist() == ["product"]


def test_spend_by_key_needs_a_right_of_its_own() -> None:
    row = {
        "source": "gateway", "hour": pd.Timestamp("2026-06-01T10:00Z"), "model_group": "chat", "model": "gpt-4o",
        "provider": "openai", "team": "product", "key_alias": "adas-key", "requests": 1.0, "prompt_tokens": 10.0,
        "micro": 5_000_000,
    }  # fmt: skip
    known = replace(tiny.sources(), work=Book(days=costing.days(*ROWS), llm=costing.llm(row)))
    viewer = opened_by(claims("nobodys"), behind(known), "cost", cost_llm="key")
    assert "adas-key" not in everything(viewer)
    st.cache_data.clear()
    admin = opened_by(claims("gpu-admins"), behind(known), "cost", cost_llm="key")
    assert shown(admin, "spend_usd")["name"].tolist() == ["adas-key"]


def test_an_empty_record_says_so_and_shows_no_zero() -> None:
    at = opened(replace(tiny.sources(), work=Book(days=costing.days(), since=None)), "cost")
    assert "No cost is recorded yet" in words(at)
    assert tiles(at) == {}


def test_the_past_that_is_being_filled_in_is_said() -> None:
    book = Book(days=costing.days(*ROWS), mark={"of": 4, "done": 1})
    assert "The past is being filled in: tiny 25 %" in words(opened(replace(tiny.sources(), work=book), "cost"))


def test_a_record_that_began_later_is_not_compared() -> None:
    book = Book(days=costing.days(*ROWS), since=datetime(2026, 6, 1, tzinfo=UTC))
    at = opened(replace(tiny.sources(), work=book), "cost")
    assert tiles(at)["Change"] == ("—", "nothing before yet")
    assert "**No comparison yet:**" in words(at)


def test_a_failing_record_leaves_the_last_figures_with_their_age(sources: Sources) -> None:
    opened(sources, "cost")
    later = replace(sources, now=lambda: NOW + timedelta(minutes=10))
    assert isinstance(sources.work, Book)
    sources.work.broken = True
    st.cache_data.clear()
    at = opened(later, "cost")
    assert "The record cannot be read" in words(at)
    assert tiles(at)["Month to date"][0] == "$220"


def test_names_from_outside_are_shown_as_they_are() -> None:
    evil = (EVIL, EVIL, "Deployment", EVIL, EVIL, "{}")
    place = ("tiny", EVIL, EVIL, EVIL, "spot", EVIL, EVIL)
    rows = [cost("2026-06-01", 24, 100, who=evil, at=place), cost("2026-06-01", 2, None, who=evil, at=place)]
    book = Book(days=costing.days(*rows), owners=costing.owners(evil), places=costing.places(place))
    at = opened(replace(tiny.sources(), work=book), "cost", cost_in=f"team:{quote(EVIL, safe='')}", cost_by="pool")
    assert tiles(at)["Month to date"][0] == "$100"
    for text in interpreted(at):
        assert not any(re.search(rf"(?<!\\){sign}", text) for sign in SIGNS), text


def shown(at: AppTest, column: str) -> pd.DataFrame:
    """The first table with this column."""
    return next(element.value for element in at.dataframe if column in element.value.columns)
