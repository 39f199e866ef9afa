"""The project's words, once: shown beside figures and written to docs/glossary.md."""

GLOSSARY: dict[str, str] = {
    "GPU": "A physical GPU. Totals count each once, however many exporters report it and however it is shared.",
    "Unit": "What a pod can ask for: a whole GPU, a time-sliced or MPS replica, or a MIG instance.",
    "GPU equivalent": "The share of a GPU a unit stands for, the one unit in which totals and shares add up: a whole "
    "GPU is 1; a MIG instance its compute slices over the GPU's (1g of an H100 or A100 = 1/7, of an A30 = 1/4); a "
    "time-sliced or MPS unit 1 ÷ replicas.",
    "Remainder": "What a MIG layout leaves unusable: slices of 3g + 3g sum to 6/7, the remainder is 1/7.",
    "Held": "Bound to pods, by the scheduler's own rule, whether or not anything runs on it.",
    "Free": "A pod could have it now: allocatable, unheld, on a ready node that is not cordoned. What our placeholders "
    "keep warm is free: they give way at once.",
    "Warm headroom": "Capacity kept ready on purpose for the next start, by placeholder pods that give way or by a "
    "buffer of the autoscaler. A unit of it has the shape of one real replica.",
    "Warm start": "A pod whose node was there before it, with room: it was placed within 30 seconds. Waited: the node "
    "was there, and others had to leave first. Cold: the node came for it.",
    "Served by headroom": "The start took the place of a placeholder or the room a buffer had kept.",
    "Start": "One pod that asks for GPUs, from its creation until it was ready for the first time, ended or was "
    "deleted. A pod that is made anew is a new start.",
    "Startup time": "From a pod's creation to its first readiness. Of a pod without a probe, until it runs: what it "
    "still has to load is not in it.",
    "Within target": "Ready within two minutes, of the starts of which it is decided: those with a startup time, "
    "those that failed or were deleted before they were ready, and those under way for longer.",
    "Percentile": "p50: half of the starts take longer. p95: one in twenty takes longer. Only starts of which it is "
    "known when they first became ready have a time; between two of them the line is straight.",
    "Startup phase": "What a stretch of a start was spent on. Phases follow each other without gaps and add up to the "
    "whole; where several containers work at once, the slowest counts.",
    "Unattributed": "A stretch of a start of which nothing says what it was spent on. It is not spread over its "
    "neighbours.",
    "Startup money": "GPUs held × list price × time in which they were paid for and nothing was ready: on a node that "
    "was there from scheduling, on a node that came for the pod from the node's creation. Waiting for room or for the "
    "machine costs none.",
    "Lever": "Something that would make starts faster. Its effect is worked out on the recorded starts: the phases it "
    "acts on become what other starts took here that had the advantage already. Below five of these nothing is "
    "predicted.",
    "Operation": "A change somebody made through the console, with its plan, rehearsal, steps, outcome and proof.",
    "Layout": "How the GPUs of a node are divided: exclusive, time-slicing × N, MPS × N, or a MIG configuration.",
    "Model group": "What clients of the gateway ask for by name; its tiers are tried in order until one answers.",
    "Fallback": "The group the gateway turns to when every tier of the first one failed.",
    "Closed": "Free, but its node is cordoned or not ready.",
    "Out of use": "In capacity but not allocatable (unhealthy), or expected and not even advertised (missing).",
    "Utilisation": "Share of time engines were busy (engine active; GPU_UTIL where that is not collected), averaged "
    "over GPU equivalents. It says that something ran, not that it ran well.",
    "Active": "Held, and above 1 % utilisation at some moment of the last half hour.",
    "Held idle": "Held, and never above 1 % utilisation in the last half hour.",
    "Effective": "Of held GPUs, the share of time their engines were busy, in GPU equivalents.",
    "Idle GPU-hours": "GPU equivalents held × the time they were below 1 % utilisation.",
    "Pool": "Nodes made alike, as the provisioner's label names them.",
    "Workload": "What owns pods: a Deployment, StatefulSet, Job, CronJob; a pod without an owner is its own.",
    "Team": "The team label of a pod, else of its namespace.",
    "Unmet demand": "Pods that ask for GPUs and have no node, hold a node and cannot start, or may not be created.",
    "List price": "A published price without discounts. A GPU carries its instance's whole price ÷ its GPUs.",
    "Not collected": "The source answers, but nobody exports this figure. It is unknown, not zero.",
}
