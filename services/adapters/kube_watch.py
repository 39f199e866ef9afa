"""Keeps one store in step with the API server: LIST, then WATCH from there, for ever.

The protocol is that of client-go's reflector: the first list may come from the server's cache (``resourceVersion=0``),
a list after 410 must not; pages of 500, and one unpaged list when the continue token expires between pages. Source:
Kubernetes documentation, "API concepts", sections "Efficient detection of changes" and "Retrieving large results sets
in chunks".
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from services.adapters.kube_decode import Change, Decoder
from services.adapters.kube_store import Store
from services.adapters.kube_wire import Wire
from services.adapters.kube_words import (
    Expired,
    Unauthenticated,
    group_of,
    not_permitted,
    refusal,
    said,
    unreadable,
)
from services.domain.kinds import Kind
from services.domain.objects import Obj
from services.errors import Busy, Forbidden, NotFound, OpsError, SourceUnavailable
from services.ports import StoreState

PAGE = 500
WATCH_S = (180, 240)
"""How long one watch request lasts, drawn anew each time so that the watches of a process spread out."""
SILENCE_MARGIN_S = 15.0
"""How much later than the server's own timeout a silent connection is given up."""
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
FORBIDDEN_RETRY_S = 60.0
ABSENT_RETRY_S = 180.0
PATIENCE = 3
"""Connections that break without having told anything, before the store counts as failed."""

Pause = Callable[[threading.Event, float], bool]
"""Waits that many seconds or until the event is set; returns whether it is."""

_OLD_SERVER = "Is the address that of a Kubernetes API server of a recent version?"

_log = logging.getLogger(__name__)


