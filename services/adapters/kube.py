"""A Kubernetes cluster, watched: the ``Cluster`` port against a real API server."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from services.access import User
from services.adapters.kube_store import Store
from services.adapters.kube_watch import PAGE, Feed, Pause
from services.adapters.kube_wire import Wire
from services.adapters.kube_words import SOURCE, unreadable
from services.adapters.kube_write import Writes, on_behalf
from services.domain.kinds import KINDS, Kind
from services.errors import Forbidden, NotFound, OpsError
from services.ports import Snapshot, SourceStatus, Writable
from services.settings import KubeAccess

CLOSE_WITHIN_S = 5.0
"""How long closing waits for threads; one may be inside a credential plugin, which cannot be interrupted."""
GROUPS_KEPT_S = 60.0

_SPARE_CONNECTIONS = 8  # probes, discovery and actions beside the watches


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class _Group(msgspec.Struct):
    name: str


class _Groups(msgspec.Struct):
    groups: list[_Group]


class KubeCluster(Writes):
    """One cluster, watched by one thread for each kind (and each namespace, where the whole cluster is refused).

    Reads and writes of single objects ask the server at once, with our own credentials; :meth:`as_user` for a person.

    Nothing is asked before :meth:`start`. A closed cluster stays closed. ``pause`` waits between attempts, ``kinds``
    and ``page`` (objects to a list answer) are for tests.
    """

    def __init__(
        self,
        name: str,
        access: KubeAccess,
        *,
        clock: Callable[[], datetime],
        pause: Pause = threading.Event.wait,
        kinds: Mapping[str, Kind] = KINDS,
        page: int = PAGE,
    ) -> None:
        self._access, self._clock, self._pause, self._page = access, clock, pause, page
        self._kinds = dict(kinds)
        self._stores = {name: Store(kind) for name, kind in kinds.items()}
        namespaced = sum(kind.namespaced for kind in kinds.values())
        watches = len(kinds) + namespaced * len(access.namespaces)
        super().__init__(name, Wire(name, access, pool_size=watches + _SPARE_CONNECTIONS))
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._groups: frozenset[str] | None = None
        self._groups_at = 0.0
        self._down_since: datetime | None = None

    def snapshot(self, kind: str) -> Snapshot:
        """The present objects of a kind, from memory. Raises KeyError for a kind nobody declared."""
        return self._stores[kind].snapshot()

    def probe(self) -> SourceStatus:
        """Ask for the version, now. Never raises: what is wrong is in the answer.

        A server that refuses only this question (403) counts as reachable; one that does not accept our credentials
        (401) does not.
        """
        started = time.perf_counter()
        version, message, hint, reachable = "", "", "", True
        try:
            body = self._wire.get("/version")
            version = msgspec.json.decode(body, type=_Version).git_version
        except (msgspec.DecodeError, UnicodeDecodeError):
            error: OpsError = unreadable(self._wire.address, "something")
            message, hint, reachable = str(error), error.hint, False
        except OpsError as failed:
            message, hint = str(failed), failed.hint
            reachable = type(failed) is Forbidden
        latency = time.perf_counter() - started
        with self._lock:
            self._down_since = None if reachable else self._down_since or self._clock()
            since = self._down_since
        confirmed = [snapshot.as_of for snapshot in map(self.snapshot, self._stores) if snapshot.as_of is not None]
        return SourceStatus(
            source=SOURCE,
            address=self._wire.address,
            reachable=reachable,
            latency_s=latency if reachable else None,
            version=version,
            newest_at=max(confirmed, default=None),
            message=message,
            hint=hint,
            since=since,
        )

    def api_groups(self) -> frozenset[str]:
        """Names of the API groups the server offers. Raises SourceError."""
        try:
            body = self._wire.get("/apis")
            listed = msgspec.json.decode(body, type=_Groups)
        except (msgspec.DecodeError, UnicodeDecodeError, NotFound) as error:
            raise unreadable(self._wire.address, "something") from error
        return frozenset(group.name for group in listed.groups)

    def as_user(self, user: User) -> Writable:
        """Reads and writes on behalf of a person, by impersonation. Raises Refused for a name that cannot be theirs."""
        return Writes(self._name, self._wire, on_behalf(user))

    def start(self) -> None:
        """Begin watching every kind; returns at once. Starting twice, or after closing, does nothing."""
        with self._lock:
            if self._threads or self._stop.is_set():
                return
            for kind in self._kinds.values():
                self._follow(kind, "")

    def close(self) -> None:
        """Stop watching: shuts the connections and waits briefly for the threads. Closing twice does nothing."""
        with self._lock:
            self._stop.set()
            threads = list(self._threads)
        self._wire.close()
        deadline = time.monotonic() + CLOSE_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _follow(self, kind: Kind, scope: str) -> None:
        """Start the thread of one kind in one scope; the lock is held."""
        feed = Feed(
            kind,
            scope,
            wire=self._wire,
            store=self._stores[kind.name],
            clock=self._clock,
            stop=self._stop,
            pause=self._pause,
            serves=self._serves,
            hand_over=lambda: self._by_namespace(kind),
            page=self._page,
        )
        where = f"{self._name}/{kind.name}" + (f"/{scope}" if scope else "")
        thread = threading.Thread(target=feed.run, name=f"watch {where}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _by_namespace(self, kind: Kind) -> bool:
        """Watch the configured namespaces one by one; False when none is configured."""
        namespaces = tuple(dict.fromkeys(self._access.namespaces))
        with self._lock:
            if not namespaces or self._stop.is_set():
                return False
            self._stores[kind.name].split(namespaces)
            for namespace in namespaces:
                self._follow(kind, namespace)
        return True

    def _serves(self, group: str) -> bool:
        """Whether the server offers an API group; True when that cannot be found out."""
        with self._lock:
            groups = self._groups if time.monotonic() - self._groups_at < GROUPS_KEPT_S else None
        if groups is None:
            try:
                groups = self.api_groups()
            except OpsError:
                return True
            with self._lock:
                self._groups, self._groups_at = groups, time.monotonic()
        return group in groups
