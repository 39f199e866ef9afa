"""Sending one test request through a gateway: the guards before it, and what its answer has to be.

The body of a SEND: ``group`` and ``mode`` of the request, ``way`` the deployments that may answer (lists of id, name,
tier in words, and the most one answer costs), ``usd`` the most of these, ``cap_usd`` what the whole rehearsal may cost,
``sha256`` of the gateway's file, ``tag`` the mark. USD are None where no price is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.actions.steps import Done, Failed
from services.domain.change.plan import Plan, Step, StepKind
from services.domain.litellm import MOCKS, rehearsal, yamltext
from services.domain.litellm.rehearsal import ANSWER_TOKENS, FLAGS, MOCKS_REFUSED, PROMPT
from services.errors import Forbidden, Refused, StalePlan
from services.gateway import read
from services.ports import Answered, ClusterSource, Event, Gateway, GatewayPlace, Sources, Trial, Writable


@dataclass(frozen=True)
class Sent:
    """One request of a rehearsal as the record has it.

    ``asked`` is False where it was not sent. ``answer`` is None where it was sent, or may have been, and what came of
    it is not known. ``by`` and ``tier`` tell who answered, "" for nobody; ``expected`` whether that was on the way.
    ``usd`` is what it cost, the most it may have cost where that is not known, None where neither is.
    """

    mode: str
    asked: bool
    answer: Answered | None = None
    by: str = ""
    tier: str = ""
    expected: bool = False
    usd: float | None = None


def ready(step: Step, writer: Writable, sources: Sources) -> None:
    """Whether a request may be sent now: the right is there and the gateway's file is the one of the plan.

    Who may edit the gateway's file may spend through it. Raises Forbidden, StalePlan, Refused.
    """
    source, place, _ = _gateway(step, sources)
    ref = read.config_ref(source.name, place)
    if not writer.allowed("patch", ref):
        raise Forbidden("kubernetes", f"Sending test requests needs the right to patch {ref}.",
                        hint="docs/connect.md lists the rights actions need.")  # fmt: skip
    if yamltext.sha256(read.file_text(source.cluster.read(ref), place)) != step.body["sha256"]:
        raise StalePlan(f"The text {place.key} of {ref} has changed since the plan.", hint="Plan the rehearsal anew.")


def affordable(plan: Plan, index: int, events: Sequence[Event]) -> None:
    """Raise Refused when a request could bring what was spent above the cap."""
    body, spent = plan.steps[index].body, sum(one.usd or 0.0 for one in told(plan, events))
    cap, most = float(body["cap_usd"]), float(body["usd"] or 0.0)
    if spent + most > cap or spent >= cap:
        raise Refused(f"${spent:.4f} of ${cap:.2f} is spent, and the next request may cost ${most:.4f}.",
                      hint="Plan a rehearsal with a higher cap.")  # fmt: skip


def sent(step: Step, sources: Sources) -> Done:
    """Send it and see that one of the way answered. Raises Failed, which says who did instead; SourceError."""
    _, _, gateway = _gateway(step, sources)
    body = step.body
    answer = gateway.send(
        Trial(str(body["group"]), FLAGS[str(body["mode"])], PROMPT, ANSWER_TOKENS, str(body.get("tag", "")))
    )
    detail = _kept(answer)
    by, tier, expected = _who(step, answer)
    if answer.error == MOCKS_REFUSED:
        hint = f"Set general_settings.{MOCKS} in its file while you rehearse."
        raise Failed("The proxy refuses requests that ask for a failure.", detail=detail, hint=hint)
    if answer.status >= 400:
        hint = "The console's key may not be allowed to ask this group." if answer.status in (401, 403) else ""
        raise Failed(f"Nobody answered ({_refusal(answer)}).", detail=detail, hint=hint)
    if not answer.id:
        raise Failed("The proxy did not say which deployment answered.", detail=detail)
    if not expected:
        ways = ", ".join(f"{name} ({place})" for _, name, place, _ in body["way"])
        raise Failed(f"{by} answered ({tier}); expected was one of {ways}.", detail=detail,
                     hint="The proxy may ignore the request’s flags, or run another configuration.")  # fmt: skip
    return Done(landed=False, says=f"Answered by {by} ({tier}) in {answer.seconds:.2f} s.", detail=detail)


def unsure(step: Step) -> Done:
    """What is said of a request that was started before: it is not sent again."""
    return Done(landed=False, says=f"{step.says}: may have been sent before; it is not sent again.")


def told(plan: Plan, events: Sequence[Event]) -> list[Sent]:
    """Every request of a plan with what the record says of it, in the order of the steps."""
    answers = {event.step: event.detail["answered"] for event in events if "answered" in event.detail}
    begun = {event.step for event in events if event.kind == "step-started"}
    found = []
    for index, step in enumerate(plan.steps):
        if step.kind is not StepKind.SEND:
            continue
        mode, most = str(step.body["mode"]), step.body["usd"]
        if index not in answers:
            found.append(Sent(mode, index in begun, usd=most if index in begun else 0.0))
            continue
        answer = Answered(**answers[index])
        by, tier, expected = _who(step, answer)
        found.append(Sent(mode, True, answer, by, tier, expected, _usd(step, answer)))
    return found


def verdict(group: str, requests: Sequence[Sent]) -> str:
    """What came of a rehearsal, mode by mode, in a sentence."""
    said = []
    for mode in dict.fromkeys(one.mode for one in requests):
        mine = [one for one in requests if one.mode == mode and one.asked]
        counts: dict[str, int] = {}
        for one in mine:
            counts[_named(one)] = counts.get(_named(one), 0) + 1
        parts = [f"{count} of {len(mine)} {'was' if count == 1 else 'were'} {name}" for name, count in counts.items()]
        said.append(f"{_MODES[mode]}, {' and '.join(parts) or 'nothing was sent'}")
    return f"{group}: {'; '.join(said)}."


_MODES = {
    rehearsal.NORMAL: "as usual",
    rehearsal.FAILS: "with tier 1 failing",
    rehearsal.LENGTH: "with a prompt too long",
    rehearsal.POLICY: "with content refused",
}


def _named(one: Sent) -> str:
    if one.answer is None:
        return "perhaps sent, and nothing is known of it"
    if not one.by:
        return f"answered by nobody ({_refusal(one.answer)})"
    place = f"({one.tier})" if one.expected else f"({one.tier}), which is not on its way"
    return f"answered by {one.by} {place}"


def _who(step: Step, answer: Answered) -> tuple[str, str, bool]:
    """Who answered, its tier in words, and whether it may have."""
    if answer.status >= 400:
        return "", "", False
    known = {id_: (name, place) for id_, name, place, _ in step.body["way"]}
    if answer.id in known:
        return *known[answer.id], True
    return answer.id or "an unnamed deployment", f"group {answer.group}" if answer.group else "of no known group", False


def _usd(step: Step, answer: Answered) -> float | None:
    """What an answer cost; LiteLLM says 0 where it knows no price."""
    most: dict[str, float | None] = {id_: usd for id_, _, _, usd in step.body["way"]}
    price = most.get(answer.id, step.body["usd"])
    if answer.status >= 400:
        return answer.usd or 0.0
    return price if answer.usd is None else None if answer.usd == 0 and price is None else answer.usd


def _refusal(answer: Answered) -> str:
    return f"HTTP {answer.status}" + ("" if answer.error in ("", str(answer.status)) else f", {answer.error}")


def _kept(answer: Answered) -> Mapping[str, Any]:
    return {
        "answered": {
            "id": answer.id,
            "group": answer.group,
            "status": answer.status,
            "error": answer.error,
            "fallbacks": answer.fallbacks,
            "retries": answer.retries,
            "usd": answer.usd,
            "seconds": round(answer.seconds, 3),
        }
    }


def _gateway(step: Step, sources: Sources) -> tuple[ClusterSource, GatewayPlace, Gateway]:
    source = sources.clusters.get(step.ref.cluster)
    if source is None or source.gateway_place is None or source.gateway is None:
        raise Refused(f"The gateway of cluster {step.ref.cluster} is not configured any more.")
    return source, source.gateway_place, source.gateway
