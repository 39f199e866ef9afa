"""Workloads that serve and need attention: requests wait or begin anew, or fewer replicas would do."""

from collections.abc import Iterable

from services.domain.findings import Finding, Severity
from services.domain.serving.advice import Advice

_TITLES = {
    "cache": "The KV cache of {workload} is full",
    "bound": "Requests wait in {workload} while its KV cache has room",
    "replicas": "Requests wait in {workload}",
    "slow": "The first token of {workload} takes long",
    "slack": "{workload} has more replicas than it needs",
}


def attended(
    cluster: str, namespace: str, workload: str, team: str, gpus: float | None, found: Iterable[Advice]
) -> Iterable[Finding]:
    """One finding per workload, of its most urgent advice."""
    for one in list(found)[:1]:
        yield Finding(
            key=f"serving/{cluster}/{namespace}/{workload}/{one.kind}",
            kind="Serving",
            severity=Severity.NOTICE if one.kind == "slack" else Severity.WARNING,
            title=_TITLES[one.kind].format(workload=workload),
            detail=f"{one.says} {one.do}",
            cluster=cluster,
            team=team,
            gpus=gpus,
            page="serving",
            params={"cluster": cluster, "ns": namespace, "serving_workload": f"{namespace}/{workload}"},
        )
