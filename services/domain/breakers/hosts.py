"""Hosts that gateways send requests to and no rule of the mesh is for."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from services.domain.breakers import Rule, full, meant, service

_HOST = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+")
_ADDRESS = re.compile(r"[0-9.]+")


@dataclass(frozen=True, order=True)
class Unguarded:
    """A host without a rule: in full, the namespace a rule for it belongs in, and the model groups that use it.

    The namespace is the Service's own, where a rule holds for every client; that of the gateway for any other host.
    """

    host: str
    namespace: str
    groups: tuple[str, ...] = ()


def unguarded(
    bases: Iterable[tuple[str, str]], namespace: str, rules: Sequence[Rule], hosts: Collection[str] | None
) -> list[Unguarded]:
    """Hosts without a rule, sorted.

    ``bases`` are model groups with the address one of their deployments is called at (host and port), ``namespace`` is
    the gateway's. ``hosts`` are workloads in full, None unknown: a name of two parts is a Service only where one has
    it, for it may as well be a public name.
    """
    taken = {one.target for one in rules}
    found: dict[tuple[str, str], set[str]] = {}
    for group, base in bases:
        name = base.lower().partition(":")[0].rstrip(".")
        target = _target(name, namespace, hosts) if base.count(":") < 2 else ""
        if target and target not in taken:
            found.setdefault((target, service(target)[0] or namespace), set()).add(group)
    return sorted(Unguarded(host, where, tuple(sorted(groups))) for (host, where), groups in found.items())


def _target(name: str, namespace: str, hosts: Collection[str] | None) -> str:
    """The host in full; "" for addresses, variables and what cannot be told from a public name."""
    target = meant(name, namespace)
    if not _HOST.fullmatch(target) or _ADDRESS.fullmatch(name):
        return ""
    plain = full(name, namespace)
    return "" if target != plain and not plain.endswith(".svc") and target not in (hosts or ()) else target
