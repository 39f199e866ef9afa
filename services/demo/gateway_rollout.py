"""Rollouts of the gateway's Deployment: which pods there are when, and which text of its file they run.

LiteLLM reads its file at start only, so an edit is in force once every pod was replaced. A text it cannot start with
makes the first new pod crash: the rollout stands, the old pods go on serving.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from services.demo import gateway_manifests, manifests, noise
from services.demo.gateway_plan import GatewayPlan
from services.demo.journal import Write
from services.demo.ledger import Key, Ledger, key
from services.demo.lives import NEVER
from services.demo.world import Site
from services.domain import litellm
from services.domain.litellm import yamltree
from services.errors import OpsError

ROLLED_S = 25
_UPDATED_EVERY_S = 14 * 86400
_UPDATED_AT_S = 5 * 86400 + 6 * 3600 + 12 * 60  # a Tuesday morning, as the epoch was a Thursday
_SEEN_S, _READ_S = 1, 3  # from a write until its controller acts, and until a new container reads its file
_AGAIN_S = 30  # from a corrected text until a pod that crashed starts with it: kubelet's sync and its back-off


@dataclass
class Process:
    """One pod of the proxy; ``revision`` is its template's hash. NEVER ready: it crashes again and again."""

    revision: str
    number: int
    created: int
    ready: int
    gone: int
    text: str

    def there(self, at: int) -> bool:
        """Whether its object exists."""
        return self.created <= at < self.gone


@dataclass(frozen=True)
class InForce:
    """From ``since`` every pod ran ``text``; None when there was no pod."""

    since: int
    text: str | None


