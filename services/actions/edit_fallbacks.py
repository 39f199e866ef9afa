"""Change the order in which a LiteLLM gateway tries its deployments and fallback groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.actions.base import Action, Effect, Verdict
from services.domain import litellm
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk, Step, StepKind, inverse
from services.domain.change.refs import Live, Ref
from services.domain.litellm import KINDS, Chain, Config, Place, yamltext
from services.domain.litellm import edits as litellm_edits
from services.domain.litellm.edits import ranks
from services.domain.litellm.lint import parsed
from services.domain.litellm.settings import GROUPS_SINCE, SETTINGS, told
from services.errors import OpsError, Refused
from services.gateway import compare, read
from services.ports import ClusterSource, GatewayPlace, Routing, Sources

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
ROLL_OUT_S = 600.0
LONG_S = 600.0
"""Longer than clients wait for an answer."""


@dataclass(frozen=True)
class FallbackParams:
    """The chains wanted; groups not among them stay as they are, ``defaults`` too when None.

    ``settings`` of the router by name (:data:`services.domain.litellm.settings.SETTINGS`), None takes one out;
    ``strategies`` by model group, "" is the router's. ``seen`` is the sha256 of the file the chains were made from:
    positions in it name deployments.
    """

    cluster: str
    chains: tuple[Chain, ...]
    defaults: tuple[str, ...] | None = None
    seen: str = ""
    settings: dict[str, float | bool | str | None] = field(default_factory=dict)
    strategies: dict[str, str] = field(default_factory=dict)


class EditFallbacks(Action[FallbackParams]):
    """Edit the gateway's file in its ConfigMap, restart its pods and see the new order in force."""

    name, title, risk, params = "edit-fallbacks", "Change fallbacks", Risk.MEDIUM, FallbackParams
    verify_within_s = 120.0

    def plan(self, params: FallbackParams, sources: Sources) -> Draft:
        """Edits of the file, a restart of the Deployment that reads it, and the wait for it. Raises Refused."""
        source, place = _known(params.cluster, sources)
        live = source.cluster.read(read.config_ref(source.name, place))
        if live.body.get("immutable"):
            raise Refused(
                f"{live.ref} is immutable, so its text cannot change.",
                hint="Make a new ConfigMap and point the Deployment at it.",
            )
        text = read.file_text(live, place)
        if params.seen and yamltext.sha256(text) != params.seen:
            raise Refused("The file has changed since you looked at it.", hint="Look at the chains again.")
        config = litellm.read(text)
        edits = litellm_edits.edits(text, params.chains, params.defaults, params.settings, params.strategies)
        draft = Draft(_summary(config, params, place))
        if not edits:
            return draft
        deployment = source.cluster.read(Ref.of(source.name, "Deployment", place.deployment, place.namespace))
        _check_reads(deployment, place)
        routing = _routing(source, draft)
        if routing is not None:
            _check_in_force(config, routing, params)
        after = yamltext.apply(text, edits)
        draft.edit(
            live,
            place.key,
            edits=edits,
            inverse=yamltext.inverse(text, edits),
            sha256=yamltext.sha256(text),
            sha256_after=yamltext.sha256(after),
            says=f"Edit {place.key} of {live.ref}",
        )
        _restart(draft, deployment, sources)
        draft.on_failure = "compensate"
        _told(draft, config, litellm.read(after), params, sources, deployment)
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        """Whether the running proxy tries what was asked for; it is asked itself, not its file."""
        source, place = _known(plan.clusters[0], sources)
        config = litellm.read(read.file_text(source.cluster.read(read.config_ref(source.name, place)), place))
        if source.gateway is None:
            return Verdict(Effect.DONE, "All pods run with the new file. The proxy itself is not connected.")
        routing = source.gateway.routing()
        groups = _groups(plan)
        wrong = [one for one in compare.differences(config, routing) if one.group in groups or not groups]
        if wrong:
            return Verdict(Effect.WAITING, f"Not in force yet. {wrong[0].group}: {wrong[0].says}")
        if not routing.knows_fallbacks:
            return Verdict(
                Effect.DONE, "All pods run with the new file. This version of LiteLLM does not tell its fallbacks."
            )
        chains = "; ".join(f"{group}: {_told_chain(config.chain(group))}" for group in groups[:3])
        if plan.params.get("settings") or plan.params.get("strategies"):
            more = f" In force: {chains}." if chains else ""
            return Verdict(Effect.DONE, f"All pods run with the new file; the proxy does not tell its settings.{more}")
        return Verdict(Effect.DONE, f"In force: {chains}." if chains else "The proxy does what its file says.")

    def verify_undo(self, plan: Plan, sources: Sources) -> Verdict:
        """The same, by the plan that takes it back."""
        return self.verify(plan, sources)

    def undo(self, plan: Plan, landed: Sequence[Step], sources: Sources) -> Draft | None:
        """The text back, then another restart: putting the old time of restart back might restart nothing."""
        edits = [step for step in inverse(landed) if step.kind is StepKind.EDIT]
        if not edits:
            return None
        source, place = _known(plan.clusters[0], sources)
        draft = Draft(f"Take back: {plan.summary}", steps=list(edits), on_failure="compensate")
        deployment = source.cluster.read(Ref.of(source.name, "Deployment", place.deployment, place.namespace))
        _restart(draft, deployment, sources)
        draft.blast.append(_dropped(deployment))
        return draft


