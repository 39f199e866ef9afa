"""Rehearsing fallbacks: what is planned is what is sent, never twice, never above the cap, never without the right."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.access import ActionPolicy
from services.actions.rehearse_fallbacks import RehearseParams
from services.domain.change import kubectl
from services.domain.change.plan import Plan, Risk, StepKind
from services.domain.litellm.rehearsal import FAILS, LENGTH, NORMAL, PROMPT, TAG
from services.errors import Refused, SourceUnavailable
from services.ports import Answered, Event, Policy, Trial
from tests.gateway import FILE, KEY, Proxy, config_ref, deployment_ref
from tests.unit.actions.conftest import OPERATOR, Desk

MOCKS = "  dangerously_allow_mock_testing_request_params: true\n"
EACH = 64e-6 + 5 * 2e-6
"""What a request costs at the prices of the memory gateway, in USD."""


class Killed(BaseException):
    """The process ends here."""


class Stage:
    """A gateway on a desk, and its rehearsals."""

    def __init__(self, desk: Desk, text: str = FILE) -> None:
        self.desk, self.proxy = desk, Proxy(desk, text)
        self.gateway = self.proxy.gateway
        self.engine = self.proxy.engine

    def plan(self, *modes: str, times: int = 1, cap: float = 0.05, group: str = "chat") -> Plan:
        params = RehearseParams("east", group, modes or (FAILS,), times, cap)
        return self.engine.plan(OPERATOR, "rehearse-fallbacks", params)

    def run(self, plan: Plan) -> Any:
        return self.desk.operation(self.desk.applied(self.engine, plan))

    def events(self, id: str) -> Sequence[Event]:
        with self.desk.database() as unit:
            return unit.operations.events(id)


@pytest.fixture
def stage(desk: Desk) -> Stage:
    return Stage(desk)


def test_the_plan_says_what_is_sent_to_whom_and_what_it_may_cost(stage: Stage) -> None:
    plan = stage.plan(NORMAL, FAILS, times=3)
    assert (plan.summary, plan.risk) == (
        "Rehearse chat in east: as usual, first tier fails, 3 requests each", Risk.MEDIUM,
    )  # fmt: skip
    assert [(step.kind, step.ref) for step in plan.steps] == [(StepKind.SEND, deployment_ref())] * 6
    assert plan.blast == (
        "6 test requests are sent to chat through llm/litellm.",
        "As usual: chat-own (tier 1) → chat-cloud (tier 2) → large-azure (group large).",
        "First tier fails: chat-cloud (tier 2) → large-azure (group large).",
        "Together they cost at most $0.0004 at the prices known; no more are sent once $0.05 could be passed.",
        "They are real requests: counted, logged and paid like any other, marked with the tag "
        "gpu-fleet-console-rehearsal.",
    )
    assert (plan.warnings, plan.refs, plan.changes, plan.empty) == ((), (), [], False)
    assert Plan.of(plan.stored()) == replace(plan, steps=Plan.of(plan.stored()).steps)
    assert stage.gateway.sent == []


def test_kubectl_cannot_send_and_the_plan_says_so(stage: Stage) -> None:
    assert kubectl.commands(stage.plan()) == (
        "# 1. Send request 1 of 1 to chat (first tier fails)\n"
        "# The console sends it to the model group chat; kubectl cannot."
    )


def test_what_was_planned_is_sent_marked_and_told(stage: Stage) -> None:
    operation = stage.run(stage.plan(NORMAL, FAILS, LENGTH, times=2))
    assert operation.state == "done", operation.outcome
    assert operation.verification == (
        "chat: as usual, 2 of 2 were answered by chat-own (tier 1); with tier 1 failing, 2 of 2 were answered by "
        "chat-cloud (tier 2); with a prompt too long, 2 of 2 were answered by large-azure (group large)."
    )
    flags: list[dict[str, bool]] = [{}, {"mock_testing_fallbacks": True}, {"mock_testing_context_fallbacks": True}]
    assert stage.gateway.sent == [Trial("chat", flag, PROMPT, 5, TAG) for flag in flags for _ in range(2)]
    assert stage.proxy.memory.changed == []


def test_a_first_tier_that_is_away_as_usual_is_told_and_is_no_failure(stage: Stage) -> None:
    stage.gateway.down = {"chat-own"}
    operation = stage.run(stage.plan(NORMAL))
    assert (operation.state, operation.verification) == (
        "done", "chat: as usual, 1 of 1 was answered by chat-cloud (tier 2).",
    )  # fmt: skip


def test_when_nobody_answers_it_stops_and_the_error_is_a_class_not_a_text(stage: Stage) -> None:
    stage.gateway.down = {"chat-cloud", "large-azure"}
    operation = stage.run(stage.plan(times=3))
    assert operation.state == "failed"
    assert "Nobody answered (HTTP 503, ServiceUnavailableError)." in operation.outcome
    assert len(stage.gateway.sent) == 1


def test_an_answer_of_a_deployment_that_is_not_on_the_way_fails_and_says_whose(stage: Stage) -> None:
    stage.gateway.says = lambda answer: replace(answer, id="chat-own")
    operation = stage.run(stage.plan(times=3))
    assert operation.state == "failed"
    assert (
        "chat-own answered (group chat); expected was one of chat-cloud (tier 2), large-azure (group large)."
        in operation.outcome
    )
    assert len(stage.gateway.sent) == 1


def test_an_answer_that_does_not_say_whose_it_is_proves_nothing(stage: Stage) -> None:
    stage.gateway.says = lambda answer: replace(answer, id="", group="")
    operation = stage.run(stage.plan())
    assert operation.state == "failed"
    assert "The proxy did not say which deployment answered." in operation.outcome


def test_what_was_spent_is_counted_from_the_record_and_the_cap_holds(stage: Stage) -> None:
    stage.gateway.says = lambda answer: replace(answer, usd=0.0199)  # dearer than its price
    operation = stage.run(stage.plan(times=10, cap=0.05))
    assert operation.state == "failed"
    assert "$0.0597 of $0.05 is spent" in operation.outcome
    # 0.0398 and one more at its price is below the cap; 0.0597 is above it, and no fourth is sent
    assert len(stage.gateway.sent) == 3
    started = [event.step for event in stage.events(operation.id) if event.kind == "step-started"]
    assert started == [0, 1, 2]


def test_going_on_does_not_forget_what_was_spent(stage: Stage) -> None:
    stage.gateway.says = lambda answer: replace(answer, usd=0.06, id="chat-own")
    operation = stage.run(stage.plan(times=3, cap=0.05))
    assert operation.state == "failed"
    stage.gateway.says = lambda answer: answer
    stage.engine.resume(operation.id, OPERATOR, reason="again")
    again = stage.desk.operation(operation.id)
    assert (again.state, len(stage.gateway.sent)) == ("failed", 1)
    assert "$0.0600 of $0.05 is spent" in again.outcome


def test_a_request_whose_answer_was_lost_counts_at_its_most(stage: Stage) -> None:
    def break_off(_trial: Trial) -> None:
        raise SourceUnavailable("litellm", "LiteLLM did not answer in time.")

    stage.gateway.before_send = break_off
    operation = stage.run(stage.plan(times=2, cap=1.5 * EACH + 1e-4))
    assert (operation.state, len(stage.gateway.sent)) == ("failed", 1)
    stage.gateway.before_send = lambda _trial: None
    stage.engine.resume(operation.id, OPERATOR, reason="again")
    done = stage.desk.operation(operation.id)
    assert done.state == "done"
    assert len(stage.gateway.sent) == 2
    assert done.verification == (
        "chat: with tier 1 failing, 1 of 2 was perhaps sent, and nothing is known of it and 1 of 2 was answered by "
        "chat-cloud (tier 2)."
    )


def test_a_process_that_ends_between_the_start_and_the_answer_never_sends_it_again(stage: Stage, desk: Desk) -> None:
    def die(_trial: Trial) -> None:
        raise Killed

    stage.gateway.before_send = die
    plan = stage.plan(times=2)
    desk.applied(stage.engine, plan)
    assert (desk.operation(plan.id).state, len(stage.gateway.sent)) == ("running", 1)
    stage.gateway.before_send = lambda _trial: None
    desk.wait(120)
    assert stage.engine.recover() == [plan.id]
    interrupted = desk.operation(plan.id)
    assert interrupted.outcome == "Its process ended. The request of step 1 may have been sent; it is not sent again."
    stage.engine.resume(plan.id, OPERATOR, reason="go on")
    assert desk.operation(plan.id).state == "done"
    assert len(stage.gateway.sent) == 2
    said = [event.says for event in stage.events(plan.id) if event.kind == "step-done"]
    assert said == [
        "Send request 1 of 2 to chat (first tier fails): may have been sent before; it is not sent again.",
        "Answered by chat-cloud (tier 2) in 0.25 s.",
    ]
    assert desk.broken() == ()


def test_the_right_is_asked_for_at_the_moment_of_sending(stage: Stage, desk: Desk) -> None:
    plan = stage.plan(times=2)
    rehearsal = stage.engine.rehearse(plan, OPERATOR)
    assert rehearsal.ok
    stage.proxy.memory.forbidden = {"patch"}
    id_ = stage.engine.apply(plan, OPERATOR, reason="test", rehearsal=rehearsal)
    operation = desk.operation(id_)
    assert operation.state == "failed"
    assert "Sending test requests needs the right to patch ConfigMap llm/litellm-config." in operation.outcome
    assert stage.gateway.sent == []
    assert not stage.engine.rehearse(plan, OPERATOR).ok
    # it was not sent, and so it is when it is gone on with
    stage.proxy.memory.forbidden = set()
    stage.engine.resume(id_, OPERATOR, reason="now I may")
    assert (desk.operation(id_).state, len(stage.gateway.sent)) == ("done", 2)


def test_with_the_persons_own_rights_it_is_the_person_who_is_asked_about(stage: Stage, desk: Desk) -> None:
    olga = replace(OPERATOR, via="oidc", kube_name="olga", logged_in_at=desk.now)
    sources = replace(stage.proxy.sources, policy=Policy(actions=ActionPolicy(as_person=True)))
    engine = type(stage.engine)(sources, pool=sources.pool, worker="w", wait=desk.wait)
    plan = engine.plan(olga, "rehearse-fallbacks", RehearseParams("east", "chat"))
    rehearsal = engine.rehearse(plan, olga)
    stage.proxy.memory.forbidden = {"patch"}
    id_ = engine.apply(plan, olga, reason="test", rehearsal=rehearsal)
    assert (desk.operation(id_).state, stage.gateway.sent) == ("failed", [])
    assert set(stage.proxy.memory.people) == {"op-1"}


def test_a_file_that_changed_since_the_plan_is_not_rehearsed(stage: Stage) -> None:
    plan = stage.plan()
    stage.proxy.memory.set(config_ref(), {"data": {"config.yaml": FILE + "# seen\n"}})
    rehearsal = stage.engine.rehearse(plan, OPERATOR)
    assert not rehearsal.ok
    assert "has changed since the plan" in rehearsal.answers[0].says


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (RehearseParams("nowhere", "chat"), "No gateway is configured for cluster nowhere"),
        (RehearseParams("east", "chit"), "There is no model group chit"),
        (RehearseParams("east", "chat", ("loud",)), "Choose what to rehearse"),
        (RehearseParams("east", "chat", ()), "Choose what to rehearse"),
        (RehearseParams("east", "chat", (FAILS, FAILS)), "Choose what to rehearse"),
        (RehearseParams("east", "chat", (FAILS,), 21), "1 to 20 requests; these would be 21"),
        (RehearseParams("east", "chat", (FAILS, NORMAL), 11), "1 to 20 requests; these would be 22"),
        (RehearseParams("east", "chat", (FAILS,), 0), "1 to 20 requests"),
        (RehearseParams("east", "chat", (FAILS,), -3), "1 to 20 requests"),
        (RehearseParams("east", "chat", cap_usd=5.01), "at most \\$5"),
        (RehearseParams("east", "chat", cap_usd=0.0), "above \\$0"),
        (RehearseParams("east", "chat", cap_usd=float("nan")), "above \\$0"),
        (RehearseParams("east", "chat", (FAILS,), 10, 7e-4), "may cost \\$0.0007, and the cap is \\$0.0007"),
        (RehearseParams("east", "large"), "large has no fallback for “first tier fails”"),
        (RehearseParams("east", "large", (LENGTH,)), "large has no fallback for “prompt too long”"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused(stage: Stage, params: RehearseParams, says: str) -> None:
    with pytest.raises(Refused, match=says):
        stage.engine.plan(OPERATOR, "rehearse-fallbacks", params)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("{id: chat-own}", "{id: chat-own, mode: embedding}", "chat is for embedding"),
        ("hosted_vllm/llama ", "hosted_vllm/bge-m3 ", "does not look like a chat model"),
        (MOCKS, "", "its file does not set general_settings.dangerously_allow_mock_testing_request_params"),
        ("[large]", "[gone]", "gone has no deployment"),
    ],
)
def test_what_the_file_does_not_allow_is_refused(desk: Desk, was: str, now: str, says: str) -> None:
    assert was in FILE
    with pytest.raises(Refused, match=says):
        Stage(desk, FILE.replace(was, now)).plan()


def test_without_the_flags_allowed_what_is_usual_can_still_be_sent(desk: Desk) -> None:
    stage = Stage(desk, FILE.replace(MOCKS, ""))
    assert stage.run(stage.plan(NORMAL)).state == "done"


def test_a_version_that_may_refuse_the_flags_is_told_apart_when_it_does(desk: Desk) -> None:
    stage = Stage(desk, FILE.replace(MOCKS, ""))
    stage.gateway.version = "1.95.0"
    operation = stage.run(stage.plan())
    assert operation.state == "failed"
    assert "The proxy refuses requests that ask for a failure." in operation.outcome


def test_a_proxy_that_runs_something_else_than_its_file_is_refused(stage: Stage) -> None:
    stage.gateway.text = FILE.replace("order: 2", "order: 3")
    with pytest.raises(Refused, match="does not do what its file says"):
        stage.plan()


def test_a_proxy_that_is_away_or_not_connected_is_told(stage: Stage) -> None:
    stage.gateway.error = SourceUnavailable("litellm", "LiteLLM cannot be reached.")
    with pytest.raises(SourceUnavailable):
        stage.plan()
    stage.proxy.gateway = None
    with pytest.raises(Refused, match="not connected"):
        stage.proxy.engine.plan(OPERATOR, "rehearse-fallbacks", RehearseParams("east", "chat"))


def test_an_unknown_price_is_a_warning_and_zero_is_not_taken_for_it(desk: Desk) -> None:
    stage = Stage(desk)
    routing = stage.gateway.routing()
    tiers = tuple(replace(one, input_usd=None, output_usd=None) for one in routing.tiers)
    stage.gateway.routing = lambda: replace(routing, tiers=tiers)
    plan = stage.plan(NORMAL)
    assert plan.warnings == (
        "No price is known of chat-cloud, large-azure: their cost is seen afterwards, as far as the proxy says.",
    )
    assert plan.steps[0].body["usd"] == 0.0  # the model on own GPUs
    assert stage.plan(FAILS).steps[0].body["usd"] is None


def test_a_router_that_chooses_by_tags_gets_requests_without_the_mark(desk: Desk) -> None:
    stage = Stage(desk, FILE.replace("  timeout: 60", "  enable_tag_filtering: true\n  timeout: 60"))
    plan = stage.plan()
    assert "sent without the mark" in plan.warnings[0]
    stage.run(plan)
    assert [trial.tag for trial in stage.gateway.sent] == [""]


def test_no_key_is_in_the_plan_or_the_record(stage: Stage) -> None:
    operation = stage.run(stage.plan())
    assert KEY not in str(operation) + str(stage.events(operation.id))


def test_an_answer_is_kept_as_it_was_given(stage: Stage) -> None:
    operation = stage.run(stage.plan())
    (done,) = [event for event in stage.events(operation.id) if event.kind == "step-done"]
    assert Answered(**done.detail["answered"]) == Answered("chat-cloud", "chat", 200, "", 1, 0, EACH, 0.25)
