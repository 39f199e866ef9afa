"""One engine in one model group, worked out by hand."""

from datetime import date
from typing import Any

import pandas as pd
import pytest

from services.cost.read import joined
from services.domain.cost import tokens
from tests import costing
from tests.costing import CHAT, H100, USD, cost

GATEWAY = {"source": "gateway", "hour": pd.Timestamp("2026-06-02T10:00Z"), "model_group": "chat", "team": "product"}
API = {
    **GATEWAY, "model": "openai/gpt-4o", "provider": "openai", "key_alias": "bot", "requests": 10.0,
    "prompt_tokens": 1.5e6, "completion_tokens": 0.5e6, "micro": 10 * USD,
}  # fmt: skip
OURS = {
    **GATEWAY,
    "model": "hosted_vllm/meta/Llama-8B",
    "provider": "hosted_vllm",
    "requests": 90.0,
    "prompt_tokens": 9e6,
}
ENGINE = {
    "source": "engine", "hour": pd.Timestamp("2026-06-02T10:00Z"), "model": "meta/llama-8b", "namespace": "web",
    "workload": "chat", "prompt_tokens": 9e6, "completion_tokens": 1e6,
}  # fmt: skip


def own(*rows: dict[str, Any], usd: float | None = 100.0) -> pd.DataFrame:
    """100 dollars held on 2 June; the 500 of the day before were before any token was counted."""
    days = costing.days(cost("2026-06-01", 24, 500, who=CHAT), cost("2026-06-02", 24, usd, who=CHAT))
    costs = joined(days, costing.owners(CHAT), costing.places(H100))
    return tokens.own(costing.llm(*rows), costs, "UTC", date(2026, 6, 3))


def test_own_tokens_stand_beside_the_api_price_of_their_model_group() -> None:
    """100 dollars ÷ 10 M tokens = 10 a million; the API 10 ÷ 2 M = 5. Two days: 50 dollars a day ÷ 5 = 10 M a day."""
    row = own(API, OURS, ENGINE).iloc[0]
    assert row["groups"] == "chat"
    assert row["usd_per_million"] == pytest.approx(10)
    assert row["api_usd_per_million"] == pytest.approx(5)
    assert row["break_even_per_day"] == pytest.approx(10e6)
    assert row["tokens_per_day"] == pytest.approx(5e6)
    assert row["cheaper"] == "API"


def test_money_before_the_first_counted_token_is_not_in_its_price() -> None:
    assert own(API, OURS, ENGINE).iloc[0]["micro"] == 100 * USD


def test_several_models_bear_the_money_of_one_workload_by_their_tokens() -> None:
    lora = {**ENGINE, "model": "lora", "prompt_tokens": 30e6, "completion_tokens": 0.0}
    rows = own(ENGINE, lora).set_index("model")
    assert rows["micro"].to_dict() == {"lora": 75 * USD, "meta/llama-8b": 25 * USD}


def test_what_is_not_known_is_not_zero() -> None:
    alone = own(OURS, ENGINE).iloc[0]
    assert pd.isna(alone["api_usd_per_million"])
    assert pd.isna(alone["break_even_per_day"])
    assert alone["cheaper"] == ""
    silent = own(API, OURS, {**ENGINE, "prompt_tokens": 0.0, "completion_tokens": 0.0}).iloc[0]
    assert pd.isna(silent["usd_per_million"])
    unpriced = own(API, OURS, ENGINE, usd=None).iloc[0]
    assert pd.isna(unpriced["micro"])
    elsewhere = own(API, OURS, {**ENGINE, "workload": "not-in-the-record"}).iloc[0]
    assert pd.isna(elsewhere["micro"])


def test_spend_by_what_it_was_for() -> None:
    rows = costing.llm(API, OURS, ENGINE)
    groups = tokens.spend(rows, "model group")
    assert groups.to_dict("records") == [
        {
            "name": "chat", "requests": 100.0, "prompt_tokens": 10.5e6, "completion_tokens": 0.5e6, "micro": 10 * USD,
            "usd_per_million": pytest.approx(10 / 11),
        }
    ]  # fmt: skip
    deployments = tokens.spend(rows, "deployment")
    assert deployments["name"].tolist() == ["openai · openai/gpt-4o", "hosted_vllm · hosted_vllm/meta/Llama-8B"]
    assert pd.isna(deployments["usd_per_million"].iloc[1]), "no spend is counted for own engines"
    assert tokens.spend(rows, "key")["name"].tolist() == ["bot", ""]
