"""A small shared store of derived values: computed once per version, whoever asks, with single flight."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """Bounded and thread-safe. ``get`` builds a value once per key and version; later callers wait and share it."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, tuple[Hashable, float, Any]] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()
        self._hurries = 0

    def get(
        self, key: Hashable, version: Hashable, build: Callable[[], T], *, at: float = 0.0, keep_s: float = 0.0
    ) -> T:
        """The value of ``key`` at ``version``; a newer version is built at most every ``keep_s`` seconds.

        ``at`` is the present moment in seconds on any clock; it is only compared with itself. Stores that change with
        every event would otherwise derive 10,000 rows on each rerun.
        """
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            held = self._values.get(key)
            if held is not None and (held[0] == version or 0 <= at - held[1] < keep_s):
                with self._guard:
                    self._values.move_to_end(key)
                return held[2]  # type: ignore[no-any-return]
            hurries = self._hurries
            value = build()
            with self._guard:
                self._values[key] = (version, at if hurries == self._hurries else -math.inf, value)
                self._values.move_to_end(key)
                while len(self._values) > self._size:
                    old, _ = self._values.popitem(last=False)
                    self._locks.pop(old, None)
            return value

    def hurry(self) -> None:
        """Let the next asker of each key have what is newest: what was built lately no longer stands for it."""
        with self._guard:
            self._hurries += 1
            for key, (version, _, value) in self._values.items():
                self._values[key] = (version, -math.inf, value)

    def last(self, key: Hashable) -> Any | None:
        """The value last put under ``key``, whatever its version; None when there is none."""
        with self._guard:
            held = self._values.get(key)
        return None if held is None else held[2]

    def put(self, key: Hashable, value: object) -> None:
        """Keep ``value`` as the last good one of ``key``."""
        with self._guard:
            self._values[key] = ("", 0.0, value)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
