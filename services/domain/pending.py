"""Why a pod is not running, in one plain sentence."""

import re
from dataclasses import dataclass
from datetime import datetime

from services.domain.objects import ContainerStatus, Pod


@dataclass(frozen=True)
class PodState:
    """A pod's state in the glossary's words: running, starting, waiting (for a node) or failing, and why."""

    state: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class _Fragment:
    pattern: re.Pattern[str]
    reason: str
    sentence: str


_COUNT = r"(?P<n>\d+) "
_FRAGMENTS = (
    _Fragment(
        re.compile(_COUNT + r"Insufficient (?P<what>(?:nvidia\.com|amd\.com|gpu\.intel\.com|habana\.ai)/[\w.+-]*\w)"),
        "No free GPU",
        "{n} of {total} nodes have too few free {what}",
    ),
    _Fragment(
        re.compile(r"(?P<n>)cannot allocate all claims|resourceclaim", re.IGNORECASE),
        "No free GPU",
        "no device satisfies its resource claims",
    ),
    _Fragment(
        re.compile(_COUNT + r"Insufficient (?P<what>[\w./-]*\w)"),
        "Not enough {what}",
        "{n} of {total} nodes have too little free {what}",
    ),
    _Fragment(
        re.compile(
            _COUNT + r"node\(s\) had (?:volume node affinity conflict|unbound immediate PersistentVolumeClaims)"
        ),
        "Storage",
        "{n} of {total} nodes cannot attach its volume",
    ),
    _Fragment(
        re.compile(r"(?P<n>)pod has unbound immediate PersistentVolumeClaims"),
        "Storage",
        "its volume claim is not bound",
    ),
    _Fragment(
        re.compile(_COUNT + r"node\(s\) had untolerated taint"),
        "Taint not tolerated",
        "{n} of {total} nodes have a taint it does not tolerate",
    ),
    _Fragment(
        re.compile(_COUNT + r"node\(s\) didn't match Pod's node affinity/selector"),
        "No node matches",
        "{n} of {total} nodes do not match its node selector or affinity",
    ),
    _Fragment(
        re.compile(_COUNT + r"node\(s\) didn't match pod topology spread constraints"),
        "Topology spread",
        "{n} of {total} nodes would break its spread constraint",
    ),
    _Fragment(re.compile(_COUNT + r"Too many pods"), "Node full of pods", "{n} of {total} nodes hold too many pods"),
    _Fragment(
        re.compile(_COUNT + r"node\(s\) were unschedulable"),
        "Nodes cordoned",
        "{n} of {total} nodes are cordoned",
    ),
)
_TOTAL = re.compile(r"^\d+/(?P<total>\d+) nodes are available")
_WAITING = {
    "ImagePullBackOff": ("Image cannot be pulled", "the image cannot be pulled"),
    "ErrImagePull": ("Image cannot be pulled", "the image cannot be pulled"),
    "ErrImageNeverPull": ("Image cannot be pulled", "the image is not on the node and may not be pulled"),
    "InvalidImageName": ("Image cannot be pulled", "the image name is not valid"),
    "CrashLoopBackOff": ("Crash loop", "the container keeps crashing after it starts"),
    "RunContainerError": ("Container cannot start", "the container cannot be started"),
    "CreateContainerConfigError": ("Configuration missing", "a Secret or ConfigMap it needs is missing"),
    "CreateContainerError": ("Container cannot start", "the container cannot be created"),
}
_LIMIT = 300


def unschedulable(message: str) -> tuple[str, str]:
    """Reason and sentence for a scheduler message such as "0/12 nodes are available: 4 Insufficient nvidia.com/gpu, …".

    GPU shortage is named first whenever some node fails only on it, because that is what more capacity cures; otherwise
    the cause that rules out most nodes. Wording of fragments: kube-scheduler 1.25 to 1.36.
    """
    head = message.split("preemption:", 1)[0]
    total_match = _TOTAL.match(head)
    total = total_match.group("total") if total_match else "the"
    found: list[tuple[int, str, str]] = []
    taken: list[tuple[int, int]] = []
    for fragment in _FRAGMENTS:
        for match in fragment.pattern.finditer(head):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue  # the general "Insufficient" also matches what the GPU fragment already named
            taken.append(match.span())
            parts = {"total": total, **{key: value or "" for key, value in match.groupdict().items()}}
            number = int(parts["n"]) if parts["n"] else 0
            found.append((number, fragment.reason.format(**parts), fragment.sentence.format(**parts)))
    if not found:
        return ("Unschedulable", _clip(message) or "The scheduler gave no reason")
    gpu = [item for item in found if item[1] == "No free GPU"]
    first = gpu[0] if gpu else max(found, key=lambda item: item[0])
    others = [sentence for item in found if item is not first for sentence in item[2:]]
    return first[1], "; ".join([upper_first(first[2]), *others])


def pod_state(pod: Pod) -> PodState:
    """State of a pod that is not finished, from its conditions and container states (events are only hints)."""
    status = pod.status
    conditions = {condition.type: condition for condition in status.conditions or ()}
    scheduled = conditions.get("PodScheduled")
    if not pod.spec.node_name:
        since = (scheduled.last_transition_time if scheduled else None) or pod.metadata.creation_timestamp
        if scheduled is not None and scheduled.reason == "SchedulingGated":
            return PodState("waiting", "Held by a gate", "A scheduling gate holds it back (queue or policy)", since)
        if scheduled is not None and scheduled.status == "False":
            reason, sentence = unschedulable(scheduled.message or "")
            return PodState("waiting", reason, sentence, since)
        return PodState("waiting", "Not scheduled yet", "The scheduler has not looked at it yet", since)
    stuck = _stuck([*(status.init_container_statuses or ()), *(status.container_statuses or ())])
    ready = conditions.get("Ready")
    if stuck is not None:
        since = ready.last_transition_time if ready else None
        return PodState("failing", *stuck, since)
    if status.phase == "Running" and ready is not None and ready.status == "True":
        return PodState("running", since=ready.last_transition_time)
    return PodState("starting", since=scheduled.last_transition_time if scheduled else None)


def _stuck(statuses: list[ContainerStatus]) -> tuple[str, str] | None:
    for status in statuses:
        waiting = status.state.waiting if status.state else None
        if waiting is not None and waiting.reason in _WAITING:
            reason, sentence = _WAITING[waiting.reason]
            detail = _clip(waiting.message or "")
            return reason, upper_first(f"{sentence} ({detail})" if detail else sentence)
    return None


def upper_first(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def _clip(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LIMIT else flat[: _LIMIT - 1] + "…"
