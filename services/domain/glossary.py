"""The project's words, once: shown beside figures and written to docs/glossary.md."""

GLOSSARY: dict[str, str] = {
    "GPU": "A physical GPU. Totals count each once, however many exporters report it and however it is shared.",
    "Unit": "What a pod can ask for: a whole GPU, a time-sliced or MPS replica, or a MIG instance.",
    "GPU equivalent": "The share of a GPU a unit stands for, the one unit in which totals and shares add up: a whole "
    "GPU is 1; a MIG instance its compute slices over the GPU's (1g of an H100 or A100 = 1/7, of an A30 = 1/4); a "
    "time-sliced or MPS unit 1 ÷ replicas.",
    "Remainder": "What a MIG layout leaves unusable: slices of 3g + 3g sum to 6/7, the remainder is 1/7.",
    "Held": "Bound to pods, by the scheduler's own rule, whether or not anything runs on it.",
    "Saving": "What a part of the books cost a day before a change, less what it cost a day after it; whole days, "
    "without the day of the change.",
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
    "Fallback rate": "Of the requests that were answered, those another than the first tier of their group answered "
    "after a failure. Requests are counted, not hops: one that went through three tiers is one.",
    "By design": "Answered elsewhere because the prompt was too long for the tier, or its provider declined the "
    "content: no failure, and not in the fallback rate.",
    "Lost": "Requests that nobody answered, as every tier failed. What a client did wrong is refused, not lost.",
    "Circuit breaker": "What stops sending to a replica or a deployment that fails, and tries it again later: outlier "
    "detection of an Istio DestinationRule, cooldowns of LiteLLM.",
    "Taken out": "Left out of load balancing for a while after errors. Each proxy decides for itself, so one failing "
    "replica is taken out once by each.",
    "Left out": "After too many failures a proxy sends a deployment nothing for the cooldown time: its circuit "
    "breaker.",
    "Running": "Requests an engine works at together, in one batch; the others wait for room in it.",
    "KV cache": "GPU memory in which an engine keeps what it has read and written of each request. When it is full, "
    "requests wait or begin anew.",
    "First token": "How long a request waits for the first piece of its answer.",
    "Begun anew": "Requests that had to give their KV cache back and be read again: preemptions.",
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
    "Used money": "Of money held, the share of the time its GPUs worked, where somebody measured it. What nobody "
    "measured is neither used nor idle.",
    "Idle money": "Free and warm (nobody holds it), held idle (held, measured and not used) and overhead (out of use, "
    "and the remainder of MIG layouts).",
    "Budget": "How much may be spent on what, per day, week, month or quarter. Of the fleet, a cluster or a GPU model "
    "all money of those nodes counts, held or not; of a team, namespace or label what their pods held; of an API "
    "provider what the gateway counted.",
    "Even pace": "The amount spread evenly over the hours of the period.",
    "Threshold": "A share of the amount at which somebody is told; also, where asked for, when the middle of the "
    "landing is above the amount.",
    "Landing": "Where the month or period will end: a range, from the days so far and the rhythm of the weeks before.",
    "Volume, mix and price": "Why one stretch cost more than another. Volume: more or fewer GPU-hours. Mix: hours that "
    "moved between instance types or capacity types. Price: the same hours at other prices. The three sum to the "
    "change.",
    "Spot saving": "What spot hours would have cost at on-demand list price, less what they cost; without those "
    "whose list price is not known.",
    "Rate card": "The installation's own prices, in numbered versions. Figures name the version they are counted with.",
    "Break-even": "Tokens a day at which a model on own GPUs costs as much as through the API; above it own GPUs are "
    "cheaper.",
    "GPU-hour price": "What one physical GPU costs in an hour: its instance's whole price ÷ its GPUs, discounts taken "
    "off.",
    "Price basis": "Where a price is from: the rate card where it says one, else OpenCost, else a list price with its "
    "date.",
    "Unpriced": "No price is known. Counted in GPU-hours and left out of every amount; never counted as zero money.",
    "Books": "For every hour: what the nodes cost, summed before anything was split, beside the sum of its parts.",
    "List price": "A published price without discounts. A GPU carries its instance's whole price ÷ its GPUs.",
    "Not collected": "The source answers, but nobody exports this figure. It is unknown, not zero.",
    "Waste verbs": "Remove: every GPU of a pod is idle. Optimise: a pod holds several GPUs and never used some. "
    "Share: a pod of one GPU would do with a MIG slice, a smaller model or a share. A pod's GPUs count in the first "
    "that applies.",
    "Confidence of advice": "High: at least 95 % of the expected samples are there and speak of three days or more. "
    "Medium: 80 % and 20 hours. Low: less. Of idle GPUs it counts how long they have been idle, of others how long "
    "they were watched; advice of a smaller model is medium at best, for its speed is not known.",
    "Money per month": "730.5 hours at the price in force: the rate card's, else the list price. Unpriced is left out "
    "of sums, never zero.",
    "Alert": "That a finding began, told to a channel. One that goes away and comes back within ten minutes is the "
    "same one and is not told again.",
    "Channel": "Where alerts go: a chat, a mailbox, a webhook. Its settings say which findings it is told, and when.",
    "Digest": "Alerts of some time sent together in one message.",
    "Quiet hours": "When nothing is sent to a channel; what is due then is sent afterwards.",
}
