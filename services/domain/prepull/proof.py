"""Whether images are on the nodes they were to come to, by what nodes list and what the pulling pods tell."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.domain.objects import ContainerStatus, Pod
from services.domain.prepull import INSTANCE, ours
from services.domain.prepull.held import Holding
from services.domain.prepull.words import images, named
from services.domain.startup.imagenames import canonical

_STARTING = ("PodInitializing", "ContainerCreating")
_FINAL = re.compile(
    r"failed to resolve reference .*: not found$|no match for platform in manifest|manifest unknown|pull access denied"
    r"|\bunauthorized\b|^InvalidImageName|couldn't parse image"
)
"""Words of runtimes for a pull that fails on every node alike; "not found" alone is also said of lost layers."""
_SAID = 300


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from bringing an image (canonical; "" for none of them). ``final``: waiting will not help."""

    node: str
    image: str
    says: str
    final: bool = False


@dataclass(frozen=True)
class Proof:
    """What was seen. ``hopeless``: it will not come any more."""

    done: bool
    hopeless: bool
    says: str


def proof(
    holdings: Sequence[Holding],
    nodes: Sequence[str],
    *,
    ran: Collection[tuple[str, str]] = (),
    troubles: Sequence[Trouble] = (),
    away: Sequence[str] = (),
) -> Proof:
    """The images on these nodes, which are ready; ``away`` are those that are not, and are not waited for.

    ``ran`` are (node, canonical image) of containers that ended well: such an image was there, whatever the list says,
    but only where the list does not tell is it taken for the list's word.
    """
    missing = sorted({node for one in holdings for node in one.lacking})
    untold = sorted({node for one in holdings for node in one.unknown if (node, canonical(one.image)) not in ran})
    by_pod = sorted({node for one in holdings for node in one.unknown} - set(untold) - set(missing))
    late = {*missing, *untold}
    said = [f"{len(nodes) - len(late)} of {len(nodes)} nodes have {_what(holdings)}."]
    if missing:
        said.append(f"Not listed yet by {named(missing)}.")
    if untold:
        said.append(f"Not to be told by the list of {named(untold)}.")
    if by_pod:
        said.append(f"Of {named(by_pod)} the pod says so, the list does not tell.")
    if away:
        said.append(f"Not ready, and not looked at: {named(away)}.")
    told = [one for one in troubles if one.node in late or not one.node]
    if late:
        said.extend(dict.fromkeys(_told(told)))
    done = bool(nodes) and not late
    return Proof(done, not done and _hopeless(holdings, ran, told), " ".join(said))


def pods_of(pods: Iterable[Pod], name: str) -> list[Pod]:
    """The pods of a DaemonSet made here."""
    return [pod for pod in pods if ours(pod.metadata.labels) and (pod.metadata.labels or {}).get(INSTANCE) == name]


def ran(pods: Iterable[Pod]) -> set[tuple[str, str]]:
    """Node and image (canonical) of every container that ran to its end on it."""
    return {
        (pod.spec.node_name or "", image)
        for pod in pods
        for status, image in _containers(pod)
        if status.state is not None
        and status.state.terminated is not None
        and status.state.terminated.exit_code == 0
    }  # fmt: skip


def troubles(pods: Iterable[Pod]) -> list[Trouble]:
    """What the pods complain of."""
    found = []
    for pod in pods:
        node = pod.spec.node_name or ""
        found += [
            Trouble("", "", f"A pod waits for its node: {one.message[:_SAID]}")
            for one in pod.status.conditions or ()
            if not node and one.type == "PodScheduled" and one.status == "False" and one.message
        ]
        for status, image in _containers(pod):
            says = _complaint(status)
            if says:
                found.append(Trouble(node, image, says[:_SAID], bool(_FINAL.search(says))))
    return found


def _containers(pod: Pod) -> Iterator[tuple[ContainerStatus, str]]:
    images = {one.name: canonical(one.image or "") for one in pod.spec.init_containers or ()}
    for status in pod.status.init_container_statuses or ():
        yield status, images.get(status.name, "")


def _complaint(status: ContainerStatus) -> str:
    state = status.state
    if state is None:
        return ""
    if state.waiting is not None and state.waiting.reason not in (None, *_STARTING):
        return f"{state.waiting.reason}: {state.waiting.message or 'no message'}"
    if state.terminated is not None and state.terminated.exit_code != 0:
        ended = state.terminated
        return f"{ended.reason or 'Error'} ({ended.exit_code}): {ended.message or 'no message'}"
    return ""


def _what(holdings: Sequence[Holding]) -> str:
    names = [one.image for one in holdings]
    return images(names) if len(names) == 1 else f"all {images(names)}"


def _told(troubles: Sequence[Trouble]) -> Iterator[str]:
    for one in troubles[:3]:
        text = f"{one.node}: {one.says}" if one.node else one.says
        yield text if text.endswith(".") else f"{text}."


def _hopeless(holdings: Sequence[Holding], ran: Collection[tuple[str, str]], troubles: Sequence[Trouble]) -> bool:
    """Whether an image cannot come to anybody: what one node reports of a name or a login is true for all."""
    there = {canonical(one.image) for one in holdings if one.holding} | {image for _, image in ran}
    return any(one.final and one.image not in there for one in troubles)
