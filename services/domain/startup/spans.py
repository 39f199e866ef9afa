"""What phases are made of: a chain of spans without gaps, the events that say where they end, and the words for it."""

from datetime import datetime, timedelta

from services.domain.startup import SKEW_S, Confidence, Phase, Span
from services.domain.startup.trace import EventSeen, Trace

NOTE = 300
"""Characters of a note."""
SKEW = timedelta(seconds=SKEW_S)


class Chain:
    """Spans one after another, each from the end of the one before, between ``begin`` and ``limit``.

    ``skewed``: something was said to be over long before what came first, or, in a ``closed`` chain, long after all
    was over; clocks differ.
    """

    def __init__(self, begin: datetime, limit: datetime, *, closed: bool = False) -> None:
        self.at, self.limit, self._closed = begin, limit, closed
        self.spans: list[Span] = []
        self.skewed = False
        self._bound = False

    def to(
        self,
        phase: Phase,
        end: datetime | None,
        source: str,
        confidence: Confidence = Confidence.EXACT,
        *,
        container: str = "",
        note: str = "",
        follows: bool = True,
        bound: bool = False,
    ) -> None:
        """A span up to ``end``; nothing without one, or when the chain is that far already.

        ``follows``: what ended can only have ended after the span before. ``bound``: the end is known from one side
        only, so the next span is an estimate too.
        """
        if end is None:
            return
        if (follows and end < self.at - SKEW) or (self._closed and end > self.limit + SKEW):
            self.skewed = True
        end = min(end, self.limit)
        if end <= self.at:
            return
        if self._bound and confidence in (Confidence.EXACT, Confidence.DERIVED):
            confidence = Confidence.ESTIMATED
        self._bound = bound
        self.spans.append(Span(phase, self.at, end, source, confidence, container, clip(note)))
        self.at = end

    def gap(self, end: datetime | None, container: str, note: str) -> None:
        """What lies before the next thing that is known: a start when it is short, else it cannot be told."""
        if end is None:
            return
        if end - self.at <= SKEW:
            self.to(Phase.START, end, "container state", Confidence.ESTIMATED, container=container)
        else:
            self.to(Phase.UNATTRIBUTED, end, "", Confidence.MISSING, container=container, note=note)

    def rest(self, phase: Phase, confidence: Confidence, source: str, *, container: str = "", note: str = "") -> None:
        """A span up to the limit."""
        self.to(phase, self.limit, source, confidence, container=container, note=note)


class Said:
    """The events of a trace by reason and container."""

    def __init__(self, trace: Trace) -> None:
        self._first: dict[tuple[str, str], EventSeen] = {}
        for one in trace.events:
            key = (one.reason, one.container)
            if key not in self._first or one.first < self._first[key].first:
                self._first[key] = one

    def first(self, reason: str, container: str = "") -> EventSeen | None:
        """The first event of a reason; of the pod itself unless a container is named."""
        return self._first.get((reason, container))

    def earliest(self, *reasons: str, container: str = "") -> EventSeen | None:
        """The first event of any of the reasons."""
        found = [one for reason in reasons if (one := self.first(reason, container)) is not None]
        return min(found, key=lambda one: one.first, default=None)


def quote(event: EventSeen | None) -> str:
    """An event in its own words: "FailedMount: MountVolume.SetUp failed …"."""
    return clip(f"{event.reason}: {event.message}") if event else ""


def clip(text: str) -> str:
    """A text of a note's length at most."""
    return text if len(text) <= NOTE else text[: NOTE - 1] + "…"


def took(seconds: float) -> str:
    """A duration for people: "0.4 s", "12 s", "4 m 12 s", "1 h 5 m"."""
    if seconds < 0.1:
        return "<0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s" if whole % 60 else f"{whole // 60} m"
    minutes = whole // 60
    return f"{minutes // 60} h {minutes % 60} m" if minutes % 60 else f"{minutes // 60} h"


def size(amount: float) -> str:
    """Bytes for people, in powers of ten: "18.2 GB", "450 MB", "12 kB"."""
    if amount >= 1e9:
        return f"{amount / 1e9:.1f} GB"
    return f"{amount / 1e6:.0f} MB" if amount >= 1e6 else f"{amount / 1e3:.0f} kB"
