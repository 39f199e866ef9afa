"""What the form of the Breakers page works with: one rule as it is, and hosts that have none."""

from dataclasses import dataclass, replace

from services.breakers import board
from services.domain import litellm
from services.domain.breakers import Policy, Rule, hosts, service
from services.domain.breakers.hosts import Unguarded
from services.domain.breakers.lint import Known
from services.domain.litellm.lint import Lint
from services.domain.scope import Scope, Sight
from services.errors import OpsError
from services.gateway import read as gateway
from services.ports import ClusterSource, Sources, StoreState
from services.reading import Absence, Problem, Reading


@dataclass(frozen=True)
class Look:
    """A rule, what is wrong with it, and how many replicas its host should have; None unknown or not seen."""

    rule: Rule
    lints: tuple[Lint, ...]
    replicas: int | None

    @property
    def top(self) -> Policy:
        """The policy for the whole host, an empty one where there is none."""
        mine = (one for one in self.rule.policies if not one.subset and not one.port)
        return next(mine, Policy(("spec", "trafficPolicy")))


@dataclass(frozen=True)
class Host:
    """A host without a rule in a cluster whose mesh could have one; ``replicas`` None unknown."""

    cluster: str
    unguarded: Unguarded
    replicas: int | None


def look(sources: Sources, cluster: str, namespace: str, name: str, sees: Sight) -> Look | None:
    """A rule by name; None when there is none or its namespace is not seen."""
    source = sources.clusters.get(cluster)
    if source is None or not _seen(namespace, sees):
        return None
    rule = next((one for one in board.rules(source) if (one.namespace, one.name) == (namespace, name)), None)
    if rule is None:
        return None
    found = board.lints(sources, cluster, sees).get((namespace, name), ())
    return Look(rule, tuple(found), _replicas(board.known(source), rule.target, sees))


def unguarded(sources: Sources, scope: Scope) -> Reading[tuple[Host, ...]]:
    """Hosts of the scope that gateways call, without a rule; of clusters that have the mesh."""
    found: list[Host] = []
    problem: Problem | None = None
    asked = False
    for source in sources.chosen(scope.cluster):
        if source.gateway_place is None or source.cluster.snapshot("destinationrules").state is not StoreState.READY:
            continue
        asked = True
        try:
            found += _of(source, scope)
        except OpsError as error:
            problem = Problem.of(error, source="kubernetes")
    if not asked:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    return Reading(None if problem and not found else tuple(found), as_of=sources.now(), problem=problem)


def _of(source: ClusterSource, scope: Scope) -> list[Host]:
    place = source.gateway_place
    if place is None:
        return []
    text = gateway.file_text(source.cluster.read(gateway.config_ref(source.name, place)), place)
    bases = [(one.group, one.base) for one in litellm.read(text).deployments if one.self_hosted and one.base]
    known = board.known(source)
    found = hosts.unguarded(bases, place.namespace, board.rules(source), known.hosts)
    whole = _seen(place.namespace, scope.sees)
    return [
        Host(source.name, one if whole else replace(one, groups=()), _replicas(known, one.host, scope.sees))
        for one in found
        if _seen(one.namespace, scope.sees) and scope.namespace in ("", one.namespace)
    ]


def _replicas(known: Known, host: str, sees: Sight) -> int | None:
    namespace, _ = service(host)
    return known.replicas.get(host) if namespace and _seen(namespace, sees) else None


def _seen(namespace: str, sees: Sight) -> bool:
    return sees.whole or namespace in (sees.namespaces or ())
