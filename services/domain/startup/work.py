"""What one container did until it ran: its image, its starts, and the spans these make."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.domain.startup import Confidence, Phase, Pull, Pulled, events
from services.domain.startup.nodes import earliest, holding
from services.domain.startup.spans import SKEW, Chain, Said, quote, size, took
from services.domain.startup.trace import ContainerSeen, EventSeen, Trace

LARGE_BYTES = 200_000_000
AT_ONCE_S = 5.0
"""A larger image was not pulled in less: its layers were there and only the manifest was asked for."""
STREAMED_S = 30.0
"""An image that is read lazily is there in seconds; what took longer was pulled, wherever streaming is on."""
DOWNLOADS = re.compile(
    r"\b(?:models?|weights?|checkpoints?|fetch\w*|download\w*|hf|hugging-?face|pull-model|aws-?cli|s5cmd|gsutil|"
    r"gcloud|google-cloud-cli|azcopy|rclone|storage-initializer)\b",
    re.IGNORECASE,
)
"""What init containers that fetch a model are called, or their images (the last part of the name, without the tag)."""


@dataclass(frozen=True)
class Work:
    """A container with what its events say.

    ``began``: when it was first heard of. ``tried``: when its image was asked for in vain. ``waited_from`` and
    ``pulled_from``: when the successful pull was asked for and when it began. ``started``: its first start;
    ``certain`` when none can have come before.
    """

    seen: ContainerSeen
    began: datetime | None = None
    tried: datetime | None = None
    waited_from: datetime | None = None
    pulled_from: datetime | None = None
    pull: Pull | None = None
    said: str = ""  # the text about the image
    failed: EventSeen | None = None
    held: bool = False  # the node listed its image before
    started: datetime | None = None
    source: str = "container state"
    certain: bool = True

    @property
    def name(self) -> str:
        """The container's name."""
        return self.seen.name

    @property
    def again(self) -> datetime | None:
        """When its latest run started, if that is not the first."""
        last, finished = self.seen.started_last, self.seen.finished
        if self.started is None or last is None or last <= self.started or (finished and finished <= last):
            return None
        return last if self.seen.restarts or last - self.started > SKEW else None


def work(trace: Trace, said: Said, seen: ContainerSeen) -> Work:
    """What is known of one container's way to its first start."""
    there, pulling = said.first("Pulled", seen.name), said.first("Pulling", seen.name)
    failed = said.first("Failed", seen.name)
    pull = _pull(trace, seen, there)
    waited_from = pulled_from = None
    if pull is not None and pull.at is not None and pull.seconds is not None:
        pulled_from = pull.at - timedelta(seconds=pull.seconds)
        waited_from = pulled_from - timedelta(seconds=pull.waiting_s or 0.0)
        if pulling is not None and waited_from < pulling.first <= waited_from + SKEW:
            # Events are dated by whole seconds, cut off: of two times for the same the later is nearer.
            waited_from, pulled_from = pulling.first, max(pulled_from, pulling.first)
    heard = earliest(*(one.first for one in (pulling, there, said.first("Created", seen.name)) if one))
    asked = waited_from or (pull.at if pull else None)
    tried = pulling.first if pulling and asked and pulling.first < asked - SKEW else None
    started, source, certain = _started(trace, said, seen)
    return Work(
        seen=seen,
        began=tried or waited_from or heard,
        tried=tried,
        waited_from=waited_from,
        pulled_from=pulled_from,
        pull=pull,
        said=_words(pull, there),
        failed=failed,
        held=trace.node is not None and bool(holding(trace.node, (seen.image,))),
        started=started,
        source=source,
        certain=certain,
    )


