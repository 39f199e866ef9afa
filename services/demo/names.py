"""Names and uids of the objects of workloads, as their controllers would give them."""

from services.demo import noise
from services.demo.lanes import Pods
from services.demo.workloads import Work
from services.demo.world import Site

_WEEK = 7 * 86400


def rollout(site: Site, work: Work, created: int) -> int:
    """Number of the rollout a Deployment's pod belongs to."""
    if work.revision:
        return 0
    lane = site.placement.lanes[site.placement.lanes_of[work.index][0]]
    return (created - lane.phase) // _WEEK


def replicaset(site: Site, work: Work, number: int) -> str:
    """Name of the ReplicaSet of a rollout: the Deployment's name and the template's hash."""
    if work.revision:
        return f"{work.name}-{work.revision}"
    return f"{work.name}-{noise.suffix(noise.key(site.seed, site.name, work.namespace, work.name, number), 9)}"


def job(work: Work, cycle: int, replica: int) -> str:
    """Name of the Job of a run; a CronJob's carries the minute it was scheduled for, as its controller writes it."""
    plan = work.plan
    if plan.at_min:
        longest = -(-plan.queue_s[1] // 60)  # its pod waits for a node
        return f"{work.name}-{cycle * plan.every_s // 60 + plan.at_min[replica] - longest}"
    if plan.kind == "CronJob":
        return f"{work.name}-{(cycle * plan.every_s + plan.after_s) // 60}"
    if plan.copies > 1 and not plan.together:
        return f"{work.name}-{chr(ord('a') + replica)}{cycle % 100_000}"
    return f"{work.name}-{cycle % 100_000}"


def pod_names(site: Site, pods: Pods) -> list[str]:
    """Name of each pod."""
    lists = (pods.work, pods.replica, pods.cycle, pods.created, pods.key)
    rows = zip(*(values.tolist() for values in lists), strict=True)
    return [pod_name(site, site.works[index], *row) for index, *row in rows]


def pod_name(site: Site, work: Work, replica: int, cycle: int, created: int, key: int) -> str:
    """Name of a pod of a workload."""
    kind = work.plan.kind
    if kind == "Deployment":
        return f"{replicaset(site, work, rollout(site, work, created))}-{noise.suffix(key)}"
    if kind == "StatefulSet":
        return f"{work.name}-{replica}"
    if kind == "Pod":
        return f"{work.name}-{replica + 1}" if work.plan.copies > 1 else work.name
    run = job(work, cycle, replica)
    indexed = (kind == "CronJob" and work.plan.copies > 1) or work.plan.together
    return f"{run}-{replica}-{noise.suffix(key)}" if indexed else f"{run}-{noise.suffix(key)}"


def uid(site: Site, *parts: str | int) -> str:
    """The uid of an object named by its kind, namespace, name and whatever tells its incarnations apart."""
    return noise.uuid(site.seed, site.name, *parts)
