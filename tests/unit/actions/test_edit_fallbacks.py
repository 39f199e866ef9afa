"""Changing fallbacks: the file is edited, the proxy restarted, the new order seen, and all of it can be taken back."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from services.actions.edit_fallbacks import FallbackParams
from services.domain import litellm
from services.domain.change.plan import Risk, StepKind
from services.domain.litellm import Chain, yamltext
from services.domain.litellm import edits as litellm_edits
from services.errors import Refused, SourceUnavailable
from services.ports import Tier
from tests.gateway import FILE, KEY, PLACE, Proxy, config_ref, deployment_ref
from tests.unit.actions.conftest import OPERATOR, Desk


def test_the_cloud_goes_first_and_comes_back_second(desk: Desk) -> None:
    proxy = Proxy(desk)
    wanted = litellm_edits.moved(litellm.read(FILE).chain("chat"), "chat-cloud", -1)
    plan = proxy.plan(wanted, seen=yamltext.sha256(FILE))
    assert [step.kind for step in plan.steps] == [StepKind.EDIT, StepKind.PATCH, StepKind.WAIT]
    assert plan.summary == "Fallbacks of llm/litellm: chat: chat-cloud → chat-own → large"
    assert (plan.risk, plan.on_failure) == (Risk.MEDIUM, "compensate")
    ran = desk.applied(proxy.engine, plan)
    operation = desk.operation(ran)
    assert (operation.state, operation.verification) == ("done", "In force: chat: chat-cloud → chat-own → large.")
    assert proxy.text == FILE.replace("order: 2", "order: 0").replace("order: 1", "order: 2").replace(
        "order: 0", "order: 1"
    )
    assert proxy.gateway.starts == [proxy.text]
    back = proxy.engine.plan_undo(ran, OPERATOR).plan
    assert desk.operation(desk.applied(proxy.engine, back)).state == "done"
    assert proxy.text == FILE
    assert proxy.gateway.starts[1:] == [FILE]


def test_no_key_is_in_the_plan_or_the_record(desk: Desk) -> None:
    proxy = Proxy(desk)
    chain = litellm.read(FILE).chain("chat")
    plan = proxy.plan(replace(chain, tiers=chain.tiers[:1]))
    ran = desk.applied(proxy.engine, plan)
    operation = desk.operation(ran)
    assert operation.state == "done"
    assert KEY not in str(plan.stored()) + str(operation)
    assert KEY in proxy.text
    assert "chat-cloud" not in str(litellm.read(proxy.text).deployments)
    desk.applied(proxy.engine, proxy.engine.plan_undo(ran, OPERATOR).plan)
    assert proxy.text == FILE


def test_a_file_the_proxy_does_not_start_with_is_put_back_before_the_proxy_is_restarted(desk: Desk) -> None:
    proxy = Proxy(desk)
    proxy.starts = lambda text: text == FILE
    chain = litellm.read(FILE).chain("chat")
    ran = desk.applied(proxy.engine, proxy.plan(replace(chain, fallbacks=())))
    operation = desk.operation(ran)
    assert operation.state == "failed"
    assert "Everything was put back." in operation.outcome
    assert proxy.text == FILE
    assert proxy.stamp is None
    changed = [str(ref) for _, ref in proxy.memory.changed]
    assert changed == [
        "ConfigMap llm/litellm-config",
        "Deployment llm/litellm",
        "ConfigMap llm/litellm-config",
        "Deployment llm/litellm",
    ]


def test_what_is_so_already_has_no_steps(desk: Desk) -> None:
    assert Proxy(desk).plan(litellm.read(FILE).chain("chat")).empty


def test_leaving_a_group_with_one_provider_is_a_high_risk(desk: Desk) -> None:
    proxy = Proxy(desk)
    chain = litellm.read(FILE).chain("chat")
    plan = proxy.plan(replace(chain, tiers=chain.tiers[:1], fallbacks=()))
    assert (plan.risk, plan.confirm) == (Risk.HIGH, "litellm")
    assert plan.warnings == ("chat would depend on one provider alone: when it fails, every request fails.",)


def test_the_blast_radius_is_told_in_figures(desk: Desk) -> None:
    proxy = Proxy(desk)
    proxy.gateway.counted = pd.DataFrame(
        {
            "group": ["chat", "chat", "large"],
            "id": ["chat-own", "chat-cloud", "large-azure"],
            "requests": [600.0, 150.0, 250.0],
            "usd": [0.0, 4.5, 9.0],
        }
    )
    chain = litellm.read(FILE).chain("chat")
    assert proxy.plan(replace(chain, fallbacks=())).blast == (
        "Requests to chat are tried in the new order.",
        "In the last 24 hours chat carried 750 requests (75 % of all) and $4.50.",
        "Its 2 pods are restarted: streaming answers in flight on them end early, and cooldowns are forgotten.",
    )


def test_a_dead_proxy_does_not_stand_in_the_way_and_is_said(desk: Desk) -> None:
    proxy = Proxy(desk)
    proxy.gateway.error = SourceUnavailable("litellm", "LiteLLM of east cannot be reached.")
    plan = proxy.plan(replace(litellm.read(FILE).chain("chat"), fallbacks=()))
    assert plan.warnings == ("LiteLLM of east cannot be reached. Whether the order is in force may not be seen.",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.memory.set(config_ref(), {"immutable": True}), "is immutable"),
        (lambda p: p.memory.set(config_ref(), {"data": {PLACE.key: None}}), "has no key config.yaml"),
        (lambda p: p.memory.set(config_ref(), {"data": {PLACE.key: "a: [\n"}}), "has changed since you looked"),
        (
            lambda p: p.memory.set(config_ref(), {"data": {PLACE.key: None}, "binaryData": {PLACE.key: "AAAA"}}),
            "as binary data",
        ),
        (lambda p: p.memory.set(deployment_ref(), {"spec": {"paused": True}}), "is paused"),
        (
            lambda p: p.memory.set(deployment_ref(), {"spec": {"template": {"spec": {"volumes": []}}}}),
            "does not mount ConfigMap litellm-config",
        ),
    ],
)
def test_what_cannot_take_effect_is_refused(desk: Desk, change: Callable[[Proxy], None], says: str) -> None:
    proxy = Proxy(desk)
    change(proxy)
    with pytest.raises(Refused, match=says):
        proxy.plan(replace(litellm.read(FILE).chain("chat"), fallbacks=()), seen=yamltext.sha256(FILE))


def test_a_file_that_is_not_yaml_is_refused_without_quoting_it(desk: Desk) -> None:
    proxy = Proxy(desk)
    proxy.memory.set(config_ref(), {"data": {PLACE.key: f"k: {KEY}\nb: [\n"}})
    with pytest.raises(Refused, match="not YAML") as refusal:
        proxy.plan(Chain("chat"))
    assert KEY not in str(refusal.value)


def test_groups_in_the_proxys_database_are_left_to_the_proxy(desk: Desk) -> None:
    proxy = Proxy(desk)
    proxy.gateway.database = (Tier("db-1", "chat", "openai/gpt-5", stored="database"),)
    with pytest.raises(Refused, match="live in the proxy's database"):
        proxy.plan(replace(litellm.read(FILE).chain("chat"), fallbacks=()))


@pytest.mark.parametrize(("version", "refused"), [("1.90.7", True), ("1.106.2", False)])
def test_an_old_proxy_whose_database_hides_the_file_is_refused(desk: Desk, version: str, refused: bool) -> None:
    proxy = Proxy(desk)
    proxy.gateway.text = FILE.replace("{chat: [large]}", "{large: [chat]}")
    proxy.gateway.stored, proxy.gateway.version = True, version
    wanted = replace(litellm.read(FILE).chain("chat"), fallbacks=())
    if refused:
        with pytest.raises(Refused, match="the proxy's database hides the file"):
            proxy.plan(wanted)
    else:
        assert not proxy.plan(wanted).empty


def test_a_change_that_does_not_take_is_not_called_done(desk: Desk) -> None:
    proxy = Proxy(desk)
    wanted = replace(litellm.read(FILE).chain("chat"), fallbacks=())
    proxy.gateway.start = lambda text: None  # type: ignore[method-assign]
    operation = desk.operation(desk.applied(proxy.engine, proxy.plan(wanted)))
    assert operation.state == "unverified"
    assert operation.verification.startswith("Not in force yet. chat: The fallbacks in force are large")


def test_a_cluster_without_a_gateway_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused, match="No gateway is configured for cluster west"):
        desk.engine().plan(OPERATOR, "edit-fallbacks", FallbackParams("west", ()))


def test_settings_are_told_with_what_they_were_and_what_people_do_not_expect(desk: Desk) -> None:
    proxy = Proxy(desk)
    wanted = {"num_retries": 9.0, "routing_strategy": "usage-based-routing-v2", "disable_cooldowns": True}
    plan = proxy.plan(settings=wanted)
    assert list(plan.blast[:2]) == [
        "Retries: not set (2) → 9, for every model group.",
        "Chosen within a rank: not set (simple-shuffle) → usage-based-routing-v2, for every model group.",
    ]
    assert list(plan.warnings) == [
        "Usage-based routing counts in each proxy by itself: with several replicas it needs a Redis.",
        "Without cooldowns every request tries a tier that is away, and waits for it.",
    ]
    assert plan.summary == (
        "Fallbacks of llm/litellm: retries: 9; chosen within a rank: usage-based-routing-v2; no cooldowns: yes"
    )
    done = desk.applied(proxy.engine, plan)
    assert desk.operation(done).verification == (
        "All pods run with the new file; the proxy does not tell its settings."
    )


def test_a_strategy_of_one_group_needs_a_version_that_knows_it(desk: Desk) -> None:
    proxy = Proxy(desk)
    proxy.gateway.version = "1.100.5"
    with pytest.raises(Refused, match="may not know strategies of single groups"):
        proxy.plan(strategies={"chat": "least-busy"})


def test_a_long_wait_is_said_before_it_is_set(desk: Desk) -> None:
    plan = Proxy(desk).plan(settings={"num_retries": 5.0, "timeout": 300.0})
    assert "A silent tier is given up after 1,800 s, all its retries included." in plan.warnings


def test_a_deployment_out_of_rotation_is_seen_in_the_running_proxy(desk: Desk) -> None:
    proxy = Proxy(desk)
    chain = litellm.read(FILE).chain("chat")
    plan = proxy.plan(replace(chain, tiers=(replace(chain.tiers[0], blocked=True), chain.tiers[1])))
    done = desk.applied(proxy.engine, plan)
    assert desk.operation(done).verification == "In force: chat: chat-own (out of rotation) → chat-cloud → large."
    back = proxy.engine.plan_undo(done, OPERATOR).plan
    desk.applied(proxy.engine, back)
    assert proxy.text == FILE
