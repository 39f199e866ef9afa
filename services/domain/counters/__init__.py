"""What is counted: counters of gateways and engines, and prices others work out, by our own names.

Labels came and went with versions, and operators can remove some, so a dimension names several, best first. Labels that
name people or their machines (``user``, ``user_email``, ``end_user``, ``client_ip``, ``user_agent``,
``hashed_api_key``) are in no dimension, and nothing asks for them.
"""

from services.domain.counters.counter import MINUTE, Counter, ends
from services.domain.counters.engines import ENGINES, SERVING
from services.domain.counters.gateway import GATEWAY
from services.domain.counters.mesh import MESH
from services.domain.counters.opencost import OPENCOST

__all__ = ["COUNTERS", "MINUTE", "Counter", "ends"]

COUNTERS: dict[str, Counter] = {counter.id: counter for counter in (*GATEWAY, *ENGINES, *SERVING, *OPENCOST, *MESH)}
