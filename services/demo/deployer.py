"""The Deployment controller of the replay: keeps as many pods of a Deployment as it asks for."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from services.demo import noise
from services.demo.journal import Write
from services.demo.ledger import Key, Ledger
from services.demo.replay import Replay
from services.demo.scenario import Activity, Place, WorkPlan
from services.demo.seating import Stay
from services.demo.startplan import StartPlan
from services.demo.workloads import Work
from services.demo.world import Site
from services.domain import units

_SEES_S = 1  # from a write until its controller acts
_QUIET = Activity("placeholder", level=0.0, noise=0.0, memory=0.0)


def asked(template: Mapping[str, Any]) -> tuple[str, int]:
    """GPU resource and amount one pod of a template asks for; ("", 0) for none."""
    for container in (template.get("spec") or {}).get("containers") or ():
        resources = container.get("resources") or {}
        for name, amount in {**(resources.get("requests") or {}), **(resources.get("limits") or {})}.items():
            if units.is_gpu_resource(name) and units.quantity(amount) > 0:
                return name, int(units.quantity(amount))
    return "", 0


class Deployer:
    """One Deployment a person made, in one pool.

    ``ours`` tells whether a template's pods belong into the pool; ``refused`` why pods cannot be created, "" when they
    can.
    """

    def __init__(self, replay: Replay, key: Key, ours: Callable[[Mapping[str, Any]], bool]) -> None:
        self.key = key
        self._ours = ours
        self.stays: list[Stay] = []
        self.works: dict[str, Work] = {}
        self.refused = ""
        self.refused_since = 0
        self._replay = replay
        self._ordinal = 0
        replay.hear(self._heard)
        replay.on_end.append(self._ended)

    def _heard(self, write: Write) -> None:
        ours = (write.ref.kind, write.ref.namespace, write.ref.name) == self.key
        home = write.ref.kind == "Namespace" and write.ref.name == self.key[1]
        rules = write.ref.kind == "PriorityClass" or (
            write.ref.kind == "ResourceQuota" and write.ref.namespace == self.key[1]
        )
        if ours or home or (rules and self.refused):
            self._replay.later(write.at + _SEES_S, self._reconcile)

    def _ended(self, stay: Stay, now: int) -> None:
        if stay in self.stays:
            self._replay.later(now + _SEES_S, self._reconcile)

    def _reconcile(self, now: int) -> None:
        replay = self._replay
        replay.shown(now)
        folded = replay.ledger.folded(self.key, None, now)
        alive = [stay for stay in self.stays if not stay.over(now)]
        if folded is None or not self._ours((folded.body.get("spec") or {}).get("template") or {}):
            for stay in alive:
                replay.remove(stay, now, now)
            return
        spec = folded.body.get("spec") or {}
        work = self._work(spec.get("template") or {})
        for stay in alive:
            if stay.work is not work:
                replay.remove(stay, now, now)
        current = [stay for stay in alive if stay.work is work]
        wanted = 1 if spec.get("replicas") is None else int(spec["replicas"])
        newest = sorted(current, key=lambda stay: (stay.host is None, stay.created), reverse=True)
        for stay in newest[: max(len(current) - wanted, 0)]:
            replay.remove(stay, now, now)
        self.refused = ""
        for _ in range(wanted - len(current)):
            priority = self._priority(work, now)
            if priority is None or self._over_quota(work, now):
                break
            self._ordinal += 1
            made = folded.made.id if folded.made else 0
            key = noise.key(replay.site.seed, replay.site.name, "made", *self.key, made, self._ordinal)
            stay = Stay(
                work=work, lane=-1, replica=0, cycle=-self._ordinal, key=key, created=now, priority=priority
            )  # fmt: skip
            self.stays.append(stay)
            replay.arrive(stay)

    def _work(self, template: Mapping[str, Any]) -> Work:
        text = json.dumps(template, sort_keys=True)
        revision = noise.suffix(noise.key(text), 9)
        if revision not in self.works:
            self.works[revision] = work_of(self._replay.site, self.key, template, revision, self._replay.pool)
        return self.works[revision]

    def _priority(self, work: Work, now: int) -> int | None:
        name = ((work.template or {}).get("spec") or {}).get("priorityClassName") or ""
        value = self._replay.ledger.priority(name, now)
        if value is None:
            self._refuse(
                f'pods "{work.name}-{work.revision}-" is forbidden: no PriorityClass with name {name} was found', now
            )
        return value

    def _over_quota(self, work: Work, now: int) -> bool:
        replay = self._replay
        resource = f"requests.{work.resource}"
        used = sum(
            stay.work.amount
            for stay in replay.stays
            if stay.created <= now and not stay.over(now) and stay.work.namespace == work.namespace
            and stay.work.resource == work.resource
        )  # fmt: skip
        for name, hard in quotas(replay.site, replay.ledger, work.namespace, resource, now):
            if used + work.amount > hard:
                words = exceeded(name, resource, (work.amount, used, hard))
                self._refuse(f'pods "{work.name}-{work.revision}-" is forbidden: {words}', now)
                return True
        return False

    def _refuse(self, why: str, now: int) -> None:
        self.refused, self.refused_since = why, now


def exceeded(quota: str, resource: str, counts: tuple[int, int, int]) -> str:
    """The quota admission's words; ``counts`` are requested, used and limited."""
    asks, used, hard = counts
    return f"exceeded quota: {quota}, requested: {resource}={asks}, used: {resource}={used}, limited: {resource}={hard}"


def quotas(site: Site, ledger: Ledger, namespace: str, resource: str, at: int) -> list[tuple[str, int]]:
    """Name and hard limit of each quota on a resource in a namespace, written ones first."""
    found = []
    for (_, space, name), folded in ledger.created("ResourceQuota", at):
        hard = ((folded.body.get("spec") or {}).get("hard") or {}).get(resource)
        if space == namespace and hard is not None:
            found.append((name, int(hard)))
    own = (site.name, namespace, resource)
    found += [(one.name, one.hard) for one in site.scenario.quotas if (one.cluster, one.namespace, one.resource) == own]
    return found


def work_of(site: Site, key: Key, template: Mapping[str, Any], revision: str, pool: Any) -> Work:
    """The workload one template of a Deployment makes."""
    resource, amount = asked(template)
    labels = (template.get("metadata") or {}).get("labels") or {}
    place = Place(pool=pool.name if pool else "", profile=units.mig_profile(resource), gpus=amount)
    selector = (template.get("spec") or {}).get("nodeSelector") or {}
    return Work(
        index=-1,
        name=key[2],
        namespace=key[1],
        team=labels.get("team") or site.scenario.namespaces.get(key[1], ""),
        plan=WorkPlan(
            key[2], site.name, "Deployment", _QUIET.name, place, selector={} if pool else selector,
            start=StartPlan(probes=()),
        ),
        activity=_QUIET,
        tile=0,
        resource=resource,
        amount=amount,
        trouble="",
        template=template,
        revision=revision,
    )  # fmt: skip
