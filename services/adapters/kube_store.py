"""What is known of one kind of object in one cluster: written by watches, read by everybody, never waiting."""

import heapq
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import force_setattr, replace

from services.domain.kinds import Kind
from services.domain.objects import Event, Obj
from services.ports import Snapshot, StoreState

LIMITS = {"events": 20_000}
"""Kinds of which only the newest objects are kept, and how many. A cluster can hold millions of events."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _Part:
    """The objects of one scope: a namespace, or "" for the whole cluster."""

    state: StoreState = StoreState.LOADING
    objects: dict[tuple[str, str], Obj] = field(default_factory=dict)
    as_of: datetime | None = None
    since: datetime | None = None
    message: str = ""
    hint: str = ""
    skipped: int = 0


class Store:
    """Objects of one kind. ``limit`` keeps the newest that many; None keeps all.

    The version grows when a snapshot is taken after something changed, so a burst of changes nobody looked at is one
    version. An update that changes nothing but the resourceVersion (a node's heartbeat) is no change: such an object
    may show its earlier ``resource_version`` until something else of its kind changes.
    """

    def __init__(self, kind: Kind, *, limit: int | None = None) -> None:
        self._kind = kind
        self._limit = LIMITS.get(kind.name) if limit is None else limit
        self._lock = threading.Lock()
        self._parts: dict[str, _Part] = {"": _Part()}
        self._changed = False
        self._version = 0
        self._objects: tuple[Obj, ...] = ()
        self._api = ""

    def snapshot(self) -> Snapshot:
        """The present objects and how they are known; see :class:`services.ports.Snapshot`."""
        with self._lock:
            if self._changed:
                self._objects = tuple(obj for part in self._parts.values() for obj in part.objects.values())
                self._version += 1
                self._changed = False
            return self._described()

    def split(self, namespaces: Iterable[str]) -> None:
        """Hold each of these namespaces on its own instead of the whole cluster."""
        with self._lock:
            self._parts = {namespace: _Part() for namespace in namespaces}
            self._changed = True

    def bounded(self, objects: list[Obj]) -> list[Obj]:
        """The objects without those that are certain to make room, for lists longer than what is kept."""
        if self._limit is None or len(objects) <= 2 * self._limit:
            return objects
        return self.trimmed(objects)

    def trimmed(self, objects: list[Obj]) -> list[Obj]:
        """The newest objects, oldest first, as many as the store would keep; all, in their order, without a limit."""
        if self._limit is None:
            return objects
        return heapq.nlargest(self._limit, objects, key=_told_at)[::-1]

    def replace(self, scope: str, objects: list[Obj], *, at: datetime, skipped: int, api: str = "") -> None:
        """A complete list of version ``api``, true at ``at``, of which ``skipped`` objects could not be read."""
        kept = {_identity(obj): obj for obj in self.trimmed(objects)}
        with self._lock:
            part = self._parts[scope]
            part.objects, part.skipped = kept, skipped
            self._api = api
            self._changed = True
            self._ready(part, at)

    def apply(self, scope: str, type_: str, obj: Obj, *, at: datetime) -> None:
        """A change of one object: ADDED, MODIFIED or DELETED."""
        key = _identity(obj)
        with self._lock:
            part = self._parts[scope]
            # Taken out and put back, so that the order is that of the last change and the first is the oldest.
            before = part.objects.pop(key, None) if self._limit is not None else part.objects.get(key)
            if type_ == "DELETED":
                part.objects.pop(key, None)
                self._changed |= before is not None
            else:
                part.objects[key] = obj
                self._changed |= before is None or not _same(before, obj)
            while self._limit is not None and len(part.objects) > self._limit:
                del part.objects[next(iter(part.objects))]
            self._ready(part, at)

    def confirm(self, scope: str, *, at: datetime) -> None:
        """The server said that there is nothing newer (a bookmark, or a watch that ended in order)."""
        with self._lock:
            self._ready(self._parts[scope], at)

    def skip(self, scope: str) -> None:
        """One object could not be read."""
        with self._lock:
            self._parts[scope].skipped += 1

    def resume(self, scope: str) -> None:
        """The server answers again; what came in between is on its way."""
        with self._lock:
            part = self._parts[scope]
            self._ready(part, part.as_of)

    def fail(self, scope: str, state: StoreState, message: str, hint: str, *, at: datetime, keep: bool) -> bool:
        """The kind cannot be read (now). Returns whether that is news.

        ``keep`` holds on to the last good objects; without it (the right was withdrawn, the API is gone) they are
        let go.
        """
        with self._lock:
            part = self._parts[scope]
            news = part.state is not state or part.message != message
            if part.state is not state:
                part.since = at
            part.state, part.message, part.hint = state, message, hint
            if not keep:
                self._changed |= bool(part.objects)
                part.objects, part.as_of, part.skipped = {}, None, 0
            return news

    def _ready(self, part: _Part, at: datetime | None) -> None:
        part.state, part.message, part.hint, part.since, part.as_of = StoreState.READY, "", "", None, at

    def _described(self) -> Snapshot:
        parts = self._parts
        state = _together({part.state for part in parts.values()})
        telling = [part for part in parts.values() if part.state is state]
        readable = tuple(name for name, part in parts.items() if part.state is not StoreState.FORBIDDEN)
        dates = [part.as_of for part in parts.values() if part.as_of is not None]
        refused = [part for part in parts.values() if part.state is StoreState.FORBIDDEN]
        words = [telling[0].message, *(part.message for part in refused if part is not telling[0])]
        skipped = sum(part.skipped for part in parts.values())
        if skipped:
            words.append(f"{skipped} {self._kind.plural} could not be read and are left out.")
        since = [part.since for part in telling if part.since is not None]
        return Snapshot(
            kind=self._kind.name,
            objects=self._objects,
            version=self._version,
            state=state,
            as_of=min(dates, default=None),
            message=" ".join(word for word in words if word),
            hint=telling[0].hint or (refused[0].hint if refused else ""),
            since=min(since, default=None),
            scope=() if "" in parts else readable,
            api=self._api,
        )


def _together(states: set[StoreState]) -> StoreState:
    """The state of a whole of which parts are in these states: what is worth knowing first."""
    order = (StoreState.LOADING, StoreState.FAILED, StoreState.READY, StoreState.FORBIDDEN, StoreState.ABSENT)
    return next(state for state in order if state in states)


def _identity(obj: Obj) -> tuple[str, str]:
    return obj.metadata.namespace, obj.metadata.name


def _same(before: Obj, after: Obj) -> bool:
    """Whether nothing differs but the resourceVersion."""
    if before.metadata.uid != after.metadata.uid:
        return False
    metadata = replace(before.metadata)
    force_setattr(metadata, "resource_version", after.metadata.resource_version)
    return replace(before, metadata=metadata) == after


def _told_at(obj: Obj) -> datetime:
    """When an event was last seen; core events carry their times in several places, each optional."""
    created = obj.metadata.creation_timestamp or _EPOCH
    if not isinstance(obj, Event):
        return created
    observed = obj.series.last_observed_time if obj.series else None
    return observed or obj.last_timestamp or obj.event_time or obj.first_timestamp or created
