"""The API server of a simulated cluster: reads of single objects, and writes with the real one's rules."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.demo import admission, bodies, daemonobjects, deployer, manifests, policies, statuses
from services.demo.journal import entry
from services.demo.ledger import Key, key
from services.demo.moment import Moment, PodFacts
from services.demo.podobjects import labels as pod_labels
from services.demo.reaction import seen
from services.demo.world import Site
from services.domain.change import patch
from services.domain.change.refs import API, Live, Ref


class Server:
    """Implements :class:`services.ports.Writable` on the world, in seconds of the clock.

    ``actor`` is recorded with each write. ``forbidden`` are verbs these credentials lack: (verb, kind), such as
    ("patch", "Node"); evictions are ("create", "Eviction").
    """

    def __init__(
        self, site: Site, clock: Callable[[], datetime], *, actor: str, forbidden: Collection[tuple[str, str]] = ()
    ) -> None:
        self._site, self._clock = site, clock
        self._actor, self._forbidden = actor, frozenset(forbidden)

    def read(self, ref: Ref) -> Live:
        """The object now, whole. Raises NotFound."""
        self._may("get", ref.kind, ref)
        return self._read(self._now(), ref)

    def create(self, ref: Ref, body: Mapping[str, Any], *, dry_run: bool = False) -> Live:
        """Create it. Raises Conflict when it exists."""
        self._may("create", ref.kind, ref)
        moment = self._now()
        self._served(moment, ref)
        if ref.namespace and bodies.read(moment, ("Namespace", "", ref.namespace)) is None:
            raise admission.homeless(ref)
        if bodies.read(moment, key(ref)) is not None:
            raise admission.there(ref)
        meta = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
        whole = {**body, "apiVersion": ref.api, "kind": ref.kind, "metadata": {**(body.get("metadata") or {}), **meta}}
        for name in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
            whole["metadata"].pop(name, None)
        admission.check(ref, whole)
        self._check_quota(moment, ref, whole)
        return self._write("create", ref, whole, dry_run=dry_run)

    def patch(self, ref: Ref, body: Mapping[str, Any], *, expected: str, dry_run: bool = False) -> Live:
        """Merge-patch it while its resourceVersion is ``expected``. Raises Conflict when it is another."""
        if not expected:
            raise ValueError("a patch without the version it was made for would overwrite what others did")
        self._may("patch", ref.kind, ref)
        before = self._read(self._now(), ref)
        if before.version != expected:
            raise admission.changed(ref)
        admission.check(ref, patch.applied(before.body, body), before)
        if not patch.needed(before.body, body):
            return before
        return self._write("patch", ref, body, dry_run=dry_run)

    def delete(self, ref: Ref, *, expected: str, uid: str = "", dry_run: bool = False) -> None:
        """Delete it while its resourceVersion is ``expected`` and its uid ``uid`` (when given)."""
        if not (expected or uid):
            raise ValueError("a delete without a version or a uid would remove whatever has the name by then")
        self._may("delete", ref.kind, ref)
        moment = self._now()
        before = self._read(moment, ref)
        if (expected and before.version != expected) or (uid and before.uid != uid):
            raise admission.changed(ref)
        facts = self._pod(moment, ref) if ref.kind == "Pod" else None
        if not dry_run:
            self._append("delete", ref, _leaving(facts))

    def evict(self, ref: Ref, *, uid: str = "", dry_run: bool = False) -> None:
        """Evict a pod; a pod that is gone already is no error. Raises Busy while a disruption budget forbids it."""
        self._may("create", "Eviction", ref)
        moment = self._now()
        facts = self._pod(moment, ref)
        daemon = daemonobjects.find(moment, ref.namespace, ref.name)
        if daemon is not None and uid in ("", daemon.uid) and not dry_run:
            self._append("evict", ref, {"uid": daemon.uid})
        if facts is None or facts.ended <= moment.now or (uid and facts.uid != uid):
            return
        self._check_budgets(moment, ref, facts)
        if not dry_run:
            self._append("evict", ref, _leaving(facts))

    def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        """Whether these credentials may do it."""
        kind = "Eviction" if subresource == "eviction" else ref.kind
        return (verb, kind) not in self._forbidden

    def pods_on(self, node: str) -> Sequence[Live]:
        """The pods bound to a node, now."""
        site = self._site.name
        found = bodies.pods_on(self._now(), node)
        return [Live(Ref.of(site, "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"]), pod) for pod in found]

    # -- how -------------------------------------------------------------------------------------------------------

    def _now(self) -> Moment:
        now = int(self._clock().timestamp())
        return Moment(seen(self._site, now), now)

    def _may(self, verb: str, kind: str, ref: Ref) -> None:
        if (verb, kind) in self._forbidden:
            plural = "pods/eviction" if kind == "Eviction" else ref.plural
            raise admission.powerless(self._actor, verb, plural, ref)

    def _served(self, moment: Moment, ref: Ref) -> None:
        if ref.kind not in API or not bodies.served(moment, ref.kind):
            raise admission.unserved(ref)

    def _read(self, moment: Moment, ref: Ref) -> Live:
        self._served(moment, ref)
        body = bodies.read(moment, key(ref))
        if body is None:
            raise admission.missing(ref)
        return Live(ref, body)

    def _write(self, verb: str, ref: Ref, body: Mapping[str, Any], *, dry_run: bool) -> Live:
        if not dry_run:
            self._append(verb, ref, body)
            return self._read(self._now(), ref)
        moment = self._now()
        before = bodies.read(moment, key(ref)) or {}
        after = patch.applied(before, body)
        return Live(ref, after)

    def _append(self, verb: str, ref: Ref, body: Mapping[str, Any]) -> None:
        at = self._clock()
        self._site.journal.append(self._site.name, entry(verb, ref, body), at=at, actor=self._actor)

    def _pod(self, moment: Moment, ref: Ref) -> PodFacts | None:
        wanted = (ref.namespace, ref.name)
        return next((pod for pod in moment.pods if (pod.work.namespace, pod.name) == wanted), None)

    def _check_budgets(self, moment: Moment, ref: Ref, facts: PodFacts) -> None:
        """Whether disruption budgets let a pod go; one that is not ready may always go."""
        if facts.ready > moment.now:
            return
        own = pod_labels(facts.work)
        for one in _budgets(moment, facts.work.namespace):
            body = bodies.read(moment, one) or {}
            wanted = ((body.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
            if body and all(own.get(name) == value for name, value in wanted.items()):
                status = statuses.budget(moment, one[1], body)
                if status["disruptionsAllowed"] <= 0:
                    needs, has = status["desiredHealthy"], status["currentHealthy"]
                    raise admission.protected(ref, one[2], needs=needs, has=has)

    def _check_quota(self, moment: Moment, ref: Ref, body: Mapping[str, Any]) -> None:
        """The quota admission of pods."""
        resource, amount = deployer.asked(body) if ref.kind == "Pod" else ("", 0)
        if not amount:
            return
        name = f"requests.{resource}"
        taken = policies.used(moment, ref.namespace, name)
        for quota, hard in deployer.quotas(moment.site, moment.site.ledger, ref.namespace, name, moment.now):
            if taken + amount > hard:
                raise admission.over_quota(ref, deployer.exceeded(quota, name, (amount, taken, hard)))


def _leaving(facts: PodFacts | None) -> dict[str, Any]:
    return {} if facts is None else {"uid": facts.uid, "pool": facts.work.plan.place.pool}


def _budgets(moment: Moment, namespace: str) -> list[Key]:
    kind = "PodDisruptionBudget"
    known = [*manifests.objects(moment.site), *moment.site.ledger.touched(kind)]
    return [one for one in dict.fromkeys(known) if one[:2] == (kind, namespace)]
