"""Send marked test requests through a LiteLLM gateway and see which path they take."""

from dataclasses import dataclass
from math import isfinite

from services.actions import sending
from services.actions.admission import record
from services.actions.base import Action, Effect, Verdict
from services.domain import litellm
from services.domain.change.plan import Draft, Plan, Risk
from services.domain.change.refs import Ref
from services.domain.litellm import MOCKS, Config, yamltext
from services.domain.litellm.rehearsal import FAILS, MODES, MOST_REQUESTS, MOST_USD, NORMAL, TAG, USUAL_USD
from services.errors import Refused
from services.gateway import compare, read, ways
from services.gateway.ways import Answerer
from services.ports import ClusterSource, Gateway, GatewayPlace, Routing, Sources


@dataclass(frozen=True)
class RehearseParams:
    """``times`` requests to a model group in each of ``modes`` (:data:`rehearsal.MODES`).

    ``cap_usd`` is what all of them together may cost.
    """

    cluster: str
    group: str
    modes: tuple[str, ...] = (FAILS,)
    times: int = 1
    cap_usd: float = USUAL_USD


class RehearseFallbacks(Action[RehearseParams]):
    """Send marked requests whose first tier is made to fail, and tell who answered. It changes nothing."""

    name, title, risk, params = "rehearse-fallbacks", "Rehearse fallbacks", Risk.MEDIUM, RehearseParams
    verify_within_s = 0.0

    def plan(self, params: RehearseParams, sources: Sources) -> Draft:
        """One SEND for each request, with who may answer it and the most it may cost. Raises Refused."""
        _check(params)
        source, place, gateway = _known(params.cluster, sources)
        text = read.file_text(source.cluster.read(read.config_ref(source.name, place)), place)
        config, routing = litellm.read(text), gateway.routing()
        _check_group(config, routing, params)
        found = {mode: ways.way(config, routing, params.group, mode) for mode in params.modes}
        _check_in_force(config, routing, params, found)
        draft = Draft(_summary(params))
        ref = Ref.of(source.name, "Deployment", place.deployment, place.namespace)
        tag = "" if "enable_tag_filtering" in config.router_keys else TAG
        for mode, answerers in found.items():
            for number in range(1, params.times + 1):
                body = {
                    "group": params.group,
                    "mode": mode,
                    "usd": ways.most_usd(answerers),
                    "cap_usd": params.cap_usd,
                    "way": [[one.id, one.told, one.tier, ways.most_usd([one])] for one in answerers],
                    "sha256": yamltext.sha256(text),
                    "tag": tag,
                }
                says = f"Send request {number} of {params.times} to {params.group} ({MODES[mode]})"
                draft.send(ref, body, says, group=MODES[mode])
        _told(draft, params, found, place, tag)
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """What the record says of every request."""
        with record(sources).reading() as unit:
            requests = sending.told(plan, unit.operations.events(plan.id))
        says = sending.verdict(str(plan.params["group"]), requests)
        answered = [one for one in requests if one.answer is not None]
        right = bool(answered) and all(one.expected for one in answered)
        return Verdict(Effect.DONE if right else Effect.FAILED, says)


def _check(params: RehearseParams) -> None:
    unknown = [mode for mode in params.modes if mode not in MODES]
    if unknown or not params.modes or len(set(params.modes)) < len(params.modes):
        raise Refused(f"Choose what to rehearse, each once: {', '.join(MODES)}.")
    count = params.times * len(params.modes)
    if params.times < 1 or count > MOST_REQUESTS:
        raise Refused(f"A rehearsal sends 1 to {MOST_REQUESTS} requests; these would be {max(count, 0)}.")
    if not isfinite(params.cap_usd) or not 0 < params.cap_usd <= MOST_USD:
        raise Refused(f"The cap is above $0 and at most ${MOST_USD:.0f}.")


def _known(cluster: str, sources: Sources) -> tuple[ClusterSource, GatewayPlace, Gateway]:
    source = sources.clusters.get(cluster)
    if source is None or source.gateway_place is None:
        raise Refused(f"No gateway is configured for cluster {cluster[:60]}.", hint="Name it in the settings.")
    if source.gateway is None:
        raise Refused("The proxy itself is not connected, so nothing can be sent through it.",
                      hint="Give its address and a key in the settings.")  # fmt: skip
    return source, source.gateway_place, source.gateway


def _check_group(config: Config, routing: Routing, params: RehearseParams) -> None:
    said = ways.obstacle(config, routing, params.group)
    if said:
        raise Refused(said)
    if params.modes != (NORMAL,) and ways.mocks_refused(config, routing):
        raise Refused(
            f"This proxy refuses requests that ask for a failure: its file does not set general_settings.{MOCKS}.",
            hint="Set it to true and restart the proxy; while it is set, any key may make its own requests fail.",
        )


def _check_in_force(
    config: Config, routing: Routing, params: RehearseParams, found: dict[str, tuple[Answerer, ...]]
) -> None:
    """Refuse what would rehearse something else than the file says, or cost more than the cap."""
    groups = {params.group, *(one.group for answerers in found.values() for one in answerers)}
    wrong = next((one for one in compare.differences(config, routing) if one.group in groups), None)
    if wrong is not None:
        raise Refused(f"The running proxy does not do what its file says. {wrong.group}: {wrong.says}",
                      hint="Restart it first.")  # fmt: skip
    worst = ways.worst_usd(found.values(), params.times)
    if worst > params.cap_usd:
        raise Refused(f"The requests may cost ${worst:.4f}, and the cap is ${params.cap_usd:.4f}.",
                      hint="Send fewer, or raise the cap.")  # fmt: skip


def _summary(params: RehearseParams) -> str:
    each = f", {params.times} requests each" if params.times > 1 else ""
    return f"Rehearse {params.group} in {params.cluster}: {', '.join(MODES[mode] for mode in params.modes)}{each}"


def _told(
    draft: Draft, params: RehearseParams, found: dict[str, tuple[Answerer, ...]], place: GatewayPlace, tag: str
) -> None:
    count = params.times * len(found)
    requests = "1 test request is" if count == 1 else f"{count} test requests are"
    draft.blast.append(f"{requests} sent to {params.group} through {place.namespace}/{place.deployment}.")
    draft.blast += [f"{MODES[mode].capitalize()}: {ways.listed(answerers)}." for mode, answerers in found.items()]
    worst = ways.worst_usd(found.values(), params.times)
    draft.blast.append(
        f"Together they cost at most ${worst:.4f} at the prices known; no more are sent once ${params.cap_usd:.2f} "
        "could be passed."
    )
    marked = f", marked with the tag {tag}" if tag else ""
    draft.blast.append(f"They are real requests: counted, logged and paid like any other{marked}.")
    if not tag:
        draft.warnings.append("The router chooses deployments by tags, so the requests are sent without the mark.")
    unknown = tuple(dict.fromkeys(name for answerers in found.values() for name in ways.unpriced(answerers)))
    if unknown:
        draft.warnings.append(
            f"No price is known of {', '.join(unknown)}: their cost is seen afterwards, as far as the proxy says."
        )
