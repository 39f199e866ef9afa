"""What the mesh of the simulated estate did: its proxies take out a host that is away, and put it back to try again.

The gateway's proxies are the clients. Rules without outages count 0: something looks at them, and nothing happened.
"""

import numpy as np

from services.demo import mesh_rules
from services.demo.gateway_plan import GatewayPlan
from services.demo.gateway_traffic import Traffic
from services.demo.noise import Floats, Ints
from services.demo.world import World
from services.domain.breakers import full

_UPSTREAMS = ("assistants-prod/chat-8b", "search-prod/embed")
_PORT = 8000
Minutes = dict[tuple[str, ...], Floats]


def counted(world: World, plan: GatewayPlan, counter: str, minutes: Ints, until: int) -> Minutes:
    """A mesh counter minute by minute, by its dimensions."""
    traffic = Traffic(world, plan, until)
    hosts = {full(name.split("/")[1], name.split("/")[0]): np.zeros(len(minutes)) for name in _UPSTREAMS}
    away = traffic.away(minutes).get(mesh_rules.AWAY.partition(".")[0], np.zeros(len(minutes), np.bool_))
    hosts[mesh_rules.AWAY] = away.astype(np.float64)
    if counter == "mesh_refused":
        asked = traffic.asked(minutes)["chat-large"]
        return {
            (host, flags, "source"): np.round(asked * out) if flags == "UH" else np.zeros(len(minutes))
            for host, out in hosts.items()
            for flags in ("UH", "UO")
        }
    values = {
        "mesh_ejections": {host: _ejections(out) * plan.replicas for host, out in hosts.items()},
        "mesh_ejected_now": hosts,
    }.get(counter, {host: np.zeros(len(minutes)) for host in hosts})
    return {(f"outbound|{_PORT}||{host}",): value for host, value in values.items()}


def _ejections(out: Floats) -> Floats:
    """A host is taken out for 30 seconds, then for 60 and so on: about after 0, 1, 3, 6, 10 … minutes of an outage."""
    found, lasted, due, step = np.zeros(len(out)), 0, 0, 1
    for place, value in enumerate(out.tolist()):
        if not value:
            lasted, due, step = 0, 0, 1
            continue
        if lasted == due:
            found[place] = 1.0
            due, step = due + step, step + 1
        lasted += 1
    return found