def _known(cluster: str, sources: Sources) -> tuple[ClusterSource, GatewayPlace]:
    source = sources.clusters.get(cluster)
    if source is None or source.gateway_place is None:
        raise Refused(f"No gateway is configured for cluster {cluster[:60]}.", hint="Name it in the settings.")
    return source, source.gateway_place


def _restart(draft: Draft, deployment: Live, sources: Sources) -> None:
    annotation = {RESTARTED_AT: sources.now().isoformat(timespec="seconds")}
    fields = {"spec": {"template": {"metadata": {"annotations": annotation}}}}
    draft.set(deployment, fields, f"Restart {deployment.ref}: LiteLLM reads its file at start only")
    tests = [((), "rolled_out", True)]
    says = f"Every pod of {deployment.ref} runs with the new file and is ready"
    draft.wait(deployment.ref, tests, says, deadline_s=ROLL_OUT_S, back=tests)


def _check_reads(deployment: Live, place: GatewayPlace) -> None:
    """Refuse where a restart of the Deployment would not bring the new text into force."""
    spec = patch.at(deployment.body, ("spec", "template", "spec")) or {}
    found = [one for one in _sources_of(spec) if one.get("name") == place.configmap]
    if not found:
        raise Refused(
            f"{deployment.ref} does not mount ConfigMap {place.configmap}.",
            hint="Check the names of the gateway's ConfigMap and Deployment in the settings.",
        )
    if not any(not one.get("items") or place.key in [item.get("key") for item in one["items"]] for one in found):
        raise Refused(f"{deployment.ref} mounts ConfigMap {place.configmap} without its key {place.key}.")
    if patch.at(deployment.body, ("spec", "paused")):
        raise Refused(f"{deployment.ref} is paused, so a restart would not begin.", hint="Resume its rollout first.")


def _sources_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """ConfigMaps a pod mounts, also as part of projected volumes, as volumes name them."""
    found: list[Mapping[str, Any]] = []
    for volume in spec.get("volumes") or ():
        parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        found += [part["configMap"] for part in parts if part.get("configMap")]
    return found


def _routing(source: ClusterSource, draft: Draft) -> Routing | None:
    if source.gateway is None:
        draft.warnings.append("The proxy itself is not connected: whether the order is in force will not be seen.")
        return None
    try:
        return source.gateway.routing()
    except OpsError as error:
        draft.warnings.append(f"{error} Whether the order is in force may not be seen.")
        return None


def _check_in_force(config: Config, routing: Routing, params: FallbackParams) -> None:
    """Refuse what the proxy's database decides and the file does not."""
    locked = compare.locked(routing)
    version = parsed(routing.version)
    if any(params.strategies.values()) and version and version < GROUPS_SINCE:
        since = ".".join(map(str, GROUPS_SINCE))
        raise Refused(
            f"LiteLLM {routing.version} may not know strategies of single groups; they were seen from {since} on.",
            hint="Set the strategy of the whole router, or upgrade.",
        )
    for chain in params.chains:
        if chain.group in locked and not litellm_edits.same(config.chain(chain.group), chain):
            raise Refused(f"{chain.group}: {locked[chain.group]}")
        if not (routing.stored_in_database and routing.knows_fallbacks and version and version < read.FILE_WINS):
            continue
        for kind in KINDS:
            runs, says = compare.effective(routing, kind, chain.group), compare.intended(config, kind, chain.group)
            if runs != says:
                raise Refused(
                    f"{chain.group} runs with other {kind.replace('_', ' ')} than its file says, and in LiteLLM "
                    f"{routing.version} the proxy's database hides the file.",
                    hint="Change them in LiteLLM's own admin page, or restart the proxy if only the file is newer.",
                )


def _summary(config: Config, params: FallbackParams, place: GatewayPlace) -> str:
    changed = [one for one in params.chains if not litellm_edits.same(config.chain(one.group), one)]
    said = [f"{one.group}: {_told_chain(one)}" for one in changed[:2]]
    if len(changed) > 2:
        said.append(f"{len(changed) - 2} more groups")
    if params.defaults is not None and params.defaults != config.default_fallbacks:
        said.append(f"default: {', '.join(params.defaults) or 'none'}")
    said += [f"{SETTINGS[name].title.lower()}: {told(name, value)}" for name, value in params.settings.items()]
    said += [f"{group}: {strategy or 'strategy of the router'}" for group, strategy in params.strategies.items()]
    return f"Fallbacks of {place.namespace}/{place.deployment}: {'; '.join(said) or 'no change'}"


