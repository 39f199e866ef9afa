"""Why requests fell back: signs in the cluster, in the order in which they explain."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.domain import frames
from services.domain.fallback import rollouts
from services.domain.fallback.bursts import Burst
from services.domain.fallback.findings import fallen
from services.domain.fallback.reasons import Evidence, Serving, explain_burst
from services.domain.findings import Fix, Severity
from services.domain.startup.frame import STARTS
from tests.unit.domain.fallback.test_figures import route, table

TWO = datetime(2026, 6, 3, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WHEN = "between 14:02 and 14:08"
CHAT = Serving("east", "llm", "chat-8b", "h100")
TIME = "datetime64[us, UTC]"


def burst(**more):
    given = {
        "group": "chat", "begin": TWO + 2 * MINUTE, "end": TWO + 8 * MINUTE, "asked": 1000.0, "fallen": 180.0,
        "lost": 0.0, "usd": 1.5, "causes": {"timeout": 180.0}, "vias": {"cloud": 180.0}, "tier": 2,
    }  # fmt: skip
    return Burst(**{**given, **more})


def starts(*rows):
    """Rows of (created, minutes waited, minutes in all), of pods in pool h100."""
    found = []
    for created, waited, whole in rows:
        blank = dict.fromkeys(STARTS)
        at = TWO + created * MINUTE
        found.append(
            {
                **blank, "created_at": at, "ended_at": at + whole * MINUTE, "total_s": whole * 60.0, "pool": "h100",
                "wait_s": waited * 60.0, "workload": "chat-8b", "namespace": "llm",
            }
        )  # fmt: skip
    return pd.DataFrame(found, columns=list(STARTS)).astype({"created_at": TIME, "ended_at": TIME})


def rows(columns, *values):
    return frames.table(columns, values)


def free(least):
    return rows({"at": TIME, "free": "float64"}, (TWO, 2.0), (TWO + 3 * MINUTE, least))


def told(evidence, of=None, **more):
    return explain_burst(burst(**more), of or CHAT, "chat-8b-own", "tier 2 (cloud)", evidence)


def test_the_sentence_of_the_specification():
    found = told(Evidence(starts=starts((0, 5, 7), (1, 5, 7)), free=free(0.0)))
    assert found.sentence(WHEN) == (
        "18 % of chat fell to tier 2 (cloud) between 14:02 and 14:08 because pool h100 had no free GPU; 2 pods waited "
        "5 min for a node."
    )
    assert (found.signs[0].page, found.signs[0].params) == ("headroom", {"cluster": "east", "pool": "h100"})


def test_pods_that_waited_although_gpus_were_free_do_not_blame_the_pool():
    found = told(Evidence(starts=starts((0, 5, 7)), free=free(4.0)))
    assert found.because == "1 pod waited 5 min for a node"


def test_a_start_that_was_over_long_before_is_no_reason():
    assert told(Evidence(starts=starts((-30, 5, 7)))).signs == ()


def test_a_pod_that_was_loading_its_model_is_told_as_starting():
    found = told(Evidence(starts=starts((1, 0, 4))))
    assert found.because == "1 pod of chat-8b was still starting (4 min)"
    assert (found.signs[0].page, found.signs[0].params["start_workload"]) == ("startup", "llm/chat-8b")


def test_a_rollout_explains_the_pods_that_start_in_it():
    found = told(Evidence(starts=starts((1, 0, 4)), rollout=TWO + MINUTE))
    assert found.because == "a rollout of chat-8b replaced its pods"
    assert found.signs[1].says == "1 pod of chat-8b was still starting (4 min)"
    assert found.signs[0].params["start_workload"] == "llm/chat-8b"


def pods(*named, kind="Deployment"):
    """Starts of pods by their names, each with minutes after two."""
    found = starts(*((at, 0, 1) for at, _ in named))
    return found.assign(pod=[name for _, name in named], workload_kind=kind)


@pytest.mark.parametrize(
    ("given", "began"),
    [
        (pods((-60, "chat-8b-aaa-1"), (3, "chat-8b-bbb-1"), (4, "chat-8b-bbb-2")), 3),
        (pods((-60, "chat-8b-aaa-1"), (3, "chat-8b-aaa-2")), None),  # only one more
        (pods((3, "chat-8b-bbb-1")), None),  # nothing is known of what was before
        (pods((-60, "chat-8b-aaa-1"), (-40, "chat-8b-bbb-1"), (3, "chat-8b-bbb-2")), None),  # long over
        (pods((-60, "chat-8b-aaa-1"), (-40, "chat-8b-bbb-1"), (3, "chat-8b-aaa-2")), 3),  # taken back
        (pods((4, "chat-8b-bbb-1"), (-60, "chat-8b-aaa-1")), 4),  # in whatever order they are recorded
        (pods((-60, "chat-0"), (3, "chat-1"), kind="StatefulSet"), None),
    ],
)
def test_a_rollout_is_a_start_from_another_replica_set(given, began):
    at = rollouts.began(given, TWO - 10 * MINUTE, TWO + 8 * MINUTE)
    assert at == (None if began is None else TWO + began * MINUTE)


def test_a_node_that_is_gone_explains_the_pods_that_wait():
    gone = rows({"node": "str", "at": TIME}, ("node-7", TWO + MINUTE))
    found = told(Evidence(starts=starts((2, 5, 7)), gone=gone))
    assert [sign.kind for sign in found.signs] == ["node", "room"]
    assert found.sentence(WHEN).endswith(
        "because node node-7 that chat-8b ran on went away; 1 pod waited 5 min for a node."
    )


def test_an_error_of_a_gpu_is_told_with_its_meaning():
    xids = rows({"node": "str", "code": "int64", "at": TIME}, ("node-7", 79, TWO + MINUTE))
    found = told(Evidence(xids=xids))
    assert found.because == "a GPU of node-7 reported XID 79 (the GPU has fallen off the bus)"
    assert found.signs[0].params == {"cluster": "east", "util_node": "node-7"}


def test_a_pod_out_of_memory_is_told_apart_from_one_that_ended():
    columns = {"pod": "str", "reason": "str", "at": TIME}
    ended = rows(columns, ("p-1", "OOMKilled", TWO), ("p-2", "Error", TWO), ("p-3", "Error", TWO))
    assert [sign.says for sign in told(Evidence(ended=ended)).signs] == [
        "a pod of chat-8b ran out of memory and was killed",
        "2 pods of chat-8b ended and were started again",
    ]


def test_no_pod_that_was_ready_is_a_reason():
    ready = rows({"at": TIME, "ready": "float64"}, (TWO + 3 * MINUTE, 2.0), (TWO + 4 * MINUTE, 0.0))
    assert told(Evidence(ready=ready)).because == "no pod of chat-8b was ready"


def test_a_queue_and_a_full_cache_explain_when_nothing_else_does():
    engine = rows({"at": TIME, "waiting": "float64", "cache": "float64"}, (TWO + 4 * MINUTE, 37.0, 0.96))
    found = told(Evidence(engine=engine))
    assert [sign.says for sign in found.signs] == ["37 requests waited in chat-8b", "its KV cache was 96 % full"]


@pytest.mark.parametrize(
    ("cause", "because"),
    [
        ("unavailable", "chat-8b-own answered that it is unavailable (503); 37 requests waited in chat-8b"),
        ("timeout", "37 requests waited in chat-8b; its KV cache was 96 % full"),
        ("cooling", "37 requests waited in chat-8b; its KV cache was 96 % full"),
    ],
)
def test_a_full_engine_explains_requests_that_wait_and_not_those_that_are_refused(cause, because):
    engine = rows({"at": TIME, "waiting": "float64", "cache": "float64"}, (TWO + 4 * MINUTE, 37.0, 0.96))
    found = told(Evidence(engine=engine), causes={cause: 5.0})
    assert because in found.sentence(WHEN)
    assert found.because == because.split(";", maxsplit=1)[0]


def test_what_happened_to_an_engine_before_the_burst_is_no_reason():
    engine = rows({"at": TIME, "waiting": "float64", "cache": "float64"}, (TWO - 4 * MINUTE, 37.0, 0.96))
    assert told(Evidence(engine=engine)).signs == ()


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        ("unavailable", "openai answered that it is unavailable (503)"),
        ("rate-limit", "openai refused more requests (429)"),
        ("timeout", "openai did not answer in time"),
        ("other", "openai failed: other error"),
    ],
)
def test_of_a_provider_only_its_errors_are_known(cause, says):
    found = explain_burst(burst(causes={cause: 5.0}), None, "openai", "group large", Evidence())
    assert found.sentence(WHEN) == f"18 % of chat fell to group large between 14:02 and 14:08 because {says}."


def test_what_was_lost_is_said_beside_what_fell_and_alone():
    both = told(Evidence(), lost=50.0)
    assert both.sentence(WHEN).startswith("18 % of chat fell to tier 2 (cloud) and 5 % of it got no answer between")
    alone = told(Evidence(), fallen=0.0, lost=50.0)
    assert alone.sentence(WHEN).startswith("5 % of chat got no answer between 14:02 and 14:08 because")


def findings(rows, explained=(), fixes=None, now=TWO + 60 * MINUTE):
    given = {"cluster": "east", "target": 0.1, "days": 1.0, "window": "24 hours", "now": now}
    return list(fallen(rows, explained, fixes or {}, **given))


def fallback(bad, good, lost=0.0):
    return table(
        route(1, "chat", "first", good, id="own", rank=1, own=True),
        route(1, "chat", "order", bad, why="timeout", id="cloud", rank=2, usd=bad * 0.01),
        *([route(1, "chat", "lost", lost, why="timeout")] if lost else []),
    )


def test_a_group_over_the_target_is_a_finding_with_its_reason_and_its_money():
    reason = told(Evidence(starts=starts((0, 5, 7)), free=free(0.0)))
    (one,) = findings(fallback(200.0, 800.0), [reason], {("east", "h100"): Fix("scale-headroom", "Keep 1 unit warm")})
    assert one.title == "20 % of chat fell back in 24 hours"
    assert one.detail == "Most of it because pool h100 had no free GPU; 1 pod waited 5 min for a node."
    assert (one.severity, one.usd_per_day) == (Severity.WARNING, pytest.approx(2.0))
    assert one.fix is not None
    assert (one.page, one.params) == ("fallback", {"cluster": "east", "fell_group": "chat"})


def test_a_burst_that_goes_on_is_critical():
    (one,) = findings(fallback(200.0, 800.0), [told(Evidence())], now=TWO + 10 * MINUTE)
    assert (one.severity, one.since) == (Severity.CRITICAL, TWO + 2 * MINUTE)


def test_a_third_that_fell_back_is_critical():
    (one,) = findings(fallback(300.0, 700.0))
    assert one.severity is Severity.CRITICAL
    assert one.detail == "Spread over the whole time, in no burst."


def test_within_the_target_and_nothing_lost_there_is_no_finding():
    assert findings(fallback(100.0, 900.0)) == []


def test_lost_requests_are_a_finding_from_one_in_a_thousand():
    assert findings(fallback(0.0, 99990.0, lost=10.0)) == []
    (one,) = findings(fallback(0.0, 990.0, lost=10.0))
    assert one.title == "1.0 % of chat got no answer in 24 hours"
