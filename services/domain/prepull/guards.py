"""What stands in the way of images on a pool's nodes, what they cost in network and disk, what could go wrong."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.domain.prepull import JOB, MOST_IMAGES, NAMESPACE
from services.domain.prepull.held import Disk, Holding
from services.domain.prepull.words import amount, images, named, nodes
from services.domain.startup.imagenames import canonical, parsed, short

FULL = 0.5
"""Share of a node's disk that images may take, by the sizes nodes list: those leave out what unpacking adds."""
MUCH = 0.25
"""Share from which a warning is due."""
SLOW_BYTES_S = 50e6
"""What a pull brings a second when nothing better is known; times are reckoned with it."""
LARGE_BYTES = 20e9
"""An image of unknown size is waited for as if it were this large."""
_LEAST_S, _MOST_S = 600.0, 7200.0
_ALONE_S = 30.0
"""What a node needs besides the pulls: the old pod goes, the new one comes."""

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d{1,5})?/)?"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"{_HOST}{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?", re.ASCII)
"""A name as the distribution reference has it."""
_PATH = re.compile(r"[^A-Z]{1,255}")
"""A first part without a dot, a colon or "localhost" is no registry, and only those may have capitals."""


@dataclass(frozen=True)
class Survey:
    """What is known of a pool.

    ``ready`` are its GPU nodes that are ready, ``away`` those that are not, ``full`` those whose kubelet reports
    pressure on the disk. ``holdings`` are of the images asked for that are not kept yet and of ready nodes; ``disks``
    of the same. ``kept`` is the number of images kept already, ``parallel`` how many nodes pull at a time.
    """

    pool: str
    ready: tuple[str, ...]
    away: tuple[str, ...]
    full: tuple[str, ...]
    holdings: tuple[Holding, ...]
    disks: tuple[Disk, ...]
    kept: int
    parallel: int


@dataclass(frozen=True)
class Answer:
    """Whether the images can be kept: ``refusal`` is one sentence, "" when nothing stands in the way."""

    refusal: str
    warnings: tuple[str, ...] = ()
    blast: tuple[str, ...] = ()


def unfit(asked: Sequence[str]) -> str:
    """Why these cannot be names of images; "" when they can."""
    wrong = [image for image in asked if not (_IMAGE.fullmatch(image) and _PATH.fullmatch(parsed(image).repository))]
    if wrong:
        return f"{wrong[0][:80]!r} is not the name of an image."
    if len(asked) > MOST_IMAGES:
        return f"{MOST_IMAGES} images at most; {len(asked)} are asked for."
    return ""


def at_a_time(number: int) -> int:
    """How many nodes of so many pull at a time: a tenth, at most ten, and two that one bad node holds up nobody."""
    return max(2, min(10, -(-number // 10)))


def answer(survey: Survey, method: str, *, secret: str = "") -> Answer:
    """What becomes of the images by a method. ``secret`` is the pull secret, "" without."""
    refusal = _impossible(survey)
    if refusal:
        return Answer(refusal)
    return Answer("", tuple(_warnings(survey, secret)), tuple(_blast(survey, method, secret)))


def seconds(survey: Survey) -> float:
    """How long it may take until all nodes have the images, generously."""
    busy = {node for one in survey.holdings for node in one.wanting}
    return min(max(2 * _reckoned(survey, len(busy)), _LEAST_S), _MOST_S)


def timeout_s(holding: Holding) -> float:
    """How long one pull of an image may take on one node."""
    return min(max(4 * _size(holding) / SLOW_BYTES_S, _LEAST_S), _MOST_S)


def _impossible(survey: Survey) -> str:
    if not survey.ready:
        return f"No GPU node of pool {survey.pool} is ready, so nobody could pull."
    more = len(survey.holdings)
    if survey.kept + more > MOST_IMAGES:
        return f"Pool {survey.pool} keeps {survey.kept} images and {MOST_IMAGES} at most; {more} more are asked for."
    worst = max(_shares(survey), key=_share, default=None)
    if worst is not None and worst[0] > FULL:
        _, node, would, has = worst
        return (
            f"On {node} images would take {amount(would)} of {amount(has)} of disk, and more unpacked; at most half "
            "may be images."
        )
    return ""


def _shares(survey: Survey) -> Iterator[tuple[float, str, float, float]]:
    """Share of the disk, node, bytes of images afterwards and bytes of disk, of nodes of which both are known."""
    for disk in survey.disks:
        missing = [one.size_bytes for one in survey.holdings if disk.node in one.wanting]
        would = disk.listed_bytes + sum(size for size in missing if not math.isnan(size))
        if missing and disk.size_bytes > 0:
            yield would / disk.size_bytes, disk.node, would, disk.size_bytes


def _share(found: tuple[float, str, float, float]) -> float:
    return found[0]


def _warnings(survey: Survey, secret: str) -> Iterator[str]:
    share, node, _, _ = max(_shares(survey), key=_share, default=(0.0, "", 0.0, 0.0))
    if share > MUCH:
        yield (
            f"Images would take {share:.0%} of the disk of {node}, by the sizes nodes list; unpacked they take more. "
            "A node whose disk fills evicts pods."
        )
    if survey.full:
        yield f"The kubelet of {named(survey.full)} is short of disk and takes no new pods."
    if survey.away:
        yield f"Not ready now, and not waited for: {named(survey.away)}. What is kept comes to them when they are back."
    moving = [short(one.image) for one in survey.holdings if parsed(one.image).tag == "latest"]
    if moving:
        yield f"{named(moving)}: a tag that moves. A node that has it keeps what it has; a digest says which is meant."
    if secret:
        yield f"Whether there is a secret {secret} in namespace {NAMESPACE} is not checked: secrets are not read here."


def _blast(survey: Survey, method: str, secret: str) -> Iterator[str]:
    if not survey.holdings:
        return
    what, number = images([one.image for one in survey.holdings]), len(survey.ready)
    pace = "at once" if number <= survey.parallel else f"{survey.parallel} nodes at a time"
    yield (
        f"Brings {what} to {nodes(number)} of pool {survey.pool}, {pace}. Nodes that join later pull as well, beside "
        "their first pods."
    )
    yield from _network(survey)
    yield from _room(survey)
    busy = {node for one in survey.holdings for node in one.wanting}
    if busy:
        minutes = max(1, round(_reckoned(survey, len(busy)) / 60))
        guess = "" if all(one.size_bytes > 0 for one in survey.holdings) else ", if unknown images have 20 GB"
        yield f"About {minutes} min at 50 MB/s{guess}. Nodes that serve now share their network and disk with it."
    if method == JOB:
        yield "Nothing holds the images on a node: the kubelet removes unused ones when the disk fills."
    else:
        yield (
            "A pod on each node, without GPUs, keeps the kubelet from removing the images; when the disk fills it "
            "removes others or evicts pods."
        )
    if not secret:
        yield f"Pulled with what the nodes may read; another login needs a pull secret in namespace {NAMESPACE}."


def _network(survey: Survey) -> Iterator[str]:
    by_registry: dict[str, list[Holding]] = {}
    for one in survey.holdings:
        if one.wanting:
            by_registry.setdefault(parsed(one.image).registry, []).append(one)
    for registry, several in sorted(by_registry.items()):
        known = [one for one in several if one.size_bytes > 0]
        if known:
            total = amount(sum(len(one.wanting) * one.size_bytes for one in known))
            each = ", ".join(
                f"{short(one.image)}: {nodes(len(one.wanting))} × {amount(one.size_bytes)}" for one in known
            )
            yield f"Network: about {total} from {registry} ({each})."
    unknown = [one for one in survey.holdings if math.isnan(one.size_bytes) and one.wanting]
    if unknown:
        yield (
            f"Not known: the size of {named([short(one.image) for one in unknown])}. No node lists it and no recorded "
            "pull was given; check the name."
        )
    there = [one for one in survey.holdings if not one.wanting]
    if there:
        yield f"All {nodes(len(survey.ready))} have {named([short(one.image) for one in there])} already."
    untold = sorted({node for one in survey.holdings for node in one.unknown})
    if untold:
        yield f"Counted as pulling although their lists do not tell: {named(untold)}."


def _room(survey: Survey) -> Iterator[str]:
    sizes = [one.size_bytes for one in survey.disks if one.size_bytes > 0]
    most = max(
        (sum(one.size_bytes for one in survey.holdings if node in one.wanting and one.size_bytes > 0), node)
        for node in survey.ready
    )[0]
    if most:
        room = f"the smallest has {amount(min(sizes))}" if sizes else "how large they are is not known"
        unsaid = len(survey.ready) - len(sizes)
        rest = f", {nodes(unsaid)} did not say" if sizes and unsaid else ""
        yield f"Disk: up to {amount(most)} more on a node, and more unpacked; {room}{rest}."


def _reckoned(survey: Survey, busy: int) -> float:
    """Seconds until all nodes have pulled, round by round, with images one after another."""
    each = sum(_size(one) for one in survey.holdings if one.wanting) / SLOW_BYTES_S + _ALONE_S
    return math.ceil(busy / max(min(survey.parallel, busy), 1)) * each


def _size(holding: Holding) -> float:
    return LARGE_BYTES if math.isnan(holding.size_bytes) else holding.size_bytes


def once(asked: Sequence[str]) -> tuple[str, ...]:
    """The images, each once, however it is spelled."""
    return tuple({canonical(image): image for image in reversed([one.strip() for one in asked])}.values())[::-1]
