"""What GPU capacity costs and to whom it belongs, in whole micro-dollars.

The money of a node and hour is its price for the seconds it was there. It is split over everything its GPUs were then,
by *ticks*: GPU equivalents × seconds × :data:`TICKS`. Every tick is one of :data:`KINDS`, so the parts are the whole;
they are rounded by largest remainder (:func:`services.domain.cost.money.apportion`), so their money is exactly the
node's. A GPU counts once, whatever shares it.

Two bases stand side by side. *Held*: what pods reserved. *Used*: of that, the share of the time the GPU worked; where
nobody measured, used is not known, and never zero.

Spans (:data:`NODE_SPANS`, :data:`HOLD_SPANS`) are the record: who was where from when to when. Facts of hours
(:data:`HOURS`) and days (:data:`DAYS`) follow from them and from prices, and can be worked out again.
"""

MICRO = 1_000_000
"""Micro-dollars in a dollar."""

TICKS = 27_720
"""Ticks of one GPU in one second: the least common multiple of 1 to 12, so that sevenths (MIG) and the usual numbers of
replicas are whole. Others are rounded to the nearest tick; the parts still sum to the node's."""

KINDS = ("held", "warm", "free", "out", "remainder")
"""held       reserved by a pod
warm       kept ready by the console's or an autoscaler's placeholders
free       a pod could have it
out        broken, cordoned without pods, or not offered
remainder  left over by a MIG layout
"""

OVERHEAD = ("out", "remainder")
"""Idle money is *free* (free and warm), *held idle* (of held, what was not used) or *overhead* (these)."""

OWNERS = {
    "owner": "int64",  # see services.domain.cost.keys
    "cluster": "str",
    "namespace": "str",
    "workload_kind": "str",
    "workload": "str",
    "team": "str",
    "labels": "str",  # JSON object of the pod's labels the installation wants costs by, keys sorted; "{}" for none
}
"""Whose a cost is. Owner 0 is nobody: what is not held."""

PLACES = {
    "place": "int64",
    "cluster": "str",
    "pool": "str",
    "model": "str",
    "instance_type": "str",
    "capacity_type": "str",
    "region": "str",
    "zone": "str",
}
"""What kind of node a cost is for."""

NODE_SPANS = {
    "cluster": "str",
    "uid": "str",  # of the node object: a name may come again
    "begin": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",  # NaT while it lasts
    "node": "str",
    "place": "int64",
    "gpus": "int64",  # physical ones, those expected and missing included
    "out": "int64",  # ticks per second that are broken or not offered
    "remainder": "int64",  # ticks per second a MIG layout leaves over
    "closed": "bool",  # cordoned or not ready: what nobody holds is out, not free
}
"""A node as it stayed for a while; one that changes has a span after the other. Key: cluster, uid, begin."""

HOLD_SPANS = {
    "cluster": "str",
    "pod_uid": "str",
    "node_uid": "str",
    "begin": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",  # NaT while it lasts
    "kind": "str",  # "held" or "warm"
    "owner": "int64",
    "pod": "str",
    "ticks": "int64",  # per second
}
"""What a pod held on a node, from when it was bound until it ended or was gone. Key: cluster, pod_uid, begin."""

HOURS = {
    "cluster": "str",
    "hour": "datetime64[us, UTC]",  # when it begins
    "card": "int64",  # version of the rate card that was in force; 0 before there was any
    "owner": "int64",
    "place": "int64",
    "kind": "str",
    "basis": "str",  # where the price is from: "rate card", "list price 2026-07-20", "OpenCost"; "" when unpriced
    "ticks": "int64",
    "micro": "int64",  # 0 where basis is "": left out of every total, and counted beside it by ticks
    "list_micro": "int64",  # the same at on-demand list price; LISTLESS where there is none
    "measured_ticks": "int64",  # of held ticks those whose utilisation somebody measured
    "used_ticks": "int64",  # of measured ticks, those in which the GPU worked
    "measured_micro": "int64",  # micro × measured_ticks / ticks
    "used_micro": "int64",  # measured_micro × used_ticks / measured_ticks
}
"""Facts of an hour, one row per key (up to ``basis``). ``micro`` of a cluster and hour sum to its nodes' exactly."""

UNPRICED = -1
"""In place of a price that is not known."""

LISTLESS = -1
"""In place of a list price that is not known. Sum ``list_micro`` only over rows that have one."""

DAYS = {"cluster": "str", "day": "str"} | {
    name: dtype for name, dtype in HOURS.items() if name not in ("cluster", "hour")
}
"""The same of a day ("2026-11-23") of the reporting zone: sums of its hours."""

CONTROLS = {
    "cluster": "str",
    "hour": "datetime64[us, UTC]",
    "card": "int64",
    "nodes": "int64",
    "gpu_ticks": "int64",  # of all GPUs of all nodes
    "unpriced_ticks": "int64",
    "micro": "int64",  # what the nodes cost, summed before anything was split
    "closed_at": "datetime64[us, UTC]",
}
"""What the facts of an hour must sum to. An hour without a row is not closed."""

LLM = {
    "cluster": "str",
    "hour": "datetime64[us, UTC]",
    "source": "str",  # "gateway" (LiteLLM counters) or "engine" (vLLM counters of a served model)
    "model_group": "str",  # what was asked for, as far as the gateway says
    "model": "str",  # the deployment's model, or the engine's model_name
    "provider": "str",  # "openai", "anthropic", …; "" for own engines
    "team": "str",
    "key_alias": "str",
    "namespace": "str",  # of the engine's pods
    "workload": "str",  # of the engine's pods
    "requests": "float64",
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
    "micro": "int64",  # spend the gateway counted; 0 of engines, whose cost is that of their GPUs
}
"""Spend and tokens of an hour. Client addresses, agents, users and end users are never read."""
