"""How many replicas a percentage lets out.

Envoy takes a replica out only while the share with it is at most the percentage (since 2023: envoyproxy/envoy#27909;
before, one was let out in any case). Its ``always_eject_one_host`` would, and Istio does not set it.
"""


def out(percent: int, replicas: int) -> int:
    """Replicas that may be out at once; 0 when the percentage is less than one of them."""
    return min(percent, 100) * replicas // 100


def least(replicas: int) -> int:
    """The smallest percentage that lets one of ``replicas`` (at least one) out."""
    return -(-100 // replicas)