def _told_chain(chain: Chain) -> str:
    steps = [" + ".join(_told_place(place) for place in rank) for rank in ranks(chain.tiers)]
    return " → ".join([*steps, *chain.fallbacks])


def _told_place(place: Place) -> str:
    return f"{place.key} (out of rotation)" if place.blocked else place.key


def _groups(plan: Plan) -> list[str]:
    """Groups the plan set out to change; none when it may concern all of them."""
    chains = plan.params.get("chains") or ()
    if plan.undoes or plan.params.get("defaults") is not None:
        return []
    return [str(chain["group"]) for chain in chains]


def _told(
    draft: Draft, before: Config, after: Config, params: FallbackParams, sources: Sources, deployment: Live
) -> None:
    """The blast radius, what could go wrong, and the risk that follows."""
    changed = [one.group for one in params.chains if before.chain(one.group) != after.chain(one.group)]
    named = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
    if changed:
        draft.blast.append(f"Requests to {named} are tried in the new order.")
    if before.default_fallbacks != after.default_fallbacks:
        draft.blast.append("The defaults change.")
    draft.blast += [
        f"{SETTINGS[name].title}: {told(name, before.settings.get(name))} → "
        f"{told(name, after.settings.get(name))}, for every model group."
        for name in params.settings
        if before.settings.get(name) != after.settings.get(name)
    ]
    draft.blast += [
        f"{group}: chosen within a rank by {strategy or 'the router’s strategy'}."
        for group, strategy in params.strategies.items()
    ]
    draft.warnings += _doubts(after, _replicas(deployment))
    draft.blast += _carried(changed, params, sources)
    draft.blast.append(_dropped(deployment))
    lonely = [group for group in changed if _lonely(after, group) and not _lonely(before, group)]
    for group in lonely:
        draft.warnings.append(f"{group} would depend on one provider alone: when it fails, every request fails.")
    away = _away(deployment)
    if away:
        draft.warnings.append(away)
    if lonely or patch.at(deployment.body, ("spec", "strategy", "type")) == "Recreate":
        draft.risk, draft.confirm = Risk.HIGH, deployment.ref.name


def _doubts(after: Config, replicas: int) -> list[str]:
    """What the settings would do that people do not expect."""
    found = []
    chosen = {str(after.settings.get("routing_strategy", "")), *(one.strategy for one in after.routing_groups)}
    if replicas > 1 and any(one.startswith("usage-based") for one in chosen):
        found.append("Usage-based routing counts in each proxy by itself: with several replicas it needs a Redis.")
    tries, timeout = after.settings.get("num_retries", 2.0), after.settings.get("timeout", 6000.0)
    waits = (1 + float(tries)) * float(timeout)
    if waits > LONG_S and timeout != 6000.0:
        found.append(f"A silent tier is given up after {waits:,.0f} s, all its retries included.")
    if after.settings.get("disable_cooldowns") is True:
        found.append("Without cooldowns every request tries a tier that is away, and waits for it.")
    return found


def _carried(changed: Sequence[str], params: FallbackParams, sources: Sources) -> list[str]:
    """What these groups did over the last 24 hours, where something counts it."""
    counted = read.traffic(sources, sources.clusters[params.cluster])
    if counted is None or not changed or not counted["requests"].sum():
        return []
    counted = counted[counted["id"] != ""]  # what nobody answered was carried by nobody
    mine = counted[counted["group"].isin(changed)]
    requests, share = mine["requests"].sum(), mine["requests"].sum() / counted["requests"].sum()
    money = mine["usd"].sum(min_count=1)
    spent = "" if money != money else f" and ${money:,.2f}"  # noqa: PLR0124 - NaN is unknown
    who = changed[0] if len(changed) == 1 else "they"
    return [f"In the last 24 hours {who} carried {requests:,.0f} requests ({100 * share:.0f} % of all){spent}."]


def _lonely(config: Config, group: str) -> bool:
    """Whether everything a group can reach stands at one provider and host."""
    names = {group, *compare.intended(config, "fallbacks", group)}
    reached = {(one.provider, one.base) for name in names for one in config.of(config.aliases.get(name, name))}
    return len(reached) < 2


def _dropped(deployment: Live) -> str:
    replicas = _replicas(deployment)
    pods = "Its one pod is" if replicas == 1 else f"Its {replicas} pods are"
    return f"{pods} restarted: streaming answers in flight on them end early, and cooldowns are forgotten."


def _replicas(deployment: Live) -> int:
    wanted = patch.at(deployment.body, ("spec", "replicas"))
    return 1 if wanted is None else int(wanted)


def _away(deployment: Live) -> str:
    """In words, when nothing answers for a while or at all; "" otherwise."""
    if _replicas(deployment) == 0:
        return f"{deployment.ref} has no replicas: the change takes effect when it is scaled up."
    if patch.at(deployment.body, ("spec", "strategy", "type")) == "Recreate":
        return f"{deployment.ref} stops all pods before it starts new ones: the gateway is away meanwhile."
    return ""
