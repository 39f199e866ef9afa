"""Policies: namespaces, quotas and what they refuse, priority classes."""

from collections.abc import Mapping
from typing import Any

from services.demo import exporter, manifests
from services.demo.lives import FOUNDED
from services.demo.moment import Moment, meta, stamp
from services.demo.names import uid
from services.demo.scenario import Blocked
from services.domain.objects import Generic


def namespaces(moment: Moment) -> list[Generic]:
    """Namespaces, most with the label of the team that owns them."""
    site = moment.site
    found = []
    spaces = {work.namespace for work in site.works if work.template is None} | {
        blocked.namespace for blocked in blocked_here(moment)
    }
    spaces |= {space for _, space, _ in manifests.objects(site) if space}
    for name in sorted({*spaces, "default", "kube-system", exporter.NAMESPACE, "monitoring"}):
        team = site.scenario.namespaces.get(name, "")
        own = {"kubernetes.io/metadata.name": name, **({"team": team} if team else {})}
        found.append(
            Generic(
                metadata=meta(name, uid(site, "namespace", name), FOUNDED, labels=own),
                spec={"finalizers": ["kubernetes"]},
                status={"phase": "Active"},
            )
        )
    return found


def quotas(moment: Moment) -> list[Generic]:
    """Quotas on GPU resources and what counts against them: pods that are not over, bound or not."""
    found = []
    for quota in moment.site.scenario.quotas:
        if quota.cluster != moment.site.name:
            continue
        hard = {quota.resource: str(quota.hard)}
        counted = {quota.resource: str(used(moment, quota.namespace, quota.resource))}
        own = meta(
            quota.name,
            uid(moment.site, "quota", quota.namespace),
            FOUNDED,
            namespace=quota.namespace,
            version=moment.now,
        )
        found.append(Generic(metadata=own, spec={"hard": hard}, status={"hard": hard, "used": counted}))
    return found


def priorityclasses(moment: Moment) -> list[Generic]:
    """Priority classes of the estate and the two that every cluster has."""
    values = {
        "serving": 100_000,
        "training": 1_000,
        "system-cluster-critical": 2_000_000_000,
        "system-node-critical": 2_000_001_000,
    }
    return [
        Generic(metadata=meta(name, uid(moment.site, "priorityclass", name), FOUNDED), value=value)
        for name, value in values.items()
    ]


def blocked_here(moment: Moment) -> list[Blocked]:
    """Deployments of the cluster whose pods a quota refuses."""
    return [blocked for blocked in moment.site.scenario.blocked if blocked.cluster == moment.site.name]


def blocked_since(moment: Moment) -> int:
    """Blocked ReplicaSets are as old as the day before, whatever the hour."""
    return moment.now // 86400 * 86400 - 43_200


def blocked_uid(moment: Moment, blocked: Blocked, kind: str) -> str:
    """Uid of a blocked Deployment ("deployment") or its ReplicaSet ("replicaset"); they are made anew each day."""
    return uid(moment.site, kind, blocked.namespace, blocked.name, blocked_since(moment))


def blocked_replicaset(blocked: Blocked) -> str:
    """Name of the ReplicaSet whose pods the quota refuses."""
    return f"{blocked.name}-7c9f6d5b8"


def refusal(moment: Moment, blocked: Blocked) -> str:
    """The quota admission's words (apiserver ``pkg/admission/plugin/resourcequota/controller.go``)."""
    quota = next(one for one in moment.site.scenario.quotas if one.name == blocked.quota)
    taken = used(moment, quota.namespace, quota.resource)
    return (
        f'pods "{blocked_replicaset(blocked)}-" is forbidden: exceeded quota: {quota.name}, requested: '
        f"{quota.resource}=1, used: {quota.resource}={taken}, limited: {quota.resource}={quota.hard}"
    )


def refusal_condition(moment: Moment, blocked: Blocked) -> Mapping[str, Any]:
    """The condition that says so on ReplicaSet and Deployment."""
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": refusal(moment, blocked),
        "lastTransitionTime": stamp(blocked_since(moment)),
    }


def used(moment: Moment, namespace: str, resource: str) -> int:
    """How much of a quota's resource pods of a namespace count for."""
    asked = resource.removeprefix("requests.")
    return sum(
        pod.work.amount
        for pod in moment.pods
        if pod.ended > moment.now and pod.work.namespace == namespace and pod.work.resource == asked
    )