def backoff_s(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row (1 = the first); ``jitter`` in 0..1 spreads over half of it."""
    whole: float = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16))
    return whole * (0.5 + jitter / 2)


class Feed:
    """One kind in one scope: a namespace, or "" for the whole cluster. :meth:`run` is the body of its thread.

    ``serves`` says whether the server offers an API group (403 hides that). ``hand_over`` is called when the whole
    cluster may not be read; it returns True when others have taken over, and this feed ends.
    """

    def __init__(
        self,
        kind: Kind,
        scope: str,
        *,
        wire: Wire,
        store: Store,
        clock: Callable[[], datetime],
        stop: threading.Event,
        pause: Pause,
        serves: Callable[[str], bool],
        hand_over: Callable[[], bool],
        page: int = PAGE,
    ) -> None:
        self._kind, self._scope, self._page = kind, scope, page
        self._wire, self._store, self._clock = wire, store, clock
        self._stop, self._pause = stop, pause
        self._serves, self._hand_over = serves, hand_over
        self._decoder = Decoder(kind)
        self._path = ""
        self._version = ""  # where to watch from; "" means list first
        self._cached = True  # whether the next list may come from the server's cache
        self._failures = 0  # attempts in a row that failed
        self._barren = 0  # streams in a row that broke before they told anything

    def run(self) -> None:
        """List and watch until stopped or handed over."""
        while not self._stop.is_set():
            wait = self._turn()
            if wait is None or (wait > 0 and self._pause(self._stop, wait)):
                return

    def _turn(self) -> float | None:
        """One list and watch; returns how long to wait before the next, None when there is none."""
        try:
            if not self._version:
                self._list()
            return self._watch()
        except Expired as error:
            self._version, self._cached = "", False
            self._failures += 1
            if self._failures > PATIENCE:
                self._mark(StoreState.FAILED, str(error), error.hint, keep=True)
            return 0.0 if self._failures == 1 else self._backoff()
        except Unauthenticated as error:
            self._mark(StoreState.FORBIDDEN, str(error), error.hint, keep=True)
            return self._slowly(FORBIDDEN_RETRY_S)
        except Forbidden as error:
            return self._forbidden(error)
        except NotFound as error:
            return self._missing(error)
        except OpsError as error:
            self._failures += 1
            self._mark(StoreState.FAILED, str(error), error.hint, keep=True)
            return max(self._backoff(), error.retry_after_s if isinstance(error, Busy) else 0.0)
        except Exception:  # noqa: BLE001  logged and shown
            # A thread that dies silently would leave a store that looks fresh for ever.
            _log.exception("Reading %s stopped on an unexpected error", self._name)
            self._version = ""
            self._failures += 1
            self._mark(StoreState.FAILED, "Reading stopped on an unexpected error, which is in the log.", "", keep=True)
            return self._backoff()

    def _list(self) -> None:
        missing: NotFound | None = None
        for version in self._kind.groups:
            try:
                self._list_from(version)
            except NotFound as error:
                missing = error
            else:
                return
        raise missing or NotFound(f"{self._kind.name} has no API version")

    def _list_from(self, version: str) -> None:
        path = resource_path(version, self._kind.plural, self._scope)
        objects: list[Obj] = []
        skipped, token, paged = 0, "", True
        asked_at = self._clock()
        while not self._stop.is_set():
            try:
                page = self._decoder.page(self._wire.get(path, self._list_query(token, paged=paged)))
            except msgspec.DecodeError as error:
                raise unreadable(self._wire.address, "something") from error
            except Expired:
                if not token:
                    raise
                objects, skipped, token, paged = [], 0, "", False
                self._cached = False
                asked_at = self._clock()
                continue
            objects += page.objects
            skipped += page.skipped
            token = page.next
            if not token:
                self._store.replace(self._scope, objects, at=asked_at, skipped=skipped, api=version)
                self._path, self._version, self._cached = path, page.version, True
                return
            objects = self._store.bounded(objects)

    def _list_query(self, token: str, *, paged: bool) -> list[tuple[str, str]]:
        query = [("fieldSelector", self._kind.field_selector)] if self._kind.field_selector else []
        if paged:
            query.append(("limit", str(self._page)))
        if token:
            query.append(("continue", token))
        elif self._cached:
            query.append(("resourceVersion", "0"))
        return query

    def _watch(self) -> float:
        """Follow changes until the server ends the stream; returns how long to wait before the next."""
        lasts = random.randint(*WATCH_S)  # noqa: S311  spreading load, not guarding anything
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(lasts)),
        ]
        if self._kind.field_selector:
            query.append(("fieldSelector", self._kind.field_selector))
        started = time.monotonic()
        told, answered = 0, False
        try:
            with self._wire.lines(self._path, query, silence_s=lasts + SILENCE_MARGIN_S) as lines:
                answered = True
                if self._barren <= PATIENCE:
                    self._store.resume(self._scope)
                for line in lines:
                    # A line without its end was cut short; resuming brings it again.
                    if line.endswith(b"\n") and line != b"\n":
                        told += 1
                        self._take(line)
        except Expired:
            raise
        except SourceUnavailable as error:
            if not answered or self._stop.is_set():
                raise
            self._failures += 1
            self._barren += 1
            _log.info("The watch of %s broke off and is resumed: %s", self._name, error)
            if self._barren > PATIENCE:
                self._mark(StoreState.FAILED, str(error), error.hint, keep=True)
            return self._backoff()
        if told == 0 and time.monotonic() - started < 1.0:
            self._failures += 1  # a proxy that ends every stream at once must not be asked in a circle
            return self._backoff()
        self._failures = self._barren = 0
        self._store.confirm(self._scope, at=self._clock())
        return 0.0

    def _take(self, line: bytes) -> None:
        try:
            change = self._decoder.change(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._store.skip(self._scope)
            return
        if change.type == "ERROR":
            self._raise(change)
        if change.version:
            self._version = change.version
        self._failures = self._barren = 0
        if change.obj is None:
            self._store.confirm(self._scope, at=self._clock())
        elif change.type in {"ADDED", "MODIFIED", "DELETED"}:
            self._store.apply(self._scope, change.type, change.obj, at=self._clock())

    def _raise(self, change: Change) -> None:
        code, message = said(change.raw)
        raise refusal(code or 500, message, self._wire.address)

    def _forbidden(self, error: Forbidden) -> float | None:
        self._version = ""
        if not self._scope and self._kind.namespaced and self._hand_over():
            return None
        if not self._kind.installed and not any(self._serves(group_of(version)) for version in self._kind.groups):
            return self._absent()
        self._mark(StoreState.FORBIDDEN, *not_permitted(self._kind, self._scope, error))
        return self._slowly(FORBIDDEN_RETRY_S)

    def _missing(self, error: NotFound) -> float:
        self._version = ""
        if not self._kind.installed:
            return self._absent()
        self._failures += 1
        self._mark(StoreState.FAILED, str(error), _OLD_SERVER, keep=True)
        return self._backoff()

    def _absent(self) -> float:
        versions = " or ".join(self._kind.groups)
        self._mark(StoreState.ABSENT, f"The cluster does not offer {self._kind.plural} of {versions}.", "")
        return self._slowly(ABSENT_RETRY_S)

    def _mark(self, state: StoreState, message: str, hint: str, *, keep: bool = False) -> None:
        if self._stop.is_set():
            return  # closing breaks connections; that is no news
        if self._store.fail(self._scope, state, message, hint, at=self._clock(), keep=keep):
            level = logging.INFO if state is StoreState.ABSENT else logging.WARNING
            _log.log(level, "%s of %s: %s", state.value, self._name, message)

    @property
    def _name(self) -> str:
        return f"{self._kind.plural} in {self._scope}" if self._scope else self._kind.plural

    def _backoff(self) -> float:
        return backoff_s(self._failures, random.random())  # noqa: S311  spreading load

    def _slowly(self, seconds: float) -> float:
        return seconds * random.uniform(0.9, 1.1)  # noqa: S311  spreading load


def resource_path(version: str, plural: str, namespace: str = "") -> str:
    """Path of a resource: ``version`` is "v1" or "group/version", ``namespace`` "" for all."""
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