class Rollouts:
    """Everything that became of the Deployment by what people wrote, in order of time.

    ``first`` is when the pods were started that nobody has replaced yet.
    """

    def __init__(self, site: Site, gateway: GatewayPlan, first: int) -> None:
        self.first = first
        self.processes: list[Process] = []
        self.in_force: list[InForce] = [InForce(first, gateway.text)]
        revision = _revision(manifests.objects(site)[deployment(gateway)])
        self.revisions: list[tuple[int, str]] = [(first, revision)]
        for _ in range(gateway.replicas):
            self._begin(revision, first - ROLLED_S, first, gateway.text)
        for write in _writes(site, gateway):
            if write.ref.kind == "ConfigMap":
                self._healed(site, gateway, write.at + _AGAIN_S)
            else:
                self._reconcile(site, gateway, write.at)

    def now(self, at: int) -> InForce:
        """What is in force at a time."""
        return next(one for one in reversed(self.in_force) if one.since <= at or one is self.in_force[0])

    def alive(self, at: int) -> list[Process]:
        """The pods there are at a time, oldest first."""
        return [one for one in self.processes if one.there(at)]

    def revision(self, at: int) -> str:
        """Hash of the newest template."""
        return next(name for since, name in reversed(self.revisions) if since <= at or since == self.first)

    def moments(self, until: int) -> list[int]:
        """When anything about the pods changed because of what people wrote."""
        times = {t for one in self.processes for t in (one.created, one.ready, one.gone)}
        return sorted(t for t in times if self.first < t <= until)

    def _begin(self, revision: str, created: int, ready: int, text: str) -> Process:
        self.processes.append(Process(revision, len(self.processes), created, ready, NEVER, text))
        return self.processes[-1]

    def _reconcile(self, site: Site, gateway: GatewayPlan, at: int) -> None:
        """What the Deployment's controller plans after a write; what it had planned before is given up."""
        folded = site.ledger.folded(deployment(gateway), manifests.objects(site)[deployment(gateway)], at)
        self.processes = [one for one in self.processes if one.created <= at]
        self.in_force = [one for one in self.in_force if one.since <= at or one is self.in_force[0]]
        alive = [one for one in self.processes if one.gone > at]
        for one in alive:
            one.gone = NEVER
        spec = (folded.body.get("spec") or {}) if folded is not None else {}
        wanted = 0 if folded is None else 1 if spec.get("replicas") is None else int(spec["replicas"])
        revision = _revision(folded.body) if folded is not None else ""
        self.revisions.append((at, revision))
        own = sorted((one for one in alive if one.revision == revision), key=lambda one: (one.ready, one.number))
        for one in own[wanted:]:
            one.gone = at + _SEEN_S
        own = own[:wanted]
        if all(one.ready < NEVER for one in own):
            own += self._created(revision, (len(own), wanted), at, own, _text(site, gateway, at + _READ_S))
        self._replace([one for one in alive if one.revision != revision], own, wanted, at)
        if len(own) == wanted and all(one.ready < NEVER for one in own):
            since = max((one.ready for one in own), default=at + _SEEN_S)
            self.in_force.append(InForce(since, own[0].text if own else None))

    def _created(self, revision: str, counts: tuple[int, int], at: int, own: list[Process], text: str) -> list[Process]:
        """The pods that are lacking, one after the other; ``counts``: how many there are and how many are wanted."""
        have, wanted = counts
        if have == wanted:
            return []
        begin = max([at, *(one.ready for one in own)])
        if not startable(text):
            return [self._begin(revision, begin + _SEEN_S, NEVER, text)]
        times = [begin + ROLLED_S * step // wanted for step in range(wanted - have + 1)]
        return [self._begin(revision, start + _SEEN_S, done, text) for start, done in pairwise(times)]

    def _replace(self, old: list[Process], own: list[Process], wanted: int, at: int) -> None:
        """Old pods go one by one as new ones are ready, those that are not ready at once."""
        ready = sorted(one.ready for one in own)
        serving = [one for one in old if one.ready <= at]
        for one in old:
            if one.ready > at:
                one.gone = at + _SEEN_S
        for place, one in enumerate(serving):
            needed = wanted - len(serving) + place  # so many new ones, counted from 0, make this one superfluous
            one.gone = at + _SEEN_S if needed < 0 else ready[needed] if needed < len(ready) else NEVER

    def _healed(self, site: Site, gateway: GatewayPlan, at: int) -> None:
        text = _text(site, gateway, at)
        crashing = [one for one in self.processes if one.ready == NEVER and one.there(at)]
        if not crashing or not startable(text):
            return
        for one in crashing:
            one.ready, one.text = at + ROLLED_S // 2, text
        self._reconcile(site, gateway, at)


_played: WeakKeyDictionary[Ledger, Rollouts] = WeakKeyDictionary()


def rollouts(site: Site, at: int) -> Rollouts | None:
    """The rollouts of a cluster's gateway, as known at a time; None when it has none.

    Until somebody touches it, it is updated every second Tuesday, and nothing else changes.
    """
    gateway = gateway_manifests.plan(site)
    if gateway is None:
        return None
    touched = min([at, *(write.at for write in _writes(site, gateway))])
    first = touched - (touched - _UPDATED_AT_S) % _UPDATED_EVERY_S
    found = _played.get(site.ledger)
    if found is None or found.first != first:
        found = _played[site.ledger] = Rollouts(site, gateway, first)
    return found


def moments(site: Site, until: int) -> list[int]:
    """When anything about the gateway's pods changed because of what people wrote, oldest first."""
    played = rollouts(site, until)
    return played.moments(until) if played is not None else []


def _writes(site: Site, gateway: GatewayPlan) -> list[Write]:
    """Writes to its ConfigMap and its Deployment, and the end of its namespace."""
    keys = {deployment(gateway), ("ConfigMap", gateway.namespace, gateway.configmap)}
    return [
        write
        for write in site.ledger.writes
        if key(write.ref) in keys or (key(write.ref) == ("Namespace", "", gateway.namespace) and write.verb == "delete")
    ]


def deployment(gateway: GatewayPlan) -> Key:
    """The Deployment."""
    return "Deployment", gateway.namespace, gateway.deployment


def startable(text: str) -> bool:
    """Whether LiteLLM starts with a text.

    1.106 stops at fallbacks that are no list of rules for one group each; it takes other lists as they are. One word as
    default fallbacks stops some versions and is spelt out as groups by others; here it stops.
    """
    try:
        config, root = litellm.read(text), yamltree.parsed(text).root
    except OpsError:
        return False
    listed = [yamltree.at(root, [section, "fallbacks"]) for section in (litellm.ROUTER, litellm.LITELLM)]
    lists = all(one is None or one.kind == "sequence" or yamltree.value(one) is None for one in listed)
    rules = all(rule.group for rule in config.rules if rule.kind == "fallbacks")
    return lists and rules and not config.defaults_text


def _text(site: Site, gateway: GatewayPlan, at: int) -> str:
    """The file at a time; "" when the ConfigMap or its key is gone, with which no pod starts."""
    return manifests.data(site, gateway.configmap, gateway.namespace, at).get(gateway.key, "")


def _revision(body: Mapping[str, Any]) -> str:
    """Hash of the pod template; labels and annotations that are empty are none."""
    template = body["spec"].get("template") or {}
    meta = {name: value for name, value in (template.get("metadata") or {}).items() if value}
    return noise.suffix(noise.key(json.dumps({**template, "metadata": meta}, sort_keys=True)), 9)
