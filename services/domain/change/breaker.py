"""The fleet-wide breaker: how many nodes people together may touch within a window."""

from collections.abc import Collection, Mapping, Sequence

SMALL_POOL = 4
"""A pool's share counts only above so many nodes: half of a pool of two is one node."""

Touch = tuple[str, str, str]
"""(cluster, pool, node)."""


def limit(pool_nodes: int, ratio: float) -> int:
    """How many nodes of a pool of that size may be touched within the window."""
    return max(SMALL_POOL, int(pool_nodes * ratio))


def crossed(
    touched: Collection[Touch],
    wanted: Sequence[Touch],
    sizes: Mapping[tuple[str, str], int],
    *,
    nodes: int,
    ratio: float,
) -> str:
    """Which limit the wanted nodes would cross together with those touched before, in words; "" when none.

    ``sizes`` are nodes by (cluster, pool); a pool of unknown size is judged by ``nodes`` alone. A node counts once.
    """
    every = {*touched, *wanted}
    if len(every) > nodes and set(wanted) - set(touched):
        return f"{len(every)} nodes would be touched within the window; at most {nodes} may be"
    for pool in sorted({(cluster, name) for cluster, name, _ in wanted}):
        inside = {touch for touch in every if touch[:2] == pool}
        if pool in sizes and len(inside) > limit(sizes[pool], ratio) and inside - set(touched):
            return (
                f"{len(inside)} of {sizes[pool]} nodes of pool {pool[1]} would be touched within the window; "
                f"at most {limit(sizes[pool], ratio)} may be"
            )
    return ""