def start(chain: Chain, one: Work) -> None:
    """Adds the spans up to the container's first start."""
    name = one.name
    if one.pull is None and one.held:
        note = "No event says how it came to its image; the node listed the image before"
        chain.to(Phase.START, one.started, one.source, Confidence.DERIVED, container=name, note=note)
        return
    if one.pull is None:
        note = "No event says how it came to its image: pulling and starting cannot be told apart"
        chain.gap(one.started, name, note)
        return
    nothing = "Nothing says what was done before its image was asked for"
    asked = one.waited_from or one.pull.at
    if one.tried is not None:
        chain.gap(one.tried, name, nothing)
        note = quote(one.failed) or "Its image was asked for before"
        chain.to(Phase.PULL, asked, "event Pulling", Confidence.DERIVED, container=name, note=note)
    elif asked is not None and (one.waited_from is not None or asked - chain.at > SKEW):
        chain.gap(asked, name, nothing)
    if one.waited_from is not None:
        note = f"Waited {took(one.pull.waiting_s or 0.0)} for other pulls"
        chain.to(Phase.PULL_WAIT, one.pulled_from, "event Pulled", container=name, note=note)
        chain.to(Phase.PULL, one.pull.at, "event Pulled", container=name, note=one.said)
    note = one.said if one.waited_from is None else ""
    chain.to(Phase.START, one.started, one.source, container=name, note=note)


def image_of(one: Work) -> Pull | None:
    """How the container came to its image, or that nobody says; None as long as it was not asked for."""
    if one.pull is None and (one.started or one.began):
        return Pull(one.name, one.seen.image, Pulled.UNKNOWN, None)
    return one.pull


def retry(chain: Chain, one: Work, *, exact: bool = True) -> None:
    """Adds the runs before the latest one. Not ``exact``: the pod may have been ready in one of them."""
    if one.again is not None:
        confidence = Confidence.EXACT if one.certain and exact else Confidence.ESTIMATED
        chain.to(Phase.RETRY, one.again, "container state", confidence, container=one.name, note=restarted(one.seen))


def restarted(one: ContainerSeen) -> str:
    """How often it was started again, and why: "Restarted 2 times: OOMKilled, exit code 137"."""
    times = "once" if one.restarts == 1 else f"{one.restarts} times"
    return f"Restarted {times}: {one.said}" if one.said else f"Restarted {times}"


def initial(one: ContainerSeen) -> Phase:
    """What an init container does, by its name and image."""
    image = one.image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    words = f"{one.name} {image}".replace("_", "-")
    return Phase.DOWNLOAD if DOWNLOADS.search(words) else Phase.INIT


def _started(trace: Trace, said: Said, seen: ContainerSeen) -> tuple[datetime | None, str, bool]:
    event = said.first("Started", seen.name)
    if event is not None and (seen.started is None or (seen.restarts and event.first < seen.started - SKEW)):
        return event.first, "event Started", True
    certain = seen.restarts == 0 or event is not None or (seen.started is not None and trace.seen <= seen.started)
    return seen.started, "container state", certain


def _pull(trace: Trace, seen: ContainerSeen, there: EventSeen | None) -> Pull | None:
    if there is None:
        return None
    found = events.pulled(there.message)
    if found is None:
        image = events.cached(there.message)
        return Pull(seen.name, image, Pulled.CACHED, there.first) if image else None
    image, seconds, waited, amount = found
    how = Pulled.PULLED
    if trace.node is not None and trace.node.streaming and seconds <= STREAMED_S:
        how = Pulled.STREAMED
    elif amount is not None and amount > LARGE_BYTES and seconds < AT_ONCE_S:
        how = Pulled.REVALIDATED
    return Pull(seen.name, image, how, there.first, seconds, waited, amount)


def _words(pull: Pull | None, there: EventSeen | None) -> str:
    """What is said of the image: "Pulled "reg.example/vllm:1" in 4 m 12 s, 18.2 GB, 72 MB/s"."""
    if pull is None or there is None:
        return ""
    if pull.seconds is None:
        return there.message
    words = f'Pulled "{pull.image}" in {took(pull.seconds)}'
    if pull.size_bytes is not None:
        words += f", {size(pull.size_bytes)}"
        if pull.how is Pulled.PULLED and pull.seconds > 0:
            words += f", {size(pull.size_bytes / pull.seconds)}/s"
    return words + {
        Pulled.REVALIDATED: ": only the manifest was asked for",
        Pulled.STREAMED: ": the image is read lazily",
    }.get(pull.how, "")
