import math
from typing import Any

import pandas as pd

from services.domain import frames, litellm
from services.domain.findings import Severity
from services.domain.litellm.findings import faults, misplaced
from services.domain.litellm.lint import Lint
from services.gateway.compare import TIERS

FILE = """
model_list:
  - model_name: chat
    litellm_params: {model: openai/gpt-4o-mini, order: 1}
    model_info: {id: paid}
  - model_name: chat
    litellm_params: {model: hosted_vllm/llama, order: 5}
    model_info: {id: own}
  - model_name: chat
    litellm_params: {model: openai/gpt-4o, order: 9}
    model_info: {id: dear}
"""


def tiers(*rows: tuple[str, int, str, float]) -> pd.DataFrame:
    """(key, rank, runs, requests) of the group chat, at one dollar per ten requests of a managed tier."""
    total = sum(requests for *_, requests in rows)
    made = [
        {
            "cluster": "west",
            "group": "chat",
            "key": key,
            "rank": rank,
            "runs": runs,
            "model": key,
            "requests": requests,
            "share": requests / total if total else math.nan,
            "usd": requests / 10 if runs == "managed" else 0.0,
        }
        for key, rank, runs, requests in rows
    ]
    empty = {name: "" if kind == "str" else math.nan for name, kind in TIERS.items()}
    return frames.conform(pd.DataFrame([empty | row for row in made]), TIERS)


def orders(frame: pd.DataFrame) -> list[Any]:
    found: Any = misplaced(frame, litellm.read(FILE), "abc")
    return [(f.title, {tier["key"]: tier["order"] for tier in f.fix.params["chains"][0]["tiers"]}) for f in found]


def test_a_paid_tier_before_ones_own_is_found_with_the_order_that_mends_it() -> None:
    frame = tiers(("paid", 1, "managed", 900.0), ("own", 2, "self-hosted", 100.0), ("dear", 3, "managed", 0.0))
    assert orders(frame) == [("chat goes to a paid tier before your own GPUs", {"own": 1, "paid": 5, "dear": 9})]
    finding = next(iter(misplaced(frame, litellm.read(FILE), "abc")))
    assert (finding.usd_per_day, finding.severity) == (90.0, Severity.WARNING)
    assert finding.detail == "paid answered 90 % of 1,000 requests in 24 hours."
    assert finding.fix is not None
    assert (finding.fix.action, finding.fix.label) == ("edit-fallbacks", "Own tier first for chat")
    assert (finding.fix.params["cluster"], finding.fix.params["seen"]) == ("west", "abc")


def test_a_first_tier_that_answers_nothing_is_put_last() -> None:
    frame = tiers(("own", 1, "self-hosted", 0.0), ("paid", 2, "managed", 50.0))
    assert orders(frame) == [("The first tier of chat answered nothing in 24 hours", {"paid": 1, "dear": 5, "own": 9})]


def test_an_order_that_is_right_or_cannot_be_judged_is_left_alone() -> None:
    own_first = tiers(("own", 1, "self-hosted", 90.0), ("paid", 2, "managed", 10.0))
    shared = tiers(("paid", 1, "managed", 90.0), ("own", 1, "self-hosted", 10.0))
    nobody = tiers(("paid", 1, "managed", 0.0), ("own", 2, "self-hosted", 0.0))
    uncounted = tiers(("paid", 1, "managed", math.nan), ("own", 2, "self-hosted", math.nan))
    elsewhere = tiers(("", 1, "managed", 90.0), ("own", 2, "self-hosted", 10.0))
    for frame in (own_first, shared, nobody, uncounted, elsewhere):
        assert orders(frame) == []


def test_faults_of_the_file_are_findings_but_for_notices() -> None:
    lints = [
        Lint(
            "loop", Severity.CRITICAL, "router_settings.fallbacks", "chat falls back to itself. Always.", "Remove it."
        ),
        Lint("timeout", Severity.NOTICE, "", "No timeout is set.", "Set one."),
    ]
    found = list(faults(lints, "west"))
    assert [(f.severity, f.title, f.detail, f.params) for f in found] == [
        (Severity.CRITICAL, "chat falls back to itself", "Remove it.", {"cluster": "west"})
    ]
