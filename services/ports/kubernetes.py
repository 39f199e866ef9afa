"""A Kubernetes cluster: what is watched, and what actions may change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from services.access import User
from services.domain.change.refs import Live, Ref
from services.domain.objects import Obj
from services.ports.status import SourceStatus


class StoreState(StrEnum):
    """What is known of one kind of object in one cluster."""

    LOADING = "loading"  # the first list has not finished
    READY = "ready"
    FORBIDDEN = "forbidden"  # 401/403: we may not read this kind
    ABSENT = "absent"  # the API is not installed
    FAILED = "failed"  # reachable no more; objects are the last good ones, as_of says from when


@dataclass(frozen=True)
class Snapshot:
    """All objects of one kind at one moment.

    ``version`` grows by at least one whenever ``objects`` may have changed, so it is a cache key. ``as_of`` is when the
    server last confirmed them (an event, a bookmark or a list); None before the first list. ``message`` says in words
    why the state is not READY and ``since`` from when; ``scope`` names the namespaces when only some could be read.
    ``api`` is the version the server was found to offer the kind in ("apps/v1"), "" before the first list.
    """

    kind: str
    objects: Sequence[Obj]
    version: int
    state: StoreState
    as_of: datetime | None
    message: str = ""
    hint: str = ""
    since: datetime | None = None
    scope: tuple[str, ...] = ()
    api: str = ""


class Writable(Protocol):
    """What an action may change. Every call asks the server; all raise the errors of :mod:`services.errors`.

    403 and 401 are Forbidden (an exceeded quota, which the API answers with 403 as well, is Rejected with its own
    words), 404 NotFound, 409 Conflict, 422 and 400 Rejected, 429 Busy. Writes name our field manager and ask for strict
    field validation. Warnings of the server are in ``warnings``.
    """

    def read(self, ref: Ref) -> Live:
        """The object now, whole. Raises NotFound."""
        ...

    def create(self, ref: Ref, body: Mapping[str, Any], *, dry_run: bool = False) -> Live:
        """Create it. Raises Conflict when it exists."""
        ...

    def patch(self, ref: Ref, body: Mapping[str, Any], *, expected: str, dry_run: bool = False) -> Live:
        """Merge-patch it while its resourceVersion is ``expected``. Raises Conflict when it is another."""
        ...

    def delete(self, ref: Ref, *, expected: str, uid: str = "", dry_run: bool = False) -> None:
        """Delete it while its resourceVersion is ``expected`` and its uid ``uid`` (when given)."""
        ...

    def evict(self, ref: Ref, *, uid: str = "", dry_run: bool = False) -> None:
        """Evict a pod; a pod that is gone already is no error. Raises Busy while a disruption budget forbids it."""
        ...

    def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        """Whether these credentials may do it, by SelfSubjectAccessReview."""
        ...

    def pods_on(self, node: str) -> Sequence[Live]:
        """The pods bound to a node, now, whole (field selector spec.nodeName)."""
        ...


@dataclass(frozen=True)
class Life:
    """An object as it was last within a span, and when it went; None when it was still there at the end."""

    object: Obj
    gone: datetime | None


@runtime_checkable
class Remembering(Protocol):
    """A cluster that can be asked who was there in the past."""

    def lives(self, kind: str, begin: datetime, end: datetime) -> Sequence[Life]:
        """Every object of a kind that was there somewhere in [begin, end)."""
        ...


class Cluster(Writable, Protocol):
    """One Kubernetes cluster, watched. Snapshots never block on the network: stores answer from memory."""

    def snapshot(self, kind: str) -> Snapshot:
        """The present objects of a kind (a key of ``services.domain.kinds.KINDS``)."""
        ...

    def probe(self) -> SourceStatus:
        """Ask the API server for its version, now."""
        ...

    def api_groups(self) -> frozenset[str]:
        """Names of the API groups the server offers, such as "resource.k8s.io". Raises SourceError."""
        ...

    def as_user(self, user: User) -> Writable:
        """The same writes on behalf of a person, by impersonation: their name and all their groups."""
        ...

    def start(self) -> None:
        """Begin watching; returns at once."""
        ...

    def close(self) -> None:
        """Stop watching and release connections."""
        ...
